"""What a rebuild keeps of its own in a database, in three tables beside those that it builds: builds, their tables, chunks.

Statements are written once, with "?" for a value, and each database says how it executes one. Table names are checked by
`check_shape`, so they stand in statements as they are.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, cast

from tallystick.infrastructure.rebuild.sinks.port import CHANGED, Build, BuiltTable, Chunk, Grown, Replaced, State, Step
from tallystick.projections.tables import INT_BEHIND, Kind, Shape

ROW_NUMBER = "tallystick_row"
"""The column, of tables and not of what readers see, by which rows have their order."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS {prefix}tallystick_builds (version INTEGER PRIMARY KEY, names TEXT NOT NULL,
    upto BIGINT NOT NULL, digest TEXT NOT NULL, state TEXT NOT NULL, begun_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS {prefix}tallystick_tables (version INTEGER, name TEXT, projection TEXT NOT NULL,
    columns TEXT NOT NULL, key TEXT NOT NULL, is_live INTEGER NOT NULL,
    upto BIGINT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (version, name))""",
    """CREATE TABLE IF NOT EXISTS {prefix}tallystick_chunks (version INTEGER, name TEXT, number INTEGER,
    first_row BIGINT NOT NULL, row_count INTEGER NOT NULL,
    upto BIGINT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (version, name, number))""",
    "CREATE TABLE IF NOT EXISTS {prefix}tallystick_versions (last INTEGER PRIMARY KEY)",
)


class Catalog(ABC):
    """The notes of a rebuild in a database; what is asked for is asked within `_transaction`."""

    prefix = ""
    """What stands before the name of a table, to say in which schema it lies."""
    keeps_current: ClassVar = True

    @abstractmethod
    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[object]:
        """All that is executed meanwhile, or nothing of it; errors are translated."""

    @abstractmethod
    def _insert(self, table: str, shape: Shape, batch: Any, first: int) -> None:
        """Adds rows whose numbers begin with `first`."""

    @abstractmethod
    def _delete(self, table: str, numbers: Sequence[int]) -> None:
        """Takes the rows of these numbers away."""

    def _make_notes(self) -> None:
        with self._transaction():
            for statement in _TABLES:
                self._execute(statement.format(prefix=self.prefix))

    def _physical(self, version: int, name: str) -> str:
        return f"{self.prefix}{physical_name(version, name)}"

    def builds(self) -> list[Build]:
        """All builds that there are, oldest first."""
        with self._transaction():
            found = self._execute(
                f"SELECT version, names, upto, digest, state, begun_at FROM {self.prefix}tallystick_builds ORDER BY version"
            )
        return [Build(version, json.loads(names), *rest) for version, names, *rest in found]

    def tables(self, version: int) -> dict[str, BuiltTable]:
        """The tables of a build by name, as far as they were created and not dropped."""
        with self._transaction():
            return self._tables(version)

    def _tables(self, version: int) -> dict[str, BuiltTable]:
        found = self._execute(
            f"""SELECT name, projection, columns, key, is_live, upto, digest FROM {self.prefix}tallystick_tables
            WHERE version = ? AND is_live >= 0 ORDER BY name""",
            (version,),
        )
        return {
            name: BuiltTable(projection, Shape(name, dict(json.loads(columns)), json.loads(key)), bool(is_live), *place)
            for name, projection, columns, key, is_live, *place in found
        }

    def begin(self, names: Mapping[str, int], upto: int, digest: str, begun_at: str) -> Build:
        """A new build, of a version that no other ever had."""
        with self._transaction():
            version = 1 + cast(int, self._execute(f"SELECT coalesce(max(last), 0) FROM {self.prefix}tallystick_versions")[0][0])
            self._execute(f"INSERT INTO {self.prefix}tallystick_versions VALUES (?)", (version,))
            self._execute(f"DELETE FROM {self.prefix}tallystick_versions WHERE last < ?", (version,))
            self._execute(
                f"INSERT INTO {self.prefix}tallystick_builds VALUES (?, ?, ?, ?, ?, ?)",
                (version, json.dumps(dict(names)), upto, digest, "building", begun_at),
            )
        return Build(version, names, upto, digest, "building", begun_at)

    def _note_table(self, version: int, projection: str, shape: Shape) -> bool:
        """Notes that a table was created; whether it was not noted before."""
        if shape.name in self._tables(version):
            return False
        columns, key = json.dumps(list(shape.columns.items())), json.dumps(list(shape.key))
        self._execute(
            f"""INSERT INTO {self.prefix}tallystick_tables SELECT version, ?, ?, ?, ?, 0, upto, digest
            FROM {self.prefix}tallystick_builds WHERE version = ?""",
            (shape.name, projection, columns, key, version),
        )
        return True

    def chunks(self, version: int, name: str) -> list[Chunk]:
        """What was written of a table, in order."""
        with self._transaction():
            found = self._execute(
                f"""SELECT row_count, upto, digest FROM {self.prefix}tallystick_chunks
                WHERE version = ? AND name = ? ORDER BY number""",
                (version, name),
            )
        return [Chunk(*each) for each in found]

    def _note_chunk(self, version: int, name: str, chunk: Chunk) -> int:
        """Notes a chunk, and gives the number of its first row."""
        found = self._execute(
            f"""SELECT number + 1, first_row + row_count FROM {self.prefix}tallystick_chunks
            WHERE version = ? AND name = ? ORDER BY number DESC LIMIT 1""",
            (version, name),
        )
        number, first = found[0] if found else (0, 0)
        self._execute(
            f"INSERT INTO {self.prefix}tallystick_chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
            (version, name, number, first, chunk.rows, chunk.upto, chunk.digest),
        )
        return first

    def advance(self, steps: Sequence[Step]) -> None:
        """Changes tables and notes up to where they have the journal, all of it at once or nothing."""
        with self._transaction():
            for step in steps:
                for change in step.changes:
                    if isinstance(change, Replaced):
                        self._replace(step, change)
                    else:
                        self._grow(step, change)
                for name in step.tables:
                    self._execute(
                        f"UPDATE {self.prefix}tallystick_tables SET upto = ?, digest = ? WHERE version = ? AND name = ?",
                        (step.upto, step.digest, step.version, name),
                    )

    def _replace(self, step: Step, change: Replaced) -> None:
        """Takes rows away, adds others, and leaves one note: that so many rows are there, which may be any."""
        version, name, added = step.version, change.shape.name, change.batch.num_rows
        table = self._physical(version, name)
        if change.gone:
            self._delete(table, change.gone)
        if added:
            self._insert(table, change.shape, change.batch, change.first)
        self._execute(f"DELETE FROM {self.prefix}tallystick_chunks WHERE version = ? AND name = ?", (version, name))
        self._execute(
            f"INSERT INTO {self.prefix}tallystick_chunks VALUES (?, ?, 0, ?, ?, ?, ?)",
            (version, name, change.first + added - change.rows, change.rows, step.upto, CHANGED),
        )

    def _grow(self, step: Step, change: Grown) -> None:
        version, name, (rows, upto, digest) = step.version, change.shape.name, change.chunk
        if change.extends:
            number, first_row, before = self._execute(
                f"""SELECT number, first_row, row_count FROM {self.prefix}tallystick_chunks
                WHERE version = ? AND name = ? ORDER BY number DESC LIMIT 1""",
                (version, name),
            )[0]
            first = first_row + before
            self._execute(
                f"""UPDATE {self.prefix}tallystick_chunks SET row_count = ?, upto = ?, digest = ?
                WHERE version = ? AND name = ? AND number = ?""",
                (rows, upto, digest, version, name, number),
            )
        else:
            first = self._note_chunk(version, name, change.chunk)
        self._insert(self._physical(version, name), change.shape, change.batch, first)

    def mark(self, version: int, state: State) -> None:
        """Notes the state of a build."""
        with self._transaction():
            self._execute(f"UPDATE {self.prefix}tallystick_builds SET state = ? WHERE version = ?", (state, version))

    def _note_live(self, to: Mapping[str, int]) -> None:
        for name, version in to.items():
            self._execute(
                f"UPDATE {self.prefix}tallystick_tables SET is_live = CASE WHEN version = ? THEN 1 ELSE 0 END WHERE name = ?",
                (version, name),
            )

    def _note_dropping(self, version: int, names: Sequence[str]) -> None:
        """From now on these tables are as if they were not there: whoever comes next drops what is left of them."""
        with self._transaction():
            for name in names:
                self._execute(
                    f"UPDATE {self.prefix}tallystick_tables SET is_live = -1 WHERE version = ? AND name = ? AND is_live = 0",
                    (version, name),
                )

    def _dropping(self) -> list[tuple[int, str]]:
        with self._transaction():
            found = self._execute(f"SELECT version, name FROM {self.prefix}tallystick_tables WHERE is_live = -1")
        return [(version, name) for version, name in found]

    def _forget(self, version: int, name: str) -> None:
        """Forgets a table that was dropped."""
        for table in ("tables", "chunks"):
            self._execute(f"DELETE FROM {self.prefix}tallystick_{table} WHERE version = ? AND name = ?", (version, name))

    def _forget_empty(self, version: int) -> None:
        """Forgets a build that has no tables."""
        with self._transaction():
            if not self._execute(f"SELECT 1 FROM {self.prefix}tallystick_tables WHERE version = ? LIMIT 1", (version,)):
                self._execute(f"DELETE FROM {self.prefix}tallystick_builds WHERE version = ?", (version,))


def physical_name(version: int, name: str) -> str:
    """What a table of a build is called."""
    return f"{name}__{version}"


def seen_columns(shape: Shape, types: Mapping[Kind, str], beside: str | None) -> dict[str, str]:
    """The columns that readers see, with their types; `beside` each amount stands one of this type, if one is given."""
    columns: dict[str, str] = {}
    for name, kind in shape.columns.items():
        columns[name] = types[kind]
        if kind == "amount" and beside is not None:
            columns[f"{name}{INT_BEHIND}"] = beside
    return columns
