"""What an event does to money stands in one table, and every place that keeps balances does what it says, for every type.

A type of event that is added is in `EVENT_TYPES` and in no sample here, in no effect and in no place's rules: each of these
tests then says which place would pass over it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
import pytest

from tallystick import Balances, SupplyReserves
from tallystick.domain.arithmetic.shares import shares_among
from tallystick.domain.batch.batch import read_batch
from tallystick.domain.batch.columns import pack
from tallystick.domain.books.books import Books
from tallystick.domain.books.pending import Pending
from tallystick.domain.dispatch import Rules
from tallystick.domain.effects import EFFECTS, RESERVE, Effect, effects, shared
from tallystick.domain.events import (
    BATCHES,
    BOOK_EVENTS,
    CONTRACT_EVENTS,
    EVENT_TYPES,
    FRAGMENT_EVENTS,
    NOTED_BATCHES,
    RECORDED,
    AllocationEvent,
    AppEvent,
    AppUpdated,
    BalanceEvent,
    BatchEvent,
    BookEvent,
    Burned,
    BurnedMany,
    ContractRegistered,
    Distributed,
    DomainEvent,
    Event,
    FragmentEvent,
    FreezeEvent,
    ImportEnded,
    MetadataErased,
    Minted,
    MintedMany,
    MoneyEvent,
    Moved,
    MovedMany,
    NotedBurnedMany,
    NotedMintedMany,
    NotedMovedMany,
    Released,
    Reserved,
    RowNotes,
    Settled,
    TokenRegistered,
)
from tallystick.domain.plan.draft import Draft
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.value_object.carrying import CARRYING
from tallystick.domain.values.token import Token
from tallystick.infrastructure.commit.receipt import make_receipt
from tallystick.infrastructure.event_store.mapper import typed_event
from tallystick.infrastructure.journal.format import encode_events, make_row
from tallystick.projections.invariants.invariants import Invariants
from tallystick.projections.projection import Commit, replay
from tallystick.projections.transactions import parties, transaction_of

CODE, SUPPLY = "APP", 10**6
REGISTERED = TokenRegistered(CODE, 0, SUPPLY, None, "app")
ACCOUNTS = ["alice", "bob", "keeper"]
BEFORE: tuple[DomainEvent, ...] = (
    REGISTERED,
    Minted(CODE, "alice", 500),
    Minted(CODE, "bob", 400),
    Reserved(CODE, "bob", "keeper", 100, "held"),
)
"""What happened before each sample, so that it can happen."""


def column(*values: int) -> bytes:
    return pack(np.array(values, dtype=np.int64))


SINGLE: dict[type, MoneyEvent] = {
    Minted: Minted(CODE, "carol", 7),
    Burned: Burned(CODE, "alice", 7),
    Moved: Moved(CODE, "alice", "carol", 7),
    Reserved: Reserved(CODE, "alice", "keeper", 7, "new"),
    Settled: Settled(CODE, "keeper", "carol", 7, "held"),
    Released: Released(CODE, "keeper", "bob", 7, "held"),
}
BATCH: dict[type, BatchEvent] = {
    MovedMany: MovedMany(CODE, 2, ["alice", "bob", "carol"], column(0, 1), column(2, 0), column(5, 6)),
    MintedMany: MintedMany(CODE, 2, ["alice", "carol"], column(0, 1), column(5, 6)),
    BurnedMany: BurnedMany(CODE, 2, ["alice", "bob"], column(0, 1), column(5, 6)),
    NotedMovedMany: NotedMovedMany(
        CODE, 2, ["alice", "bob", "carol"], column(0, 1), column(2, 0), column(5, 6), notes=RowNotes(5, 1000, bytes((0, 7)))
    ),
    NotedMintedMany: NotedMintedMany(
        CODE, 2, ["alice", "carol"], column(0, 1), column(5, 6), notes=RowNotes(memos=["one", "two"])
    ),
    NotedBurnedMany: NotedBurnedMany(CODE, 2, ["alice", "bob"], column(0, 1), column(5, 6), notes=RowNotes(refs=["r"])),
}
DISTRIBUTED = {
    "reserve": Distributed(CODE, None, 10, 0),
    "account": Distributed(CODE, "alice", 10, 0, ("bob",)),
}

Cells = dict[str, tuple[int, int]]


def added(cells: Cells, changes: Sequence[Effect], sign: int = 1) -> Cells:
    """The cells with effects added, but for those of the reserve; empty ones are left out."""
    available, held = Counter({name: cell[0] for name, cell in cells.items()}), Counter({n: c[1] for n, c in cells.items()})
    for cell, more, more_held in changes:
        available[cell] += sign * more
        held[cell] += sign * more_held
    names = {*available, *held} - {RESERVE}
    return {name: (available[name], held[name]) for name in names if available[name] or held[name]}


def left(changes: Sequence[Effect], reserve: int) -> int:
    """The reserve with effects added."""
    return reserve + sum(available for cell, available, _ in changes if cell == RESERVE)


def books_before() -> Books:
    books = Books()
    for position, event in enumerate(BEFORE, 1):
        books.apply(event, position)
    return books


def cells_of(state: TokenState) -> tuple[Cells, int]:
    return {name: (balance.available, balance.reserved) for name, balance in state.balances()}, state.reserve


def projected(events: Sequence[DomainEvent]) -> tuple[Cells, int]:
    """What the projections make of events that are a commit each."""
    commits = [Commit(position, 0, [event]) for position, event in enumerate(events, 1)]
    balances, reserves = replay(Balances(), commits), replay(SupplyReserves(), commits)
    state = balances.state[CODE]
    names = {*state["available"], *state["reserved"]}
    cells = {name: (state["available"].get(name, 0), state["reserved"].get(name, 0)) for name in names}
    return {name: cell for name, cell in cells.items() if cell != (0, 0)}, reserves.state[CODE]


CELLS, LEFT = cells_of(books_before().token_state(CODE))


def expected(event: DomainEvent, sign: int = 1) -> tuple[Cells, int]:
    changes = effects(event)
    return added(CELLS, changes, sign), left(changes, LEFT)


# The table.


def test_every_type_is_of_one_kind() -> None:
    kinds = (TokenRegistered, *get_args(AppEvent), *RECORDED, *BATCHES, *FRAGMENT_EVENTS, *CONTRACT_EVENTS, *BOOK_EVENTS)
    assert Counter(kinds) == Counter(EVENT_TYPES)
    assert get_args(MoneyEvent) == RECORDED
    assert get_args(BatchEvent) == BATCHES
    assert get_args(FragmentEvent) == FRAGMENT_EVENTS
    assert (ContractRegistered, *get_args(BalanceEvent), *get_args(AllocationEvent)) == CONTRACT_EVENTS
    assert (*get_args(FreezeEvent), MetadataErased, ImportEnded) == BOOK_EVENTS
    assert set(get_args(DomainEvent)) == set(EVENT_TYPES)


def test_the_table_knows_every_type() -> None:
    named = {kind for kind in EFFECTS if kind.__base__ in (Event, BookEvent)}
    assert named | {*CONTRACT_EVENTS, *NOTED_BATCHES} == set(EVENT_TYPES) <= set(EFFECTS)


@pytest.mark.parametrize("kind", RECORDED)
def test_what_is_moved_is_neither_made_nor_lost(kind: type) -> None:
    (_, given, given_held), (_, taken, taken_held) = effects(SINGLE[kind])
    assert (given + given_held, taken + taken_held) == (-7, 7)


def test_registering_fills_the_reserve() -> None:
    assert effects(REGISTERED) == ((RESERVE, SUPPLY, 0),)


@pytest.mark.parametrize("kind", [AppUpdated, *FRAGMENT_EVENTS, *CONTRACT_EVENTS, *BOOK_EVENTS])
def test_what_moves_no_money(kind: type) -> None:
    assert EFFECTS[kind](None) == ()


@pytest.mark.parametrize("event", [*BATCH.values(), *DISTRIBUTED.values()], ids=lambda event: type(event).__name__)
def test_what_has_columns_is_not_told_one_by_one(event: DomainEvent) -> None:
    with pytest.raises(TypeError, match="columns"):
        effects(event)


# The places, for every movement.


@pytest.mark.parametrize("kind", RECORDED)
def test_the_books_apply_it(kind: type) -> None:
    books = books_before()
    books.apply(SINGLE[kind], 5)
    assert cells_of(books.token_state(CODE)) == expected(SINGLE[kind])


@pytest.mark.parametrize("kind", RECORDED)
def test_the_books_record_it_and_take_it_back(kind: type) -> None:
    books, events = books_before(), list[DomainEvent]()
    books.forget()
    books.record(SINGLE[kind], 5, events)
    assert cells_of(books.token_state(CODE)) == expected(SINGLE[kind])
    books.revert(events)
    assert cells_of(books.token_state(CODE)) == (CELLS, LEFT)
    assert books.hold("held") == books_before().hold("held")
    assert books.hold("new") is None


@pytest.mark.parametrize("kind", RECORDED)
def test_the_books_apply_a_commit_of_it(kind: type) -> None:
    books = books_before()
    books.apply_commit([SINGLE[kind]], 5)
    assert cells_of(books.token_state(CODE)) == expected(SINGLE[kind])


@pytest.mark.parametrize("kind", RECORDED)
def test_an_aggregate_applies_it(kind: type) -> None:
    state = TokenState(Token(CODE, max_supply=SUPPLY, role="app"))
    for event in (*BEFORE[1:], SINGLE[kind]):
        state.apply(event)  # type: ignore[arg-type]
    assert cells_of(state) == expected(SINGLE[kind])


@pytest.mark.parametrize("kind", RECORDED)
def test_a_draft_applies_it_and_takes_it_out(kind: type) -> None:
    def cells() -> tuple[Cells, int]:
        state = draft.token_state(CODE)
        found = {name: (state.available_of(name), state.held_of(name)) for name in (*ACCOUNTS, "carol")}
        return {name: cell for name, cell in found.items() if cell != (0, 0)}, state.reserve

    draft = Draft(books_before())
    draft.apply(SINGLE[kind])
    assert cells() == expected(SINGLE[kind])
    draft.apply(SINGLE[kind], -1)
    assert cells() == (CELLS, LEFT)
    assert draft.hold("held") == books_before().hold("held")
    assert draft.hold("new") is None


@pytest.mark.parametrize("kind", RECORDED)
def test_what_is_pending_is_told_as_it_was_before(kind: type) -> None:
    assert Pending.are_known([SINGLE[kind]])
    books = books_before()
    books.apply(SINGLE[kind], 5)
    state, pending = books.token_state(CODE), Pending([SINGLE[kind]])
    before = pending.balances_before(CODE, dict(state.balances()))
    assert {name: (balance.available, balance.reserved) for name, balance in before.items()} == CELLS
    for name in (*ACCOUNTS, "carol"):
        balance = pending.balance_before(CODE, name, state.balance_of(name))
        assert (balance.available, balance.reserved) == CELLS.get(name, (0, 0))
    assert pending.supply_before(CODE, state.supply()).reserve == LEFT


@pytest.mark.parametrize("kind", RECORDED)
def test_projections_add_it(kind: type) -> None:
    assert projected([*BEFORE, SINGLE[kind]]) == expected(SINGLE[kind])
    balances = Balances()
    balances.apply_commit(1, 0, [*BEFORE, SINGLE[kind]])
    state = balances.state[CODE]
    found = {name: (state["available"][name], state["reserved"][name]) for name in (*ACCOUNTS, "carol")}
    assert {name: cell for name, cell in found.items() if cell != (0, 0)} == expected(SINGLE[kind])[0]


@pytest.mark.parametrize("kind", RECORDED)
def test_a_transaction_has_its_parties(kind: type) -> None:
    event = SINGLE[kind]
    giver, taker = (None if cell == RESERVE else cell for cell, _, _ in effects(event))
    assert parties(event) == (giver, taker)
    transaction = transaction_of(5, 0, event)
    assert transaction is not None
    assert (transaction.sender, transaction.receiver) == (giver, taker)
    assert (transaction.burned_amount, transaction.minted_amount) == (7 * (giver is not None), 7 * (taker is not None))
    assert transaction.hold == getattr(event, "hold", None)


@pytest.mark.parametrize("kind", RECORDED)
def test_a_receipt_names_it(kind: type) -> None:
    row = make_row(bytes(32), 5, 0, (), [1], encode_events([SINGLE[kind]]))
    receipt = make_receipt(row, 5, [SINGLE[kind]], None, lambda code: False)
    assert receipt.transaction_ids == (5,)
    assert receipt.hold_ids == (("new",) if kind is Reserved else ())


@pytest.mark.parametrize("kind", RECORDED)
def test_the_auditor_adds_it_up(kind: type) -> None:
    """Whoever gives has just as much as is given, and one more movement of the same overdraws them."""
    event = SINGLE[kind]
    giver = effects(event)[0][0]
    amount = LEFT if giver == RESERVE else CELLS[giver][0] or CELLS[giver][1]
    allowed = type(event)(**{**as_fields(event), "amount": amount})
    assert findings([*BEFORE, allowed]) == []
    beyond = type(event)(**{**as_fields(event), "amount": amount + 1})
    assert len(findings([*BEFORE, beyond])) == 1


def as_fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def findings(events: Sequence[DomainEvent]) -> list[str]:
    invariants = replay(Invariants(), [Commit(position, 0, [event]) for position, event in enumerate(events, 1)])
    return [str(finding) for finding in invariants.finish()]


@pytest.mark.parametrize("kind", RECORDED)
def test_fragments_carry_it(kind: type) -> None:
    assert kind in CARRYING or kind is Moved
    unit = TokenRegistered(CODE, 0, SUPPLY, 50, "external")
    books, events = Books(), list[DomainEvent]()
    for event in (unit, *BEFORE[1:], SINGLE[kind]):
        books.record(event, len(events) + 1, events)
    for name, (available, held) in expected(SINGLE[kind])[0].items():
        fragments = books.fragments(CODE, name)
        assert sum(fragment.amount for fragment in fragments if fragment.hold is None) == available
        assert sum(fragment.amount for fragment in fragments if fragment.hold is not None) == held
    assert findings(events) == []


# Batches are their rows, and a distribution is its shares.


def rows_of(event: BatchEvent) -> list[Effect]:
    return [effect for row in read_batch(event, event.names).events() for effect in effects(row)]


@pytest.mark.parametrize("kind", BATCHES)
def test_a_batch_is_its_rows(kind: type) -> None:
    changes = rows_of(BATCH[kind])
    assert sum(available + held for _, available, held in changes) == 0
    after = added(CELLS, changes), left(changes, LEFT)
    books = books_before()
    books.apply(BATCH[kind], 5)
    assert cells_of(books.token_state(CODE)) == after
    books.revert([BATCH[kind]])
    assert cells_of(books.token_state(CODE)) == (CELLS, LEFT)
    assert projected([*BEFORE, BATCH[kind]]) == after
    assert findings([*BEFORE, BATCH[kind]]) == []


@pytest.mark.parametrize("giver", DISTRIBUTED)
def test_a_distribution_is_its_shares(giver: str) -> None:
    event = DISTRIBUTED[giver]
    available = {name: cell[0] for name, cell in CELLS.items()}
    changes = shared(event, list(shares_among(available, event.amount, event.excluded, event.turn)))
    assert sum(available + held for _, available, held in changes) == 0
    after = added(CELLS, changes), left(changes, LEFT)
    books = books_before()
    books.apply(event, 5)
    assert cells_of(books.token_state(CODE)) == after
    books.revert([event])
    assert cells_of(books.token_state(CODE)) == (CELLS, LEFT)
    assert projected([*BEFORE, event]) == after
    draft = Draft(books_before())
    draft.apply(event)
    drafted = draft.token_state(CODE)
    assert (drafted.available_of("alice"), drafted.available_of("bob"), drafted.reserve) == (
        after[0]["alice"][0],
        after[0]["bob"][0],
        after[1],
    )
    draft.apply(event, -1)
    assert (drafted.available_of("alice"), drafted.reserve) == (CELLS["alice"][0], LEFT)


def test_a_batch_before_a_distribution_is_shared_in_it() -> None:
    """What a batch brought is added up before anybody's share is worked out."""
    minted = MintedMany(CODE, 2, ["alice", "carol"], column(0, 1), column(500, 1_000))
    cells = added(CELLS, rows_of(minted))
    event = Distributed(CODE, None, 100, 0)
    shares = list(shares_among({name: cell[0] for name, cell in cells.items()}, 100, (), 0))
    after = added(cells, shared(event, shares))
    commits = [Commit(position, 0, [known]) for position, known in enumerate(BEFORE, 1)]
    balances = replay(Balances(), [*commits, Commit(5, 0, [minted]), Commit(7, 0, [event])])
    available = balances.state[CODE]["available"]
    assert {name: available[name] for name in after if after[name][0]} == {
        name: cell[0] for name, cell in after.items() if cell[0]
    }


