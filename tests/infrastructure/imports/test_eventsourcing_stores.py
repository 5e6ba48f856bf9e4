"""Event stores that are not as the `eventsourcing` library keeps them, and which tables are an application's."""

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import psycopg
import pytest

from tallystick import (
    InvalidRequest,
    InvalidURL,
    LedgerError,
    MalformedEvent,
    NotAnEventStore,
    StorageUnavailable,
)
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tests.support.event_store.eventsourcing_book import PLAIN, LibraryApplications, fill, foreign, imported, stored


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        ("UPDATE EVENTS SET topic = NULL WHERE rowid = 3", "its id and topic are text and its state bytes"),
        ("UPDATE EVENTS SET state = NULL WHERE rowid = 3", "version 2 of"),
        ("UPDATE EVENTS SET originator_version = -1 WHERE rowid = 3", "a version is an integer from 0"),
        ("UPDATE EVENTS SET rowid = 0 WHERE rowid = 3", "its notification id is 0, and positions begin at 1"),
    ],
)
def test_events_that_are_none(library: LibraryApplications, statement: str, verdict: str) -> None:
    fill(library)
    library.execute(PLAIN, statement)
    journal = MemoryJournal()
    with pytest.raises(MalformedEvent, match=verdict):
        imported(journal, library.url(PLAIN), PLAIN)
    assert journal.head().position == 0


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        ("UPDATE EVENTS SET state = 'text' WHERE rowid = 3", "its id and topic are text and its state bytes"),
        ("UPDATE EVENTS SET originator_id = NULL WHERE rowid = 3", "version 2 of 'None'"),
        ("UPDATE EVENTS SET originator_id = x'00' WHERE rowid = 3", "its id and topic are text"),
        ("UPDATE EVENTS SET originator_id = 'dog-1' WHERE rowid = 3", "version 2 of 'dog-1': its id is no UUID"),
        ("UPDATE EVENTS SET originator_id = upper(originator_id) WHERE rowid = 3", "its id is no UUID"),
        ("UPDATE EVENTS SET originator_version = 'two' WHERE rowid = 3", "a version is an integer"),
        ("UPDATE EVENTS SET state = zeroblob(50 * 1024 * 1024) WHERE rowid = 3", "bytes of the 67108864"),
    ],
)
def test_what_sqlite_does_not_refuse(sqlite_library: LibraryApplications, statement: str, verdict: str) -> None:
    fill(sqlite_library)
    sqlite_library.execute(PLAIN, statement)
    journal = MemoryJournal()
    with pytest.raises(MalformedEvent, match=verdict):
        imported(journal, sqlite_library.url(PLAIN), PLAIN)
    assert journal.head().position == 0


def test_text_that_is_none(sqlite_library: LibraryApplications) -> None:
    fill(sqlite_library)
    sqlite_library.execute(PLAIN, "UPDATE EVENTS SET topic = CAST(x'ff' AS TEXT) WHERE rowid = 3")
    with pytest.raises(StorageUnavailable, match=r"plainaccounts\.db: Could not decode"):
        imported(MemoryJournal(), sqlite_library.url(PLAIN), PLAIN)


@pytest.mark.parametrize("renumber", [False, True])
def test_versions_rise(library: LibraryApplications, small_pages: None, renumber: bool) -> None:
    one, other, journal = uuid4(), uuid4(), MemoryJournal()
    with library.plain() as application:
        application.recorder.insert_events([*stored(other, 1), *stored(one, 1, 2, 7, 5), *stored(other, 2)])
    with pytest.raises(MalformedEvent, match="it has the notification id 5, after version 7 with 4") as caught:
        imported(journal, library.url(PLAIN), PLAIN, renumber=renumber)
    assert (caught.value.stream, caught.value.version, journal.head().position) == (str(one), 5, 0)


def test_tracking_that_is_none(sqlite_library: LibraryApplications) -> None:
    sqlite_library.play("alice", deposits=1)
    sqlite_library.execute("Statements", "UPDATE tracking SET notification_id = -5 WHERE application_name = 'BankAccounts'")
    with pytest.raises(MalformedEvent, match="version -5 of 'BankAccounts'"):
        imported(MemoryJournal(), sqlite_library.url("Statements"), "Statements")


@pytest.mark.parametrize(
    ("url", "options", "kind", "verdict"),
    [
        ("sqlite:///{folder}/missing.db", {}, StorageUnavailable, "there is no event store at"),
        ("sqlite:///{folder}/text", {}, NotAnEventStore, "is no SQLite database"),
        ("sqlite:///{folder}", {}, StorageUnavailable, "there is no event store at"),
        ("sqlite:///{folder}/empty.db", {}, NotAnEventStore, "has no table stored_events"),
        ("sqlite:///{folder}/other.db", {}, NotAnEventStore, "no such column: originator_version"),
        ("sqlite:///{folder}/aggregates.db", {}, NotAnEventStore, "no such column: rowid"),
        ("sqlite:///{folder}/plainaccounts.db", {"application": None}, InvalidRequest, "the application has to be named"),
        ("sqlite:///{folder}/plainaccounts.db", {"application": " "}, InvalidRequest, "is not empty"),
        ("sqlite:///{folder}/plainaccounts.db", {"id_type": "int"}, InvalidRequest, "an id type is 'uuid' or 'text'"),
        ("sqlite:///{folder}/plainaccounts.db?mode=rw", {}, InvalidURL, "an event store's address is"),
        ("sqlite:events.db", {}, InvalidURL, "an event store's address is"),
        ("mysql://host/db", {}, InvalidURL, "an event store's address is"),
    ],
)
def test_stores_that_are_none(
    sqlite_library: LibraryApplications,
    tmp_path: Path,
    url: str,
    options: dict[str, Any],
    kind: type[LedgerError],
    verdict: str,
) -> None:
    fill(sqlite_library, 1)
    (tmp_path / "text").write_text("no database, but a text that is long enough to be taken for one by its size" * 99)
    (tmp_path / "empty.db").touch()
    columns = "originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB"
    keyed = f"{columns}, PRIMARY KEY (originator_id, originator_version)) WITHOUT ROWID"
    for name, definition in (("other", "originator_id TEXT)"), ("aggregates", keyed)):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as connection:
            connection.execute(f"CREATE TABLE stored_events ({definition}")
    with pytest.raises(kind, match=verdict):
        imported(MemoryJournal(), url.format(folder=tmp_path), **{"application": PLAIN, **options})


