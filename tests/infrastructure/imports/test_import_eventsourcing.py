"""Importing event stores of the `eventsourcing` library: what was there stands in the journal, under the same ids."""

from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError

from tallystick import PositionTaken, Token, TooManyGaps
from tallystick.infrastructure.imports.event_store import copying as eventsourcing_copy
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.proof.audit import audit
from tests.support.event_store.eventsourcing_book import (
    PLAIN,
    Account,
    BankAccounts,
    LibraryApplications,
    Statements,
    append,
    closing_application,
    foreign,
    imported,
    nothing_written,
    recorded,
    snapshots,
    stored,
)
from tests.support.event_store.recorder_book import make_ledger


def test_events_snapshots_and_tracking(library: LibraryApplications, journal: Journal, small_pages: None) -> None:
    library.play("alice", "bob", "carol", "dave", "erin")
    expected = recorded(library.environment, BankAccounts)
    taken = snapshots(library.environment)
    assert (len(expected), len(taken)) == (40, 10)
    report = imported(journal, library.url("BankAccounts"), "BankAccounts")
    assert (report.events, report.snapshots, report.tracking, report.gaps) == (40, 10, 0, 0)
    assert (report.there_before, report.renumbered, report.first_position, report.last_position) == (0, False, 1, 50)
    assert foreign(journal) == [
        *((id, f"bankaccounts {stream}", *rest) for id, stream, *rest in expected),
        *((at, f"bankaccounts/snapshots {stream}", *rest) for at, (stream, *rest) in enumerate(taken, 41)),
    ]
    assert audit(journal).ok
    stands = nothing_written(journal)
    again = imported(journal, library.url("BankAccounts"), "BankAccounts")
    assert (again.there_before, again.first_position, again.last_position) == (50, 1, 50)
    assert stands()


def test_what_an_application_tracks(library: LibraryApplications, journal: Journal) -> None:
    library.play("alice", "bob")
    report = imported(journal, library.url("Statements"), "Statements")
    assert (report.events, report.snapshots, report.tracking, report.last_position) == (16, 0, 1, 17)
    assert [event[0] for event in recorded(library.environment, Statements)] == [event[0] for event in foreign(journal)[:-1]]
    assert foreign(journal)[-1] == (17, "statements/tracking BankAccounts", 16, "", b"")


def test_the_older_form_of_tracking(library: LibraryApplications, journal: Journal) -> None:
    library.environment["SINGLE_ROW_TRACKING"] = "n"
    library.play("alice", "bob", deposits=1)
    assert imported(journal, library.url("Statements"), "Statements").tracking == 1
    assert foreign(journal)[-1] == (5, "statements/tracking BankAccounts", 4, "", b"")


@pytest.mark.parametrize("id", ["dog-1", "two words", "", "a" * 32, "6f1e0a52-93c4-4d1b-8a77-2b5c9d0e4f36", "é\\%/'"])
def test_ids_that_are_text(library: LibraryApplications, journal: Journal, id: str) -> None:
    with library.plain(ORIGINATOR_ID_TYPE="text") as application:
        application.recorder.insert_events(stored(id, 1, 2, state=bytes(range(256))))
    imported(journal, library.url(PLAIN), PLAIN, id_type="text")
    states = bytes(range(256))
    assert foreign(journal) == [(n, f"plainaccounts {id}", n, f"topic-{n}", states) for n in (1, 2)]


def test_large_states_share_a_row_with_few(
    library: LibraryApplications, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventsourcing_copy, "ROW_BYTES", 25_000)
    with library.plain() as application:
        for version in range(1, 8):
            application.recorder.insert_events(stored(uuid4(), version, state=bytes([version]) * 10_000))
    imported(journal, library.url(PLAIN), PLAIN)
    assert [row.last_position for row in journal.rows()] == [2, 4, 6, 7]
    assert [state == bytes([n]) * 10_000 for n, *_, state in foreign(journal)] == [True] * 7


def test_nothing_is_nothing(library: LibraryApplications, journal: Journal) -> None:
    with library.plain():
        pass
    report = imported(journal, library.url(PLAIN), PLAIN)
    assert (report.events, report.first_position, report.last_position, journal.head().position) == (0, 0, 0, 0)


