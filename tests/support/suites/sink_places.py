"""Where tests have tables rebuilt: each sink as a place whose tables can be read, and spoilt, past the package."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq

from tallystick import parquet_files

_TOTALS = "SELECT (SELECT sum(total{0}) FROM {1}balances), (SELECT sum(circulating{0}) FROM {1}supply)"
NAMES = ("balances", "supply", "shadow_spaces", "allocations", "fragments", "holds", "transactions", "entries", "lines")


class Place(ABC):
    """A place with rebuilt tables; `into` is its address."""

    amount: Callable[[int], Any]
    """What an amount is there."""

    def __init__(self, into: str | Path) -> None:
        self.into = into

    @abstractmethod
    def rows(self, *tables: str, columns: str) -> list[list[tuple[Any, ...]]]:
        """These columns of tables in use, as readers see them."""

    @abstractmethod
    def totals(self) -> tuple[int, int]:
        """What all have of all tokens, and what is in circulation, as readers see it in one query."""

    @abstractmethod
    def spoil(self, table: str, version: int, how: str) -> None:
        """Makes one row of a build another, or takes it away, or adds it a second time: "change", "lose", "double"."""

    def amounts(self, table: str, key: str, amount: str) -> dict[tuple[Any, ...], int]:
        """An amount by the columns that are the key."""
        (rows,) = self.rows(table, columns=f"{key}, {amount}")
        return {tuple(each): int(number) for *each, number in rows}


class SQLitePlace(Place):
    """A file."""

    amount = str

    def rows(self, *tables: str, columns: str) -> list[list[tuple[Any, ...]]]:
        with closing(sqlite3.connect(self.into)) as database:
            return [database.execute(f"SELECT {columns} FROM {table}").fetchall() for table in tables]

    def totals(self) -> tuple[int, int]:
        with closing(sqlite3.connect(self.into)) as database:
            return database.execute(_TOTALS.format("_int", "")).fetchone()

    def spoil(self, table: str, version: int, how: str) -> None:
        with closing(sqlite3.connect(self.into)) as database, database:
            for statement in _spoiling(f"{table}__{version}", table, how, "max(tallystick_row) + 1"):
                database.execute(statement)


class PostgresPlace(Place):
    """A schema."""

    amount = Decimal

    def __init__(self, server: str, schema: str) -> None:
        super().__init__(f"{server}{'&' if '?' in server else '?'}schema={schema}")
        self._server, self._schema = server, schema

    def rows(self, *tables: str, columns: str) -> list[list[tuple[Any, ...]]]:
        with psycopg.connect(self._server) as connection:
            return [connection.execute(f"SELECT {columns} FROM {self._schema}.{table}").fetchall() for table in tables]

    def totals(self) -> tuple[int, int]:
        with psycopg.connect(self._server) as connection:
            held, circulating = connection.execute(_TOTALS.format("", f"{self._schema}.")).fetchall()[0]
            return int(held), int(circulating)

    def spoil(self, table: str, version: int, how: str) -> None:
        with psycopg.connect(self._server) as connection:
            for statement in _spoiling(f"{self._schema}.{table}__{version}", table, how, "max(tallystick_row) + 1"):
                connection.execute(statement)


def _spoiling(name: str, table: str, how: str, behind: str) -> Sequence[str]:
    first = f"tallystick_row = (SELECT min(tallystick_row) FROM {name})"
    match how:
        case "change":
            return (f"UPDATE {name} SET {TEXTS[table]} = 'nobody' WHERE {first}",)
        case "lose":
            return (f"DELETE FROM {name} WHERE {first}",)
        case _:
            copied = f"CREATE TABLE copied AS SELECT * FROM {name} WHERE {first}"
            return (
                copied,
                f"UPDATE copied SET tallystick_row = (SELECT {behind} FROM {name})",
                f"INSERT INTO {name} SELECT * FROM copied",
                "DROP TABLE copied",
            )


TEXTS = {
    "balances": "account",
    "supply": "token",
    "shadow_spaces": "contract",
    "allocations": "account",
    "fragments": "owner",
    "holds": "payer",
    "transactions": "token",
    "entries": "key",
    "lines": "memo",
}
"""A column of text of each table."""


class ParquetPlace(Place):
    """A folder."""

    amount = str

    def rows(self, *tables: str, columns: str) -> list[list[tuple[Any, ...]]]:
        files = parquet_files(self.into)
        wanted = columns.split(", ")
        found = [pq.ParquetDataset(files[table]).read(wanted).to_pylist() for table in tables]
        return [[tuple(row[column] for column in wanted) for row in rows] for rows in found]

    def totals(self) -> tuple[int, int]:
        files = parquet_files(self.into)
        columns = (("balances", "total"), ("supply", "circulating"))
        held, circulating = (
            sum(map(int, pq.ParquetDataset(files[table]).read([column]).column(0).to_pylist())) for table, column in columns
        )
        return held, circulating

    def spoil(self, table: str, version: int, how: str) -> None:
        file = min((Path(self.into) / table / str(version)).glob("*.parquet"))
        read = pq.ParquetFile(file).read()
        rows = read.to_pylist()
        match how:
            case "change":
                rows[0][TEXTS[table]] = "nobody"
            case "lose":
                del rows[0]
            case _:
                rows.append(rows[0])
        pq.write_table(type(read).from_pylist(rows, read.schema), file)