def test_a_distribution_that_widens_the_token() -> None:
    """More than a machine integer holds comes into circulation out of the reserve, and is taken back."""
    books = Books()
    for position, known in enumerate((TokenRegistered("WIDE", 0, 2**80, None, "app"), Minted("WIDE", "alice", 2**62)), 1):
        books.apply(known, position)
    event = Distributed("WIDE", None, 2**63, 0)
    books.apply(event, 3)
    state = books.token_state("WIDE")
    assert (state.available_of("alice"), state.reserve) == (2**62 + 2**63, 2**80 - 2**62 - 2**63)
    books.revert([event])
    assert (state.available_of("alice"), state.reserve) == (2**62, 2**80 - 2**62)


# An event that nobody knows is passed over by nobody.


class Lent(Event, frozen=True):
    """A movement that a later version might have."""

    lender: str
    borrower: str
    amount: int


LENT: Any = Lent(CODE, "alice", "bob", 7)


@pytest.mark.parametrize(
    "place",
    [
        lambda: effects(LENT),
        lambda: books_before().apply(LENT, 5),
        lambda: books_before().apply_commit([LENT], 5),
        lambda: books_before().record(LENT, 5, []),
        lambda: books_before().revert([LENT]),
        lambda: books_before().token_state(CODE).apply(LENT),
        lambda: Draft(books_before()).apply(LENT),
        lambda: Pending([LENT]),
        lambda: Balances().apply(5, 0, LENT),
        lambda: Balances().apply_commit(5, 0, [LENT]),
        lambda: SupplyReserves().apply(5, 0, LENT),
        lambda: parties(LENT),
        lambda: CARRYING[type(LENT)],
    ],
)
def test_an_unknown_event_is_refused(place: Callable[[], object]) -> None:
    with pytest.raises(KeyError, match="Lent"):
        place()


def test_what_is_pending_of_an_unknown_event_is_not_known() -> None:
    assert not Pending.are_known([LENT])


def test_an_auditor_says_that_an_event_is_unknown() -> None:
    assert findings([*BEFORE, LENT]) == ["position 5: Lent is an event that this audit does not know"]


def test_a_subclass_has_the_rule_of_its_base() -> None:
    class Typed(Minted, frozen=True):
        pass

    assert effects(Typed(CODE, "alice", 7)) == effects(Minted(CODE, "alice", 7))
    assert isinstance(EFFECTS, Rules)


@pytest.mark.parametrize("event", [*SINGLE.values(), *DISTRIBUTED.values()], ids=lambda event: type(event).__name__)
def test_projections_take_the_event_store_s_typed_events(event: DomainEvent) -> None:
    plain: list[DomainEvent] = [*BEFORE, event]
    typed = [typed_event(known, position) for position, known in enumerate(plain, 1)]
    assert projected(typed) == projected(plain)
