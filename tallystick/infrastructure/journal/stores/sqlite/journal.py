"""A journal in an SQLite file, which several processes may share.

Readers page, and end each read at once, because a reader that stays keeps the write-ahead log from being reused.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import itemgetter
from pathlib import Path
from typing import Any

from tallystick.domain.errors import CorruptJournal, StorageUnavailable
from tallystick.infrastructure.journal.format import EMPTY, Body, Head, JournalRow
from tallystick.infrastructure.journal.port import (
    NO_METADATA,
    PAGE_BYTES,
    PAGE_ROWS,
    SMALL,
    VERSION_MAX,
    Journal,
    MetadataChange,
    MetadataRow,
    Overtaken,
    StreamEntry,
    StreamPart,
    UnclearOutcome,
    entries_in_pages,
)
from tallystick.infrastructure.journal.stores.sqlite.file import (
    NOTHING_RECORDED,
    SQLITE_ERRORS,
    no_journal,
    schema_of,
    translated,
    upgrade_schema,
)
from tallystick.infrastructure.journal.stores.sqlite.shared_file import SharedFile
from tallystick.infrastructure.journal.stores.sqlite.transactions import ReadTransaction, WriteTransaction
from tallystick.infrastructure.system.own_folder import CacheFolder

FETCHED_ROWS = 64
DETAILED = 2
"""The first version of the schema in which rows may have details."""

Select = Callable[[str, tuple[int, ...]], sqlite3.Cursor]
"""Selects the columns of a row from what the rest of the statement says."""

_stream_of = itemgetter(0)

_COLUMNS_1 = "first_position, last_position, recorded_at, keys, transactions, body, digest"
_COLUMNS = f"{_COLUMNS_1}, details"
_ROWS_AFTER = f"FROM commits WHERE first_position > ? ORDER BY first_position LIMIT {PAGE_ROWS}"
_ROW_AT = "FROM commits WHERE first_position <= ? ORDER BY first_position DESC LIMIT 1"
_STREAM_COLUMNS = "stream, first_version, last_version, first_position"
_HEAD = "SELECT last_position, digest, recorded_at FROM commits ORDER BY first_position DESC LIMIT 1"
_APPEND = f"INSERT INTO commits ({_COLUMNS_1}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_APPEND_DETAILED = f"INSERT INTO commits ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_METADATA = "INSERT INTO metadata (entry, salt, content) VALUES (?, ?, ?)"
_ERASE_METADATA = "DELETE FROM metadata WHERE entry = ?"
_METADATA = "SELECT entry, salt, content FROM metadata WHERE entry = ?"
_METADATA_ENTRIES = f"SELECT entry FROM metadata WHERE entry > ? ORDER BY entry LIMIT {PAGE_ROWS}"
_APPEND_STREAM = f"INSERT INTO streams ({_STREAM_COLUMNS}) VALUES (?, ?, ?, ?)"
# The last condition repeats what `first_version <= :lte` says in words of the primary key.
_WITHIN = """WHERE stream = :stream AND last_version > :gt AND first_version <= :lte AND last_version <= ifnull(
    (SELECT last_version FROM streams WHERE stream = :stream AND last_version >= :lte ORDER BY last_version LIMIT 1), :lte)"""
_PARTS = f"""SELECT first_version, streams.last_version, first_position, ifnull(commits.last_position, first_position),
        CASE WHEN commits.last_position < first_position + {SMALL} THEN body END
    FROM streams LEFT JOIN commits USING (first_position) {_WITHIN.replace("last_version", "streams.last_version")}
    ORDER BY streams.last_version LIMIT :size"""
_PARTS_DESCENDING = _PARTS.replace("last_version LIMIT :size", "last_version DESC LIMIT :size")
_BODIES = """SELECT first_position, last_position, body FROM commits
    WHERE first_position >= ifnull((SELECT first_position FROM commits WHERE first_position <= ?
        ORDER BY first_position DESC LIMIT 1), 0) AND last_position >= ?
    ORDER BY first_position LIMIT ?"""
_LAST_ENTRY = f"SELECT {_STREAM_COLUMNS} FROM streams WHERE stream = ? ORDER BY last_version DESC LIMIT 1"


class SQLiteJournal(Journal):
    """The journal in the file at `path`, which is made where it is missing and `create` allows it.

    Where it is `read_only`, nothing is made or written, neither there nor beside it, and it sees what others commit.
    """

    def __init__(self, path: Path, *, create: bool = True, durable: bool = True, read_only: bool = False) -> None:
        if sqlite3.sqlite_version_info < (3, 37):
            raise StorageUnavailable(f"SQLite 3.37 or newer is needed, not {sqlite3.sqlite_version}")
        if not create and not path.exists():
            raise StorageUnavailable(f"there is no ledger at {path}")
        self._file = SharedFile(path, create=create, durable=durable, read_only=read_only)
        self.path = self._file.path
        self._cache = CacheFolder(Path(f"{self.path}.cache"))
        self._reading = ReadTransaction(self._file)
        self._writing = WriteTransaction(self._file, head_of)
        self._seen = (0, 0, EMPTY)

    @property
    def cache_folder(self) -> Path | None:
        return None if self._file.read_only else self.kept_cache_folder

    @property
    def kept_cache_folder(self) -> Path | None:
        return self._cache.used()

    @property
    def generation(self) -> int:
        with self._reading:
            return self._file.times_opened

    def is_same(self, other: Journal) -> bool:
        if other is self or not isinstance(other, SQLiteJournal):
            return other is self
        try:
            return self.path.samefile(other.path)
        except OSError:
            return False

    def head(self) -> Head:
        with self._reading as connection:
            return head_of(connection)

    def ends_at(self, head: Head) -> bool:
        with self._reading as connection:
            seen = (self._file.times_opened, connection.execute("PRAGMA data_version").fetchone()[0], head)
            if seen != self._seen:
                if head_of(connection) != head:
                    return False
                self._seen = seen
        return True

    def rows(self, after: int = 0) -> Iterator[JournalRow]:
        while True:
            page: list[JournalRow] = []
            size = 0
            with self._reading_rows() as select, contextlib.closing(select(_ROWS_AFTER, (after,))) as cursor:
                for columns in cursor:
                    row = JournalRow(*columns)
                    page.append(row)
                    try:
                        size += len(row.body)
                        if row.details is not None:
                            size += len(row.details)
                    except TypeError as error:
                        raise no_journal(self.path, error) from error
                    if size >= PAGE_BYTES:
                        break
            if not page:
                return
            yield from page
            after = page[-1].first_position

    def row_at(self, position: int) -> JournalRow | None:
        with self._reading_rows() as select:
            columns = select(_ROW_AT, (position,)).fetchone()
        try:
            return JournalRow(*columns) if columns is not None and columns[1] >= position else None
        except TypeError as error:
            raise no_journal(self.path, error) from error

    def bodies(self, position: int, count: int) -> Sequence[Body]:
        with (
            self._reading as connection,
            contextlib.closing(connection.execute(_BODIES, (position, position, count))) as cursor,
        ):
            return list(map(Body._make, _page(cursor)))

    def stream_parts(self, stream: str, gt: int, lte: int, count: int, *, descending: bool = False) -> Sequence[StreamPart]:
        query = _PARTS_DESCENDING if descending else _PARTS
        parameters = {"stream": stream, "gt": gt, "lte": lte, "size": count}
        with self._reading as connection, contextlib.closing(connection.execute(query, parameters)) as cursor:
            return list(map(StreamPart._make, _page(cursor)))

    def last_entries(self, streams: Collection[str]) -> Mapping[str, StreamEntry]:
        with self._reading as connection:
            found = [connection.execute(_LAST_ENTRY, (stream,)).fetchone() for stream in streams]
        return {entry.stream: entry for entry in [_entry(columns) for columns in found if columns is not None]}

    def stream(self, stream: str, gt: int = -1, lte: int = VERSION_MAX, *, descending: bool = False) -> Iterator[StreamEntry]:
        query = (
            f"SELECT {_STREAM_COLUMNS} FROM streams {_WITHIN} ORDER BY last_version {'DESC' if descending else ''} LIMIT :size"
        )

        def read(gt: int, lte: int, size: int) -> list[StreamEntry]:
            parameters = {"stream": stream, "gt": gt, "lte": lte, "size": size}
            with self._reading as connection:
                return [_entry(columns) for columns in connection.execute(query, parameters)]

        return entries_in_pages(read, gt, lte, descending=descending)

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
        return self._writing

    @contextlib.contextmanager
    def _reading_rows(self) -> Generator[Select]:
        """Gives what selects the columns of rows; while it is entered, others may give the file the newer schema."""
        with self._reading as connection:
            if self._file.schema >= DETAILED:
                yield lambda rest, parameters: connection.execute(f"SELECT {_COLUMNS} {rest}", parameters)
                return
            try:
                connection.execute("BEGIN")
                self._file.schema = schema_of(connection)
                columns = _COLUMNS if self._file.schema >= DETAILED else _COLUMNS_1
                yield lambda rest, parameters: connection.execute(f"SELECT {columns} {rest}", parameters)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def metadata(self, entries: Collection[int]) -> Mapping[int, MetadataRow]:
        found: dict[int, MetadataRow] = {}
        with self._reading as connection:
            for entry in entries if self._has_metadata(connection) else ():
                for columns in connection.execute(_METADATA, (entry,)):
                    found[entry] = MetadataRow(columns[0], columns[1], columns[2].decode())
        return found

    def metadata_entries(self) -> Iterator[int]:
        after = -(2**63)
        while True:
            with self._reading as connection:
                has_some = self._has_metadata(connection)
                page = [entry for (entry,) in connection.execute(_METADATA_ENTRIES, (after,))] if has_some else []
            if not page:
                return
            yield from page
            after = page[-1]

    def _has_metadata(self, connection: sqlite3.Connection) -> bool:
        return self._file.schema >= DETAILED or schema_of(connection) >= DETAILED

    @property
    def is_of_format_1(self) -> bool:
        return self._file.schema < DETAILED

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        connection = self._file.begun()
        first, last, recorded_at, keys, transactions, body, digest, details = row
        columns = (first, last, recorded_at, keys.decode(), transactions.decode(), body.decode(), digest)
        try:
            if details is not None and self._file.schema < DETAILED:
                upgrade_schema(connection)
            before = connection.total_changes
            if details is None:
                connection.execute(_APPEND, columns)
            else:
                connection.execute(_APPEND_DETAILED, (*columns, details.decode()))
            if len(entries) == 1:  # preparing for many costs as much again
                connection.execute(_APPEND_STREAM, entries[0])
            else:
                connection.executemany(_APPEND_STREAM, sorted(entries, key=_stream_of))  # neighbours in the tree
            if metadata is not NO_METADATA:
                connection.executemany(_ADD_METADATA, metadata.added)
                connection.executemany(_ERASE_METADATA, [(entry,) for entry in metadata.erased])
            surplus = connection.total_changes - before - 1 - len(entries)
        except sqlite3.IntegrityError as error:
            raise Overtaken(f"{self.path}: {error}") from error
        except SQLITE_ERRORS as error:
            raise translated(self.path, error, NOTHING_RECORDED) from error
        if (surplus or metadata is not NO_METADATA) and not 0 <= surplus - len(metadata.added) <= len(metadata.erased):
            reason = "it does not keep what is inserted as it is, by somebody else's trigger"
            raise StorageUnavailable(f"{self.path}: {reason}{NOTHING_RECORDED}")
        self._file.commit()

    def upgrade(self) -> bool:
        try:
            with self._writing:
                connection = self._file.begun()
                if schema_of(connection) >= DETAILED:
                    return False
                upgrade_schema(connection)
                self._file.commit()
        except UnclearOutcome as error:
            self.reopen()
            if not self._file.resolve(lambda: self._file.schema >= DETAILED):
                raise StorageUnavailable(f"{error}{NOTHING_RECORDED}") from error
        return True

    def has_recorded(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> bool:
        self.reopen()
        return self._file.resolve(lambda: self._is_recorded(row))

    def _is_recorded(self, row: JournalRow) -> bool:
        found = self.row_at(row.first_position)
        return found is not None and found.digest == row.digest

    def reopen(self) -> None:
        self._file.reopen()

    def close(self) -> None:
        self._file.close()


def head_of(connection: sqlite3.Connection) -> Head:
    """The head as the connection sees it."""
    columns = connection.execute(_HEAD).fetchone()
    if columns is None:
        return EMPTY
    if None in columns:
        raise CorruptJournal("a column of its last row is empty", position=0)
    return Head(*columns)


def _page(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """Rows whose last column is a body, until their bodies are `PAGE_BYTES`."""
    page: list[tuple[Any, ...]] = []
    size = 0
    while size < PAGE_BYTES and (rows := cursor.fetchmany(FETCHED_ROWS)):
        page += rows
        size += sum([len(columns[-1] or b"") for columns in rows])
    return page


def _entry(columns: tuple[Any, ...]) -> StreamEntry:
    try:
        return StreamEntry(columns[0].decode(), *columns[1:])
    except (UnicodeDecodeError, AttributeError) as error:
        raise CorruptJournal(f"an entry of a stream has no name: {error}", position=0) from error