@pytest.mark.parametrize("renumber", [False, True])
def test_the_applications_go_on_in_the_journal(library: LibraryApplications, shared_url: str | Path, renumber: bool) -> None:
    library.play("alice", "bob", deposits=4)
    before = recorded(library.environment, BankAccounts), snapshots(library.environment)
    with closing(open_journal(shared_url)) as journal:
        imported(journal, library.url("BankAccounts"), "BankAccounts", renumber=renumber)
    url = shared_url if isinstance(shared_url, str) else f"sqlite:///{shared_url}"
    moved = {"PERSISTENCE_MODULE": "tallystick.infrastructure.recorders", "TALLYSTICK_URL": url}
    assert (recorded(moved, BankAccounts), snapshots(moved)) == before
    with closing_application(BankAccounts(moved)) as bank:
        account: Account = bank.repository.get(Account.create_id("bob"))
        assert (account.balance, account.version) == (1 + 2 + 3 + 4, 5)
        account.deposit(7)
        bank.save(account)
        assert bank.recorder.max_notification_id() == 10 + 2 + 1
    with closing(open_journal(shared_url)) as journal:
        imported(journal, library.url("Statements"), "Statements", renumber=True)
        assert imported(journal, library.url("BankAccounts"), "BankAccounts", renumber=renumber).there_before == 12
    with closing_application(Statements(moved)) as statements:
        assert statements.recorder.max_tracking_id("BankAccounts") == 10
        assert len(recorded(moved, Statements)) == 10


# Missing ids.


def make_gaps(library: LibraryApplications) -> list[tuple[int, str, int, str, bytes]]:
    """Events 1 to 20, of which 1, 2, 7, 8 and 9 are not there any more."""
    first, second = uuid4(), uuid4()
    with library.plain() as application:
        application.recorder.insert_events([*stored(first, *range(5, 15)), *stored(second, *range(10))])
    library.execute(PLAIN, "DELETE FROM EVENTS WHERE rowid IN (1, 2, 7, 8, 9)")
    versions = [(n, first, n + 4) if n <= 10 else (n, second, n - 11) for n in range(1, 21) if n not in (1, 2, 7, 8, 9)]
    return [(n, f"plainaccounts {id}", version, f"topic-{version}", b"state") for n, id, version in versions]


def test_missing_ids_are_filled(library: LibraryApplications, journal: Journal, small_pages: None) -> None:
    expected = make_gaps(library)
    report = imported(journal, library.url(PLAIN), PLAIN)
    assert (report.events, report.gaps, report.first_position, report.last_position) == (15, 5, 1, 20)
    filled = [(n, "plainaccounts/gaps plainaccounts", n, "", b"") for n in (1, 2, 7, 8, 9)]
    assert foreign(journal) == sorted([*expected, *filled])
    assert audit(journal).ok
    stands = nothing_written(journal)
    assert imported(journal, library.url(PLAIN), PLAIN).there_before == 20
    assert imported(journal, library.url(PLAIN), PLAIN, renumber=True).there_before == 15
    assert stands()


def test_ids_that_a_refused_event_has_used_up(postgres: str, journal: Journal) -> None:
    library = LibraryApplications(postgres)
    with library.plain() as application:
        event = stored(uuid4(), 1)
        application.recorder.insert_events(event)
        with pytest.raises(IntegrityError):
            application.recorder.insert_events(event)
        application.recorder.insert_events(stored(uuid4(), 1))
    assert imported(journal, library.url(PLAIN)).gaps == 1
    assert [n for n, stream, *_ in foreign(journal) if "/gaps" not in stream] == [1, 3]


def test_too_many_missing_ids(library: LibraryApplications, journal: Journal) -> None:
    with library.plain() as application:
        application.recorder.insert_events(stored(uuid4(), 1, 2))
    library.execute(PLAIN, "UPDATE EVENTS SET rowid = 23 WHERE rowid = 2")
    with pytest.raises(TooManyGaps) as caught:
        imported(journal, library.url(PLAIN), PLAIN)
    assert (caught.value.missing, caught.value.events, journal.head().position) == (21, 2, 0)
    report = imported(journal, library.url(PLAIN), PLAIN, renumber=True)
    assert (report.gaps, report.first_position, report.last_position) == (0, 1, 2)


