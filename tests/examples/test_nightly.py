"""The job of the night: its README is true; what is wrong is told, and changes nothing for readers."""

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from examples.nightly.nightly import main
from examples.nightly.volumes import DailyVolumes
from tallystick import Ledger, Token, parquet_files
from tallystick.testing import check_projection
from tests.support.programs.postgres_server import SchemaRemover, unused_name

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "examples" / "nightly" / "README.md").read_text()


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A day: somebody is paid, and pays."""
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint("USD", "alice", 500_00)
        for amount in (1_00, 2_50, 3):
            ledger.transfer("USD", "alice", "bob", amount)
    return tmp_path / "books.db"


@pytest.fixture
def alarm(tmp_path: Path) -> str:
    """A command that writes what it is told into a file."""
    (tmp_path / "alarm.py").write_text("import sys; open(sys.argv[1], 'a').write(sys.stdin.read())")
    return shlex.join([sys.executable, str(tmp_path / "alarm.py"), str(tmp_path / "alarms")])


@pytest.fixture
def schema(postgres: str, remove_schema: SchemaRemover) -> Iterator[str]:
    name = unused_name()
    yield name
    remove_schema(name)


def test_the_command_of_the_readme(books: Path, tmp_path: Path, postgres: str, schema: str) -> None:
    run, *printed = re.findall(r"^(?:python|# {).*$", README, re.MULTILINE)
    database = f"{postgres}{'&' if '?' in postgres else '?'}schema={schema}"
    arguments = [part.replace("postgresql://reports@/reports?schema=books", database) for part in shlex.split(run)[1:-2]]
    for night in (1, 2):
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.count("nothing is in use there yet")) == (0, 2 if night == 1 else 0)
        for line, expected in zip(done.stdout.splitlines(), printed, strict=True):
            told = json.loads(line)
            assert told | {"into": ""} == json.loads(expected[2:]) | {"into": "", "version": night}
    with psycopg.connect(postgres) as connection:
        found = connection.execute(f"SELECT token, transfers, amount::text FROM {schema}.daily_volumes").fetchall()
    assert found == [("USD", 3, "353")]
    files = parquet_files(tmp_path / "lake")
    assert pq.read_table(files["balances"], columns=["account", "total"]).to_pylist() == [
        {"account": "alice", "total": "49647"},
        {"account": "bob", "total": "353"},
    ]


def totals(tables: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(tables)) as database:
        return database.execute("SELECT account, total_int FROM balances ORDER BY account").fetchall()


def test_what_was_changed_during_the_day_is_told_and_mended(books: Path, tmp_path: Path, alarm: str) -> None:
    tables = tmp_path / "tables.db"
    arguments = [str(books), "--into", str(tables), "--alert", alarm]
    assert main(arguments) == 0
    with closing(sqlite3.connect(tables)) as database, database:
        database.execute("UPDATE balances__1 SET total = '1', total_int = 1 WHERE account = 'bob'")
    assert main(arguments) == 1
    assert "what readers have had differs: the table balances is not what the journal says" in (tmp_path / "alarms").read_text()
    assert totals(tables) == [("alice", 496_47), ("bob", 3_53)]
    assert main(arguments) == 0


def test_tables_that_differ_are_not_switched_to(
    books: Path, tmp_path: Path, alarm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, folder = tmp_path / "tables.db", f"{tmp_path}/lake/"
    arguments = [str(books), "--into", str(tables), "--into", folder, "--alert", alarm]
    assert main(arguments) == 0
    before = totals(tables), parquet_files(folder)
    with Ledger.open(books) as ledger:
        ledger.transfer("USD", "alice", "bob", 1)
    with monkeypatch.context() as patched:
        patched.setattr("tallystick.projections.balances.Balances._rows", lambda balances: iter([("USD", "bob", 5, 0, 5)]))
        assert main(arguments) == 1
    alarms = (tmp_path / "alarms").read_text()
    assert alarms.count("the new tables differ, and readers keep the old ones: the table balances is not") == 2
    assert (totals(tables), parquet_files(folder)) == before
    assert main(arguments) == 0
    assert totals(tables) == [("alice", 496_46), ("bob", 3_54)]


def test_a_place_that_is_not_reached_does_not_keep_the_others(books: Path, tmp_path: Path, alarm: str) -> None:
    nowhere, tables = "postgresql://somebody:secret@127.0.0.1:9/reports?schema=books", tmp_path / "tables.db"
    assert main([str(books), "--into", nowhere, "--into", str(tables), "--alert", alarm]) == 3
    assert totals(tables) == [("alice", 496_47), ("bob", 3_53)]
    alarms = (tmp_path / "alarms").read_text()
    assert "127.0.0.1" in alarms
    assert "secret" not in alarms
    assert main([str(tmp_path / "missing.db"), "--into", str(tables), "--alert", alarm]) == 3
    assert "the ledger cannot be read" in (tmp_path / "alarms").read_text()


def test_the_projection_counts_single_transfers_and_batches_alike(books: Path) -> None:
    check_projection(DailyVolumes)
    with Ledger.open(books) as ledger:
        ledger.transfer_many("USD", ["alice", "bob"], ["bob", "carol"], [10, 2])
        ledger.mint_many("USD", ["alice"], [1000])
        found = ledger.replay(DailyVolumes()).state["USD"]
    assert [sum(each) for each in zip(*found.values(), strict=True)] == [5, 353 + 12]
