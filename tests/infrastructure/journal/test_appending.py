"""What becomes of a row that is appended, and what whoever wanted it is told: by a ledger, an event store, an import."""

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from eventsourcing.persistence import OperationalError, StoredEvent

from tallystick import Conflict, LedgerClosed, OutcomeUnknown, StorageUnavailable, Token
from tallystick.infrastructure.event_store.stream_names import EVENTS, StreamSpace
from tallystick.infrastructure.imports.event_store.copying import EventsourcingCopy
from tallystick.infrastructure.imports.event_store.items import Item
from tallystick.infrastructure.journal.appending import append, find_out
from tallystick.infrastructure.journal.format import EMPTY, Foreign, JournalRow, decode_events, encode_events, make_row
from tallystick.infrastructure.journal.port import Overtaken, StreamEntry
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.books.behind import ledger_on
from tests.support.faults.held_journal import HeldJournal, Lost
from tests.support.suites.outcome_cases import Appender, OutcomeCases


def row_after_nothing() -> tuple[JournalRow, list[StreamEntry]]:
    body = encode_events([Foreign("orders 1", 1, "topic", b"")])
    return make_row(EMPTY.digest, 1, 0, (), (1,), body), [StreamEntry("orders 1", 1, 1, 1)]


class Alone(Appender):
    """One row, and nobody who makes anything of the outcome."""

    overtaken_once = overtaken_always = Overtaken

    def record(self, number: int) -> Any:
        with self.journal.writing() as head:
            body = encode_events([Foreign("orders 1", number, "topic", b"")])
            row = make_row(head.digest, head.position + 1, 0, (), (1,), body)
            append(self.journal, row, [StreamEntry("orders 1", number, number, row.first_position)])


class OfLedger(Appender):
    overtaken_always = Conflict

    def __init__(self) -> None:
        super().__init__()
        self.ledger = ledger_on(self.journal)
        self.ledger.register_token(Token("USD"))
        self.rows_before = 1

    def record(self, number: int) -> Any:
        with self.ledger.atomic(f"key-{number}") as tx:
            tx.mint("USD", "alice", number)


class OfEventStore(Appender):
    overtaken_always = Overtaken

    def __init__(self) -> None:
        super().__init__()
        self.recorder = JournalRecorder(self.journal, "text", application="orders")

    def record(self, number: int) -> Any:
        self.recorder.insert_events([StoredEvent("order", number, "topic", b"")])

    def told(self, error: BaseException) -> BaseException:
        if isinstance(error, OperationalError):
            assert error.__cause__ is not None
            return error.__cause__
        return error


class Items:
    """The items of a store with events of these versions."""

    def __init__(self, versions: Sequence[int]) -> None:
        self.versions = versions
        self.space = StreamSpace("orders", EVENTS)

    def __iter__(self) -> Iterator[Item]:
        for version in self.versions:
            yield Item(Foreign(self.space.stream_of("order"), version, "topic", b""), None)

    def are_in(self, stream: str) -> bool:
        return self.space.id_of(stream) is not None


class OfImport(Appender):
    """Of a store that has one event more than is there already."""

    overtaken_once = overtaken_always = StorageUnavailable

    def record(self, number: int) -> Any:
        there = [event for row in self.journal.rows_stored for event in decode_events(row)]
        items: Any = Items([*(event.version for event in there if isinstance(event, Foreign)), number])
        copy = EventsourcingCopy(self.journal, items, EMPTY)
        copy.compare()
        copy.append(lambda: 1)


class TestAlone(OutcomeCases):
    @pytest.fixture
    def appender(self) -> Appender:
        return Alone()


class TestOfLedger(OutcomeCases):
    @pytest.fixture
    def appender(self) -> Iterator[Appender]:
        appender = OfLedger()
        yield appender
        appender.ledger.close()


class TestOfEventStore(OutcomeCases):
    @pytest.fixture
    def appender(self) -> Appender:
        return OfEventStore()


class TestOfImport(OutcomeCases):
    @pytest.fixture
    def appender(self) -> Appender:
        return OfImport()


# What it says of an outcome.


@pytest.mark.parametrize("error", [Lost(stands=False), OutcomeUnknown("who knows"), KeyboardInterrupt("now")])
def test_nothing_was_recorded_and_what_had_happened_is_said(error: BaseException) -> None:
    row, entries = row_after_nothing()
    told = find_out(HeldJournal(), row, entries, error)
    assert type(told) is StorageUnavailable
    assert str(told) == f"nothing was recorded: {error!r}"
    assert told.__cause__ is error


def test_an_error_that_nobody_foresaw_stays_what_it_is() -> None:
    row, entries = row_after_nothing()
    error = ZeroDivisionError("in a driver")
    assert find_out(HeldJournal(), row, entries, error) is error


@pytest.mark.parametrize("unreachable", [StorageUnavailable("gone"), LedgerClosed("closed"), OSError("gone")])
def test_what_cannot_be_found_out_says_both(unreachable: Exception) -> None:
    journal = HeldJournal()
    row, entries = row_after_nothing()
    journal.outcomes.append(Lost(stands=True))
    with patch.object(journal, "reopen", side_effect=unreachable), pytest.raises(OutcomeUnknown) as caught:
        append(journal, row, entries)
    assert "position 1 may or may not stand" in str(caught.value)
    assert "the answer was lost" in str(caught.value)
    assert repr(unreachable) in str(caught.value)
    assert caught.value.__cause__ is unreachable
    assert find_out(journal, row, entries, Lost(stands=True)) is None


def test_the_row_of_another_in_its_place_is_not_the_row() -> None:
    journal = HeldJournal()
    row, entries = row_after_nothing()
    journal.append(row, entries)
    other = row._replace(digest=b"\x01" * 32)
    assert type(find_out(journal, other, entries, Lost(stands=False))) is StorageUnavailable
    assert find_out(journal, row, entries, Lost(stands=True)) is None
