"""The aggregate of one token: every cell counted in it, and the supply reserve they were minted from.

Its only movement is from cell to cell, so the cells and the reserve always sum to `max_supply`: conservation is not checked,
it is what the operations are. The reserve is a Python integer, and while no more than 2**63 - 1 is in circulation no cell can
exceed a machine integer; the token widens its cells once, when it passes that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import msgspec

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column, Numbers, total
from tallystick.domain.cells import check_holder
from tallystick.domain.dispatch import Rules
from tallystick.domain.effects import EFFECTS, RESERVE
from tallystick.domain.events import (
    AppEvent,
    AppUpdated,
    Burned,
    Distributed,
    Minted,
    MoneyEvent,
    Moved,
    Released,
    Reserved,
    Settled,
    TokenRegistered,
)
from tallystick.domain.memory.account_names import AccountNames
from tallystick.domain.memory.cell_columns import CellColumns
from tallystick.domain.memory.frozen_books import FrozenTokenState
from tallystick.domain.memory.numbering import Places
from tallystick.domain.memory.spellings import Spellings
from tallystick.domain.rounding import sharing_of
from tallystick.domain.token.registration import registered_token
from tallystick.domain.values.curve import CURVES, CurveMaker
from tallystick.domain.values.result import Amount, Result
from tallystick.domain.values.token import Token


class Balance(Result, frozen=True):
    """What an account has of a token, in smallest units: `available` to spend, `reserved` as held for others, `total` both."""

    available: Amount
    reserved: Amount
    total: Amount


class Supply(Result, frozen=True):
    """A token's supply in smallest units: `max` = `reserve` + `circulating`."""

    max: Amount
    reserve: Amount
    circulating: Amount


class Distribution(NamedTuple):
    """The handles of those who got something in a distribution, and their shares."""

    holders: Any
    shares: Any