# Beside what is there.


def test_the_journal_holds_something_else(library: LibraryApplications, journal: Journal) -> None:
    make_gaps(library)
    with make_ledger(journal) as ledger:
        ledger.register_token(Token("USD"))
        stands = nothing_written(journal)
        with pytest.raises(PositionTaken, match="TokenRegistered of 'USD' stands where version 1 of ") as caught:
            imported(journal, library.url(PLAIN), PLAIN)
        assert caught.value.position == 1
        assert stands()


def test_renumbering_appends(library: LibraryApplications, journal: Journal, small_pages: None) -> None:
    expected = make_gaps(library)
    with make_ledger(journal) as ledger:
        ledger.register_token(Token("USD"))
        report = imported(journal, library.url(PLAIN), PLAIN, renumber=True)
        assert (report.renumbered, report.gaps, report.there_before) == (True, 0, 0)
        assert (report.first_position, report.last_position) == (2, 16)
        assert [event[1:] for event in foreign(journal)] == [event[1:] for event in expected]
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 5)
        assert imported(journal, library.url(PLAIN), PLAIN, renumber=True).there_before == 15
        with pytest.raises(PositionTaken):
            imported(journal, library.url(PLAIN), PLAIN)
        assert ledger.audit().ok


def test_renumbering_a_second_application(library: LibraryApplications, journal: Journal) -> None:
    library.play("alice", "bob", "carol", deposits=4)
    imported(journal, library.url("BankAccounts"), "BankAccounts")
    before = journal.head().position
    report = imported(journal, library.url("Statements"), "Statements", renumber=True)
    assert report.first_position == before + 1
    assert foreign(journal)[-1][1:3] == ("statements/tracking BankAccounts", 15)


@pytest.mark.parametrize("renumber", [False, True])
def test_an_application_is_imported_where_it_has_no_events(
    library: LibraryApplications, journal: Journal, renumber: bool
) -> None:
    make_gaps(library)
    imported(journal, library.url(PLAIN), PLAIN)
    other = uuid4()
    library.execute(PLAIN, f"UPDATE EVENTS SET originator_id = '{other.hex}' WHERE originator_version >= 10")
    library.execute(PLAIN, "DELETE FROM EVENTS WHERE originator_version < 10")
    stands = nothing_written(journal)
    with pytest.raises(PositionTaken):
        imported(journal, library.url(PLAIN), PLAIN, renumber=renumber)
    assert stands()


def test_a_store_that_has_grown(library: LibraryApplications, journal: Journal) -> None:
    id = uuid4()
    with library.plain() as application:
        application.recorder.insert_events(stored(id, 1, 2))
        imported(journal, library.url(PLAIN), PLAIN)
        application.recorder.insert_events(stored(id, 3))
    report = imported(journal, library.url(PLAIN), PLAIN)
    assert (report.events, report.there_before, report.last_position) == (3, 2, 3)
    assert [version for _, _, version, *_ in foreign(journal)] == [1, 2, 3]


@pytest.mark.parametrize("renumber", [False, True])
def test_a_store_that_has_grown_behind_its_snapshots(library: LibraryApplications, journal: Journal, renumber: bool) -> None:
    library.play("alice", "bob", deposits=4)
    imported(journal, library.url("BankAccounts"), "BankAccounts", renumber=renumber)
    library.play("carol", deposits=1)
    stands = nothing_written(journal)
    with pytest.raises(PositionTaken, match="bankaccounts/snapshots"):
        imported(journal, library.url("BankAccounts"), "BankAccounts", renumber=renumber)
    assert stands()


def test_a_ledger_and_the_application_go_on_from_there(library: LibraryApplications, journal: Journal) -> None:
    library.play("alice", deposits=4)
    imported(journal, library.url("BankAccounts"), "BankAccounts")
    with make_ledger(journal) as ledger:
        ledger.register_token(Token("USD"))
        append(journal, f"bankaccounts {Account.create_id('alice')}", 6)
        assert ledger.audit().ok
        assert imported(journal, library.url("BankAccounts"), "BankAccounts").there_before == 6
