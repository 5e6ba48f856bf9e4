"""The commands that replay: what they print, their exit codes, and what they leave alone."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tallystick import Ledger, Token
from tests.support.programs.command_line import run

OWN = """
class Spent:
    name, version = "spent", 1
    def __init__(self): self.state = {}
    def apply(self, position, recorded_at, event):
        if type(event).__name__ == "Moved":
            self.state[event.sender] = self.state.get(event.sender, 0) + event.amount

class SpentToo(Spent):
    version = 2
    def apply(self, position, recorded_at, event):
        if position != 4:
            super().apply(position, recorded_at, event)

class Raising(Spent):
    def apply(self, position, recorded_at, event):
        if position == 4: raise KeyError("no rule")

def bob_has_30(view): return view.balance("USD", "bob").total >= 30_00
def of_euros(view): return view.balance("EUR", "bob").total > 0
def never(view): return False
def always(view): return True
async def awaited(view): return True
"""


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`books.db` at position 6, `copy.db` of it, `behind.db` at 3, `another.db`, and tables up to 6."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"own_{tmp_path.name.replace('-', '_').lower()}"
    (tmp_path / f"{name}.py").write_text(OWN)
    for file, amounts in (("behind.db", [10]), ("another.db", [10, 25, 5, 5]), ("books.db", [10, 20, 5, 5])):
        with Ledger.open(tmp_path / file) as ledger:
            ledger.register_token(Token("USD", decimals=2))
            ledger.mint("USD", "alice", 500_00)
            for number, amount in enumerate(amounts):
                ledger.transfer("USD", "alice", "bob", amount * 100, idempotency_key=f"rent {number}", reference="rent")
            if file == "books.db":
                ledger.rebuild(["balances", "transactions"], tmp_path / "tables.db")
                ledger.rebuild("balances", f"{tmp_path}/parquet/")
                ledger.backup(tmp_path / "copy.db")
    return tmp_path


def own(folder: Path) -> str:
    return next(file.stem for file in folder.glob("own_*.py"))


@pytest.mark.parametrize(
    ("arguments", "code", "figures", "said"),
    [
        (
            ["copy.db"],
            0,
            {"position": 6, "against": "ledger", "journals_part_at": None, "differences": 0},
            "is what the ledger",
        ),
        (["behind.db"], 0, {"position": 3, "journals_part_at": 1}, "the journals part at position 1"),
        (["another.db"], 1, {"position": 6, "journals_part_at": 1, "differences": 2}, "is not what the ledger there has"),
        (["another.db", "--upto", "3"], 0, {"position": 3, "differences": 0}, "is what the ledger there has"),
        (["another.db", "--projection", "supply_reserves"], 0, {"projection": "supply_reserves"}, "is what"),
        (["another.db", "supply"], 0, {"projection": "supply"}, "is what"),
        (["another.db", "OWN:Spent"], 1, {"position": 6, "differences": 1}, "is not what"),
        (["copy.db", "--projection", "OWN:Spent"], 0, {"differences": 0}, "is what"),
        (
            ["tables.db"],
            0,
            {"position": 6, "against": "tables", "digest": None, "differences": 0},
            "is what the tables there have",
        ),
        (["tables.db", "transactions"], 0, {"against": "tables"}, "is what the tables there have"),
        (["parquet"], 0, {"against": "tables", "position": 6}, "is what the tables there have"),
        (["sqlite:///copy.db"], 0, {"against": "ledger"}, "is what"),
    ],
)
def test_check_against(books: Path, arguments: list[str], code: int, figures: dict[str, Any], said: str) -> None:
    against, *rest = [each.replace("OWN", own(books)) for each in arguments]
    before = sorted(str(path) for path in books.rglob("*") if "__pycache__" not in str(path))
    done = run("replay", "books.db", *rest, "--check-against", against, "--json")
    assert done.returncode == code, done.stderr
    record = json.loads(done.stdout)
    assert {name: record[name] for name in figures} == figures
    assert len(record["differing"]) == record["differences"]
    assert said in done.stderr
    assert sorted(str(path) for path in books.rglob("*") if "__pycache__" not in str(path)) == before


def test_what_differs_is_a_row_each(books: Path) -> None:
    done = run("replay", "books.db", "--check-against", "another.db")
    header, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert header == ["projection", "position", "digest", "differences", "against", "path", "replayed", "stands"]
    assert [row[5:] for row in rows] == [
        ["state['USD']['available']['alice']", "46000", "45500"],
        ["state['USD']['available']['bob']", "4000", "4500"],
    ]
    with closing(sqlite3.connect("tables.db")) as database, database:
        database.execute("UPDATE balances__1 SET available = '7', available_int = 7 WHERE account = 'bob'")
    done = run("replay", "books.db", "balances", "--check-against", "tables.db", "--json")
    assert done.returncode == 1
    assert "the table balances is not what the journal says" in done.stderr
    (found,) = json.loads(done.stdout)["differing"]
    assert found["path"] == "balances[token='USD', account='bob']"
    assert (json.loads(found["replayed"])["available"], json.loads(found["stands"])["available"]) == ("4000", "7")


@pytest.mark.parametrize(
    ("arguments", "code", "figures", "said"),
    [
        (["books.db", "balances", "balances"], 0, {"parts_at": None, "upto": 6, "entry": None}, "do not part up to position 6"),
        (["books.db", "OWN:Spent", "OWN:Spent"], 0, {"parts_at": None, "differing": []}, "do not part"),
        (["books.db", "OWN:Spent", "OWN:SpentToo"], 1, {"parts_at": 4, "event": "Moved"}, "they part at position 4"),
        (["books.db", "OWN:Spent", "OWN:SpentToo", "--every", "1"], 1, {"parts_at": 4}, "they part at position 4"),
        (["books.db", "OWN:Spent", "OWN:SpentToo", "--upto", "3"], 0, {"parts_at": None, "upto": 3}, "do not part"),
        (
            ["books.db", "balances", "supply_reserves"],
            1,
            {"parts_at": 1, "event": "TokenRegistered"},
            "they part at position 1",
        ),
        (["--url", "books.db", "balances", "balances"], 0, {"upto": 6}, "do not part"),
        (["balances", "balances"], 0, {"upto": 3}, "do not part"),
    ],
)
def test_replay_diff(books: Path, arguments: list[str], code: int, figures: dict[str, Any], said: str) -> None:
    given = [each.replace("OWN", own(books)) for each in arguments]
    done = run("replay-diff", *given, "--json", TALLYSTICK_URL="behind.db")
    assert done.returncode == code, done.stderr
    record = json.loads(done.stdout)
    assert {name: record[name] for name in figures} == figures
    assert said in done.stderr
    if record["parts_at"] == 4:
        assert record["entry"] == {"entry_id": 4, "key": "rent 1", "reference": "rent", "kinds": ["transfer"]}
        assert record["differing"] == [{"path": "state['alice']", "old_value": "3000", "new_value": "1000"}]
        text = run("replay-diff", *given, TALLYSTICK_URL="behind.db").stdout.splitlines()
        assert text[1].split("\t")[3:] == ["4", "Moved", "4", "rent 1", "transfer", "state['alice']", "3000", "1000"]


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        (["books.db", "OWN:bob_has_30"], 0, 4),
        (["--url", "books.db", "OWN:bob_has_30"], 0, 4),
        (["books.db", "OWN:bob_has_30", "--after", "3"], 0, 4),
        (["books.db", "OWN:bob_has_30", "--upto", "4"], 0, 4),
        (["books.db", "OWN:bob_has_30", "--after", "4"], 2, "true as of position 4 already, where the search begins"),
        (["books.db", "OWN:bob_has_30", "--upto", "3"], 2, "not true as of position 3, where the search ends"),
        (["books.db", "OWN:never"], 2, "not true as of position 6"),
        (["books.db", "OWN:always"], 2, "which is the first that there is"),
        (["books.db", "OWN:of_euros"], 2, "has raised TokenNotFound: token 'EUR' is not registered; asked as of position 1"),
        (["books.db", "OWN:awaited"], 2, "is no coroutine"),
        (["books.db", "OWN:missing"], 2, "cannot be loaded"),
        (["books.db", "bob_has_30"], 2, "module:function, and not bob_has_30"),
        (["books.db", "OWN:never", "--upto", "99"], 2, "invalid_position"),
        (["missing.db", "OWN:never"], 3, "missing.db"),
        (["OWN:never"], 2, "no ledger is named"),
    ],
)
def test_bisect(books: Path, arguments: list[str], code: int, verdict: int | str) -> None:
    done = run("bisect", *(each.replace("OWN", own(books)) for each in arguments), "--json")
    assert done.returncode == code, done.stderr
    assert not (books / "missing.db").exists()
    if isinstance(verdict, str):
        assert (done.stdout, verdict in done.stderr) == ("", True), done.stderr
        return
    record = json.loads(done.stdout)
    assert (record["position"], record["entries"][0]["key"]) == (verdict, "rent 1")
    assert record["calls"] <= 5
    assert done.stderr.count("as of position") == record["calls"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["replay", "books.db", "--check-against", "missing.db"], 3, "there is no ledger and no tables at missing.db"),
        (["replay", "books.db", "--check-against", "missing/"], 3, "there is no ledger and no tables at missing"),
        (["replay", "books.db", "--check-against", "mysql://host"], 2, "error: invalid_url"),
        (["replay", "books.db", "--check-against", __file__], 3, "error: not_a_ledger"),
        (["replay", "books.db", "--check-against", "tables.db", "--upto", "3"], 2, "as of the position up to which they were"),
        (["replay", "books.db", "holds", "--check-against", "tables.db"], 2, "no holds is in use there"),
        (["replay", "books.db", "entries", "--check-against", "copy.db"], 2, "there is no projection entries"),
        (["replay", "books.db", "balances", "--projection", "holds"], 2, "one projection, and balances and holds are named"),
        (["replay", "books.db", "--check-against", "copy.db", "--upto", "9"], 2, "error: invalid_position"),
        (["replay", "books.db", "OWN:Raising", "--check-against", "copy.db"], 2, "has raised KeyError: 'no rule'"),
        (["replay-diff", "books.db", "balances"], 2, "no ledger is named"),
        (["replay-diff", "balances"], 2, "the ledger, by its name or by --url, and two projections"),
        (["replay-diff", "a.db", "b.db", "balances", "balances"], 2, "and two projections"),
        (["replay-diff", "books.db", "balances", "balances", "--url", "books.db"], 2, "and two projections"),
        (["replay-diff", "missing.db", "balances", "balances"], 3, "missing.db"),
        (["replay-diff", "books.db", "balances", "nobody"], 2, "there is no projection nobody"),
        (["replay-diff", "books.db", "balances", "nowhere_at_all:Class"], 2, "cannot be loaded"),
        (["replay-diff", "books.db", "balances", "balances", "--every", "0"], 2, "--every"),
        (["replay-diff", "books.db", "OWN:Spent", "OWN:Raising"], 2, "in the commit that begins at position 4"),
    ],
)
def test_what_is_wrong_is_said(books: Path, arguments: list[str], code: int, said: str) -> None:
    done = run(*(each.replace("OWN", own(books)) for each in arguments))
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in books.iterdir() if path.name.startswith("missing")]
