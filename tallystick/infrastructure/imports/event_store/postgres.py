"""An event store of the `eventsourcing` library in PostgreSQL, read as the library writes it, in one transaction.

An application's tables are named by it: `bankaccounts_events`, `bankaccounts_snapshots`, `bankaccounts_tracking`; where it has
no name `stored_events`, `stored_snapshots` and `notification_tracking`. Whether ids are UUIDs the column's type says.
"""

from collections import defaultdict
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg import sql

from tallystick.domain.errors import InvalidRequest, NotAnEventStore
from tallystick.infrastructure.imports.event_store.port import (
    MIGRATION,
    PAGE_BYTES,
    PAGE_ROWS,
    EventColumns,
    EventsourcingStore,
    IdType,
    VersionColumns,
    application_name,
)
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress, split_options
from tallystick.infrastructure.journal.stores.postgres.connection import Connection, conninfo_of, translated

SCHEMA = "public"
NAMELESS = "stored"

_ID_TYPES: dict[str, IdType] = {"uuid": "uuid", "text": "text"}
_EVENT_COLUMNS = frozenset({"originator_id", "originator_version", "topic", "state"})
_TRACKING_COLUMNS = frozenset({"application_name", "notification_id"})
_LOWEST_UUID = "00000000-0000-0000-0000-000000000000"

_BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL idle_in_transaction_session_timeout = '300s'; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '30s'
"""
_COLUMNS = """
SELECT relname, attname, format_type(atttypid, NULL) FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %s AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
"""
# The sums read no states: PostgreSQL knows their lengths without them.
_EVENTS = sql.SQL("""
SELECT originator_id::text, originator_version, topic, state, notification_id FROM (
    SELECT *, sum(coalesce(octet_length(state), 0)) OVER (ORDER BY notification_id)
        - coalesce(octet_length(state), 0) AS bytes_before
    FROM {table} WHERE notification_id > %s ORDER BY notification_id LIMIT {rows}
) AS page WHERE bytes_before < {bytes} ORDER BY notification_id
""")
_VERSIONS = sql.SQL("""
SELECT originator_id::text, originator_version, notification_id FROM {table} AS kept
WHERE (originator_id, originator_version) > (%s::{type}, %s) ORDER BY kept.originator_id, originator_version LIMIT {rows}
""")
_SNAPSHOTS = sql.SQL("""
SELECT originator_id::text, originator_version, topic, state, NULL FROM (
    SELECT *, sum(coalesce(octet_length(state), 0)) OVER (ORDER BY originator_id, originator_version)
        - coalesce(octet_length(state), 0) AS bytes_before
    FROM {table} WHERE (originator_id, originator_version) > (%s::{type}, %s)
    ORDER BY originator_id, originator_version LIMIT {rows}
) AS page WHERE bytes_before < {bytes} ORDER BY page.originator_id, originator_version
""")
_TRACKING = sql.SQL("""
SELECT application_name, max(notification_id) FROM {table} WHERE application_name <> %s
GROUP BY application_name ORDER BY application_name COLLATE "C"
""")

Tables = dict[str, dict[str, str]]
"""The columns of each table with their types."""


class EventsourcingPostgres(EventsourcingStore):
    """The store of `application`, or of the only one there, in the database at `url`, in `?schema=NAME` or `public`.

    Raises `InvalidURL`, `InvalidRequest` where it takes to be said whose store is meant or ids are not of `id_type`,
    `NotAnEventStore`, `StorageUnavailable`.
    """

    def __init__(self, url: str, application: str | None = None, id_type: IdType | None = None) -> None:
        self._address = _parse(url)
        self.name = self._address.name
        self._connection = self._connect()
        try:
            tables = self._find_tables()
            prefix = self._choose(tables, application)
            self.application = application_name(application or prefix)
            self._id_type = _ID_TYPES[tables[f"{prefix}_events"]["originator_id"]]
            if id_type not in (None, self._id_type):
                raise InvalidRequest(f"{self.name}: the ids in {prefix}_events are of the type {self._id_type}, not {id_type}")
            snapshots = self._table(tables, _EVENT_COLUMNS, f"{prefix}_snapshots")
            nameless = ["notification_tracking"] if prefix == NAMELESS else []
            tracking = self._table(tables, _TRACKING_COLUMNS, f"{prefix}_tracking", *nameless)
        except BaseException:
            self.close()
            raise
        self._events = self._query(_EVENTS, f"{prefix}_events")
        self._versions = self._query(_VERSIONS, f"{prefix}_events")
        self._snapshots = snapshots and self._query(_SNAPSHOTS, snapshots)
        self._tracking = tracking and self._query(_TRACKING, tracking)

    def _connect(self) -> Connection:
        connection: Connection | None = None
        try:
            connection = Connection.connect(conninfo_of(self._address), autocommit=True)
            connection.execute(_BEGIN)
        except psycopg.Error as error:
            if connection is not None:
                connection.close()
            raise translated(self._address, error) from error
        return connection

    def _find_tables(self) -> Tables:
        tables: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for table, column, kind in self._read(_COLUMNS, self._address.schema):
            tables[table][column] = kind
        return tables

    def _choose(self, tables: Tables, application: str | None) -> str:
        """What the names of the application's tables begin with."""
        prefixes = sorted(table.removesuffix("_events") for table, columns in tables.items() if _keeps_events(table, columns))
        found = ", ".join(prefixes)
        if not prefixes:
            raise NotAnEventStore(f"{self.name} has no table of an application's events")
        if application is None and (len(prefixes) > 1 or prefixes == [NAMELESS]):
            raise InvalidRequest(f"{self.name} has the events of {found}: the application has to be named")
        if application is None or prefixes == [NAMELESS]:
            return prefixes[0]
        if application_name(application) not in prefixes:
            raise NotAnEventStore(f"{self.name} has no events of {application}, but of {found}")
        return application_name(application)

    def _table(self, tables: Tables, columns: frozenset[str], *names: str) -> str | None:
        """The first of these tables that is there; `NotAnEventStore` where it does not have the columns."""
        name = next((name for name in names if name in tables), None)
        if name is not None and not tables[name].keys() >= columns:
            raise NotAnEventStore(f"{self.name}: the table {name} is not the library's, it has no {', '.join(columns)}")
        return name

    def _query(self, query: sql.SQL, table: str) -> sql.Composed:
        return query.format(
            table=sql.Identifier(self._address.schema, table),
            type=sql.SQL("uuid" if self._id_type == "uuid" else "text"),
            rows=sql.Literal(PAGE_ROWS),
            bytes=sql.Literal(PAGE_BYTES),
        )

    def events_after(self, notification_id: int) -> list[EventColumns]:
        return self._read(self._events, notification_id)

    def versions_after(self, id: Any, version: int) -> list[VersionColumns]:
        return self._read(self._versions, id, version)

    def snapshots_after(self, id: Any, version: int) -> list[EventColumns]:
        return self._read(self._snapshots, id, version) if self._snapshots else []

    def last_tracked(self) -> list[tuple[Any, Any]]:
        return self._read(self._tracking, MIGRATION) if self._tracking else []

    def lowest_id(self) -> str:
        return _LOWEST_UUID if self._id_type == "uuid" else ""

    def stream_of(self, id: str) -> str:
        return id

    def close(self) -> None:
        self._connection.close()

    def _read(self, query: Any, *parameters: Any) -> list[Any]:
        try:
            return self._connection.execute(query, parameters, binary=True).fetchall()
        except psycopg.Error as error:
            raise translated(self._address, error) from error


def _parse(url: str) -> PostgresAddress:
    """The address for libpq, and the schema, whose name may be any."""
    base, query = split_options(url)
    schema = SCHEMA
    kept: list[str] = []
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if unquote(name) == "schema":
            schema = unquote(value) or SCHEMA
        else:
            kept.append(part)
    return PostgresAddress("?".join([base, "&".join(kept)] if kept else [base]), schema)


def _keeps_events(table: str, columns: dict[str, str]) -> bool:
    has_all = columns.keys() >= {*_EVENT_COLUMNS, "notification_id"}
    return table.endswith("_events") and has_all and columns["originator_id"] in _ID_TYPES
