"""A journal in an SQLite file, which several processes may share.

Writers queue on a lock file before they ask SQLite for its lock, because SQLite's own busy waiting lets one writer starve
another. Readers page, and end each read at once, because a reader that stays keeps the write-ahead log from being reused.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tallystick.domain.errors import (
    LedgerClosed,
    StorageFull,
    StorageUnavailable,
)
from tallystick.infrastructure.codec import Row
from tallystick.infrastructure.filelock import FileLock
from tallystick.infrastructure.journal import (
    EMPTY,
    VERSION_MAX,
    Head,
    Journal,
    StreamEntry,
    UnclearOutcome,
)
from tallystick.infrastructure.sqlite_file import connect, is_busy, translated

PAGE_ROWS = 1000
PAGE_BYTES = 4 * 2**20

_COLUMNS = "first_position, last_position, recorded_at, keys, transactions, body, digest"
_STREAM_COLUMNS = "stream, first_version, last_version, first_position"
_HEAD = "SELECT last_position, digest, recorded_at FROM commits ORDER BY first_position DESC LIMIT 1"
_APPEND = f"INSERT INTO commits ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_APPEND_STREAM = f"INSERT INTO streams ({_STREAM_COLUMNS}) VALUES (?, ?, ?, ?)"


class SQLiteJournal(Journal):
    """The journal in the file at `path`, which is made where it is missing and `create` allows it."""

    def __init__(self, path: Path, *, create: bool = True, durable: bool = True) -> None:
        self.path = path
        self._create = create
        self._durable = durable
        self.lock = threading.RLock()
        self.write_lock = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._reading = _Reading(self)
        self._seen = (-1, -1)
        self._connection: sqlite3.Connection | None = None
        if sqlite3.sqlite_version_info < (3, 37):
            raise StorageUnavailable(f"SQLite 3.37 or newer is needed, not {sqlite3.sqlite_version}")
        if not create and not path.exists():
            raise StorageUnavailable(f"there is no ledger at {path}")
        self._file_lock = FileLock(Path(f"{path}.lock"))
        try:
            self.reopen()
        except BaseException:
            self.close()
            raise

    @property
    def cache_folder(self) -> Path:
        return Path(f"{self.path}.cache")

    def head(self) -> Head:
        with self._reading as connection:
            return head_of(connection)

    def ends_at(self, position: int) -> bool:
        with self._reading as connection:
            seen = connection.execute("PRAGMA data_version").fetchone()[0], position
            if seen != self._seen:
                if head_of(connection).position != position:
                    return False
                self._seen = seen
        return True

    def rows(self, after: int = 0) -> Iterator[Row]:
        query = f"SELECT {_COLUMNS} FROM commits WHERE first_position > ? ORDER BY first_position LIMIT {PAGE_ROWS}"
        while True:
            page: list[Row] = []
            size = 0
            with self._reading as connection, contextlib.closing(connection.execute(query, (after,))) as cursor:
                for columns in cursor:
                    page.append(Row(*columns))
                    size += len(columns[5])
                    if size >= PAGE_BYTES:
                        break
            if not page:
                return
            yield from page
            after = page[-1].first_position

    def row_at(self, position: int) -> Row | None:
        query = f"SELECT {_COLUMNS} FROM commits WHERE first_position <= ? ORDER BY first_position DESC LIMIT 1"
        with self._reading as connection:
            columns = connection.execute(query, (position,)).fetchone()
        return Row(*columns) if columns is not None and columns[1] >= position else None

    def stream(self, stream: str, gt: int = -1, lte: int = VERSION_MAX, *, descending: bool = False) -> Iterator[StreamEntry]:
        # The last condition repeats what `first_version <= :lte` says in words of the primary key.
        query = f"""SELECT {_STREAM_COLUMNS} FROM streams
            WHERE stream = :stream AND last_version > :gt AND first_version <= :lte AND last_version <= ifnull(
                (SELECT last_version FROM streams WHERE stream = :stream AND last_version >= :lte
                ORDER BY last_version LIMIT 1), :lte)
            ORDER BY last_version {"DESC" if descending else "ASC"} LIMIT :size"""
        size = 1  # who wants many entries reads on
        while True:
            with self._reading as connection:
                parameters = {"stream": stream, "gt": gt, "lte": lte, "size": size}
                page = [_entry(columns) for columns in connection.execute(query, parameters)]
            yield from page
            if len(page) < size:
                return
            if descending:
                lte = page[-1].first_version - 1
            else:
                gt = page[-1].last_version
            size = min(8 * size, PAGE_ROWS)

    def streams(self) -> Iterator[StreamEntry]:
        query = f"""SELECT {_STREAM_COLUMNS} FROM streams WHERE (stream, last_version) > (?, ?)
            ORDER BY stream, last_version LIMIT {PAGE_ROWS}"""
        after = ("", -1)
        while True:
            with self._reading as connection:
                page = [_entry(columns) for columns in connection.execute(query, after)]
            if not page:
                return
            yield from page
            after = (page[-1].stream, page[-1].last_version)

    def writing(self) -> AbstractContextManager[Head]:
        return _Writing(self, self._file_lock)

    def append(self, row: Row, entries: Sequence[StreamEntry]) -> None:
        connection = self.writer()
        first, last, recorded_at, keys, transactions, body, digest = row
        columns = (first, last, recorded_at, keys.decode(), transactions.decode(), body.decode(), digest)
        try:
            connection.execute(_APPEND, columns)
            if len(entries) == 1:  # preparing for many costs as much again
                connection.execute(_APPEND_STREAM, entries[0])
            else:
                connection.executemany(_APPEND_STREAM, entries)
        except sqlite3.Error as error:
            raise translated(self.path, error) from error
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            cause = translated(self.path, error)
            if isinstance(cause, StorageFull) or is_busy(error):
                raise cause from error
            raise UnclearOutcome(str(error)) from error

    def reopen(self) -> None:
        with self.lock:
            if self._connection is not None:
                self._connection.close()
            try:
                self._connection = connect(self.path, self._file_lock, create=self._create, durable=self._durable)
                if self._writer is not None:
                    self._writer.close()
                self._writer = connect(self.path, self._file_lock, create=self._create, durable=self._durable)
            except sqlite3.Error as error:
                raise translated(self.path, error) from error
            self._seen = (-1, -1)

    def close(self) -> None:
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._file_lock.close()

    def writer(self) -> sqlite3.Connection:
        if self._writer is None:
            raise LedgerClosed(f"the ledger {self.path} was closed")
        return self._writer

    def connection(self) -> sqlite3.Connection:
        """The open connection; `LedgerClosed` where there is none."""
        if self._connection is None:
            raise LedgerClosed(f"the ledger {self.path} was closed")
        return self._connection


class _Reading:
    """While it is entered the connection is this thread's, and SQLite's errors leave it as ours."""

    def __init__(self, journal: SQLiteJournal) -> None:
        self._journal = journal

    def __enter__(self) -> sqlite3.Connection:
        self._journal.lock.acquire()
        try:
            return self._journal.connection()
        except BaseException:
            self._journal.lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        self._journal.lock.release()
        if isinstance(error, sqlite3.Error):
            raise translated(self._journal.path, error) from error


class _Writing:
    """While it is entered nobody else, in no thread or process, can append; what was not committed is rolled back."""

    def __init__(self, journal: SQLiteJournal, file_lock: FileLock) -> None:
        self._journal = journal
        self._file_lock = file_lock
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Head:
        self._journal.write_lock.acquire()
        try:
            self._connection = connection = self._journal.writer()
            self._take_turn()
            connection.execute("BEGIN IMMEDIATE")
            return head_of(connection)
        except BaseException as error:
            self.__exit__()
            if isinstance(error, sqlite3.Error):
                raise translated(self._journal.path, error) from error
            raise

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._file_lock.release()
        self._journal.write_lock.release()

    def _take_turn(self) -> None:
        try:
            self._file_lock.acquire()
        except OSError as error:
            raise StorageUnavailable(f"{self._journal.path}: its lock file: {error}") from error


def head_of(connection: sqlite3.Connection) -> Head:
    """The head as the connection sees it."""
    columns = connection.execute(_HEAD).fetchone()
    return EMPTY if columns is None else Head(*columns)


def _entry(columns: tuple[Any, ...]) -> StreamEntry:
    return StreamEntry(columns[0].decode(), *columns[1:])
