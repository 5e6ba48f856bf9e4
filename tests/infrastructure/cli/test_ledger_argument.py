"""Which ledger a command means: its first argument, `--url`, or the environment."""

import shutil
from pathlib import Path

import pytest

from tallystick import Ledger, Token
from tallystick.infrastructure.cli.ledger_argument import is_address
from tests.support.programs.command_line import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ledgers, `first.db` and `second`, with a token named after each, and one token that looks like an address."""
    folder = tmp_path_factory.mktemp("named")
    for name in ("first.db", "second"):
        with Ledger.open(folder / name) as ledger:
            ledger.register_token(Token(name.removesuffix(".db")))
            ledger.register_token(Token("token.db"))
            ledger.mint("token.db", "./alice", 7)
    return folder


FIRST = "token\taccount\tavailable\treserved\ttotal\ntoken.db\t./alice\t7\t0\t7\n"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        *((text, True) for text in ("sqlite:///a", "sqlite:a", "postgresql://u@h/d", "postgres://h", "memory:", "memory:x")),
        *((text, True) for text in ("/a", "./a", "../a", "~/a", "a.db", "a b.db", "a.sqlite", "a.sqlite3", ".db", "a\n.db")),
        *(
            (text, False)
            for text in ("", "USD", "a", ".", "..", "...", "a/b", "assets:a", "~", "~a/b", "a.db2", "a.DB", "a.db/b")
        ),
        *((text, False) for text in ("sqlite", "mysql://h", "my:sqlite:", "a.db\n", "-", "4711", "2026-11-26")),
    ],
)
def test_the_form_of_an_address(text: str, verdict: bool) -> None:
    assert is_address(text) is verdict


@pytest.mark.parametrize(
    ("arguments", "environment", "verdict"),
    [
        (["tokens", "FOLDER/first.db"], "", "first"),
        (["tokens", "FOLDER/second"], "", "second"),
        (["tokens", "sqlite:///FOLDER/first.db"], "second", "first"),
        (["tokens", "--csv", "FOLDER/first.db"], "second", "first"),
        (["tokens", "--tz", "x.db", "FOLDER/first.db"], "second", "first"),
        (["tokens", "--tz=x.db", "FOLDER/first.db"], "second", "first"),
        (["tokens", "--url", "FOLDER/first.db"], "second", "first"),
        (["tokens"], "second", "second"),
        (["balances", "FOLDER/first.db", "token.db"], "", FIRST),
        (["balances", "FOLDER/first.db", "--", "token.db"], "", FIRST),
        (["balances", "--", "token.db"], "first.db", FIRST),
        (["balances", "--url", "FOLDER/first.db", "token.db"], "", FIRST),
        (["balances", "--url=FOLDER/first.db", "token.db"], "", FIRST),
        (["balances", "token.db", "--url", "FOLDER/first.db"], "", FIRST),
        (["balances", "--prefix", "./a", "FOLDER/first.db", "token.db"], "", FIRST),
        (["accounts", "FOLDER/first.db", "token.db"], "", "token\taccount\ntoken.db\t./alice\n"),
        (["history", "FOLDER/first.db", "token.db", "./alice"], "", "./alice"),
        (["statement", "FOLDER/first.db", "token.db", "./alice"], "second", "./alice"),
        (["diff", "FOLDER/first.db", "1", "3", "token.db"], "", "token.db\t./alice\t0\t7\t7"),
        (["verify", "FOLDER/first.db"], "", "ok\tposition 3"),
        (["audit", "FOLDER/first.db"], "", "ok\tposition 3"),
        (["replay", "FOLDER/first.db"], "", "balances\t3"),
        (["anchor", "FOLDER/first.db"], "", "3:"),
        (["expire", "FOLDER/first.db"], "", ""),
    ],
)
def test_the_ledger_is_found(folder: Path, arguments: list[str], environment: str, verdict: str) -> None:
    variables = {"TALLYSTICK_URL": str(folder / environment)} if environment else {}
    done = run(*(word.replace("FOLDER", str(folder)) for word in arguments), **variables)
    assert done.returncode == 0, done.stderr
    assert verdict in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        (["tokens"], 2, "no ledger is named: name it first, as in `tallystick balances books.db`"),
        (["tokens", "--", "FOLDER/first.db"], 2, "unexpected extra argument"),
        (["tokens", "FOLDER/first.db", "FOLDER/second"], 2, "unexpected extra argument"),
        (["tokens", "--url", "FOLDER/second", "FOLDER/first.db"], 2, "unexpected extra argument"),
        (["balances", "token.db"], 3, "there is no ledger at token.db"),
        (["balances", "USD", "FOLDER/first.db"], 2, "unexpected extra argument"),
        (["history", "FOLDER/first.db", "token.db"], 2, "Missing argument"),
        (["balances", "FOLDER/missing.db"], 3, "there is no ledger at"),
        (["balances", "FOLDER/first.db", "./alice"], 2, "token './alice' is not registered"),
    ],
)
def test_no_ledger_is_found(folder: Path, arguments: list[str], code: int, verdict: str) -> None:
    before = sorted(path.name for path in folder.iterdir())
    done = run(*(word.replace("FOLDER", str(folder)) for word in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert verdict in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


READS = [
    *(["balances"], ["supply"], ["tokens"], ["accounts", "token.db"], ["contracts"], ["history", "token.db", "./alice"]),
    *(["statement", "token.db", "./alice"], ["explain", "token.db", "./alice"], ["diff", "1", "3"], ["entry", "3"], ["holds"]),
    *(["balances", "--at", "2"], ["supply", "--at", "3"], ["anchor"], ["verify"], ["audit"], ["replay"]),
    ["replay-diff", "balances", "balances"],
]


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_who_reads_leaves_nothing_behind(folder: Path, tmp_path: Path, command: list[str]) -> None:
    shutil.copy(folder / "first.db", tmp_path / "books.db")
    done = run(command[0], tmp_path / "books.db", *command[1:])
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["books.db"]


@pytest.mark.parametrize("command", ["balances", "statement", "diff", "verify", "expire"])
def test_the_help_tells_of_it(command: str) -> None:
    done = run(command, "--help")
    assert f"{command} [OPTIONS] [LEDGER]" in done.stdout
    assert "LEDGER is what --url names too" in done.stdout
