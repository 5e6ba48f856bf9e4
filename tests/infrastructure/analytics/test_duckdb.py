"""The journal's tables in DuckDB: they have what the ledger says, exactly, and all of one moment."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest

from tallystick import AsyncLedger, CorruptJournal, InvalidRequest, Ledger, LedgerClosed, Token, parquet_files
from tallystick.infrastructure.analytics import database as databases
from tallystick.infrastructure.analytics.tables import GROWING, TABLES
from tallystick.infrastructure.ledger.rebuilding import JournalSource
from tallystick.infrastructure.rebuild.rows.row_tables import ROW_TABLES
from tests.support.books.varied_book import VariedBook
from tests.support.exports.wide_book import wide_book
from tests.support.suites.movement_sums import Cell, cells_of

SIDES = "SELECT token, account, held, {total} FROM postings GROUP BY token, account, held"
BY_LIMBS = f"""SELECT token, account, held, {", ".join(f"sum(sign * amount_{limb})" for limb in range(9))}
FROM (
    SELECT receiver AS account, receiver_held AS held, 1 AS sign, * FROM movements
    UNION ALL SELECT sender, sender_held, -1, * FROM movements
) GROUP BY ALL"""


@pytest.fixture(scope="module", params=[3, 7, 11])
def varied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VariedBook]:
    """It is not changed."""
    book = wide_book(tmp_path_factory.mktemp("varied") / "books.db", request.param)
    yield book
    book.ledger.close()


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "wide.db") as ledger:
        ledger.register_token(Token("BIG", max_supply=2**256 - 1))
        for _ in range(3):
            ledger.mint("BIG", "alice", 2**253)
        yield ledger


def found(rows: list[tuple[Any, ...]], total: Callable[[tuple[Any, ...]], int]) -> dict[Cell, int]:
    sums = {(token, account, held): total(tuple(totals)) for token, account, held, *totals in rows}
    return {cell: amount for cell, amount in sums.items() if amount}


def limbs(totals: tuple[int, ...]) -> int:
    return sum(limb << 31 * number for number, limb in enumerate(totals))


def test_movements_sum_to_what_the_ledger_says(varied: VariedBook) -> None:
    told = cells_of(varied.ledger)
    with varied.ledger.duckdb(tables="movements") as database:
        by_text = database.execute(SIDES.format(total="exact_sum(change)")).fetchall()
        assert found(by_text, lambda totals: int(totals[0])) == told
        assert found(database.execute(BY_LIMBS).fetchall(), limbs) == told
        narrow = SIDES.format(total="sum(change_int)").replace("GROUP", "WHERE token <> 'BIG' GROUP")
        assert found(database.execute(narrow).fetchall(), lambda totals: totals[0]) == {
            cell: amount for cell, amount in told.items() if cell[0] != "BIG"
        }
        kinds = database.execute("SELECT DISTINCT typeof(exact_sum(change)), typeof(sum(change_int)) FROM postings").fetchall()
        assert kinds == [("BIGNUM", "HUGEINT")]


def test_cells_are_balances(varied: VariedBook) -> None:
    columns = "token, account, available, available_int, reserved, reserved_int, total, total_int"
    with varied.ledger.duckdb(tables=("movements", "balances")) as database:
        for first, second in (("cells", "balances"), ("balances", "cells")):
            differing = f"SELECT {columns} FROM {first} WHERE total <> '0' EXCEPT SELECT {columns} FROM {second}"
            assert database.execute(differing).fetchall() == []
        (rows,) = database.execute("SELECT count(*) FROM cells WHERE total <> '0'").fetchall()
    assert rows[0] > 15


def test_every_table_has_what_a_rebuild_of_it_has(varied: VariedBook, tmp_path: Path) -> None:
    names = [name for name in TABLES if name != "movements"]
    varied.ledger.rebuild(names, tmp_path / "tables/")
    files = parquet_files(tmp_path / "tables/")
    with varied.ledger.duckdb(tables=names) as database:
        database.execute("SET TimeZone = 'UTC'")
        for name in names:
            assert database.execute(f"SELECT count(*) > 0 FROM {name}").fetchall() == [(True,)], name
            of_rebuild = f"SELECT * FROM read_parquet({files[name]!r})"
            for query in (
                f"SELECT * FROM {name} EXCEPT ALL {of_rebuild}",
                f"{of_rebuild} EXCEPT ALL SELECT * FROM {name}",
            ):
                assert database.execute(query).fetchall() == [], name


def test_an_amount_stands_beside_its_text_where_38_digits_hold_it(varied: VariedBook) -> None:
    with varied.ledger.duckdb(tables=("movements", "transactions")) as database:
        for table in ("movements", "transactions"):
            rows = database.execute(f"SELECT amount, amount_int FROM {table}").fetchall()
            assert any(number is None for _, number in rows)
            for text, number in rows:
                assert number == (int(text) if int(text) < 10**38 else None)


def test_a_sum_that_does_not_fit_is_an_error_and_no_float(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("BIG", max_supply=2**256 - 1))
        for _ in range(3):
            ledger.mint("BIG", "alice", 10**38 - 1)
        with ledger.duckdb(tables="movements") as database:
            with pytest.raises(duckdb.OutOfRangeException):
                database.execute("SELECT sum(amount_int) FROM movements").fetchall()
            assert database.execute("SELECT exact_sum(amount) FROM movements").fetchall() == [(str(3 * 10**38 - 3),)]


def test_a_view_gives_the_tables_as_they_stood(varied: VariedBook) -> None:
    ledger = varied.ledger
    for position in (40, 90, 150):
        view = ledger.as_of(position)
        with view.duckdb(tables=("movements", "balances", "entries")) as database:
            (journal,) = database.execute("SELECT position, digest FROM journal").fetchall()
            assert journal == (view.position, view.digest_at(view.position))
            assert found(
                database.execute(SIDES.format(total="exact_sum(change)")).fetchall(), lambda totals: int(totals[0])
            ) == cells_of(view)
            assert database.execute("SELECT max(last_position) FROM entries").fetchall() == [(view.position,)]


def test_all_tables_are_of_one_moment_though_others_commit(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD"))
        for _ in range(20):
            ledger.mint("USD", "alice", 1)
        told: list[int] = []

        def commit(done: int, to_do: int) -> None:
            told.append(to_do)
            ledger.mint("USD", "bob", 1)

        with ledger.duckdb(progress=commit) as database:
            counts = {name: database.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in GROWING}
            assert counts["movements"] == counts["transactions"] == 20
            assert counts["entries"] == 21
            assert database.execute("SELECT account, total FROM balances").fetchall() == [("alice", "20")]
        assert told
        assert set(told) == {21}


def test_a_ledger_of_each_store_and_an_empty_one(url: str) -> None:
    with Ledger.open(url) as ledger:
        with ledger.duckdb() as database:
            for name in (*TABLES, "postings", "cells"):
                assert database.execute(f"SELECT count(*) FROM {name}").fetchall() == [(0,)]
            assert database.execute("SELECT exact_sum(amount) FROM movements").fetchall() == [(None,)]
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint_many("USD", [f"account{each}" for each in range(1000)], [2**70] * 1000)
        with ledger.duckdb() as database:
            assert database.execute("SELECT exact_sum(total), count(*) FROM cells").fetchall() == [(str(1000 * 2**70), 1000)]


def test_whatever_table_there_is_is_loaded(varied: VariedBook) -> None:
    with varied.ledger.duckdb() as database:
        names = {name for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert names == {*TABLES, "journal"}
    assert set(ROW_TABLES) < set(TABLES)


def test_days_are_those_of_utc_wherever_one_asks(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db", clock=lambda: datetime(2026, 3, 5, 12, tzinfo=UTC)) as ledger:
        ledger.register_token(Token("USD"))
        for hours in range(-26, 12):
            when = datetime(2026, 3, 5, tzinfo=UTC) + timedelta(hours=hours, minutes=59, seconds=59, microseconds=999_999)
            ledger.mint("USD", "alice", 1, occurred_at=when)
        with ledger.duckdb(tables="movements") as database:
            for zone in ("UTC", "Pacific/Auckland", "America/Los_Angeles"):
                database.execute(f"SET TimeZone = '{zone}'")
                by_day = "SELECT CAST(occurred_at AS DATE) AS day, count(*) FROM movements GROUP BY day ORDER BY day"
                assert database.execute(by_day).fetchall() == [
                    (date(2026, 3, 3), 2),
                    (date(2026, 3, 4), 24),
                    (date(2026, 3, 5), 12),
                ]
                cut = "SELECT DISTINCT date_trunc('day', occurred_at), strftime(occurred_at, '%H') FROM movements"
                assert len(database.execute(cut).fetchall()) == 38


def test_no_extension_is_installed_or_loaded(wide: Ledger) -> None:
    with wide.duckdb() as database:
        asked = "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%_known_extensions'"
        assert {value for _, value in database.execute(asked).fetchall()} == {"false"}


def test_a_file_is_made_whole_or_not_at_all(wide: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "out.duckdb"
    with wide.duckdb(path, "movements") as database:
        assert database.execute("SELECT exact_sum(amount) FROM movements").fetchall() == [(str(3 * 2**253),)]
    before = path.read_bytes()

    def broken(*_: Any) -> None:
        raise CorruptJournal("planted", position=1)

    with mock.patch.object(databases, "load", broken), pytest.raises(CorruptJournal):
        wide.duckdb(path)
    assert path.read_bytes() == before
    wide.mint("BIG", "bob", 1)
    with wide.duckdb(str(path), ["movements", "balances"]) as database:
        assert database.execute("SELECT count(*) FROM movements").fetchall() == [(4,)]
    with duckdb.connect(str(path), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM cells").fetchall() == [(2,)]
    assert [each.name for each in tmp_path.iterdir() if "unfinished" in each.name] == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"notes of somebody", "is there already"), (b"", "is there already"), (None, "is there already")],
)
def test_another_file_is_left_alone(wide: Ledger, tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "theirs.duckdb"
    if content is None:
        with duckdb.connect(str(path)) as database:
            database.execute("CREATE TABLE theirs (a INTEGER)")
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=reason):
        wide.duckdb(path)
    assert path.read_bytes() == content


def test_what_is_wrong_is_said(wide: Ledger, tmp_path: Path) -> None:
    for tables in ("mouvements", ["movements", "journal"], [7], ["movements; DROP TABLE x"], ["cells"]):
        with pytest.raises(InvalidRequest, match="there is no table"):
            wide.duckdb(tables=tables)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="there is no folder"):
        wide.duckdb(tmp_path / "missing" / "x.duckdb")
    with pytest.raises(InvalidRequest, match="is a folder"):
        wide.duckdb(tmp_path)
    with (
        mock.patch.dict(sys.modules, {"duckdb": None}),
        pytest.raises(InvalidRequest, match=r'pip install "tallystick\[analytics\]"'),
    ):
        wide.duckdb()
    wide.close()
    with pytest.raises(LedgerClosed):
        wide.duckdb()


def test_what_the_journal_raises_is_raised_as_it_is(wide: Ledger) -> None:
    def broken(*_: Any) -> Iterator[Any]:
        yield next(iter(Ledger.movements(wide)))
        raise CorruptJournal("planted", position=3)

    with mock.patch.object(JournalSource, "movements", broken), pytest.raises(CorruptJournal, match="planted"):
        wide.duckdb(tables="movements")


def test_awaited(tmp_path: Path) -> None:
    async def ask() -> tuple[list[Any], list[Any]]:
        async with AsyncLedger.open(tmp_path / "books.db") as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 5)
            view = await ledger.as_of(2)
            await ledger.mint("USD", "alice", 5)
            with await ledger.duckdb(tables="balances") as now, await view.duckdb(tables="balances") as then:
                return now.execute("SELECT total FROM balances").fetchall(), then.execute(
                    "SELECT total FROM balances"
                ).fetchall()

    assert asyncio.run(ask()) == ([("10",)], [("5",)])
