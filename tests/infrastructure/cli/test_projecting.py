"""The command that keeps tables current: what it prints, how it ends, and that it follows what others record."""

import json
import os
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tallystick import Ledger, Token
from tests.support.programs.command_line import run, start


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint("USD", "alice", 500_00)
    return path


def totals(file: Path) -> Sequence[tuple[str, int]]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT account, total_int FROM balances ORDER BY account").fetchall()


def test_tables_are_brought_forward(books: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables.db"
    done = run("project", books, "balances", "entries", "--into", tables, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["position"], told["head"], told["lag"], told["written"]) == (0, 2, 2, 0, 0)
    with Ledger.open(books) as ledger:
        ledger.transfer("USD", "alice", "bob", 30_50)
    told = json.loads(run("project", books, "balances", "entries", "--into", tables, "--json").stdout)
    assert (told["position"], told["lag"], told["written"]) == (3, 0, 4)
    assert totals(tables) == [("alice", 469_50), ("bob", 30_50)]
    listed = json.loads(run("rebuild", "--into", tables, "--list", "--json").stdout)
    assert [(each["table"], each["version"], each["position"], each["rows"]) for each in listed] == [
        ("balances", 1, 3, 2),
        ("entries", 1, 3, 3),
    ]
    assert run("rebuild", books, "balances", "entries", "--into", tables, "--check").returncode == 0


def test_followed_until_it_is_ended(books: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables.db"
    following = start("project", books, "balances", "--into", tables, "--follow", "--jsonl", "--every", "0.01")
    try:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["position"] == 2
        with Ledger.open(books) as ledger:
            for amount in (1, 2, 3):
                position = ledger.transfer("USD", "alice", "bob", amount).position
                told = json.loads(following.stdout.readline())
                assert (told["position"], told["lag"], told["written"]) == (position, 0, 3 if amount == 1 else 4)
        assert totals(tables) == [("alice", 499_94), ("bob", 6)]
        os.kill(following.pid, signal.SIGINT)
        assert following.wait() == 130
    finally:
        following.kill()
        following.communicate()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["BOOKS", "--into", "t.db"], 2, "a table or more: balances"),
        (["BOOKS", "balance", "--into", "t.db"], 2, "there is no table balance: balances, supply"),
        (["BOOKS", "balances", "--into", "t/"], 2, "files of Parquet are not changed once written: rebuild them"),
        (["BOOKS", "balances", "--into", "BOOKS"], 2, "is a ledger: name another file for the tables"),
        (["BOOKS", "balances", "--into", "t.db", "--follow", "--json"], 2, "--follow prints --jsonl"),
        (["BOOKS", "balances", "--into", "t.db", "--follow", "-o", "x.jsonl"], 2, "--follow prints --jsonl"),
        (["BOOKS", "balances", "--into", "t.db", "--follow", "--every", "0"], 2, "--every"),
        (["balances", "--into", "t.db"], 2, "no ledger is named"),
        (["missing.db", "balances", "--into", "t.db"], 3, "missing.db"),
    ],
)
def test_what_is_wrong_is_said(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("project", *[str(books) if argument == "BOOKS" else argument for argument in arguments])
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert not (tmp_path / "t").exists()


def test_a_difference_is_exit_code_1(books: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables.db"
    assert run("project", books, "balances", "--into", tables).returncode == 0
    with closing(sqlite3.connect(tables)) as database, database:
        database.execute("UPDATE balances__1 SET total = '1'")
    done = run("project", books, "balances", "--into", tables)
    assert (done.returncode, done.stdout) == (1, "")
    assert "rebuild_differs: the table balances is not what the journal says" in done.stderr
