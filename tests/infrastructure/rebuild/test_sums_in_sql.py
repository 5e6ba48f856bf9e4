"""Databases that add up rebuilt tables and movements find what the ledger says, however large amounts are."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from tallystick import Ledger, Token, parquet_files
from tests.support.programs.postgres_server import SchemaRemover, unused_name
from tests.support.rebuilds.sum_cases import SumCases, balances_of, summed

__all__ = ["summed"]

MOVED = ("token", "sender", "receiver", "sender_held", "receiver_held", *(f"amount_{limb}" for limb in range(9)))
TYPES = dict.fromkeys(MOVED[:3], "TEXT") | dict.fromkeys(MOVED[3:5], "BOOLEAN") | dict.fromkeys(MOVED[5:], "BIGINT")


class ExactSum:
    """An aggregate that Python lends SQLite: the exact sum of amounts that are texts."""

    def __init__(self) -> None:
        self.sum = 0

    def step(self, amount: str | None) -> None:
        self.sum += int(amount or 0)

    def finalize(self) -> str:
        return str(self.sum)


class TestSQLite(SumCases):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "tables.db"
        with closing(sqlite3.connect(self.path)) as self.database:
            self.database.create_aggregate("exact_sum", 1, ExactSum)
            yield

    def rebuilt(self, ledger: Ledger, *names: str) -> None:
        ledger.rebuild(names, self.path)

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query.format(lines="lines", transactions="transactions", movements="movements")).fetchall()

    def loaded(self, movements: Any) -> None:
        self.database.execute(f"CREATE TABLE movements ({', '.join(f'{name} {kind}' for name, kind in TYPES.items())})")
        rows = zip(*(movements.column(name).to_pylist() for name in MOVED), strict=True)
        self.database.executemany(f"INSERT INTO movements VALUES ({', '.join('?' * len(MOVED))})", rows)

    def test_an_aggregate_of_python(self, summed: Ledger) -> None:
        self.rebuilt(summed, "lines")
        query = "SELECT token, account, exact_sum(change), exact_sum(reserved_change) FROM lines GROUP BY token, account"
        found = {(token, account): (int(change), int(held)) for token, account, change, held in self.asked(query)}
        assert {cell: balance for cell, balance in found.items() if any(balance)} == balances_of(summed)

    def test_integers_where_all_fit(self, summed: Ledger) -> None:
        self.rebuilt(summed, "lines")
        rows = self.asked(
            """SELECT token, account, sum(change_int), sum(reserved_change_int) FROM lines GROUP BY token, account
            HAVING count(change_int) = count(*) AND count(reserved_change_int) = count(*)"""
        )
        found = {(token, account): (change, held) for token, account, change, held in rows}
        told = balances_of(summed)
        assert all(balance == told.get(cell, (0, 0)) for cell, balance in found.items())
        assert {token for token, _ in found} >= {"PLN", "FRG", "TEA", "APP"}
        assert {account for token, account in told if token == "BIG"}.isdisjoint(
            account for token, account in found if token == "BIG"
        )

    def test_integers_whose_sum_does_not_fit_are_an_error(self) -> None:
        with Ledger.open("memory:") as ledger:
            ledger.register_token(Token("USD", max_supply=2**70))
            for _ in range(3):
                ledger.mint("USD", "alice", 2**62)
            self.rebuilt(ledger, "lines")
        with pytest.raises(sqlite3.OperationalError, match="overflow"):
            self.asked("SELECT sum(change_int) FROM lines")
        assert self.asked("SELECT exact_sum(change) FROM lines") == [(str(3 * 2**62),)]


class TestPostgres(SumCases):
    store = "postgres"
    amount_as_text = "CAST({0} AS TEXT)"

    @pytest.fixture(autouse=True)
    def _place(self, postgres: str, remove_schema: SchemaRemover) -> Iterator[None]:
        schema = unused_name()
        self.url = f"{postgres}{'&' if '?' in postgres else '?'}schema={schema}"
        with psycopg.connect(postgres, autocommit=True) as self.database:
            self.database.execute(f"CREATE SCHEMA {schema}")
            self.database.execute(f"SET search_path TO {schema}")
            yield
        remove_schema(schema)

    def rebuilt(self, ledger: Ledger, *names: str) -> None:
        ledger.rebuild(names, self.url)

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query.format(lines="lines", transactions="transactions", movements="movements")).fetchall()

    def loaded(self, movements: Any) -> None:
        self.database.execute(f"CREATE TABLE movements ({', '.join(f'{name} {kind}' for name, kind in TYPES.items())})")
        with self.database.cursor() as cursor, cursor.copy("COPY movements FROM STDIN") as copy:
            for row in zip(*(movements.column(name).to_pylist() for name in MOVED), strict=True):
                copy.write_row(row)

    def test_amounts_as_they_stand(self, summed: Ledger) -> None:
        self.rebuilt(summed, "lines")
        rows = self.asked("SELECT token, account, sum(change), sum(reserved_change) FROM lines GROUP BY token, account")
        found = {(token, account): (int(change), int(held)) for token, account, change, held in rows}
        assert {cell: balance for cell, balance in found.items() if any(balance)} == balances_of(summed)


class TestDuckDB(SumCases):
    """Over the files of a rebuild into Parquet."""

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> Iterator[None]:
        self.folder = tmp_path / "tables"
        with closing(duckdb.connect()) as self.database:
            yield

    def rebuilt(self, ledger: Ledger, *names: str) -> None:
        ledger.rebuild(names, self.folder)

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        files = parquet_files(self.folder) if self.folder.exists() else {}
        tables = {name: f"read_parquet({paths!r})" for name, paths in files.items()}
        return self.database.execute(query.format(**{"movements": "movements", "transactions": "", **tables})).fetchall()

    def loaded(self, movements: Any) -> None:
        self.database.register("movements", movements)

    def test_decimals_where_all_fit(self, summed: Ledger) -> None:
        self.rebuilt(summed, "lines")
        rows = self.asked(
            """SELECT token, account, sum(change_int), sum(reserved_change_int) FROM {lines} WHERE token <> 'BIG'
            GROUP BY token, account HAVING count(change_int) = count(*) AND count(reserved_change_int) = count(*)"""
        )
        found = {(token, account): (int(change), int(held)) for token, account, change, held in rows}
        told = {cell: balance for cell, balance in balances_of(summed).items() if cell[0] != "BIG"}
        assert {cell: balance for cell, balance in found.items() if any(balance)} == told

    def test_decimals_whose_sum_does_not_fit_are_an_error(self) -> None:
        with Ledger.open("memory:") as ledger:
            ledger.register_token(Token("USD", max_supply=2**200))
            for _ in range(3):
                ledger.mint("USD", "alice", 10**38 - 1)
            self.rebuilt(ledger, "lines")
        with pytest.raises(duckdb.Error, match="Overflow in"):
            self.asked("SELECT sum(change_int) FROM {lines}")
