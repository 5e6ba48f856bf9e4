"""The command that rebuilds tables: what it prints, its exit codes, and what it leaves alone."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tallystick import Ledger, Token, parquet_files
from tests.support.programs.command_line import run

OWN = """
class Mints:
    name, version = "mints", 1
    def __init__(self): self.state = []
    def apply(self, position, recorded_at, event):
        if type(event).__name__ == "Minted": self.state.append([position, event.account])
    def tables(self): return [("minted", ("position", "account"), self.state)]
"""


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint("USD", "alice", 500_00)
        ledger.transfer("USD", "alice", "bob", 30_50)
    return path


def rows(file: Path, query: str) -> Sequence[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as database, database:
        return database.execute(query).fetchall()


def test_tables_are_built_checked_listed_and_put_back(books: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables.db"
    done = run("rebuild", books, "balances", "supply", "--into", tables)
    assert (done.returncode, done.stdout) == (
        0,
        "table\trows\tversion\tposition\nbalances\t2\t1\t3\nsupply\t1\t1\t3\n",
    )
    assert "built up to position 3, version 1" in done.stderr
    assert rows(tables, "SELECT account, total FROM balances ORDER BY account") == [("alice", "46950"), ("bob", "3050")]
    with Ledger.open(books) as ledger:
        ledger.transfer("USD", "alice", "bob", 1)
    assert run("rebuild", "balances", "--into", tables, TALLYSTICK_URL=str(books)).returncode == 0
    assert rows(tables, "SELECT total_int FROM balances WHERE account = 'bob'") == [(3051,)]
    listed = json.loads(run("rebuild", "--into", tables, "--list", "--json").stdout)
    assert [(each["version"], each["table"], each["in_use"], each["state"]) for each in listed] == [
        (1, "balances", False, "complete"),
        (1, "supply", True, "complete"),
        (2, "balances", True, "complete"),
    ]
    assert run("rebuild", "balances", "--into", tables, "--rollback").stdout == "table\tversion\nbalances\t1\n"
    assert rows(tables, "SELECT total_int FROM balances WHERE account = 'bob'") == [(3050,)]
    done = run("rebuild", books, "balances", "supply", "--into", tables, "--check")
    assert (done.returncode, "checked up to position 3, version 1" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    "change", ["UPDATE balances__1 SET available = '46951'", "DELETE FROM balances__1 WHERE account = 'bob'"]
)
def test_a_difference_is_exit_code_1(books: Path, tmp_path: Path, change: str) -> None:
    tables = tmp_path / "tables.db"
    assert run("rebuild", books, "balances", "--into", tables).returncode == 0
    rows(tables, change)
    done = run("rebuild", books, "balances", "--into", tables, "--check")
    assert (done.returncode, done.stdout) == (1, "")
    assert "rebuild_differs: the table balances is not what the journal says" in done.stderr


def test_into_a_folder_of_parquet(books: Path, tmp_path: Path) -> None:
    assert run("rebuild", books, "holds", "fragments", "--into", f"{tmp_path}/tables/").returncode == 0
    assert {name: len(files) for name, files in parquet_files(tmp_path / "tables").items()} == {"holds": 1, "fragments": 1}


def test_a_projection_of_ones_own_lies_where_the_command_is_run(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_mints.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    assert run("rebuild", books, "own_mints:Mints", "--into", "tables.db").returncode == 0
    assert rows(tmp_path / "tables.db", "SELECT * FROM minted") == [(2, "alice")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["BOOKS", "--into", "t.db"], 2, "a table or more: balances"),
        (["BOOKS", "balance", "--into", "t.db"], 2, "there is no table balance: balances, supply"),
        (["BOOKS", "nowhere_at_all:Class", "--into", "t.db"], 2, "nowhere_at_all:Class cannot be loaded"),
        (["BOOKS", "json:loads", "--into", "t.db"], 2, "cannot be called without arguments"),
        (["BOOKS", "json:JSONDecoder", "--into", "t.db"], 2, "a projection has a name, a version (an int) and apply()"),
        (["BOOKS", "balances", "--into", "BOOKS"], 2, "is a ledger: name another file for the tables"),
        (["BOOKS", "balances", "--into", "mysql://host/db"], 2, "tables are written into"),
        (["BOOKS", "balances", "--into", "t.db", "--check"], 2, "no balances is in use there: rebuild it first"),
        (["balances", "--into", "t.db", "--rollback"], 2, "no balances is in use there: rebuild it first"),
        (["balances", "--into", "t.db", "--rollback", "--check"], 2, "one at a time"),
        (["balances", "--into", "t.db"], 2, "no ledger is named"),
        (["missing.db", "balances", "--into", "t.db"], 3, "missing.db"),
    ],
)
def test_what_is_wrong_is_said(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("rebuild", *[str(books) if argument == "BOOKS" else argument for argument in arguments])
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
