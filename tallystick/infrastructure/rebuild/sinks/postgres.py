"""Tables in PostgreSQL, in a schema: amounts are NUMERIC, which holds all of them, and times TIMESTAMPTZ.

Rows go in by COPY, as CSV that Arrow writes, and come back so. What was committed of a build may be lost when the server
crashes, with the notes of it; switching waits until all of it is on the disk. A switch changes views, which needs a moment
in which nobody reads them: whoever came later waits behind, so it is tried for a quarter of a second, and again a little later.
"""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, cast

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow

from tallystick.domain.errors import InvalidRequest, StorageUnavailable
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.connection import conninfo_of, translated
from tallystick.infrastructure.rebuild.columns import pyarrow, schema_of
from tallystick.infrastructure.rebuild.sinks.catalog import ROW_NUMBER, Catalog, physical_name, seen_columns
from tallystick.infrastructure.rebuild.sinks.port import Chunk
from tallystick.projections.tables import Kind, Shape

LOCK_MS = 250
SWITCH_TRIES = 40
TURN_TRIES = 20
PAUSE_S = 0.25
READ_BYTES = 4 << 20

_TYPES: dict[Kind, str] = {"text": "TEXT", "int": "BIGINT", "amount": "NUMERIC", "time": "TIMESTAMPTZ", "bool": "BOOLEAN"}
_NUL, _REPLACED = "\0", "\N{REPLACEMENT CHARACTER}"
_LEDGER_TABLES = ("ledger", "commits", "streams")


