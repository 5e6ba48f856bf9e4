"""An event store of the `eventsourcing` library in an SQLite file, read as the library writes it.

Notification ids are the rowids of `stored_events`. UUIDs stand there as 32 hexadecimal digits, and nothing tells them from
other text, nor whose store it is: both have to be said.
"""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tallystick.domain.errors import NotAnEventStore, StorageUnavailable
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
from tallystick.infrastructure.journal.stores.sqlite.file import BUSY_TIMEOUT_MS, has_log

_COLUMNS = "originator_id, originator_version, topic, state"
_IN_ORDER = "WHERE (originator_id, originator_version) > (?, ?) ORDER BY originator_id, originator_version"
_EVENTS = f"SELECT {_COLUMNS}, rowid FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?"
_VERSIONS = f"SELECT originator_id, originator_version, rowid FROM stored_events {_IN_ORDER} LIMIT ?"
_SNAPSHOTS = f"SELECT {_COLUMNS}, NULL FROM stored_snapshots {_IN_ORDER} LIMIT ?"
_TRACKING = """SELECT application_name, max(notification_id) FROM tracking WHERE application_name <> ?
    GROUP BY application_name ORDER BY application_name"""
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
_PARTS = {
    "stored_events": f"SELECT {_COLUMNS}, rowid FROM stored_events LIMIT 0",
    "stored_snapshots": f"SELECT {_COLUMNS} FROM stored_snapshots LIMIT 0",
    "tracking": "SELECT application_name, notification_id FROM tracking LIMIT 0",
}

_HEX = re.compile("[0-9a-f]{32}")


class EventsourcingSQLite(EventsourcingStore):
    """The store of `application` in the file at `path`, which is not written to.

    Raises `InvalidRequest`, `NotAnEventStore`, `StorageUnavailable`.
    """

    def __init__(self, path: Path, application: str, id_type: IdType = "uuid") -> None:
        self.name = str(path)
        self.application = application_name(application)
        self._has_uuids = id_type == "uuid"
        if not path.is_file():
            raise StorageUnavailable(f"there is no event store at {path}")
        self._connection = _connect(path)
        try:
            self._tables = self._find_tables()
        except BaseException:
            self.close()
            raise

    def _find_tables(self) -> set[str]:
        """Which tables of the library there are. From here on the file is read as it is now."""
        self._read("BEGIN")
        tables = {name for (name,) in self._read(_TABLES)}
        if "stored_events" not in tables:
            raise NotAnEventStore(f"{self.name} has no table stored_events")
        for table in tables & _PARTS.keys():
            try:
                self._connection.execute(_PARTS[table])
            except sqlite3.OperationalError as error:
                raise NotAnEventStore(f"{self.name}: the table {table} is not the library's: {error}") from error
        return tables

    def events_after(self, notification_id: int) -> list[EventColumns]:
        return self._page(_EVENTS, notification_id)

    def versions_after(self, id: Any, version: int) -> list[VersionColumns]:
        return self._read(_VERSIONS, id, version, PAGE_ROWS)

    def snapshots_after(self, id: Any, version: int) -> list[EventColumns]:
        return self._page(_SNAPSHOTS, id, version) if "stored_snapshots" in self._tables else []

    def last_tracked(self) -> list[tuple[Any, Any]]:
        return self._read(_TRACKING, MIGRATION) if "tracking" in self._tables else []

    def lowest_id(self) -> str:
        return ""

    def stream_of(self, id: str) -> str:
        if not self._has_uuids:
            return id
        if not _HEX.fullmatch(id):
            raise ValueError("its id is no UUID as 32 hexadecimal digits; with the id type text it is taken as it stands")
        return f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"

    def close(self) -> None:
        self._connection.close()

    def _page(self, query: str, *parameters: Any) -> list[EventColumns]:
        page: list[EventColumns] = []
        size = 0
        try:
            with closing(self._connection.execute(query, (*parameters, PAGE_ROWS))) as cursor:
                for columns in cursor:
                    page.append(columns)
                    size += len(columns[3] or b"")
                    if size >= PAGE_BYTES:
                        break
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return page

    def _read(self, query: str, *parameters: Any) -> list[Any]:
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error) -> NotAnEventStore | StorageUnavailable:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
            return NotAnEventStore(f"{self.name} is no SQLite database")
        return StorageUnavailable(f"{self.name}: {error}")


def _connect(path: Path) -> sqlite3.Connection:
    """To a file without a log in a folder where SQLite could make none, one that takes the file as it is."""
    alone = not has_log(path) and not os.access(path.parent, os.W_OK)
    uri = f"{path.absolute().as_uri()}?{'immutable=1' if alone else 'mode=ro'}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = 0")  # it is somebody else's file
        connection.execute("PRAGMA cell_size_check = 1")
        return connection
    except sqlite3.Error as error:
        raise StorageUnavailable(f"{path}: {error}") from error
