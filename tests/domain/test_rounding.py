"""The number of a rule of rounding is obeyed: one that is not known was written by a newer version, and never means rule 1."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eventsourcing.application import Application

from tallystick import Balances, CorruptJournal, Ledger, ShadowSpaces
from tallystick.domain.arithmetic.shares import sampled
from tallystick.domain.books.books import Books
from tallystick.domain.contract.contract import Contract
from tallystick.domain.events import (
    EVENT_TYPES,
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    BalanceRaised,
    ContractRegistered,
    Distributed,
    DomainEvent,
    Minted,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.domain.plan.draft import Draft
from tallystick.domain.rounding import ROUNDINGS
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.token import Token
from tallystick.infrastructure.journal.details import needs_details
from tallystick.infrastructure.journal.format import encode_events, make_row, stream_of
from tallystick.infrastructure.journal.port import StreamEntry
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal

UNKNOWN = 99
SHARED: list[DomainEvent] = [
    TokenRegistered("APP", 0, 10**9, None, "app"),
    *(Minted("APP", account, 1) for account in ("a", "b", "c")),
]
STAKED: list[DomainEvent] = [
    ContractRegistered("pool", None),
    BalanceRaised("pool", 100),
    Allocated("pool", "a"),
    ShadowRaised("pool", "a", 10),
]
AFTER: dict[type, tuple[list[DomainEvent], Callable[[int], Any]]] = {
    Distributed: (SHARED, lambda rounding: Distributed("APP", None, 2, 0, (), rounding)),
    AllShadowsRaised: (STAKED, lambda rounding: AllShadowsRaised("pool", 5, 10, rounding)),
    AllShadowsLowered: (STAKED, lambda rounding: AllShadowsLowered("pool", 5, 10, rounding)),
}
NEWER = "has rounding 99, written by a newer version"


def events_of(kind: type, rounding: int) -> list[Any]:
    before, event = AFTER[kind]
    return [*before, event(rounding)]


def test_every_event_that_has_a_rounding_is_in_the_table() -> None:
    rounded = {kind for kind in EVENT_TYPES if "rounding" in (field.name for field in msgspec.structs.fields(kind))}
    assert (
        rounded == {kind for kind in ROUNDINGS if kind in EVENT_TYPES} == set(AFTER)
    )  # subclasses that were met are there too


def books(events: list[Any]) -> None:
    made = Books()
    for position, event in enumerate(events, 1):
        made.apply(event, position)


def read_on(events: list[Any]) -> None:
    Books().apply_commit(events, 1)


def draft(events: list[Any]) -> None:
    made = Books()
    for position, event in enumerate(events[:-1], 1):
        made.record(event, position, [])
    Draft(made).apply(events[-1])


def balances(events: list[Any]) -> None:
    made = Balances()
    for position, event in enumerate(events, 1):
        made.apply(position, 0, event)


def spaces(events: list[Any]) -> None:
    made = ShadowSpaces()
    for position, event in enumerate(events, 1):
        made.apply(position, 0, event)


def token_state(events: list[Any]) -> None:
    made = TokenState(Token("APP", max_supply=10**9, role="app"))
    for event in events[1:]:
        made.apply(event)


def contract(events: list[Any]) -> None:
    made = Contract("pool", None)
    for event in events[1:]:
        made.apply(event)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (Distributed, books),
        (Distributed, read_on),
        (Distributed, draft),
        (Distributed, balances),
        (Distributed, token_state),
        *(
            (kind, place)
            for kind in (AllShadowsRaised, AllShadowsLowered)
            for place in (books, read_on, draft, spaces, contract)
        ),
    ],
)
def test_who_computes_with_it_says_that_it_is_of_a_newer_version(kind: type, place: Callable[[list[Any]], None]) -> None:
    place(events_of(kind, 1))
    with pytest.raises(CorruptJournal, match=NEWER):
        place(events_of(kind, UNKNOWN))


@pytest.mark.parametrize("kind", AFTER)
def test_the_position_is_named_where_it_is_known(kind: type) -> None:
    events = events_of(kind, UNKNOWN)
    with pytest.raises(CorruptJournal, match=re.escape("the journal is corrupt at position 5: ")) as raised:
        books(events)
    assert raised.value.position == 5
    with pytest.raises(CorruptJournal, match=re.escape("the journal is corrupt: ")):
        token_state(events) if kind is Distributed else contract(events)


@pytest.mark.parametrize("kind", AFTER)
def test_a_journal_of_a_newer_version_is_neither_read_on_nor_rebuilt(kind: type, tmp_path: Path) -> None:
    """Whether all is in one commit, or the ledger had read what was before."""
    path = tmp_path / "books.db"
    events = events_of(kind, UNKNOWN)
    append(path, events[:-1])
    with Ledger.open(path) as ledger:
        ledger.tokens()
        assert not [str(finding) for finding in ledger.audit().findings if "rounding" in str(finding)]
        append(path, events[-1:])
        for question in (
            ledger.tokens,
            lambda: ledger.replay(Balances() if kind is Distributed else ShadowSpaces()),
            lambda: ledger.allocations_of("a"),
        ):
            with pytest.raises(CorruptJournal, match=NEWER):
                question()
        assert ledger.verify().ok
        assert [str(finding) for finding in ledger.audit().findings if "no rule of rounding 99" in str(finding)]
    with Ledger.open(path) as fresh, pytest.raises(CorruptJournal, match=NEWER):
        fresh.tokens()


@pytest.mark.parametrize("kind", AFTER)
def test_a_repository_does_not_give_what_a_newer_version_made(kind: type, tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    append(path, events_of(kind, UNKNOWN))
    environment = {"PERSISTENCE_MODULE": "tallystick.infrastructure.recorders", "TALLYSTICK_URL": f"sqlite:///{path}"}
    with Application[Any](environment) as application, pytest.raises(CorruptJournal, match=NEWER):
        application.repository.get("APP" if kind is Distributed else "pool")


def append(path: Path, events: list[Any]) -> None:
    """Appends a commit with these events, whatever they say, of one stream."""
    journal = SQLiteJournal(path)
    with journal.writing() as head:
        stream, first = stream_of(events[0]), head.position + 1
        row = make_row(head.digest, first, 5, (), (len(events),), encode_events(events))
        journal.append(row, [StreamEntry(stream, first, row.last_position, first)])
    journal.close()


@pytest.mark.parametrize("turn", range(5))
def test_everything_that_keeps_balances_knows_rule_2(turn: int) -> None:
    shared = Distributed("APP", None, 2, turn, (), 2)
    expected = dict(zip("abc", sampled(2, [1, 1, 1], "abc".__getitem__, turn), strict=True))
    books, balances = Books(), Balances()
    for position, event in enumerate(SHARED, 1):
        books.apply(event, position)
        balances.apply(position, 0, event)
    draft = Draft(books)
    draft.apply(shared)
    drafted = {account: draft.token_state("APP").available_of(account) - 1 for account in "abc"}
    books.apply(shared, 5)
    balances.apply(5, 0, shared)
    kept = {account: books.token_state("APP").available_of(account) - 1 for account in "abc"}
    projected = {account: balances.state["APP"]["available"][account] - 1 for account in "abc"}
    assert drafted == kept == projected == expected


def test_a_row_with_rule_2_has_details() -> None:
    assert needs_details([Distributed("APP", None, 2, 0, (), 2)])
    assert not needs_details([Distributed("APP", None, 2, 0, (), 1)])