class PostgresSink(Catalog):
    """The schema at an address, which is made where it is missing."""

    def __init__(self, address: PostgresAddress) -> None:
        """Raises `InvalidRequest` where a ledger lies in the schema, `InvalidURL`, `StorageUnavailable`."""
        self._address = address
        self.prefix = f'"{address.schema}".'
        conninfo = conninfo_of(address)
        with self._translated():
            self._connection: psycopg.Connection[TupleRow] = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        schema, name = self._address.schema, self._address.name
        with self._translated():
            self._take_turn(f"tallystick rebuild {schema}")
            found = self._execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = ? AND tablename = ANY(?)", (schema, list(_LEDGER_TABLES))
            )
            if found[0][0] == len(_LEDGER_TABLES):
                raise InvalidRequest(f"{name}: a ledger lies there: name another schema for the tables, as in ?schema=reports")
            if not self._execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (schema,)):
                self._execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        self._make_notes()
        for version, table in self._dropping():
            self._drop(version, table)

    def _take_turn(self, key: str) -> None:
        """Of one run at a time. The server may need a moment to notice that the run before was killed."""
        for last in [*[False] * (TURN_TRIES - 1), True]:
            if self._execute("SELECT pg_try_advisory_lock(hashtextextended(?, 0))", (key,))[0][0]:
                return
            if last:
                raise StorageUnavailable(f"{self._address.name}: another rebuild is writing there: wait for it, or end it")
            time.sleep(PAUSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with suppress(psycopg.Error):  # the server notices a little later that a connection was closed
            self._connection.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()

    def kept(self, batch: Any) -> Any:
        """The batch with U+FFFD for each U+0000, which PostgreSQL has in no text."""
        arrow, compute = pyarrow(), pyarrow("compute")
        columns = [
            compute.replace_substring(column, _NUL, _REPLACED)
            if arrow.types.is_string(column.type) and compute.any(compute.match_substring(column, _NUL)).as_py()
            else column
            for column in batch.columns
        ]
        return arrow.record_batch(columns, schema=batch.schema)

    def create(self, version: int, projection: str, shape: Shape) -> None:
        """Makes the table of a build, if it is not there yet."""
        columns = ", ".join(f'"{name}" {kind}' for name, kind in seen_columns(shape, _TYPES, None).items())
        with self._transaction():
            if self._note_table(version, projection, shape):
                self._execute(f"CREATE TABLE {self._physical(version, shape.name)} ({ROW_NUMBER} BIGINT NOT NULL, {columns})")

    def write(self, version: int, shape: Shape, batch: Any, chunk: Chunk) -> None:
        """Adds rows to a table and notes it, both or neither."""
        with self._transaction():
            self._execute("SET LOCAL synchronous_commit = off")
            first = self._note_chunk(version, shape.name, chunk)
            self._insert(self._physical(version, shape.name), shape, batch, first)

    def _insert(self, table: str, shape: Shape, batch: Any, first: int) -> None:
        columns = ", ".join((ROW_NUMBER, *(f'"{name}"' for name in shape.columns)))
        copying = cast(Any, f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)")
        with self._connection.cursor() as cursor, cursor.copy(copying) as copy:
            copy.write(_csv(batch, first))

    def _delete(self, table: str, numbers: Sequence[int]) -> None:
        self._execute(f"DELETE FROM {table} WHERE {ROW_NUMBER} = ANY(?)", (list(numbers),))

    def numbers(self, version: int, shape: Shape) -> list[int]:
        """The number of each row, in the order in which `read` gives them; from now on rows are found quickly by it."""
        table, name = self._physical(version, shape.name), physical_name(version, shape.name)
        with self._transaction():
            self._execute(f"CREATE INDEX IF NOT EXISTS {name}_row ON {table} ({ROW_NUMBER})")
            return [number for (number,) in self._execute(f"SELECT {ROW_NUMBER} FROM {table} ORDER BY {ROW_NUMBER}")]

    def finish(self, version: int, shape: Shape) -> None:
        """Has rows found quickly by the key, once all are there, and the planner know how many there are."""
        table, name = self._physical(version, shape.name), physical_name(version, shape.name)
        if shape.key:
            key = ", ".join(f'"{column}"' for column in shape.key)
            with self._transaction():
                self._execute(f"CREATE INDEX IF NOT EXISTS {name}_key ON {table} ({key})")
        with self._translated():
            self._execute(f"ANALYZE {table}")

    def read(self, version: int, shape: Shape) -> Generator[Any]:
        """The rows as batches, in the order in which they were written."""
        columns = ", ".join(_READ[kind].format(f'"{name}"') for name, kind in shape.columns.items())
        query = f"SELECT {columns} FROM {self._physical(version, shape.name)} ORDER BY {ROW_NUMBER}"
        copied = cast(Any, f"COPY ({query}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)")
        with self._transaction(), self._connection.cursor() as cursor, cursor.copy(copied) as copy:
            yield from _parsed(copy, shape)

    def switch(self, to: Mapping[str, int]) -> None:
        """From now on readers see these tables of these versions, all at once."""
        for last in [*[False] * (SWITCH_TRIES - 1), True]:
            try:
                with self._connection.transaction():
                    self._execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'")
                    self._execute("SET LOCAL synchronous_commit = on")
                    ours = self._ours()
                    for name, version in sorted(to.items()):
                        self._show(name, version, name in ours)
                    self._note_live(to)
                return
            except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
                if last:
                    raise StorageUnavailable(
                        f"{self._address.name}: somebody has been reading the tables in use all the time, and nothing was"
                        " switched: run it again, and it is done at once"
                    ) from error
                time.sleep(PAUSE_S)
            except psycopg.Error as error:
                raise translated(self._address, error) from error

    def _ours(self) -> set[str]:
        found = self._execute(f"SELECT name FROM {self.prefix}tallystick_tables WHERE is_live = 1")
        return {name for (name,) in found}

    def _show(self, name: str, version: int, is_ours: bool) -> None:
        found = self._execute(
            "SELECT relkind::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ? AND relname = ?",
            (self._address.schema, name),
        )
        if found and not (is_ours and found[0][0] == "v"):
            reason = f"has something called {name} that no rebuild has made: rename it, or name another schema"
            raise InvalidRequest(f"{self._address.name} {reason}")
        columns = ", ".join(f'"{column}"' for column in self._tables(version)[name].shape.columns)
        view = f'{self.prefix}"{name}" AS SELECT {columns} FROM {self._physical(version, name)}'
        try:
            with self._connection.transaction():  # so that who may read it, and what depends on it, stays
                self._execute(f"CREATE OR REPLACE VIEW {view}")
        except errors.InvalidTableDefinition:  # it has other columns now
            self._execute(f'DROP VIEW {self.prefix}"{name}"')
            self._execute(f"CREATE VIEW {view}")

    def drop(self, version: int, names: Sequence[str]) -> None:
        """Drops tables that nobody is shown, one by one; and forgets a build that has no others.

        One that somebody still reads is left to whoever opens the sink next.
        """
        self._note_dropping(version, names)
        for name in names:
            if (version, name) in self._dropping():
                self._drop(version, name)
        self._forget_empty(version)

    def _drop(self, version: int, name: str) -> None:
        try:
            with self._connection.transaction():
                self._execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'")
                self._execute(f"DROP TABLE IF EXISTS {self._physical(version, name)}")
                self._forget(version, name)
        except errors.LockNotAvailable:
            return
        except psycopg.Error as error:
            raise translated(self._address, error) from error
        self._forget_empty(version)

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        query = cast(Any, statement.replace("%", "%%").replace("?", "%s") if values else statement)
        cursor = self._connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description is not None else []

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._translated(), self._connection.transaction():
            yield

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise translated(self._address, error) from error


_READ: dict[Kind, str] = {
    "text": "{0}",
    "int": "{0}",
    "amount": "{0}::text",
    "time": "(extract(epoch FROM {0}) * 1000000)::bigint",
    "bool": "{0}",
}


def _csv(batch: Any, first: int) -> bytes:
    """The rows with their numbers as lines that COPY takes: None is nothing, and an empty text is quoted."""
    arrow, csv = pyarrow(), pyarrow("csv")
    numbers = arrow.array(range(first, first + batch.num_rows), arrow.int64())
    numbered = arrow.record_batch([numbers, *batch.columns], names=[ROW_NUMBER, *batch.schema.names])
    out = arrow.BufferOutputStream()
    csv.write_csv(numbered, out, csv.WriteOptions(include_header=False))
    return out.getvalue().to_pybytes()


def _parsed(copied: Iterable[Any], shape: Shape) -> Iterator[Any]:
    """Lines of COPY as batches.

    They are parsed where they lie in memory: Arrow would read a file of Python's on threads of its own.
    """
    arrow, csv, schema = pyarrow(), pyarrow("csv"), schema_of(shape)
    types = {field.name: arrow.int64() if arrow.types.is_timestamp(field.type) else field.type for field in schema}
    options = csv.ConvertOptions(
        column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""],
        true_values=["t"], false_values=["f"],
    )  # fmt: skip
    for lines in _whole_lines(copied):
        reading = csv.ReadOptions(column_names=list(types), block_size=len(lines) + 1, use_threads=False)
        parsing = csv.ParseOptions(newlines_in_values=True)
        for batch in csv.read_csv(arrow.BufferReader(lines), reading, parsing, options).to_batches():
            columns = [column.cast(schema.field(at).type) for at, column in enumerate(batch.columns)]
            yield arrow.record_batch(columns, schema=schema)


def _whole_lines(copied: Iterable[Any]) -> Iterator[bytes]:
    """What COPY sends in pieces that end where a row does: at the end of a line outside quotes, in which all texts stand."""
    parts, size = list[bytes](), 0
    for part in copied:
        parts.append(bytes(part))
        size += len(parts[-1])
        if size >= READ_BYTES:
            lines = b"".join(parts)
            end = lines.rfind(b"\n") + 1
            while lines.count(b'"', 0, end) % 2:
                end = lines.rfind(b"\n", 0, end - 1) + 1
            parts, size = [lines[end:]], len(lines) - end
            if end:
                yield lines[:end]
    rest = b"".join(parts)
    if rest:
        yield rest
