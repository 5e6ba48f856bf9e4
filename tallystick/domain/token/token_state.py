"""The aggregate of one token: every cell counted in it, and the supply reserve they were minted from.

Its only movement is from cell to cell, so the cells and the reserve always sum to `max_supply`: conservation is not checked,
it is what the operations are. Cells live in two columns of machine integers, one for what an account can spend and one for
what it holds for others, both indexed by an account's handle. The reserve stays a Python integer beside them, and while no
more than 2**63 - 1 is in circulation no cell can exceed a machine integer; the token widens to lists of Python integers once,
when it passes that.
"""

from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, MutableSequence, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column, Numbers, Rows, as_array, listed, total
from tallystick.domain.arithmetic.shares import pro_rata
from tallystick.domain.dispatch import Rules
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
from tallystick.domain.memory.frozen_books import FrozenTokenState
from tallystick.domain.memory.numbering import NumberedNames, Numbering, Places
from tallystick.domain.token.registration import registered_token
from tallystick.domain.values.curve import CURVES, CurveMaker
from tallystick.domain.values.token import Token


class Balance(msgspec.Struct, frozen=True):
    """What an account has of a token, in smallest units: `available` to spend, `reserved` as held for others, `total` both."""

    available: int
    reserved: int
    total: int


class Supply(msgspec.Struct, frozen=True):
    """A token's supply in smallest units: `max` = `reserve` + `circulating`."""

    max: int
    reserve: int
    circulating: int


class Distribution(NamedTuple):
    """The handles of those who got something in a distribution, and their shares."""

    holders: Any
    shares: Any


