"""Tables in an SQLite file: amounts are texts, and beside each stands the same as an integer where 64 bits hold it.

Times are texts too, in UTC, which sort as times and which SQLite's functions read. The file has a write-ahead log, so those
who read it go on while a build grows and while readers are switched to it. A chunk may be lost in a power cut with what tells
of it; before readers see a build all of it is on the disk.
"""

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tallystick.domain.errors import InvalidRequest, NotALedger, RebuildDiffers, StorageFull, StorageUnavailable
from tallystick.infrastructure.journal.stores.sqlite.file import APPLICATION_ID, BUSY_TIMEOUT_MS
from tallystick.infrastructure.rebuild.columns import CHUNK_ROWS, pyarrow, schema_of
from tallystick.infrastructure.rebuild.sinks.catalog import ROW_NUMBER, Catalog, physical_name, seen_columns
from tallystick.infrastructure.rebuild.sinks.port import Chunk
from tallystick.infrastructure.rebuild.sinks.run_lock import RunLock
from tallystick.projections.tables import INT_BEHIND, Kind, Shape

PIECE_ROWS = 50_000
"""So many rows of an old table are deleted at once."""

_TYPES: dict[Kind, str] = {"text": "TEXT", "int": "INTEGER", "amount": "TEXT", "time": "TEXT", "bool": "INTEGER"}
_INTEGER = range(-(2**63), 2**63)
_DIGITS_MAX = 20
_DIGITS_SURE = 18
"""So many digits, with a sign among them or not, are surely 64 bits."""


class SQLiteSink(Catalog):
    """The file at `path`, which is made where it is missing."""

    def __init__(self, path: Path) -> None:
        """Raises `InvalidRequest` where the file is a ledger, and the errors of storage."""
        self._path = path
        self._lock = RunLock(Path(f"{path}.rebuild"))
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise

    def _open(self) -> None:
        with self._translated():
            self._database = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
        try:
            with self._translated():
                if self._execute("PRAGMA application_id")[0][0] == APPLICATION_ID:
                    raise InvalidRequest(f"{self._path} is a ledger: name another file for the tables")
                self._execute("PRAGMA journal_mode = WAL")
                self._execute("PRAGMA synchronous = NORMAL")
            self._make_notes()
            for version, name in self._dropping():
                self._drop(version, name)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._database.close()
        self._lock.close()

    def kept(self, batch: Any) -> Any:
        """The batch itself: every text can be kept."""
        return batch

    def create(self, version: int, projection: str, shape: Shape) -> None:
        """Makes the table of a build, if it is not there yet."""
        columns = ", ".join(f'"{name}" {kind}' for name, kind in seen_columns(shape, _TYPES, "INTEGER").items())
        with self._transaction():
            if self._note_table(version, projection, shape):
                self._execute(
                    f"CREATE TABLE {self._physical(version, shape.name)} ({ROW_NUMBER} INTEGER PRIMARY KEY, {columns})"
                )

    def write(self, version: int, shape: Shape, batch: Any, chunk: Chunk) -> None:
        """Adds rows to a table and notes it, both or neither."""
        with self._transaction():
            first = self._note_chunk(version, shape.name, chunk)
            self._insert(self._physical(version, shape.name), shape, batch, first)

    def _insert(self, table: str, shape: Shape, batch: Any, first: int) -> None:
        columns = _written(shape, batch)
        places = ", ".join("?" * (1 + len(columns)))
        numbered = zip(range(first, first + batch.num_rows), *columns, strict=True)
        self._database.executemany(f"INSERT INTO {table} VALUES ({places})", numbered)

    def _delete(self, table: str, numbers: Sequence[int]) -> None:
        self._database.executemany(f"DELETE FROM {table} WHERE {ROW_NUMBER} = ?", [(number,) for number in numbers])

    def numbers(self, version: int, shape: Shape) -> list[int]:
        """The number of each row, in the order in which `read` gives them; rows are found by it as they are."""
        with self._translated():
            found = self._execute(f"SELECT {ROW_NUMBER} FROM {self._physical(version, shape.name)} ORDER BY {ROW_NUMBER}")
        return [number for (number,) in found]

    def finish(self, version: int, shape: Shape) -> None:
        """Has rows found quickly by the key, once all are there."""
        if shape.key:
            name, key = physical_name(version, shape.name), ", ".join(f'"{column}"' for column in shape.key)
            with self._transaction():
                self._execute(f"CREATE INDEX IF NOT EXISTS {name}_key ON {name} ({key})")

    def read(self, version: int, shape: Shape) -> Generator[Any]:
        """The rows as batches, in the order in which they were written."""
        columns = ", ".join(f'"{name}"' for name in seen_columns(shape, _TYPES, "INTEGER"))
        with self._translated(), closing(self._database.cursor()) as cursor:
            cursor.execute(f"SELECT {columns} FROM {self._physical(version, shape.name)} ORDER BY {ROW_NUMBER}")
            while rows := cursor.fetchmany(CHUNK_ROWS):
                yield _read(shape, rows)

    def switch(self, to: Mapping[str, int]) -> None:
        """From now on readers see these tables of these versions, all at once."""
        self._execute("PRAGMA synchronous = FULL")
        try:
            with self._transaction():
                ours = {name for (name,) in self._execute("SELECT name FROM tallystick_tables WHERE is_live = 1")}
                for name, version in to.items():
                    self._show(name, version, name in ours)
                self._note_live(to)
        finally:
            self._execute("PRAGMA synchronous = NORMAL")

    def _show(self, name: str, version: int, is_ours: bool) -> None:
        found = self._execute("SELECT type FROM sqlite_master WHERE name = ?", (name,))
        if found and not (is_ours and found[0][0] == "view"):
            raise InvalidRequest(
                f"{self._path} has a {found[0][0]} {name} that no rebuild has made: rename it, or name a new file"
            )
        shape = self._tables(version)[name].shape
        columns = ", ".join(f'"{column}"' for column in seen_columns(shape, _TYPES, "INTEGER"))
        self._execute(f"DROP VIEW IF EXISTS {name}")
        self._execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {self._physical(version, name)}")

    def drop(self, version: int, names: Sequence[str]) -> None:
        """Drops tables that nobody is shown, in pieces; and forgets a build that has no others."""
        self._note_dropping(version, names)
        for name in names:
            if (version, name) in self._dropping():
                self._drop(version, name)
        self._forget_empty(version)

    def _drop(self, version: int, name: str) -> None:
        table = physical_name(version, name)
        with self._transaction():
            self._execute(f"DROP INDEX IF EXISTS {table}_key")
        while True:
            with self._transaction():
                if not self._execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)):
                    break
                self._execute(
                    f"DELETE FROM {table} WHERE {ROW_NUMBER} IN (SELECT {ROW_NUMBER} FROM {table} LIMIT {PIECE_ROWS})"
                )
                if not self._execute(f"SELECT 1 FROM {table} LIMIT 1"):
                    self._execute(f"DROP TABLE {table}")
        with self._transaction():
            self._forget(version, name)
        self._forget_empty(version)

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._database.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._translated():
            self._execute("BEGIN IMMEDIATE")
            try:
                yield
                self._execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_NOTADB:
                raise NotALedger(f"{self._path} is no SQLite database: name another file for the tables") from error
            kind = StorageFull if code == sqlite3.SQLITE_FULL else StorageUnavailable
            raise kind(f"{self._path}: {error}") from error


