"""A projection against what stands elsewhere: other ledgers, and tables, on every store."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallystick import (
    AsyncLedger,
    Balances,
    CorruptJournal,
    InvalidPosition,
    InvalidRequest,
    InvalidURL,
    Ledger,
    LedgerError,
    NotALedger,
    ShadowSpaces,
    StorageUnavailable,
    SupplyReserves,
    Token,
    Transactions,
)
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.ledger.comparing.checking import journals_part_at
from tallystick.testing import sample_ledger
from tests.support.programs.postgres_server import SchemaRemover, unused_name
from tests.support.suites.sink_places import ParquetPlace, Place, PostgresPlace, SQLitePlace

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def filled(url: str | Path, pays: list[int], opened: int = 100) -> Ledger:
    """A ledger whose rows depend on these figures alone; open."""
    hours = count()
    ledger = Ledger.open(url, clock=lambda: BEGIN + timedelta(hours=next(hours)), max_clock_leap=None)
    ledger.register_token(Token("USD"))
    ledger.mint("USD", "alice", opened)
    for amount in pays:
        ledger.transfer("USD", "alice", "bob", amount)
    return ledger


@pytest.mark.parametrize(
    ("here", "there", "upto", "verdict"),
    [
        ([1, 2, 3], [1, 2, 3], None, (True, 5, None)),
        ([1, 2, 3], [1, 2], None, (True, 4, None)),
        ([1, 2], [1, 2, 3], None, (True, 4, None)),
        ([1, 2, 3], [1, 2, 3, 4], 3, (True, 3, None)),
        ([1, 2, 3], [1], 4, (True, 3, None)),
        ([1, 2, 3], [1, 3, 3], None, (False, 5, 4)),
        ([1, 2, 3], [1, 3, 3], 3, (True, 3, None)),
        ([1, 2, 3], [3, 2, 1], None, (True, 5, 3)),
        ([1, 2, 3], [3, 2, 1], 4, (False, 4, 3)),
        ([1, 2, 3], [3, 2, 1], 0, (True, 0, None)),
        ([1] * 40, [1] * 37 + [2], None, (False, 40, 40)),
    ],
)
def test_against_another_ledger(
    shared_url: str | Path, tmp_path: Path, here: list[int], there: list[int], upto: int | None, verdict: tuple[Any, ...]
) -> None:
    """A copy, a replica behind or ahead, and one that came to the same by another way."""
    with filled(shared_url, here), filled(tmp_path / "other.db", there):
        pass
    with Ledger.open(tmp_path / "other.db", read_only=True) as ledger:
        found = ledger.check_replay("balances", shared_url, None if upto is None else min(upto, ledger.status().head.position))
        assert (found.ok, found.position, found.journals_part_at) == verdict
    with Ledger.open(shared_url, read_only=True) as ledger:
        found = ledger.check_replay(Balances, tmp_path / "other.db", upto)
        assert (found.ok, found.position, found.journals_part_at, found.against) == (*verdict, "ledger")
        if not found.ok:
            assert found.differences[0].path == "state['USD']['available']['alice']"
            left, other = (100 - sum(pays[: found.position - 2]) for pays in (here, there))
            assert (found.differences[0].first, found.differences[0].second) == (left, other)
        assert found.digest is not None
        assert ledger.check_replay(SupplyReserves(), tmp_path / "other.db", upto).ok


def test_journals_part_where_the_first_row_is_another(tmp_path: Path) -> None:
    """At each place, rows of many positions among them, and whichever of the two has them."""
    for at in range(12):
        for rows in (1, 7):
            with filled("memory:one", [1] * 5) as one, filled("memory:other", [1] * 5) as other:
                for number in range(12):
                    one.transfer_many("USD", ["alice"] * 3, ["bob"] * 3, [1] * 3)
                    amount = 2 if number == at else 1
                    count = rows if number == at else 3
                    other.transfer_many("USD", ["alice"] * count, ["bob"] * count, [amount] * count)
                with (
                    closing(open_journal("memory:one")) as first,
                    closing(open_journal("memory:other")) as second,
                ):
                    end = min(first.head().position, second.head().position)
                    parted = 8 + 3 * at
                    for upto in range(end + 1):
                        assert journals_part_at(first, second, upto) == (parted if upto >= parted else None)
                        assert journals_part_at(first, first, upto) is None


def test_the_other_is_corrupt(tmp_path: Path) -> None:
    with filled(tmp_path / "books.db", [1, 2, 3]) as ledger:
        ledger.backup(tmp_path / "copy.db")
        with closing(sqlite3.connect(tmp_path / "copy.db")) as database, database:
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f'DROP TRIGGER "{name}"')
            database.execute("UPDATE commits SET body = replace(body, 'bob', 'eve') WHERE first_position = 4")
        with pytest.raises((CorruptJournal, NotALedger)) as corrupt:
            ledger.check_replay("balances", tmp_path / "copy.db")
        assert "copy.db" in str(corrupt.value)


def test_nothing_was_recorded_there(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "empty.db"), filled("memory:", [1]) as ledger:
        with pytest.raises(InvalidRequest, match="nothing was recorded in"):
            ledger.check_replay("balances", tmp_path / "empty.db")
        with Ledger.open("memory:") as empty:
            assert empty.check_replay("balances", tmp_path / "empty.db").position == 0


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("missing.db", StorageUnavailable),
        ("missing", StorageUnavailable),
        ("missing/", StorageUnavailable),
        ("missing/below/tables.db", StorageUnavailable),
        (Path("missing.db"), StorageUnavailable),
        (Path("missing"), StorageUnavailable),
        ("sqlite:///missing.db", StorageUnavailable),
        ("parquet:///missing", StorageUnavailable),
        ("folder", NotALedger),
        ("text.db", NotALedger),
        ("else.db", NotALedger),
        ("empty.db", NotALedger),
        ("mysql://host/db", InvalidURL),
        ("sqlite://x", InvalidURL),
        ("", InvalidURL),
        (7, InvalidURL),
    ],
)
def test_nothing_is_made_where_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: Any, error: type[LedgerError]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("a text that is no database" * 100)
    (tmp_path / "empty.db").touch()
    with closing(sqlite3.connect("else.db")) as database, database:
        database.execute("CREATE TABLE t (a)")
        database.execute("PRAGMA journal_mode = WAL")
    before = sorted((str(path), path.stat().st_size) for path in tmp_path.rglob("*"))
    with filled("memory:", [1]) as ledger, pytest.raises(error):
        ledger.check_replay("balances", address)
    assert sorted((str(path), path.stat().st_size) for path in tmp_path.rglob("*")) == before


def test_no_schema_is_made_where_none_is(postgres: str, remove_schema: SchemaRemover) -> None:
    for url in (f"{postgres}{'&' if '?' in postgres else '?'}schema={unused_name()}", "postgresql://nobody@127.0.0.1:1/none"):
        with psycopg.connect(postgres) as connection:
            before = connection.execute("SELECT count(*) FROM pg_namespace").fetchall()
        with filled("memory:", [1]) as ledger, pytest.raises((NotALedger, StorageUnavailable)):
            ledger.check_replay("balances", url)
        with psycopg.connect(postgres) as connection:
            assert connection.execute("SELECT count(*) FROM pg_namespace").fetchall() == before


# Tables.


@pytest.fixture(params=["sqlite", "parquet", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "postgres":
        schema, remove = unused_name(), request.getfixturevalue("remove_schema")
        yield PostgresPlace(request.getfixturevalue("postgres"), schema)
        remove(schema)
    else:
        yield SQLitePlace(tmp_path / "tables.db") if request.param == "sqlite" else ParquetPlace(tmp_path / "tables")


TABLES = ("balances", "supply", "shadow_spaces", "fragments", "holds", "transactions", "entries")


def test_against_tables(place: Place) -> None:
    """As of where they were built, whatever was recorded since; and by the projection's name, its class, or the table's."""
    with sample_ledger() as ledger:
        ledger.rebuild(TABLES, place.into)
        built = ledger.status().head.position
        ledger.transfer("USD", "alice", "bob", 1)
        given: list[Any] = [*TABLES, "supply_reserves", Balances, SupplyReserves(), ShadowSpaces, Transactions]
        for each in given:
            found = ledger.check_replay(each, place.into)
            assert (found.ok, found.position, found.against, found.differences) == (True, built, "tables", ()), each
        with pytest.raises(InvalidRequest, match="compared as of the position up to which they were built"):
            ledger.check_replay("balances", place.into, upto=3)
        with pytest.raises(InvalidRequest, match="no allocations is in use there"):
            ledger.check_replay("allocations", place.into)


def nth(rows: list[tuple[Any, ...]], at: int) -> tuple[Any, ...]:
    return sorted(rows)[at]


@pytest.mark.parametrize("how", ["change", "lose", "double"])
@pytest.mark.parametrize("table", ["balances", "holds", "transactions"])
def test_the_row_that_differs_is_named(place: Place, table: str, how: str) -> None:
    """One that was changed, lost or doubled."""
    with sample_ledger() as ledger:
        ledger.rebuild(TABLES, place.into)
        place.spoil(table, 1, how)
        found = ledger.check_replay(table, place.into)
        assert (found.ok, found.position) == (False, ledger.status().head.position)
        assert f"the table {table} is not what the journal says" in found.reason
        first, *others = found.differences
        assert first.path.startswith(f"{table}[")
        if how == "lose":
            assert (first.in_first, first.in_second, others) == (True, False, [])
        elif how == "double":
            assert (first.in_first, first.in_second, others) == (False, True, [])
        else:
            told = [(each.in_first, each.in_second) for each in found.differences]
            assert told in ([(True, True)], [(True, False), (False, True)])
        assert ledger.check_replay("entries", place.into).ok


@pytest.mark.parametrize("lost", [0, 1, 70_000, 99_999])
def test_one_row_of_many(tmp_path: Path, lost: int) -> None:
    """Those that follow it are no differences, though each stands a row earlier than it was."""
    names = [f"c{number:06}" for number in range(100_000)]
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        for begin in range(0, len(names), 8_000):
            ledger.mint_many("USD", names[begin : begin + 8_000], [7] * len(names[begin : begin + 8_000]))
        ledger.rebuild("balances", tmp_path / "tables.db")
        with closing(sqlite3.connect(tmp_path / "tables.db")) as database, database:
            database.execute("DELETE FROM balances__1 WHERE account = ?", (names[lost],))
        (found,) = ledger.check_replay("balances", tmp_path / "tables.db").differences
        assert (found.path, found.second) == (f"balances[token='USD', account='{names[lost]}']", None)
        assert found.first == {"token": "USD", "account": names[lost], "available": "7", "reserved": "0", "total": "7"}


def test_tables_of_another_journal(tmp_path: Path) -> None:
    with filled(tmp_path / "one.db", [1, 2]) as ledger, filled(tmp_path / "other.db", [2, 1]) as other:
        ledger.rebuild("balances", tmp_path / "tables.db")
        found = other.check_replay("balances", tmp_path / "tables.db")
        assert not found.ok
        assert "it was made of another journal" in found.reason


class Largest:
    """A projection of a user's own."""

    name, version = "largest", 1

    def __init__(self) -> None:
        self.state: dict[str, int] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        if type(event).__name__ == "Moved":
            self.state[event.receiver] = max(event.amount, self.state.get(event.receiver, 0))

    def tables(self) -> list[Any]:
        return [("largest", {"account": "text", "amount": "amount"}, self.state.items())]