class TokenState(CellColumns):
    """The cells of one token. The methods that change it apply what happened and refuse nothing.

    `names` are accounts that have a handle already, and `spellings` those of the book. `code` is the token's.
    """

    def __init__(self, token: Token, names: AccountNames | None = None, spellings: Spellings | None = None) -> None:
        super().__init__(names, spellings)
        self.token = token
        self.code = token.code
        self.reserve = token.max_supply
        self.distributions = 0
        self.version = 0  # of the newest event, where its stream alone made it
        self.holders: set[str] = set()
        """Accounts that were found to be fit to hold the token, so that each is checked once."""
        self._written: dict[str, int] = {}
        self._written_beside = 0

    @classmethod
    def registered_by(cls, event: TokenRegistered, curves: Mapping[str, CurveMaker] = CURVES) -> Self:
        """The token that began with `event`; its curve is made by one of `curves`."""
        return cls(registered_token(event, curves))

    def holder(self, account: str) -> str:
        """The account as the books write it, where money and escrow may touch its cell; else `InvalidAccount` or
        `MeaninglessCell`. One that is known and passed is not checked again.
        """
        if type(account) is str and account in self.holders:
            return account
        holder = self.spellings.of(account)
        check_holder(self.token, holder)
        if self.knows(holder):
            self.holders.add(holder)
        return holder

    def written(self) -> Mapping[str, int]:
        """The handles of accounts by names as batches wrote them that had some in other spellings than the books."""
        if self._written_beside != len(self.spellings.former):  # one of those may be a name that an account has itself
            self._written, self._written_beside = {}, len(self.spellings.former)
        return self._written

    def note_written(self, names: Iterable[str], handles: Iterable[int]) -> None:
        """Remembers the names of such a batch, as long as they are not many more than there are accounts."""
        if len(self.written()) > 2 * len(self.names):
            self._written = {}
        self._written.update(zip(names, handles, strict=True))

    def freeze(self) -> FrozenTokenState:
        """The cells as they are now, copied where they may change."""
        names, numbered = self.names.freeze(), self.numbering.freeze()
        return FrozenTokenState(self.token, self.reserve, self.distributions, names, *self._copies(), numbered)

    def restore(self, reserve: int, distributions: int, available: Numbers, held: Numbers | None, numbered: Places) -> None:
        """Takes over what was frozen, whose accounts have the lowest handles; no cell has anything yet."""
        self._take_over(available, held, numbered)
        self.reserve, self.distributions = reserve, distributions

    @property
    def id(self) -> str:
        """The token's code, which names its stream."""
        return self.token.code

    def apply(self, event: MoneyEvent | AppEvent) -> None:
        """Makes the event's change."""
        _RULES[type(event)](self, event)

    def balance_of(self, account: str) -> Balance:
        """What the account can spend, what it holds for others, and the sum, which is its cell."""
        available, held = self.available_of(account), self.held_of(account)
        return Balance(available, held, available + held)

    def balances(self) -> Iterator[tuple[str, Balance]]:
        """Every account with a cell above zero, in the order in which they were first named."""
        for name, available, held in self.cells():
            if available or held:
                yield name, Balance(available, held, available + held)

    def supply(self) -> Supply:
        """The reserve and what is in circulation."""
        return Supply(self.token.max_supply, self.reserve, self.token.max_supply - self.reserve)

    def change(self, event: MoneyEvent, sign: int = 1) -> None:
        """Adds the event's effects to the cells; with `sign` -1 takes them back."""
        for cell, available, held in EFFECTS[type(event)](event):
            if cell == RESERVE:
                self.reserve += sign * available
                self._widen_if_needed()
            elif available:
                self._available[self.handle(cell)] += sign * available
            else:
                holder = self.handle(cell)
                if holder >= len(self._held):
                    self._held.extend([0] * (len(self._available) - len(self._held)))
                self._held[holder] += sign * held

    def transfer(self, sender: str, receiver: str, amount: int) -> None:
        """From what `sender` can spend to what `receiver` can."""
        try:
            giver, taker = self._handles[sender], self._handles[receiver]
        except KeyError:
            giver, taker = self.handle(sender), self.handle(receiver)
        available = self._available
        available[giver] -= amount
        available[taker] += amount

    def move_many(self, givers: Column | None, takers: Column | None, amounts: Numbers) -> None:
        """`amounts[row]` from the handle `givers[row]` to `takers[row]`; None stands for the supply reserve."""
        if givers is None:
            self.reserve -= total(amounts)
            self._widen_if_needed()
        elif takers is None:
            self.reserve += total(amounts)
        self._move(givers, takers, amounts)

    def distribute(self, event: Distributed, position: int = 0) -> Distribution:
        """From the source, or the reserve, to all who can spend some and are not excluded, in proportion; says who got what.

        Raises `CorruptJournal` where its rule of rounding is not known.
        """
        share = sharing_of(event, position)
        left_out = self._handles_among(event.excluded)
        holders, weights = self._spenders(left_out)
        shares = share(
            event.amount,
            weights,
            lambda index: self.names[int(holders[index])],
            event.turn,
            lambda: self.places_in_order(holders),
        )
        distribution = Distribution(holders, shares)
        self.distributions += 1
        if event.source is None:
            self.reserve -= event.amount
            self._widen_if_needed()
        else:
            self._available[self._handles[event.source]] -= event.amount
        self._add(holders, shares, 1)
        return distribution

    def take_back(self, distribution: Distribution, event: Distributed) -> None:
        """Undoes the newest `distribute`."""
        self.distributions -= 1
        self._add(*distribution, -1)
        if event.source is None:
            self.reserve += event.amount
        else:
            self._available[self._handles[event.source]] += event.amount

    def has_holders(self, excluded: Sequence[str]) -> bool:
        """Whether anybody not `excluded` can spend some of it."""
        left_out = self._handles_among(excluded)
        return len(self._spenders(left_out)[0]) > 0

    def _widen_if_needed(self) -> None:
        if self.token.max_supply - self.reserve > MACHINE_MAX:
            self._widen()


def _updated(state: TokenState, event: AppUpdated) -> None:
    state.token = msgspec.structs.replace(state.token, owner=event.owner, accepts=event.accepts)


_RULES: Rules[Callable[[TokenState, Any], object]] = Rules(
    {
        Moved: lambda state, event: state.transfer(event.sender, event.receiver, event.amount),
        **dict.fromkeys((Minted, Burned, Reserved, Settled, Released), TokenState.change),
        Distributed: TokenState.distribute,
        AppUpdated: _updated,
    }
)