def _written(shape: Shape, batch: Any) -> list[list[Any]]:
    """The columns of a batch as SQLite takes them."""
    compute, arrow = pyarrow("compute"), pyarrow()
    columns: list[list[Any]] = []
    for (_, kind), column in zip(shape.columns.items(), batch.columns, strict=True):
        if kind == "time":
            written = column.cast(arrow.timestamp("us")).cast(arrow.string())
            column = compute.binary_join_element_wise(written, "Z", "")
        values: list[Any] = column.to_pylist()
        columns.append(values)
        if kind == "amount":
            columns.append(_integers(column))
    return columns


def _integers(digits: Any) -> list[int | None]:
    """A column of amounts as integers, None where 64 bits do not hold one."""
    compute, arrow = pyarrow("compute"), pyarrow()
    is_short = compute.less_equal(compute.binary_length(digits), _DIGITS_SURE)
    try:
        integers: list[int | None] = compute.if_else(is_short, digits, None).cast(arrow.int64()).to_pylist()
    except arrow.ArrowInvalid:  # something else stands there
        return [_integer(value) for value in digits.to_pylist()]
    longer = compute.indices_nonzero(compute.invert(is_short).fill_null(False))
    for place, value in zip(longer.to_pylist(), digits.take(longer).to_pylist(), strict=True):
        integers[place] = _integer(value)
    return integers


def _integer(digits: Any) -> int | None:
    if not isinstance(digits, str) or len(digits) > _DIGITS_MAX or not digits.removeprefix("-").isdecimal():
        return None
    number = int(digits)
    return number if number in _INTEGER else None


def _read(shape: Shape, rows: Sequence[Sequence[Any]]) -> Any:
    """Rows as they stand there, as a batch. What is of another type than was written stands there as text."""
    arrow = pyarrow()
    columns: list[Any] = []
    given = zip(*rows, strict=True)
    for field, kind in zip(schema_of(shape), shape.columns.values(), strict=True):
        values = next(given)
        try:
            if kind == "bool":
                values = [None if value is None else bool(value) for value in values]
            column = arrow.array(values, arrow.string() if kind == "time" else field.type).cast(field.type)
        except (arrow.ArrowException, TypeError, ValueError, OverflowError):
            column = arrow.array([None if value is None else str(value) for value in values], arrow.string())
        if kind == "amount" and list(next(given)) != _integers(column):
            raise RebuildDiffers(f"{field.name}{INT_BEHIND} is not {field.name} everywhere", table=shape.name)
        columns.append(column)
    return arrow.record_batch(columns, names=list(shape.columns))