@pytest.mark.parametrize("give", [lambda: Largest, Largest, lambda: f"{__name__}:Largest"])
def test_one_of_ones_own(tmp_path: Path, give: Callable[[], Any]) -> None:
    with filled(tmp_path / "books.db", [1, 5, 2]) as ledger:
        ledger.rebuild(give(), tmp_path / "tables.db")
        ledger.backup(tmp_path / "copy.db")
        assert ledger.check_replay(give(), tmp_path / "tables.db").ok
        assert ledger.check_replay(give(), tmp_path / "copy.db").ok
        with closing(sqlite3.connect(tmp_path / "tables.db")) as database, database:
            database.execute("UPDATE largest__1 SET amount = '6', amount_int = 6")
        (changed, instead) = ledger.check_replay(give(), tmp_path / "tables.db").differences
        assert (changed.path, changed.first, changed.second) == ("largest[row 1]", {"account": "bob", "amount": "5"}, None)
        assert (instead.path, instead.second) == ("largest[row 1]", {"account": "bob", "amount": "6"})


def test_what_is_wrong_is_refused(tmp_path: Path) -> None:
    with filled(tmp_path / "books.db", [1]) as ledger:
        shutil.copy(tmp_path / "books.db", tmp_path / "plain.db")
        ledger.backup(tmp_path / "copy.db")
        for given, options, error in (
            ("nobody", {}, InvalidRequest),
            ("entries", {}, InvalidRequest),
            ("nowhere_at_all:Class", {}, InvalidRequest),
            ("balances", {"upto": 10**6}, InvalidPosition),
        ):
            with pytest.raises(error):
                ledger.check_replay(given, tmp_path / "copy.db", **options)


def test_awaited(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncLedger.open(tmp_path / "books.db") as ledger:
            await ledger.backup(tmp_path / "copy.db")
            assert (await ledger.check_replay("balances", tmp_path / "copy.db")).ok

    with filled(tmp_path / "books.db", [1]):
        pass
    asyncio.run(main())
