"""What a recorder raises where the journal fails: the errors of the library's own tree, and the truth about what stands."""

import os
import signal
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest.mock import patch

import pytest
from eventsourcing.persistence import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)

from tallystick import StorageFull, Token
from tallystick.infrastructure.journal.port import Journal, UnclearOutcome
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.recorders import JournalRecorder, JournalTrackingRecorder
from tests.support.event_store.recorder_book import make_ledger, stored, versions


def test_a_closed_journal_is_an_interface_error(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "books.db")
    recorder = JournalRecorder(journal, "text")
    journal.close()
    for call in (
        lambda: recorder.insert_events(stored("order", 1)),
        lambda: recorder.select_events("order"),
        lambda: recorder.select_notifications(1, 1),
        lambda: recorder.max_notification_id(),
        lambda: next(recorder.subscribe()),
    ):
        with pytest.raises(InterfaceError):
            call()


def test_changes_of_a_closed_journal_are_an_interface_error(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "books.db")
    view = JournalTrackingRecorder(journal)
    journal.close()
    with pytest.raises(InterfaceError):
        list(view.select_changes("orders"))


def test_a_forked_child_is_told_that_it_is_closed(tmp_path: Path) -> None:
    recorder = JournalRecorder(SQLiteJournal(tmp_path / "books.db"), "text")
    held = [recorder._log._writer._queue._mutex, recorder._log._grown]
    ready, go = Event(), Event()

    def hold() -> None:
        with held[0], held[1]:
            ready.set()
            go.wait(20)

    thread = Thread(target=hold)
    thread.start()
    ready.wait(20)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        status = 1
        try:
            for call in (lambda: recorder.insert_events(stored("order", 1)), lambda: next(recorder.subscribe())):
                with pytest.raises(InterfaceError):
                    call()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go.set()
    thread.join()
    assert recorder.insert_events(stored("order", 1)) == [1]


def test_saving_from_within_a_save_is_a_programming_error() -> None:
    journal = MemoryJournal()
    recorders: list[JournalRecorder] = []

    def clock() -> int:
        recorders[0].insert_events(stored("inner", 1))
        return 1

    recorders.append(JournalRecorder(journal, "text", clock))
    with pytest.raises(ProgrammingError):
        recorders[0].insert_events(stored("order", 1))
    assert journal.head().position == 0


def test_an_interrupted_subscription_gives_nothing_twice(recorder: JournalRecorder) -> None:
    recorder.insert_events(stored("order", *range(5)))
    with recorder.subscribe() as subscription:
        subscription._pull(5)
        subscription._position = 2
        found = [next(subscription).id for _ in range(5)]
        recorder.insert_events(stored("order", 5))
        assert [*found, next(subscription).id] == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_is_an_operational_error(journal: Journal, recorder: JournalRecorder) -> None:
    with (
        patch.object(journal, "append", side_effect=StorageFull("full")),
        pytest.raises(OperationalError) as caught,
    ):
        recorder.insert_events(stored("order", 1))
    assert isinstance(caught.value.__cause__, StorageFull)
    assert recorder.insert_events(stored("order", 1)) == [1]


@pytest.mark.parametrize("stands", [True, False])
def test_an_unclear_outcome_is_found_out(journal: Journal, recorder: JournalRecorder, stands: bool) -> None:
    append, left = journal.append, [True]

    def unclear(*arguments: Any) -> None:
        first = left and left.pop()
        if stands or not first:
            append(*arguments)
        if first:
            raise UnclearOutcome("who knows")

    stands_then = stands or isinstance(journal, PostgresJournal)  # PostgreSQL finds out by recording it again
    with patch.object(journal, "append", unclear):
        if stands_then:
            assert recorder.insert_events(stored("order", 1)) == [1]
        else:
            with pytest.raises(OperationalError, match="nothing was recorded"):
                recorder.insert_events(stored("order", 1))
    assert versions(recorder, "order") == ([1] if stands_then else [])
    assert recorder.insert_events(stored("order", 2)) == [2 if stands_then else 1]


def test_an_outcome_that_stays_unclear_is_an_operational_error(journal: Journal, recorder: JournalRecorder) -> None:
    with (
        patch.object(journal, "append", side_effect=UnclearOutcome("who knows")),
        patch.object(journal, "reopen", side_effect=StorageFull("gone")),
        pytest.raises(OperationalError, match="may or may not stand"),
    ):
        recorder.insert_events(stored("order", 1))


def test_a_stream_entry_that_leads_nowhere_is_a_database_error() -> None:
    journal = MemoryJournal()
    recorder = JournalRecorder(journal, "text")
    recorder.insert_events(stored("order", 1))
    ledger = make_ledger(journal)
    ledger.register_token(Token("PLN"))
    journal._streams["PLN"].clear()
    with pytest.raises(DatabaseError):
        recorder.select_notifications(2, 9)
    journal._streams["order"][0] = journal._streams["order"][0]._replace(first_position=99)
    with pytest.raises(DatabaseError):
        recorder.select_events("order")
    assert not ledger.audit().ok