class TokenState:
    """The cells of one token. The methods that change it apply what happened and refuse nothing.

    `names` are accounts that have a handle already.
    """

    def __init__(self, token: Token, names: AccountNames | None = None) -> None:
        self.token = token
        self.reserve = token.max_supply
        self.distributions = 0
        self.version = 0  # of the newest event, where its stream alone made it
        self.names = AccountNames() if names is None else names
        self._handles = self.names.handles
        self._available: MutableSequence[int] = array("q", bytes(8 * len(self.names)))
        self._held: MutableSequence[int] = array("q")  # as long as it has to be: most accounts hold nothing for others
        self.numbering = Numbering()
        self.holders: set[str] = set()
        """Accounts that were found to be fit to hold the token, so that each is checked once."""
        self.handles: Mapping[str, int] = self._handles

    @classmethod
    def registered_by(cls, event: TokenRegistered, curves: Mapping[str, CurveMaker] = CURVES) -> Self:
        """The token that began with `event`; its curve is made by one of `curves`."""
        return cls(registered_token(event, curves))

    def freeze(self) -> FrozenTokenState:
        """The cells as they are now, copied where they may change."""
        return FrozenTokenState(
            self.token,
            self.reserve,
            self.distributions,
            self.names.freeze(),
            _copied(self._available),
            _copied(self._held) if len(self._held) else None,
            self.numbering.freeze(),
        )

    def restore(self, reserve: int, distributions: int, available: Numbers, held: Numbers | None, numbered: Places) -> None:
        """Takes over what was frozen, whose accounts have the lowest handles; no cell has anything yet."""
        accounts = len(self.names)
        if len(available) > accounts:
            raise ValueError(f"{len(available)} cells of {accounts} accounts")
        self.reserve, self.distributions = reserve, distributions
        self.numbering.restore(numbered)
        self._available = _extended(available, accounts)
        if held is not None:
            self._held = _extended(held, len(held))
        elif isinstance(available, list):
            self._held = []

    @property
    def id(self) -> str:
        """The token's code, which names its stream."""
        return self.token.code

    def apply(self, event: MoneyEvent | AppEvent) -> None:
        """Makes the event's change."""
        _RULES[type(event)](self, event)

    def knows(self, account: str) -> bool:
        """Whether the account was ever named in a movement of this token."""
        return self.handle_of(account) is not None

    def available_of(self, account: str) -> int:
        """What the account can spend."""
        handle = self._handles.get(account)
        if handle is None:
            handle = self.names.find(account)
        return 0 if handle is None else self._available[handle]

    def held_of(self, account: str) -> int:
        """What the account holds for others."""
        handle = self.names.find(account)
        return self._held[handle] if handle is not None and handle < len(self._held) else 0

    def balance_of(self, account: str) -> Balance:
        """Both, and their sum, which is the account's cell."""
        available, held = self.available_of(account), self.held_of(account)
        return Balance(available, held, available + held)

    def balances(self) -> Iterator[tuple[str, Balance]]:
        """Every account with a cell above zero, in the order in which they were first named."""
        for name, available, held in zip(self.names, self._available, chain(self._held, repeat(0)), strict=False):
            if available or held:
                yield name, Balance(available, held, available + held)

    def supply(self) -> Supply:
        """The reserve and what is in circulation."""
        return Supply(self.token.max_supply, self.reserve, self.token.max_supply - self.reserve)

    def credit(self, account: str, amount: int) -> None:
        """Minting into `account`; a negative amount takes it back."""
        self.reserve -= amount
        self._widen_if_needed()
        self._available[self.handle(account)] += amount

    def transfer(self, sender: str, receiver: str, amount: int) -> None:
        """From what `sender` can spend to what `receiver` can."""
        try:
            giver, taker = self._handles[sender], self._handles[receiver]
        except KeyError:
            giver, taker = self.handle(sender), self.handle(receiver)
        available = self._available
        available[giver] -= amount
        available[taker] += amount

    def hold(self, payer: str, authority: str, amount: int) -> None:
        """From what `payer` can spend to what `authority` holds; a negative amount gives it back."""
        holder = self.handle(authority)
        self._available[self.handle(payer)] -= amount
        if holder >= len(self._held):
            self._held.extend([0] * (len(self._available) - len(self._held)))
        self._held[holder] += amount

    def move_many(self, givers: Column | None, takers: Column | None, amounts: Numbers) -> None:
        """`amounts[row]` from the handle `givers[row]` to `takers[row]`; None stands for the supply reserve."""
        if givers is None:
            self.reserve -= total(amounts)
            self._widen_if_needed()
        elif takers is None:
            self.reserve += total(amounts)
        available = self._available
        if isinstance(available, array) and not isinstance(amounts, list):
            view = np.frombuffer(available, dtype=np.int64)
            if givers is not None:
                np.subtract.at(view, givers, amounts)
            if takers is not None:
                np.add.at(view, takers, amounts)
            return
        for handle, amount in zip(() if givers is None else listed(givers), listed(amounts), strict=False):
            available[handle] -= amount
        for handle, amount in zip(() if takers is None else listed(takers), listed(amounts), strict=False):
            available[handle] += amount

    def overdrawn(self, givers: Column, amounts: Numbers) -> Rows | None:
        """Which rows take from an account that has less than all rows together take; None where columns cannot tell."""
        if not isinstance(self._available, array) or isinstance(amounts, list) or total(amounts) > MACHINE_MAX:
            return None
        view = np.frombuffer(self._available, dtype=np.int64)
        np.subtract.at(view, givers, amounts)
        found = view[givers] < 0
        np.add.at(view, givers, amounts)
        return found

    def available_at(self, handles: Collection[int]) -> dict[int, int]:
        """What the accounts with these handles can spend."""
        return dict(zip(handles, map(self._available.__getitem__, handles), strict=True))

    def distribute(self, source: str | None, amount: int, excluded: Sequence[str], turn: int) -> Distribution:
        """From `source`, or the reserve, to all who can spend some and are not `excluded`, in proportion; says who got what."""
        left_out = self._handles_among(excluded)
        holders, weights = self._holders(left_out)
        shares = pro_rata(amount, weights, lambda index: self.names[int(holders[index])], turn)
        distribution = Distribution(holders, shares)
        self.distributions += 1
        if source is None:
            self.reserve -= amount
            self._widen_if_needed()
        else:
            self._available[self._handles[source]] -= amount
        self._add(distribution, 1)
        return distribution

    def take_back(self, distribution: Distribution, source: str | None, amount: int) -> None:
        """Undoes the newest `distribute`."""
        self.distributions -= 1
        self._add(distribution, -1)
        if source is None:
            self.reserve += amount
        else:
            self._available[self._handles[source]] += amount

    def has_holders(self, excluded: Sequence[str]) -> bool:
        """Whether anybody not `excluded` can spend some of it."""
        left_out = self._handles_among(excluded)
        return len(self._holders(left_out)[0]) > 0

    def column(self) -> Column | None:
        """A copy of what every account can spend, by handle; None where that is too wide for a column."""
        return np.array(self._available, dtype=np.int64) if isinstance(self._available, array) else None

    def _widen_if_needed(self) -> None:
        if self.token.max_supply - self.reserve > MACHINE_MAX and isinstance(self._available, array):
            self._available, self._held = list(self._available), list(self._held)

    def amounts(self) -> list[int]:
        """What every account can spend, by handle."""
        return list(self._available)

    def handle_of(self, account: str) -> int | None:
        """The account's handle; None where it was never named."""
        return self.names.find(account)

    @property
    def numbered_names(self) -> Sequence[str]:
        """The accounts by the numbers that batches gave them."""
        return NumberedNames(self.names, self.numbering)

    def _handles_among(self, accounts: Sequence[str]) -> set[int]:
        return {handle for account in accounts if (handle := self.names.find(account)) is not None}

    def _holders(self, left_out: Collection[int]) -> tuple[Any, Column | list[int]]:
        if isinstance(self._available, array):
            weights = np.array(self._available, dtype=np.int64)
            weights[list(left_out)] = 0
            holders = np.flatnonzero(weights > 0)
            return holders, weights[holders]
        found = [handle for handle, amount in enumerate(self._available) if amount > 0 and handle not in left_out]
        return found, [self._available[handle] for handle in found]

    def _add(self, distribution: Distribution, sign: int) -> None:
        holders, shares = distribution
        if isinstance(self._available, array) and isinstance(shares, np.ndarray):
            view = np.frombuffer(self._available, dtype=np.int64)
            view[holders] += sign * shares
            return
        for handle, share in zip(holders, shares, strict=True):
            self._available[handle] += sign * int(share)

    def handle(self, account: str) -> int:
        """The index of the account's cell in the columns, made where it is new."""
        handle = self._handles.get(account)
        if handle is None:
            names = self.names
            if names.has_table:
                handle = names.find(account)
                if handle is not None:
                    return handle
            handle = names.next_handle()
            if len(self._available) > handle:  # somebody was interrupted here
                del self._available[handle:]
            self._available.append(0)
            names.add(account, handle)
        return handle


