"""Threads that save events at the same moment: one row for all, each refused alone, and everybody told the truth."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread, get_ident
from typing import Any
from unittest.mock import patch

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError, ProgrammingError, StoredEvent

from tallystick import LedgerClosed, OutcomeUnknown, StorageFull, StorageUnavailable, Token
from tallystick.infrastructure.event_store.log import event_group
from tallystick.infrastructure.journal.format import Head, decode_counts, decode_events
from tallystick.infrastructure.journal.port import Journal, Overtaken
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.event_store.recorder_book import make_ledger
from tests.support.faults.held_journal import PATIENCE_SECONDS, HeldJournal, Lost, result, until
from tests.support.faults.interruption import Interrupter

Verdict = type[BaseException] | int


class Savers:
    """A recorder on a held journal, and threads that save with it."""

    def __init__(self) -> None:
        self.journal = HeldJournal()
        self.recorder = JournalRecorder(self.journal, "text", application="orders")
        self.threads: list[Thread] = []

    def save(self, stream: str, *versions: int, state: bytes = b"state", through: Any = None) -> "Future[Any]":
        """Saves events of one stream."""
        return self.start([StoredEvent(stream, version, "topic", state) for version in versions], through)

    def start(self, events: Sequence[StoredEvent], through: Any = None) -> "Future[Any]":
        """Saves events on a thread of its own; returns once that waits for its turn, or is done."""
        waiting = self.waiting(events) + 1
        future: Future[Any] = Future()

        def run() -> None:
            try:
                save = self.recorder.insert_events
                future.set_result(through(save, events) if through else save(events))
            except BaseException as error:
                future.set_exception(error)

        thread = Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()
        until(lambda: self.waiting(events) >= waiting or future.done() or self.journal.is_waited_in)
        return future

    def waiting(self, events: Sequence[StoredEvent]) -> int:
        """How many wait to save just these events."""
        expected = [(f"orders {event.originator_id}", event.originator_version) for event in events]
        queue = self.recorder._log._writer._queue
        return sum(expected == [(e.stream, e.version) for e in insertion.events] for insertion in list(queue._waiting))

    def check(self, stream: str, told: Any) -> None:
        """What somebody was told is so."""
        found = self.recorder.select_events(stream)
        if isinstance(told, list):
            assert [event.originator_version for event in found] == [1, 2]
            assert [each.id for each in self.recorder.select_notifications(told[0], 2)] == told
        elif isinstance(told, OperationalError) and not isinstance(told.__cause__, OutcomeUnknown):
            assert found == [], told
        else:
            assert isinstance(told, (OperationalError, KeyboardInterrupt)), told
            assert [event.originator_version for event in found] in ([], [1, 2])

    def hold(self) -> "Future[Any]":
        """Somebody is held in the middle of a commit; who comes after that waits."""
        self.journal.holds = True
        future = self.save("held", 1)
        self.journal.wait_for_append()
        self.journal.is_waited_in = False
        return future

    @property
    def rows(self) -> list[Sequence[int]]:
        """How many events each transaction of each row has."""
        return [decode_counts(row) for row in self.journal.rows()]


@pytest.fixture
def savers() -> Iterator[Savers]:
    savers = Savers()
    yield savers
    for thread in savers.threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_who_waits_is_taken_along(savers: Savers) -> None:
    held = savers.hold()
    waiting = [savers.save(f"order-{number}", 1, 2) for number in range(5)]
    savers.journal.let_go(None)
    assert result(held) == [1]
    assert sorted(result(future) for future in waiting) == [[2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert savers.rows == [[1], [2] * 5]


def test_a_conflict_refuses_one_alone(savers: Savers) -> None:
    held = savers.hold()
    first = savers.save("order", 1)
    second = savers.save("order", 1)
    third = savers.save("order", 2)
    fourth = savers.save("other", 1, 1)
    fifth = savers.save("held", 1)
    savers.journal.let_go(None)
    assert result(held) == [1]
    assert [result(first), result(third)] == [[2], [3]]
    for refused in (second, fourth, fifth):
        assert isinstance(result(refused), IntegrityError)
    assert savers.rows == [[1], [1, 1]]
    assert [event.version for event in decode_events(list(savers.journal.rows())[1])] == [1, 2]


def test_where_all_are_refused_nothing_is_recorded(savers: Savers) -> None:
    held = savers.hold()
    refused = [savers.save("held", 1) for _ in range(3)]
    savers.journal.let_go(None)
    assert result(held) == [1]
    assert [type(result(future)) for future in refused] == [IntegrityError] * 3
    assert savers.rows == [[1]]
    assert result(savers.save("held", 2)) == [2]


def test_a_group_is_not_larger_than_a_row_should_be(savers: Savers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_group, "GROUP_BYTES", 3_000)
    held = savers.hold()
    waiting = [savers.save(f"order-{number}", 1, state=bytes(750)) for number in range(6)]
    savers.journal.let_go(None)
    assert result(held) == [1]
    assert sorted(result(future) for future in waiting) == [[2], [3], [4], [5], [6], [7]]
    assert savers.rows == [[1], [1, 1], [1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("outcomes", "rows", "verdict", "cause"),
    [
        ((None,), [[1], [1, 1, 1]], None, None),
        ((StorageFull("full"),), [[1]], OperationalError, StorageFull),
        ((Lost(stands=True),), [[1], [1, 1, 1]], None, None),
        ((Lost(stands=False),), [[1]], OperationalError, StorageUnavailable),
        ((Lost(stands=True, reachable=False),), [[1], [1, 1, 1]], OperationalError, OutcomeUnknown),
        ((Overtaken(), None), [[1], [1, 1, 1]], None, None),
        ((Overtaken(), Overtaken()), [[1]], OperationalError, Overtaken),
        ((Overtaken(), StorageFull("full")), [[1]], OperationalError, StorageFull),
        ((MemoryError(),), [[1]], OperationalError, MemoryError),
    ],
)
def test_everybody_is_told_what_became_of_the_group(
    savers: Savers, outcomes: Sequence[Any], rows: list[Any], verdict: Any, cause: Any
) -> None:
    held = savers.hold()
    waiting = [savers.save(f"order-{number}", 1) for number in range(3)]
    savers.journal.let_go(None, *outcomes)
    assert result(held) == [1]
    told = [result(future) for future in waiting]
    if verdict is None:
        assert sorted(told) == [[2], [3], [4]]
    else:
        assert [type(error) for error in told] == [verdict] * 3
        assert [type(error.__cause__) for error in told] == [type(None) if cause is None else cause] * 3
    assert savers.rows == rows
    savers.journal.reachable = True
    assert result(savers.save("after", 1)) == [1 + sum(map(sum, rows))]


def test_an_interrupted_leader_leaves_nobody_waiting(savers: Savers) -> None:
    held = savers.hold()
    waiting = [savers.save(f"order-{number}", 1) for number in range(3)]
    savers.journal.let_go(None, KeyboardInterrupt())
    assert result(held) == [1]
    told = [result(future) for future in waiting]
    assert sorted(type(each).__name__ for each in told) == ["KeyboardInterrupt", "list", "list"]
    assert sorted(each for each in told if isinstance(each, list)) == [[2], [3]]
    assert savers.rows == [[1], [1, 1]]
    assert result(savers.save("after", 1)) == [4]


@pytest.mark.parametrize("outcomes", [[], [StorageFull("full")], [Lost(stands=True)], [Lost(stands=False)], [Overtaken()]])
@pytest.mark.parametrize("leads", [True, False])
def test_a_thread_that_saves_is_interrupted_at_any_point(leads: bool, outcomes: list[BaseException | None]) -> None:
    point = 0
    interrupter = Interrupter(0)
    while not point or interrupter.happened:
        point += 1
        interrupter = Interrupter(point)
        savers = Savers()
        held = savers.hold()
        names = ["interrupted", "one", "two"] if leads else ["one", "interrupted", "two"]
        told = {name: savers.save(name, 1, 2, through=interrupter if name == "interrupted" else None) for name in names}
        savers.journal.let_go(None, *outcomes)
        assert result(held) == [1]
        for name, future in told.items():
            savers.check(name, result(future))
        savers.journal.outcomes.clear()
        assert result(savers.save("after", 1)) == [savers.journal.head().position]
        for name, future in told.items():
            savers.check(name, result(future))
        for thread in savers.threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
    assert point > 10


def test_who_is_refused_for_somebody_who_fails_is_tried_again(savers: Savers) -> None:
    savers.recorder.insert_events([StoredEvent("stale", 1, "topic", b"")])
    JournalRecorder(savers.journal, "text", application="orders").insert_events([StoredEvent("stale", 2, "topic", b"")])
    held = savers.hold()
    events = [StoredEvent("order", 1, "topic", b""), StoredEvent("stale", 2, "topic", b"")]
    fails = savers.start(events)
    stands = savers.save("order", 1)
    savers.journal.let_go(None)
    assert result(held) == [3]
    assert isinstance(result(fails), IntegrityError)
    assert result(stands) == [4]
    assert savers.rows == [[1], [1], [1], [1]]


def test_who_is_refused_for_somebody_whose_row_fails_fails_with_it(savers: Savers) -> None:
    held = savers.hold()
    first, second = savers.save("order", 1), savers.save("order", 1)
    savers.journal.let_go(None, StorageFull("full"))
    assert result(held) == [1]
    assert [type(result(future)) for future in (first, second)] == [OperationalError] * 2


def test_a_journal_that_is_closed_in_between_leaves_it_unknown(savers: Savers) -> None:
    with patch.object(savers.journal, "has_recorded", side_effect=LedgerClosed("closed")):
        savers.journal.outcomes.append(Lost(stands=True))
        with pytest.raises(OperationalError) as caught:
            savers.recorder.insert_events([StoredEvent("order", 1, "topic", b"")])
    assert isinstance(caught.value.__cause__, OutcomeUnknown)
    assert savers.rows == [[1]]


def test_a_stream_that_could_not_be_looked_up_is_looked_up_again(journal: Journal) -> None:
    ledger, recorder = make_ledger(journal), JournalRecorder(journal, "text")
    ledger.register_token(Token("USD"))
    for broken in ("last_entries", "stream_parts"):
        with patch.object(journal, broken, side_effect=StorageUnavailable("gone")), pytest.raises(OperationalError):
            recorder.insert_events([StoredEvent("USD", 5, "topic", b"")])
    with pytest.raises(IntegrityError, match="USD is a token"):
        recorder.insert_events([StoredEvent("USD", 5, "topic", b"")])


def test_a_signal_handler_that_saves_while_its_thread_waits_to_save(savers: Savers) -> None:
    told: list[BaseException] = []

    def handle(number: int, frame: object) -> None:
        with pytest.raises(ProgrammingError) as caught:
            savers.recorder.insert_events([StoredEvent("within", 1, "topic", b"")])
        told.append(caught.value)

    held = savers.hold()
    events = [StoredEvent("order", 1, "topic", b"")]
    me = get_ident()

    def interrupt() -> None:
        until(lambda: savers.waiting(events))
        signal.pthread_kill(me, signal.SIGUSR1)
        until(lambda: told)
        savers.journal.let_go(None)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        savers.threads.append(Thread(target=interrupt, daemon=True))
        savers.threads[-1].start()
        assert savers.recorder.insert_events(events) == [2]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert result(held) == [1]
    assert savers.rows == [[1], [1]]


def test_an_end_of_writing_that_fails_does_not_undo_what_was_recorded(savers: Savers) -> None:
    """Told otherwise, a caller would save it twice."""
    writing = savers.journal.writing

    @contextmanager
    def failing() -> Iterator[Head]:
        with writing() as head:
            yield head
        raise StorageUnavailable("the lock cannot be given up")

    with patch.object(savers.journal, "writing", failing):
        assert savers.recorder.insert_events([StoredEvent("order", 1, "topic", b"")]) == [1]
    assert savers.rows == [[1]]


def test_versions_that_somebody_else_recorded_are_noticed(savers: Savers) -> None:
    other = JournalRecorder(savers.journal, "text", application="orders")
    savers.recorder.insert_events([StoredEvent("order", 1, "topic", b"")])
    other.insert_events([StoredEvent("order", 2, "topic", b"")])
    with pytest.raises(IntegrityError, match="not above 2"):
        savers.recorder.insert_events([StoredEvent("new", 1, "topic", b""), StoredEvent("order", 2, "topic", b"")])
    assert savers.recorder.insert_events([StoredEvent("order", 3, "topic", b"")]) == [3]
