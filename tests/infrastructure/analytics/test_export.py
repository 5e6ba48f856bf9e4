"""Exports: what is in the files, that they are there whole or not at all, and that a folder is added to."""

import asyncio
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow
import pyarrow.parquet as parquet
import pytest

from tallystick import AsyncLedger, CorruptJournal, InvalidRequest, Ledger, StorageUnavailable, Token
from tallystick.infrastructure.analytics.export import append, export
from tallystick.infrastructure.analytics.tables import GROWING, TABLES
from tallystick.infrastructure.ledger.rebuilding import JournalSource
from tests.support.books.varied_book import VariedBook
from tests.support.exports.hostile_book import ACCOUNTS, CODES, play_hostile
from tests.support.suites.movement_sums import check_sums, sums


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """It is not changed."""
    with play_hostile(tmp_path_factory.mktemp("hostile") / "books.db") as ledger:
        yield ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD", decimals=2, max_supply=2**256 - 1))
        ledger.mint("USD", "alice", 2**200)
        ledger.transfer("USD", "alice", "bob", 5)
        yield ledger


def movements(ledger: Any) -> list[dict[str, Any]]:
    return [row for batch in ledger.movements() for row in batch.to_pylist()]


def left_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob("*") if "unfinished" in each.name)


def test_parquet_has_hostile_texts_as_they_are(hostile: Ledger, tmp_path: Path) -> None:
    told = hostile.export("movements", tmp_path / "m.parquet")
    assert (told.format, told.tables[0].path) == ("parquet", str(tmp_path / "m.parquet"))
    assert parquet.read_table(tmp_path / "m.parquet").to_pylist() == movements(hostile)
    noted = parquet.read_schema(tmp_path / "m.parquet").metadata
    head = hostile.status().head.position
    assert noted[b"tallystick.position"] == str(head).encode()
    assert noted[b"tallystick.digest"] == hostile.digest_at(head).encode()