def _copied(cells: MutableSequence[int]) -> Numbers:
    return np.array(cells, dtype=np.int64) if isinstance(cells, array) else list(cells)


def _extended(cells: Numbers, accounts: int) -> MutableSequence[int]:
    """The cells as a column that changes, with empty ones for further accounts."""
    if isinstance(cells, list):
        return [*cells, *[0] * (accounts - len(cells))]
    extended = as_array(cells)
    extended.frombytes(bytes(8 * (accounts - len(cells))))
    return extended


def _updated(state: TokenState, event: AppUpdated) -> None:
    state.token = msgspec.structs.replace(state.token, owner=event.owner, accepts=event.accepts)


_RULES: Rules[Callable[[TokenState, Any], object]] = Rules(
    {
        Minted: lambda state, event: state.credit(event.account, event.amount),
        Burned: lambda state, event: state.credit(event.account, -event.amount),
        Moved: lambda state, event: state.transfer(event.sender, event.receiver, event.amount),
        Reserved: lambda state, event: state.hold(event.payer, event.authority, event.amount),
        Settled: lambda state, event: state.hold(event.receiver, event.authority, -event.amount),
        Released: lambda state, event: state.hold(event.payer, event.authority, -event.amount),
        Distributed: lambda state, event: state.distribute(event.source, event.amount, event.excluded, event.turn),
        AppUpdated: _updated,
    }
)
