"""Imports of event stores that are killed, overtaken, or betrayed by a store."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import pytest

from tallystick import (
    CorruptJournal,
    ImportDiffers,
    LedgerError,
    OutcomeUnknown,
    PositionTaken,
    StorageUnavailable,
)
from tallystick.infrastructure.imports.event_store import copying as eventsourcing_copy
from tallystick.infrastructure.imports.event_store import event_store as import_eventsourcing
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import NO_METADATA, Journal, MetadataChange, Overtaken, StreamEntry, UnclearOutcome
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.postgres import journal as postgres
from tallystick.infrastructure.journal.stores.sqlite import journal as sqlite
from tallystick.infrastructure.journal.stores.sqlite import shared_file
from tests.support.event_store.eventsourcing_book import (
    PLAIN,
    BankAccounts,
    LibraryApplications,
    altered,
    append,
    events_of,
    fill,
    foreign,
    imported,
    recorded,
)


def kill_at_call(point: int) -> None:
    """This process is killed where the import, or the journal, calls the world or a library for the `point`th time."""
    written_by = {module.__file__ for module in (import_eventsourcing, eventsourcing_copy, sqlite, shared_file, postgres)}
    calls = count()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "c_call" and frame.f_code.co_filename in written_by and next(calls) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)


def killed(place: str | Path, source: str, point: int, *, renumber: bool = False) -> bool:
    """Whether an import by another process is killed at this point; else it comes to its end."""
    child = os.fork()
    if child == 0:
        try:
            with closing(open_journal(place)) as journal:
                kill_at_call(point)
                imported(journal, source, "BankAccounts", renumber=renumber)
                sys.setprofile(None)
                os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def test_killed_and_run_again(library: LibraryApplications, tmp_path: Path, rows_of_5: None) -> None:
    library.play("alice", "bob", "carol", deposits=4)
    source = library.url("BankAccounts")
    whole = MemoryJournal()
    imported(whole, source, "BankAccounts")
    expected = list(whole.rows())
    assert len(expected) == 4
    found = set()
    for point in count(0, 23):
        path = tmp_path / f"books-{point}.db"
        was_killed = killed(path, source, point)
        with closing(open_journal(path)) as journal:
            there = len(list(journal.rows()))
            assert imported(journal, source, "BankAccounts").there_before == len(events_of(journal)[: there * 5])
            assert list(journal.rows()) == expected
        if not was_killed:
            break
        found.add(there)
    assert found == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("renumber", [False, True])
def test_killed_again_and_again(
    sqlite_library: LibraryApplications, shared_url: str | Path, rows_of_5: None, renumber: bool
) -> None:
    sqlite_library.play("alice", "bob", "carol", deposits=4)
    source = sqlite_library.url("BankAccounts")
    whole = MemoryJournal()
    with closing(open_journal(shared_url)) as journal:
        for each in (whole, journal) if renumber else ():
            append(each, "order-1", 1)
    imported(whole, source, "BankAccounts", renumber=renumber)
    kills = 0
    while killed(shared_url, source, 20 + 9 * kills, renumber=renumber):
        kills += 1
    assert kills > 2
    with closing(open_journal(shared_url)) as journal:
        assert list(journal.rows()) == list(whole.rows())


class Unclear(MemoryJournal):
    """A journal whose store loses its answer to the second append, which stands or not, as it is told."""

    def __init__(self, stands: bool | None) -> None:
        super().__init__()
        self.stands = stands
        self.appends = 0

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        self.appends += 1
        if self.appends != 2 or self.stands:
            super().append(row, entries, metadata)
        if self.appends == 2:
            raise UnclearOutcome("the answer was lost")

    def has_recorded(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> bool:
        if self.stands is None:
            raise StorageUnavailable("nobody answers")
        return super().has_recorded(row, entries, metadata)


@pytest.mark.parametrize(
    ("stands", "verdict"),
    [(True, None), (False, StorageUnavailable), (None, OutcomeUnknown)],
)
def test_an_answer_that_was_lost(
    sqlite_library: LibraryApplications, rows_of_5: None, stands: bool | None, verdict: type[LedgerError] | None
) -> None:
    fill(sqlite_library)
    journal = Unclear(stands)
    if verdict is None:
        assert imported(journal, sqlite_library.url(PLAIN), PLAIN).last_position == 23
        return
    with pytest.raises(verdict):
        imported(journal, sqlite_library.url(PLAIN), PLAIN)
    assert imported(journal, sqlite_library.url(PLAIN), PLAIN).there_before == 5
    assert [row.last_position for row in journal.rows()] == [5, 10, 15, 20, 23]


def test_others_who_do_not_wait_for_their_turn(sqlite_library: LibraryApplications) -> None:
    fill(sqlite_library)
    journal = MemoryJournal()
    with (
        mock.patch.object(MemoryJournal, "append", side_effect=Overtaken("a row is there")),
        pytest.raises(StorageUnavailable, match="nothing was recorded"),
    ):
        imported(journal, sqlite_library.url(PLAIN), PLAIN)


@pytest.mark.parametrize(
    ("application", "stream", "renumber", "verdict"),
    [
        ("BankAccounts", "shop order-1", False, PositionTaken),
        ("BankAccounts", "shop order-1", True, None),
        ("BankAccounts", "bankaccounts order-1", True, PositionTaken),
    ],
)
def test_somebody_appends_in_between(
    library: LibraryApplications,
    journal: Journal,
    rows_of_5: None,
    application: str,
    stream: str,
    renumber: bool,
    verdict: type[LedgerError] | None,
) -> None:
    library.play("alice", "bob", deposits=3)
    events = [event[2:] for event in recorded(library.environment, BankAccounts)]

    def record(done: int) -> None:
        if journal.head().position == 5:
            append(journal, stream, 1)

    if verdict is None:
        report = imported(journal, library.url(application), application, renumber=renumber, progress=record)
        assert (report.first_position, report.last_position) == (1, 11)
        assert [event[2:] for event in foreign(journal) if event[1].startswith("bankaccounts ")] == events
    else:
        with pytest.raises(verdict) as caught:
            imported(journal, library.url(application), application, renumber=renumber, progress=record)
        assert caught.value.fields["position"] == 6


def test_the_same_import_twice_at_once(library: LibraryApplications, journal: Journal, rows_of_5: None) -> None:
    library.play("alice", "bob", deposits=3)
    reports: Iterator[Any] = iter(())

    def other(done: int) -> None:
        nonlocal reports
        if journal.head().position == 5:
            reports = iter([imported(journal, library.url("BankAccounts"), "BankAccounts")])

    report = imported(journal, library.url("BankAccounts"), "BankAccounts", progress=other)
    assert (report.there_before, report.last_position, next(reports).last_position) == (0, 10, 10)
    assert len(foreign(journal)) == 10


# What is read back.


def test_a_journal_that_was_changed(sqlite_library: LibraryApplications, rows_of_5: None) -> None:
    fill(sqlite_library)
    journal = MemoryJournal()
    imported(journal, sqlite_library.url(PLAIN), PLAIN)
    journal._rows[2] = journal._rows[2]._replace(recorded_at=5)
    with pytest.raises(CorruptJournal) as caught:
        imported(journal, sqlite_library.url(PLAIN), PLAIN)
    assert caught.value.position == 11


@pytest.mark.parametrize("reading", [1, 2])
def test_a_source_that_is_not_what_was_written(sqlite_library: LibraryApplications, reading: int) -> None:
    fill(sqlite_library)
    journal = MemoryJournal()
    with altered(reading + 1), pytest.raises(ImportDiffers, match="at position 7:") as caught:
        imported(journal, sqlite_library.url(PLAIN), PLAIN)
    assert caught.value.position == 7
    assert isinstance(caught.value, LedgerError)


def test_a_row_that_is_lost_after_it_was_written(sqlite_library: LibraryApplications, rows_of_5: None) -> None:
    fill(sqlite_library)

    class Forgetful(MemoryJournal):
        def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
            super().append(row, entries, metadata)
            if row.last_position == 23:
                self._rows.pop()

    with pytest.raises(ImportDiffers, match="20 events are there and the next one is missing") as caught:
        imported(Forgetful(), sqlite_library.url(PLAIN), PLAIN)
    assert caught.value.position == 21
