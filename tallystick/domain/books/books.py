"""The books: the aggregates of all tokens and contracts, fragments and open holds, as the events have made them.

`apply` is how anything changes here, whether an event was decided a moment ago or is read back from the journal; it refuses
nothing. `revert` takes the newest events back in reverse, which is what an abandoned commit needs: the events themselves are
the record of what to undo, so undoing costs a commit that succeeds next to nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tallystick.domain.batch.application import apply_batch, mint_fragments, record_batch, revert_batch
from tallystick.domain.batch.batch import positions_of
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.books.reading import BooksReading
from tallystick.domain.books.reversals import Reversals
from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY, Contracts, Shelf
from tallystick.domain.events import (
    BATCHES,
    CONTRACT_EVENTS,
    FRAGMENT_EVENTS,
    RECORDED,
    AccountFrozen,
    AccountUnfrozen,
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    AppUpdated,
    BatchEvent,
    BookEvent,
    Burned,
    ContractChange,
    ContractEvent,
    ContractRegistered,
    Distributed,
    DomainEvent,
    FragmentEvent,
    FragmentsMintedMany,
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
from tallystick.domain.memory.account_names import AccountNames
from tallystick.domain.memory.burnt import Burnt
from tallystick.domain.memory.freezes import Freezes
from tallystick.domain.memory.frozen_books import FrozenBooks, KeptBooks
from tallystick.domain.memory.spellings import Spellings
from tallystick.domain.rounding import check_rounding
from tallystick.domain.token.holds import Holds
from tallystick.domain.token.registration import registered_token
from tallystick.domain.token.special_handles import SpecialHandles
from tallystick.domain.token.token_state import Distribution, TokenState
from tallystick.domain.value_object.carrying import carry, carry_move
from tallystick.domain.value_object.fragments import ValueObjects
from tallystick.domain.values.curve import CURVES, CurveMaker
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.token import Token
from tallystick.domain.watched import WatchedNames


class Books(BooksReading):
    """Everything that a decision may depend on."""

    def __init__(
        self,
        shelf: Shelf | None = None,
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        curves: Mapping[str, CurveMaker] = CURVES,
    ) -> None:
        self.curves = curves
        self._shelf = shelf
        self._contracts_in_memory = contracts_in_memory
        self.generation = 0
        self.commits = 0
        self.abandoned = 0
        self.contracts = Contracts(None, 1, {})
        self.watched = set()
        self.spellings = Spellings()
        self._tokens = {}
        self._former_names: dict[str, AccountNames] = {}
        self.reset()

    def reset(self) -> None:
        """Makes the books as empty as new ones. What was got of them before is not theirs any more, but for the handles of
        accounts, which stay what they are.
        """
        self.generation += 1
        self.contracts.detach()
        self.watched.clear()
        self._special = WatchedNames[None](self.watched)
        self.is_special = self._special.__contains__
        self.contracts = Contracts(self._shelf, self._contracts_in_memory, self._special)
        self.is_contract = self.contracts.registered.__contains__
        self._settlement = None
        self._former_apps: list[Token] = []
        self._distributions: list[Distribution] = []
        self._former_names |= {code: state.names.copy() for code, state in self._tokens.items()}
        self._tokens = {}
        self._special_handles = {}
        self._fragments = {}
        self._burnt_fragments = Burnt()
        self._holds = Holds()
        self.reversals = Reversals()
        self._freezes = Freezes(self.watched)
        self._rules: dict[type, Callable[[Any, int], None]] = {
            TokenRegistered: self._registered,
            AppUpdated: self._updated,
            Distributed: self._distributed,
            **dict.fromkeys((Minted, Burned, Moved), self._changed),
            Reserved: self._reserved,
            Settled: self._settled,
            Released: self._released,
            **dict.fromkeys(BATCHES, self._moved_many),
            **dict.fromkeys(FRAGMENT_EVENTS, self._fragments_changed),
            FragmentsMintedMany: self._fragments_minted,
            **dict.fromkeys(CONTRACT_EVENTS, self._contract_changed),
            ContractRegistered: self._contract_registered,
            Allocated: self._allocated,
            **dict.fromkeys((AllShadowsRaised, AllShadowsLowered), self._contract_scaled),
            **dict.fromkeys((AccountFrozen, AccountUnfrozen), self._freeze_changed),
            **dict.fromkeys((MetadataErased, ImportEnded), self._nothing_changed),
        }
        self._reverting: dict[type, Callable[[Any], None]] = {
            TokenRegistered: self._unregister,
            AppUpdated: self._downgrade,
            Distributed: self._take_back_shares,
            **dict.fromkeys((Minted, Burned, Moved), self._take_back),
            Reserved: self._close,
            **dict.fromkeys((Settled, Released), self._refill),
            **dict.fromkeys(BATCHES, self._take_back_many),
            **dict.fromkeys(FRAGMENT_EVENTS, self._revert_fragments),
            FragmentsMintedMany: self._remove_fragments,
            **dict.fromkeys(CONTRACT_EVENTS, self.contracts.revert),
            **dict.fromkeys((AccountFrozen, AccountUnfrozen), self._freezes.revert),
            **dict.fromkeys((MetadataErased, ImportEnded), self._nothing_changed),
        }

    def token_state(self, code: object) -> TokenState:
        """The token's aggregate; `TokenNotFound` where none is registered under the code, or under that of a `Token`."""
        state = self._tokens.get(code) if type(code) is str else None
        return self._token_of(code) if state is None else state

    # Keeping and getting back.

    @property
    def has_former_names(self) -> bool:
        """Whether handles were given out, before a `reset`, that must stay what they are."""
        return bool(self._former_names)

    def freeze(self) -> FrozenBooks:
        """Everything as it is now, copied where it may change; all that was applied must be durable."""
        return FrozenBooks(
            [
                (state.freeze(), self._fragments[code].freeze() if code in self._fragments else None)
                for code, state in self._tokens.items()
            ],
            list(self._special),
            dict(self.contracts.registered),
            self._holds.freeze(),
            self.reversals.freeze(),
            self._freezes.freeze(),
            sorted(self.spellings.former),
        )

    def restore(self, kept: KeptBooks) -> None:
        """Takes over what was frozen; nothing was applied since the last `reset`.

        Where the books have former names, what was frozen must be of these books, for there its handles stand for the same.
        """
        self.spellings.restore(kept.former_spellings)
        for token in kept.tokens:
            code = token.registered.token
            if code not in self._former_names:
                self._former_names[code] = AccountNames(token.names)
            self._registered(token.registered, 0)
            self._tokens[code].restore(token.reserve, token.distributions, token.available, token.held, token.numbered)
            if token.fragments is not None:
                self._fragments[code].restore(token.fragments, token.reserved)
        for name in list(self._special):  # in the order of registration, of which those of contracts are missing
            del self._special[name]
        for name in kept.special:
            self._special[name] = None
        self.contracts.registered.update(kept.contracts)
        for hold in kept.holds:
            self._holds.open(hold)
        self.reversals = Reversals(kept.reversals)
        self._freezes.restore(kept.freezes)

    # Changing.

    def record_batch(self, request: BatchRequest, position: int) -> list[DomainEvent]:
        """Makes the changes of a batch all of whose rows were accepted, the first at `position`; gives the events."""
        return record_batch(self._tokens[request.token], self._fragments.get(request.token), request, position)

    def record(self, event: DomainEvent, position: int, events: list[DomainEvent]) -> None:
        """Applies a decided event at `position` and adds it to `events`, with those by which fragments carry it.

        `events` are those of its plan so far. Raises `PlanTooLarge` where its fragments are too many; what is in `events`
        was done then, and nothing else.
        """
        if type(event) is Moved:  # as most are
            self._tokens[event.token].transfer(event.sender, event.receiver, event.amount)
            events.append(event)
            if event.token in self._fragments:
                carry_move(self._fragments[event.token], event, position + 1, events)
        elif isinstance(event, ContractEvent):
            self.contracts.record(event)
            events.append(event)
        elif isinstance(event, BookEvent):
            self._rules[type(event)](event, position)
            events.append(event)
        else:
            self._rules[type(event)](event, position)
            events.append(event)
            if event.token in self._fragments and isinstance(event, RECORDED):
                carry(self._fragments[event.token], event, position + 1, events)

    def apply(self, event: DomainEvent, position: int) -> None:
        """Makes the change of an event that stands, or is to stand, at `position` in the journal."""
        self._rules[type(event)](event, position)

    def apply_commit(self, events: Sequence[DomainEvent], first_position: int) -> None:
        """Makes the changes of a commit's events; most are moves within one token, which is looked up once for them."""
        token: str | None = None
        transfer: Callable[[str, str, int], None] | None = None
        rules = self._rules
        shift = 0
        for position, event in enumerate(events, first_position):
            if type(event) is Moved:
                if transfer is None or event.token != token:
                    token = event.token
                    transfer = self._tokens[token].transfer
                transfer(event.sender, event.receiver, event.amount)
            else:
                rules[type(event)](event, position + shift)
                shift += positions_of(event) - 1

    def revert(self, events: Sequence[DomainEvent]) -> None:
        """Takes back `events`, which must be the newest applied, none of them before the last `forget`.

        Which movements they took back is undone by `reversals.go_back`.
        """
        for event in reversed(events):
            self._reverting[type(event)](event)

    def abandon(self, events: Sequence[DomainEvent]) -> None:
        """Takes back the newest events after somebody may have seen what they did."""
        self.revert(events)
        self.reversals.go_back(0)
        self.abandoned += 1

    def forget(self, recorded_at: int = 0) -> None:
        """What was applied so far is durable since `recorded_at`, in microseconds in UTC, and will not be taken back."""
        self.commits += 1
        if self._holds.drawn:  # asking costs less than a call, and most commits have nothing of it
            self._holds.forget()
        if self._freezes.replaced:
            self._freezes.forget(recorded_at)
        if self._burnt_fragments.fragments:
            self._burnt_fragments.forget()
        if self.contracts.changed:
            self.contracts.forget()
        if self.reversals.recent:
            self.reversals.forget()
        self._former_apps.clear()
        self._distributions.clear()

    def _registered(self, event: TokenRegistered, position: int) -> None:
        token = registered_token(event, self.curves)
        self.spellings.note(token.code, *token.accepts, token.owner or "")
        former_names = self._former_names.pop(token.code, None)
        state = self._tokens[token.code] = TokenState(token, former_names, self.spellings)
        self._special_handles[token.code] = SpecialHandles(state, self._special, self._freezes)
        if token.unit is not None:
            self._fragments[token.code] = ValueObjects(token.code, token.unit, state, self._burnt_fragments)
        if token.role == "settlement":
            self._settlement = token.code
        elif token.role == "app":
            self._special[token.code] = None

    def _unregister(self, event: TokenRegistered) -> None:
        del self._tokens[event.token], self._special_handles[event.token]
        self._fragments.pop(event.token, None)
        if event.role == "settlement":
            self._settlement = None
        elif event.role == "app":
            del self._special[event.token]

    def _updated(self, event: AppUpdated, position: int) -> None:
        state = self._tokens[event.token]
        self.spellings.note(*event.accepts, event.owner or "")
        self._former_apps.append(state.token)
        state.apply(event)

    def _distributed(self, event: Distributed, position: int) -> None:
        state = self._tokens[event.token]
        self._distributions.append(state.distribute(event, position))

    def _changed(self, event: Minted | Burned | Moved, position: int) -> None:
        self._tokens[event.token].change(event)

    def _moved_many(self, event: BatchEvent, position: int) -> None:
        apply_batch(self._tokens[event.token], event)

    def _reserved(self, event: Reserved, position: int) -> None:
        self._tokens[event.token].change(event)
        self._holds.open(
            OpenHold(event.hold, event.token, event.payer, event.authority, event.amount, event.expires_at, position)
        )

    def _settled(self, event: Settled, position: int) -> None:
        self._tokens[event.token].change(event)
        self._holds.draw(event.hold, event.amount)

    def _released(self, event: Released, position: int) -> None:
        self._tokens[event.token].change(event)
        self._holds.draw(event.hold, event.amount)

    def _fragments_changed(self, event: FragmentEvent, position: int) -> None:
        self._fragments[event.token].apply(event)

    def _fragments_minted(self, event: FragmentsMintedMany, position: int) -> None:
        mint_fragments(self._tokens[event.token], self._fragments[event.token], event)

    def _contract_registered(self, event: ContractRegistered, position: int) -> None:
        self.spellings.note(event.contract)
        self.contracts.apply(event)

    def _allocated(self, event: Allocated, position: int) -> None:
        self.spellings.note(event.account)
        self.contracts.apply(event)

    def _contract_changed(self, event: ContractChange, position: int) -> None:
        self.contracts.apply(event)

    def _contract_scaled(self, event: AllShadowsRaised | AllShadowsLowered, position: int) -> None:
        check_rounding(event, position)
        self.contracts.apply(event)

    def _freeze_changed(self, event: AccountFrozen | AccountUnfrozen, position: int) -> None:
        self.spellings.note(event.account)
        self._freezes.apply(event, position)

    def _nothing_changed(self, event: DomainEvent, position: int = 0) -> None:
        """What the event says is of no account here."""

    # Taking back.

    def _take_back(self, event: MoneyEvent) -> None:
        self._tokens[event.token].change(event, -1)

    def _close(self, event: Reserved) -> None:
        self._take_back(event)
        self._holds.cancel(event.hold)

    def _refill(self, event: Settled | Released) -> None:
        self._take_back(event)
        self._holds.refill(event.hold, event.amount)

    def _take_back_shares(self, event: Distributed) -> None:
        self._tokens[event.token].take_back(self._distributions.pop(), event)

    def _take_back_many(self, event: BatchEvent) -> None:
        revert_batch(self._tokens[event.token], event)

    def _downgrade(self, event: AppUpdated) -> None:
        self._tokens[event.token].token = self._former_apps.pop()

    def _revert_fragments(self, event: FragmentEvent) -> None:
        self._fragments[event.token].revert(event)

    def _remove_fragments(self, event: FragmentsMintedMany) -> None:
        self._fragments[event.token].remove(event.first_id, event.count)
