"""The draft: what the books would be after a plan's operations so far.

It keeps differences to the books and not copies of them, so when others' commits move the books on, the draft stands on
the newest state at once. Money that was taken with `tx.money` and not yet sent is claimed: nobody else in the plan can
spend it.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tallystick.domain.books.books import Books
from tallystick.domain.contract.contract import Contract
from tallystick.domain.effects import EFFECTS, RESERVE
from tallystick.domain.events import (
    BATCHES,
    CONTRACT_EVENTS,
    FRAGMENT_EVENTS,
    AccountFrozen,
    AccountUnfrozen,
    AppUpdated,
    Burned,
    ContractChange,
    ContractRegistered,
    Distributed,
    DomainEvent,
    FreezeEvent,
    ImportEnded,
    MetadataErased,
    Minted,
    MoneyEvent,
    Moved,
    Released,
    Reserved,
    Settled,
    TokenRegistered,
)
from tallystick.domain.plan.drafted_contracts import DraftedContracts
from tallystick.domain.plan.drafted_freezes import DraftedFreezes
from tallystick.domain.plan.drafted_token import DraftedToken
from tallystick.domain.values.freeze import Freeze
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.reversal import Reversal
from tallystick.domain.values.token import AnyToken, Token
from tallystick.domain.watched import WatchedToo


class Draft:
    """A `View` of the books with a plan's events added."""

    __slots__ = ("_books", "_drafts", "_drawn", "_freezes", "_generation", "_opened", "_reversed", "_token_states", "watched")

    def __init__(self, books: Books) -> None:
        self._books = books
        self._generation = books.generation
        self._token_states: dict[str, DraftedToken] = {}
        self._opened: dict[str, OpenHold] = {}
        self._drawn: dict[str, int] = {}
        self._reversed: dict[int, int] = {}
        self._drafts: DraftedContracts | None = None
        self._freezes: DraftedFreezes | None = None
        self.watched: Container[str] = books.watched
        """The names of apps, contracts and frozen accounts, in the books or in the plan."""

    def token_state(self, code: AnyToken) -> DraftedToken:
        """The token's cells; `TokenNotFound` where none is registered under the code."""
        state = self._token_states.get(code) if type(code) is str else None
        if state is None or self._generation != self._books.generation:
            return self._find(code)
        return state

    def _find(self, code: AnyToken) -> DraftedToken:
        known = self._books.token_state(code)
        if self._generation != self._books.generation:  # they were dropped and read anew
            for drafted, state in self._token_states.items():
                state.rebase(self._books.token_state(drafted))
            self._generation = self._books.generation
        state = self._token_states.get(known.token.code)
        if state is None:
            state = self._token_states[known.token.code] = DraftedToken(known)
        return state

    def spelled(self, name: object, /) -> str:
        """The name as the books write it; `InvalidAccount` where it can be none."""
        return self._books.spelled(name)

    @property
    def _contracts(self) -> DraftedContracts:
        if self._drafts is None:
            self._drafts = DraftedContracts(self._books)
        return self._drafts

    def token(self, code: str) -> Token | None:
        """The token registered under the code, if one is."""
        return self._books.token(code)

    def tokens(self) -> Sequence[Token]:
        """All registered tokens."""
        return self._books.tokens()

    def settlement(self) -> Token | None:
        """The settlement token, once there is one."""
        return self._books.settlement()

    def is_contract(self, name: str, /) -> bool:
        """Whether there is such a contract, in the books or in the plan."""
        return (self._books.is_contract if self._drafts is None else self._drafts.registered)(name)

    def is_special(self, name: str, /) -> bool:
        """Whether the name is an app's or a contract's, in the books or in the plan."""
        return (self._books.is_special if self._drafts is None else self._drafts.is_special)(name)

    def freeze_of(self, account: str, token: str | None) -> Freeze | None:
        """The account's freeze in this token, or the one in all tokens for None, as drafted."""
        return (self._books.freeze_of if self._freezes is None else self._freezes.get)(account, token)

    def is_frozen(self, account: str) -> bool:
        """Whether the account would have a freeze."""
        return (self._books.is_frozen if self._freezes is None else self._freezes.is_frozen)(account)

    def special_names(self) -> Iterable[str]:
        """The apps and contracts, whose accounts are their own."""
        return self._contracts.special_names()

    def holder_of_anything(self, account: str) -> bool:
        """Whether the account would have a cell above zero in any token."""
        for token in self._books.tokens():
            cells = self._token_states.get(token.code) or self._books.token_state(token.code)
            if cells.available_of(account) or cells.held_of(account):
                return True
        return False

    def is_owed(self, account: str) -> bool:
        """Whether the account has paid into a hold that is open, and may get it back."""
        return self._books.is_owed(account) or any(
            hold.payer == account and self._left(hold) is not None for hold in self._opened.values()
        )

    def contract(self, id: object) -> Contract:
        """The contract as drafted; `ContractNotFound` where none is registered under the id."""
        return self._contracts.get(id)

    def hold(self, id: str) -> OpenHold | None:
        """The hold with what would be left in it, while anything would."""
        hold = self._opened.get(id) or self._books.hold(id)
        return self._left(hold) if hold else None

    def holds(self, code: str, authority: str) -> Iterator[OpenHold]:
        """The authority's holds in which anything would be left, oldest first."""
        for hold in (*self._books.holds(code, authority), *self._opened.values()):
            if (hold.token, hold.authority) == (code, authority):
                left = self._left(hold)
                if left is not None:
                    yield left

    def holds_paid(self, token: str, payer: str) -> list[OpenHold]:
        """The holds in a token into which the account paid and in which anything would be left, oldest first."""
        opened = [hold for hold in self._opened.values() if (hold.token, hold.payer) == (token, payer)]
        left = (self._left(hold) for hold in (*self._books.holds_paid(token, payer), *opened))
        return [hold for hold in left if hold is not None]

    def due(self, now: int, limit: int) -> list[OpenHold]:
        """Up to `limit` holds that are due at `now` and in which anything would be left."""
        known = self._books.due(now, limit + len(self._drawn))
        opened = [hold for hold in self._opened.values() if hold.is_due(now)]
        opened.sort(key=lambda hold: hold.expires_at or 0)
        left = (self._left(hold) for hold in sorted((*known, *opened), key=lambda hold: hold.expires_at or 0))
        return [hold for hold in left if hold is not None][:limit]

    def _left(self, hold: OpenHold) -> OpenHold | None:
        drawn = self._drawn.get(hold.id, 0)
        if not drawn:
            return hold
        return msgspec.structs.replace(hold, amount=hold.amount - drawn) if drawn < hold.amount else None

    def reversed_amount(self, id: int) -> int:
        """How much of the movement with this id would be taken back."""
        return self._books.reversed_amount(id) + self._reversed.get(id, 0)

    def reverse(self, reversal: Reversal, sign: int = 1) -> None:
        """Notes that a movement takes another back; with `sign` -1, takes the note out again."""
        self._reversed[reversal.reverses] = self._reversed.get(reversal.reverses, 0) + sign * reversal.amount

    def apply(self, event: DomainEvent, sign: int = 1) -> None:
        """Adds the event to the draft; with `sign` -1, takes it out again."""
        if type(event) is Moved:
            available = (self._token_states.get(event.token) or self.token_state(event.token)).available
            sender, receiver, amount = event.sender, event.receiver, sign * event.amount
            available[sender] = available.get(sender, 0) - amount
            available[receiver] = available.get(receiver, 0) + amount
            return
        rule = _RULES[type(event)]
        if rule is not None:
            rule(self, event, sign)

    def change(self, event: MoneyEvent, sign: int) -> None:
        """Adds the event's effects to the cells."""
        state = self.token_state(event.token)
        for cell, available, held in EFFECTS[type(event)](event):
            if cell == RESERVE:
                state.minted -= sign * available
            elif available:
                state.available[cell] = state.available.get(cell, 0) + sign * available
            else:
                state.held[cell] = state.held.get(cell, 0) + sign * held

    def reserve(self, event: Reserved, sign: int) -> None:
        """Opens a hold too."""
        self._open(event, sign)
        self.change(event, sign)

    def draw(self, event: Settled | Released, sign: int) -> None:
        """Takes out of a hold too."""
        self._drawn[event.hold] = self._drawn.get(event.hold, 0) + sign * event.amount
        self.change(event, sign)

    def distribute(self, event: Distributed, sign: int) -> None:
        """Shares the amount among the holders as drafted."""
        self.token_state(event.token).distribute(event, sign)

    def change_contract(self, event: ContractChange, sign: int) -> None:
        """Changes the drafted contract."""
        self._contracts.apply(event) if sign > 0 else self._contracts.revert(event)
        if isinstance(event, ContractRegistered):
            self._watch(event.contract, sign)

    def change_freeze(self, event: FreezeEvent, sign: int) -> None:
        """Freezes or unfreezes an account."""
        if self._freezes is None:
            self._freezes = DraftedFreezes(self._books)
        self._freezes.apply(event) if sign > 0 else self._freezes.revert()
        self._watch(event.account, sign)

    def _watch(self, name: str, sign: int) -> None:
        if not isinstance(self.watched, WatchedToo):
            self.watched = WatchedToo(self._books.watched)
        self.watched.note(name, sign)

    def _open(self, event: Reserved, sign: int) -> None:
        if sign < 0:
            del self._opened[event.hold]
            return
        self._opened[event.hold] = OpenHold(
            event.hold, event.token, event.payer, event.authority, event.amount, event.expires_at, 0
        )


_RULES: dict[type, Callable[[Draft, Any, int], None] | None] = {
    **dict.fromkeys((Moved, Minted, Burned), Draft.change),
    Reserved: Draft.reserve,
    **dict.fromkeys((Settled, Released), Draft.draw),
    Distributed: Draft.distribute,
    **dict.fromkeys(CONTRACT_EVENTS, Draft.change_contract),
    **dict.fromkeys((AccountFrozen, AccountUnfrozen), Draft.change_freeze),
    # A block plans none of these: tokens and batches are recorded beside plans, and fragments carry what is executed.
    **dict.fromkeys((TokenRegistered, AppUpdated, MetadataErased, ImportEnded, *BATCHES, *FRAGMENT_EVENTS), None),
}