@pytest.mark.parametrize(
    ("tables", "options", "kind", "verdict"),
    [
        ("", {}, NotAnEventStore, "has no table of an application's events"),
        ("shop_events(ids)", {}, NotAnEventStore, "has no table of an application's events"),
        ("shop_events", {"application": "Bank"}, NotAnEventStore, "has no events of Bank, but of shop"),
        ("shop_events bank_events", {}, InvalidRequest, "has the events of bank, shop: the application has to be named"),
        ("stored_events", {}, InvalidRequest, "the application has to be named"),
        ("stored_events shop_events", {"application": "Bank"}, NotAnEventStore, "has no events of Bank"),
        ("shop_events", {"id_type": "text"}, InvalidRequest, "the ids in shop_events are of the type uuid, not text"),
        ("shop_events shop_snapshots(ids)", {}, NotAnEventStore, "the table shop_snapshots is not the library's"),
        ("shop_events shop_tracking(ids)", {}, NotAnEventStore, "the table shop_tracking is not the library's"),
        ("shop_events", {}, None, "shop"),
        ("shop_events bank_events", {"application": "Bank"}, None, "bank"),
        ("stored_events", {"application": "Bank"}, None, "bank"),
        ("stored_events stored_tracking(ids)", {"application": "Bank"}, NotAnEventStore, "the table stored_tracking"),
        ("stored_events notification_tracking(ids)", {"application": "Bank"}, NotAnEventStore, "notification_tracking"),
        ("shop_events notification_tracking(ids)", {}, None, "shop"),
    ],
)
def test_which_tables_are_an_applications(
    postgres: str, tables: str, options: dict[str, Any], kind: type[LedgerError] | None, verdict: str
) -> None:
    library = LibraryApplications(postgres)
    events = "originator_id uuid, originator_version bigint, topic text, state bytea, notification_id bigserial"
    with psycopg.connect(postgres) as connection:
        for table in tables.split():
            name, _, other = table.partition("(")
            columns = "ids bigint" if other else events
            connection.execute(f"CREATE TABLE {library.environment['POSTGRES_SCHEMA']}.{name} ({columns})".encode())
    if kind is None:
        assert imported(MemoryJournal(), library.url(""), **options).application == verdict
        return
    with pytest.raises(kind, match=verdict):
        imported(MemoryJournal(), library.url(""), **options)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StorageUnavailable, match="schema shop"):
        imported(MemoryJournal(), "postgresql://somebody@127.0.0.1:1/db?schema=shop")
    with pytest.raises(InvalidURL):
        imported(MemoryJournal(), "postgresql://somebody@127.0.0.1:1/db?colour=red")


def test_sqlite_needs_no_psycopg(sqlite_library: LibraryApplications) -> None:
    fill(sqlite_library, 1)
    with mock.patch.dict(sys.modules, {"tallystick.infrastructure.imports.event_store.postgres": None}):
        assert imported(MemoryJournal(), sqlite_library.url(PLAIN), PLAIN).events == 1
        with pytest.raises(StorageUnavailable, match=re.escape('pip install "tallystick[postgres]"')):
            imported(MemoryJournal(), "postgresql://somebody@127.0.0.1:1/db")


def test_an_application_without_a_name(postgres: str) -> None:
    library = LibraryApplications(postgres)
    with library.plain("") as application:
        application.recorder.insert_events(stored(uuid4(), 1))
    journal = MemoryJournal()
    assert imported(journal, library.url(""), "Shop").events == 1
    assert foreign(journal)[0][1].startswith("shop ")


def test_the_source_is_left_alone(sqlite_library: LibraryApplications, tmp_path: Path) -> None:
    fill(sqlite_library)
    path = tmp_path / "plainaccounts.db"
    before = path.read_bytes()
    imported(MemoryJournal(), path, PLAIN)
    assert path.read_bytes() == before


def test_what_is_recorded_meanwhile_is_not_seen(library: LibraryApplications) -> None:
    fill(library)
    journal, late = MemoryJournal(), uuid4()
    with library.plain() as application:

        def record(checked: int) -> None:
            application.recorder.insert_events(stored(late, checked))

        with mock.patch("tallystick.infrastructure.imports.event_store.survey.PROGRESS_ROWS", 1):
            report = imported(journal, library.url(PLAIN), PLAIN, checked=record)
        assert (report.events, report.last_position) == (23, 23)
        assert application.recorder.max_notification_id() == 46
    assert imported(journal, library.url(PLAIN), PLAIN).there_before == 23
    assert len(foreign(journal)) == 46
