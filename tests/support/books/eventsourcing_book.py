"""What the tests of imported event stores share: applications of the `eventsourcing` library, kept by its own recorders."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import psycopg
from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent
from eventsourcing.system import ProcessApplication, SingleThreadedRunner, System
from psycopg.conninfo import conninfo_to_dict

from tallystick.infrastructure.imports.event_store.address import open_eventsourcing_store
from tallystick.infrastructure.imports.event_store.event_store import EventsourcingReport, import_eventsourcing
from tallystick.infrastructure.imports.event_store.sqlite import EventsourcingSQLite
from tallystick.infrastructure.journal.clock import system_time
from tallystick.infrastructure.journal.format import Foreign, JournalEvent, decode_events, encode_events, make_row
from tallystick.infrastructure.journal.port import Journal, StreamEntry
from tests.support.programs.postgres_server import unused_name

PLAIN = "PlainAccounts"
IMPORTED_AT = system_time()
"""Applications go on after it, so it is not long ago."""


class Account(Aggregate):
    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = 0

    @staticmethod
    def create_id(owner: str) -> UUID:
        return uuid5(NAMESPACE_URL, owner)

    @event("Deposited")
    def deposit(self, amount: int) -> None:
        self.balance += amount


class Statement(Aggregate):
    @event("Begun")
    def __init__(self, of: str) -> None:
        self.of = of


class BankAccounts(Application[UUID]):
    snapshotting_intervals = {Account: 4}  # noqa: RUF012


class Statements(ProcessApplication[UUID]):
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        processing_event.collect_events(Statement(of=type(domain_event).__name__))


class LibraryApplications:
    """A place where the library keeps applications: files in a folder, or a schema of a PostgreSQL database."""

    def __init__(self, place: Path | str) -> None:
        self._place = place
        self.environment = _sqlite(place) if isinstance(place, Path) else _postgres(place)

    def url(self, application: str) -> str:
        """The event store of an application."""
        if isinstance(self._place, Path):
            return f"sqlite:///{self._place}/{application.lower()}.db"
        return f"{self._place}{'&' if '?' in self._place else '?'}schema={self.environment['POSTGRES_SCHEMA']}"

    def execute(self, application: str, statement: str) -> None:
        """Does something to the store of an application which the library does not do; its events are in the table `EVENTS`."""
        if isinstance(self._place, Path):
            with closing(sqlite3.connect(self._place / f"{application.lower()}.db")) as connection:
                connection.execute(statement.replace("EVENTS", "stored_events"))
                connection.commit()
        else:
            table = f"{self.environment['POSTGRES_SCHEMA']}.{application.lower()}_events"
            with psycopg.connect(self._place) as connection:
                connection.execute(statement.replace("EVENTS", table).replace("rowid", "notification_id").encode())

    @contextmanager
    def plain(self, name: str = PLAIN, **environment: str) -> Iterator[Application[UUID]]:
        """An application without snapshots, of any name."""
        if isinstance(self._place, Path):
            environment = {"SQLITE_DBNAME": f"{self._place}/{name.lower()}.db", **environment}
        with closing_application(type(name, (Application,), {})({**self.environment, **environment})) as application:
            yield application

    def play(self, *owners: str, deposits: int = 7) -> None:
        """Bank accounts, snapshots of them, and a process application that follows them."""
        with SingleThreadedRunner[UUID](System([[BankAccounts, Statements]]), self.environment) as runner:
            bank = runner.get(BankAccounts)
            for owner in owners:
                bank.save(Account(owner))
            for amount in range(1, deposits + 1):
                for owner in owners:
                    account: Account = bank.repository.get(Account.create_id(owner))
                    account.deposit(amount)
                    bank.save(account)


@contextmanager
def closing_application(application: Any) -> Iterator[Any]:
    try:
        yield application
    finally:
        application.close()


def recorded(environment: dict[str, str], kind: type[Application[UUID]]) -> list[tuple[int, str, int, str, bytes]]:
    """All events as the library reads them: notification id, id, version, topic, state."""
    with closing_application(kind(environment)) as application:
        found = application.recorder.select_notifications(None, 10**6)
        return [(each.id, str(each.originator_id), each.originator_version, each.topic, each.state) for each in found]


def snapshots(environment: dict[str, str]) -> list[tuple[str, int, str, bytes]]:
    """All snapshots of bank accounts as the library reads them, in order of ids and versions."""
    with closing_application(BankAccounts(environment)) as bank:
        assert bank.snapshots is not None
        ids = sorted({event.originator_id for event in bank.recorder.select_notifications(None, 10**6)}, key=str)
        found = [each for id in ids for each in bank.snapshots.recorder.select_events(id)]
        return [(str(each.originator_id), each.originator_version, each.topic, each.state) for each in found]


def _sqlite(folder: Path) -> dict[str, str]:
    named = {f"{name}_SQLITE_DBNAME": f"{folder}/{name.lower()}.db" for name in ("BANKACCOUNTS", "STATEMENTS")}
    return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", **named}


def _postgres(url: str) -> dict[str, str]:
    schema = unused_name()
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    given = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(given.get("dbname", "postgres")),
        "POSTGRES_HOST": str(given.get("host", "")),
        "POSTGRES_PORT": str(given.get("port", 5432)),
        "POSTGRES_USER": str(given.get("user", "")),
        "POSTGRES_PASSWORD": str(given.get("password", "")),
        "POSTGRES_SCHEMA": schema,
    }


def fill(library: LibraryApplications, events: int = 23) -> None:
    """A plain application with so many streams of one event each."""
    with library.plain() as application:
        for version in range(events):
            application.recorder.insert_events(stored(uuid4(), version))


def stored(id: UUID | str, *versions: int, state: bytes = b"state") -> list[StoredEvent]:
    return [StoredEvent(id, version, f"topic-{version}", state) for version in versions]


def imported(journal: Journal, url: str | Path, application: str | None = None, **options: Any) -> EventsourcingReport:
    """Imports at a time that stands still."""
    id_type = options.pop("id_type", None)
    with open_eventsourcing_store(url, application, id_type) as store:
        return import_eventsourcing(journal, store, clock=lambda: IMPORTED_AT, **options)


def events_of(journal: Journal) -> list[JournalEvent]:
    """All events, of which none takes more than one position."""
    return [event for row in journal.rows() for event in decode_events(row)]


def foreign(journal: Journal) -> list[tuple[int, str, int, str, bytes]]:
    """Position, stream, version, topic and state of somebody else's events."""
    found: Sequence[tuple[int, JournalEvent]] = list(enumerate(events_of(journal), 1))
    return [(at, each.stream, each.version, each.topic, each.state) for at, each in found if isinstance(each, Foreign)]


def append(journal: Journal, stream: str, version: int) -> None:
    """Somebody else's event, recorded by somebody else."""
    with journal.writing() as head:
        body = encode_events([Foreign(stream, version, "topic", b"state")])
        row = make_row(head.digest, head.position + 1, max(head.recorded_at, IMPORTED_AT), (), (1,), body)
        journal.append(row, [StreamEntry(stream, version, version, row.first_position)])


def nothing_written(journal: Journal) -> Callable[[], bool]:
    """Whether the journal ends where it does now."""
    head = journal.head()
    return lambda: journal.head() == head


def altered(reading: int) -> Any:
    """The event with the id 7 has another state, the given time that it is read."""
    eventsourcing_events, readings = EventsourcingSQLite.events_after, count(1)

    def events_after(self: EventsourcingSQLite, notification_id: int) -> list[Any]:
        page = eventsourcing_events(self, notification_id)
        if notification_id < 7 and next(readings) == reading:
            page[6] = (*page[6][:3], b"other", page[6][4])
        return page

    return mock.patch.object(EventsourcingSQLite, "events_after", events_after)