def test_csv_has_hostile_texts_as_they_are(hostile: Ledger, tmp_path: Path) -> None:
    hostile.export(TABLES, tmp_path / "tables", "csv")
    csv.field_size_limit(2**20)
    with (tmp_path / "tables" / "movements.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    wanted = movements(hostile)
    assert [(row["memo"], row["token"], row["receiver"], row["amount"]) for row in found] == [
        (row["memo"], row["token"], row["receiver"] or "", row["amount"]) for row in wanted
    ]
    assert "amount_int" not in found[0]
    assert "amount_0" not in found[0]
    with (tmp_path / "tables" / "balances.csv").open(newline="", encoding="utf-8") as file:
        balances = {(row["token"], row["account"]): int(row["total"]) for row in csv.DictReader(file)}
    assert {account for _, account in balances} == {*ACCOUNTS, "minter"}
    assert balances == {(token, account): hostile.balance(token, account).total for token, account in balances}


def test_csv_tells_null_from_an_empty_text(ledger: Ledger, tmp_path: Path) -> None:
    ledger.export("movements", tmp_path / "m.csv")
    first = (tmp_path / "m.csv").read_text().splitlines()[1]
    assert ',"USD",,"alice",' in first
    assert first.endswith(',"",,')  # the memo is empty, and there is no reference and no hold


def test_duckdb_has_hostile_texts_as_they_are(hostile: Ledger, tmp_path: Path) -> None:
    told = hostile.export(TABLES, tmp_path / "books.duckdb")
    assert [table.name for table in told.tables] == list(TABLES)
    with duckdb.connect(str(tmp_path / "books.duckdb"), read_only=True) as database:
        found = database.execute(
            "SELECT position, token, receiver, memo, reference FROM movements ORDER BY position"
        ).fetchall()
        assert database.execute("SELECT count(DISTINCT token) FROM cells").fetchall() == [(len(CODES),)]
    names = ("position", "token", "receiver", "memo", "reference")
    assert found == [tuple(row[name] for name in names) for row in movements(hostile)]


@pytest.mark.parametrize("commits", [0, 60, 150])
def test_tables_of_a_book_of_all_models(tmp_path: Path, commits: int) -> None:
    book = VariedBook(tmp_path / "books.db", 13)
    for _ in book.play(commits):
        pass
    told = book.ledger.export(TABLES, tmp_path / "tables/")
    assert told.position == book.ledger.status().head.position
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {f"{name}.parquet" for name in TABLES}
    for table in told.tables:
        read = parquet.read_table(table.path)
        assert read.num_rows == table.rows
        for name in read.schema.names:
            if f"{name}_int" in read.schema.names:
                for row in read.select([name, f"{name}_int"]).to_pylist():
                    assert row[f"{name}_int"] == (int(row[name]) if row[name] and int(row[name]) < 10**38 else None)
    check_sums(book.ledger)
    assert sums(parquet.read_table(tmp_path / "tables" / "movements.parquet").to_batches()) == sums(book.ledger.movements())
    book.ledger.close()


def test_a_view_is_exported_as_it_stood(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.as_of(2).export("movements", tmp_path / "m.parquet").position == 2
    assert parquet.read_table(tmp_path / "m.parquet").num_rows == 1


@pytest.mark.parametrize("name", ["m.parquet", "m.csv", "m.journal", "m.duckdb"])
def test_a_file_is_there_whole_or_not_at_all(ledger: Ledger, tmp_path: Path, name: str) -> None:
    ledger.export("movements", tmp_path / name)
    before = (tmp_path / name).read_bytes()
    first = next(iter(ledger.movements()))

    def broken(*_: Any) -> Iterator[Any]:
        yield first
        raise CorruptJournal("planted", position=3)

    for at in (name, f"other-{name}"):
        with mock.patch.object(JournalSource, "movements", broken), pytest.raises(CorruptJournal, match="planted"):
            ledger.export("movements", tmp_path / at)
    assert (tmp_path / name).read_bytes() == before
    assert not (tmp_path / f"other-{name}").exists()
    assert left_in(tmp_path) == []
    ledger.export("movements", tmp_path / name)


def test_a_folder_is_there_whole_or_not_at_all(ledger: Ledger, tmp_path: Path) -> None:
    with (
        mock.patch.dict(export._WRITERS, parquet=mock.Mock(side_effect=[1, OSError(28, "No space left on device")])),  # pyright: ignore
        pytest.raises(StorageUnavailable.__base__, match="No space left"),  # type: ignore[arg-type]
    ):
        ledger.export(["movements", "balances"], tmp_path / "tables/")
    assert not (tmp_path / "tables").exists()
    assert left_in(tmp_path) == []
    ledger.export(["movements", "balances"], tmp_path / "tables/")
    with pytest.raises(InvalidRequest, match="is there already"):
        ledger.export("movements", tmp_path / "tables/")


def test_a_folder_is_added_to(tmp_path: Path) -> None:
    book = VariedBook(tmp_path / "books.db", 21)
    folder, names = tmp_path / "tables", list(GROWING)
    for _ in range(6):
        for _ in book.play(25):
            pass
        told = book.ledger.export(names, folder, append=True)
        assert [table.name for table in told.tables] == names
    again = book.ledger.export(names, folder, append=True)
    assert [(table.rows, table.path) for table in again.tables] == [(0, None)] * len(names)
    whole = tmp_path / "whole"
    book.ledger.export(names, whole)
    for name in names:
        parts = sorted((folder / name).iterdir())
        assert len(parts) == 6
        read = pyarrow.concat_tables([parquet.read_table(part) for part in parts])
        assert read.replace_schema_metadata().equals(parquet.read_table(whole / f"{name}.parquet").replace_schema_metadata())
    book.ledger.close()


def test_an_export_that_was_stopped_is_gone_on_with(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    ledger.export(["movements", "entries"], folder, append=True)
    ledger.mint("USD", "carol", 1)
    real, calls = append.write_parquet, iter((False, True))

    def stopping(*given: Any) -> int:
        written = real(*given)
        if next(calls):
            raise KeyboardInterrupt
        return written

    with mock.patch.object(append, "write_parquet", stopping), pytest.raises(KeyboardInterrupt):
        ledger.export(["movements", "entries"], folder, append=True)
    assert left_in(tmp_path) == []
    ledger.mint("USD", "carol", 1)
    told = ledger.export(["movements", "entries"], folder, append=True)
    assert [table.rows for table in told.tables] == [1, 2]
    assert duckdb.sql(f"SELECT count(*) FROM '{folder}/movements/*.parquet'").fetchall() == [(4,)]
    assert duckdb.sql(f"SELECT count(*) FROM '{folder}/entries/*.parquet'").fetchall() == [(5,)]


def test_a_folder_of_another_journal_is_not_added_to(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    ledger.export("movements", folder, append=True)
    with Ledger.open(tmp_path / "other.db") as other:
        other.register_token(Token("USD"))
        for amount in (1, 2, 3, 4):
            other.mint("USD", "alice", amount)
        with pytest.raises(InvalidRequest, match="another journal"):
            other.export("movements", folder, append=True)
    with pytest.raises(InvalidRequest, match="before that"):
        ledger.as_of(2).export("movements", folder, append=True)
    (folder / "movements" / "notes.txt").write_text("mine")
    with pytest.raises(InvalidRequest, match=r"notes\.txt is not what an export added"):
        ledger.export("movements", folder, append=True)


@pytest.mark.parametrize(
    ("tables", "into", "options", "reason"),
    [
        ("mouvements", "m.csv", {}, "there is no table"),
        ([], "m.csv", {}, "no table is named"),
        ("movements", "m.xlsx", {}, "a format is"),
        ("movements", "m.csv", {"format": "excel"}, "a format is"),
        ("movements", "m", {"format": "hledger", "append": True}, "what is added to"),
        (["movements", "balances"], "m.parquet", {}, "has one table, and 2 are named"),
        (["movements", "balances"], "m.csv", {}, "has one table"),
        ("balances", "b.journal", {}, "has movements alone"),
        (["movements", "balances"], "b.beancount", {}, "has movements alone"),
        ("movements", "folder/", {"format": "duckdb"}, "is one file"),
        ("movements", "m.parquet", {"append": True}, "what is added to"),
        ("balances", "folder/", {"append": True}, "what is added to"),
        ("movements", "folder/", {"format": "csv", "append": True}, "what is added to"),
        ("movements", "missing/m.csv", {}, "there is no folder"),
        ("movements", "missing/folder/", {}, "there is no folder"),
        ("movements", "missing/folder/", {"append": True}, "there is no folder"),
        ("movements", "file", {"append": True}, "is a file"),
        ("movements", "file/", {}, "is there already"),
    ],
)
def test_what_does_not_go_together_is_refused(
    ledger: Ledger, tmp_path: Path, tables: Any, into: str, options: dict[str, Any], reason: str
) -> None:
    (tmp_path / "file").write_text("mine")
    there = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidRequest, match=reason):
        ledger.export(tables, f"{tmp_path}/{into}", **options)
    assert sorted(tmp_path.rglob("*")) == there


def test_a_ledger_is_not_written_over(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "linked.csv").symlink_to(tmp_path / "books.db")
    for name, format in (("books.db", "csv"), ("books.db", "hledger"), ("linked.csv", None), ("books.db", "duckdb")):
        with pytest.raises(InvalidRequest, match=r"SQLite database|is there already"):
            ledger.export("movements", tmp_path / name, format)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="is there already"):
        ledger.duckdb(tmp_path / "books.db")
    assert ledger.verify().ok


def test_what_is_told_is_plain(ledger: Ledger, tmp_path: Path) -> None:
    told = ledger.export("balances", tmp_path / "b.csv")
    assert json.loads(json.dumps(told.to_dict())) == {
        "position": 3,
        "format": "csv",
        "tables": [{"name": "balances", "rows": 2, "path": str(tmp_path / "b.csv")}],
    }


def test_awaited(tmp_path: Path) -> None:
    async def ask() -> list[int]:
        async with AsyncLedger.open(tmp_path / "books.db") as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 5)
            now = await ledger.export("movements", tmp_path / "now.csv")
            then = await (await ledger.as_of(1)).export("movements", tmp_path / "then.csv")
            return [now.tables[0].rows, then.tables[0].rows]

    assert asyncio.run(ask()) == [1, 0]
