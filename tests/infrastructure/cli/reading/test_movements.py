"""Statements, explanations and differences: they add up, in the span that was asked for; holds and entries as they are."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import HIDDEN_BONDING_CURVE_ACCOUNT, Ledger, LinearCurve, Token
from tests.support.programs.command_line import run

BEGIN = datetime(2025, 10, 31, 22, 30, tzinfo=UTC)  # half an hour before November begins in Paris


def at(day: int, hour: int = 12, month: int = 11) -> datetime:
    return datetime(2025, month, day, hour, tzinfo=UTC)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movements") / "books.db"
    now = BEGIN
    with Ledger.open(path, clock=lambda: now, ids=iter(["h-1", "h-2", "h-3"]).__next__) as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.register_token(Token("TEA", decimals=3, role="settlement"))
        ledger.register_token(Token("APP", role="app", curve=LinearCurve(1), owner="owner"))
        ledger.mint("USD", "alice", 500_00)
        now = BEGIN + timedelta(hours=1)
        ledger.transfer("USD", "alice", "shop", 120_00, memo="on the first, in Paris", reference="order 7")
        now = at(5)
        ledger.transfer("USD", "alice", "bob", 30_00, occurred_at=at(20, month=10))
        ledger.reserve("USD", "alice", "hotel", 80_00, expires_at=at(20, month=12), memo="two nights")
        now = at(30, 22)
        ledger.reserve("USD", "alice", "hotel", 5_00, expires_at=at(1, 0, 12))
        ledger.reserve("USD", "bob", "bank", 1_00)
        ledger.mint("TEA", "carol", 50_000)
        ledger.app("APP").deposit("carol", 7_500)
        now = at(1, 12, month=12)
        ledger.settle("USD", "hotel", "inn", 60_00, hold="h-1", memo="one night")
        ledger.release("h-1")
    return path


def told(books: Path, *arguments: str) -> Any:
    done = run(arguments[0], books, *arguments[1:], "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SALARY, SHOP, BOB, NIGHTS, SECOND, BACK = "50000", "-12000", "-3000", "-8000", "-500", "2000"
PARIS = ["--tz", "Europe/Paris"]


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ([], ["0", BOB, SALARY, SHOP, NIGHTS, SECOND, BACK, "28500"]),
        (["--month", "2025-10"], ["0", BOB, SALARY, SHOP, "35000"]),
        (["--month", "2025-11"], ["35000", NIGHTS, SECOND, "26500"]),
        (["--month", "2025-11", *PARIS], ["47000", SHOP, NIGHTS, SECOND, "26500"]),
        (["--month", "2025-12"], ["26500", BACK, "28500"]),
        (["--month", "2025-09"], ["0", "0"]),
        (["--month", "2026-01"], ["28500", "28500"]),
        (["--since", "2025-11-01"], ["35000", NIGHTS, SECOND, BACK, "28500"]),
        (["--since", "2025-11-01", *PARIS], ["47000", SHOP, NIGHTS, SECOND, BACK, "28500"]),
        (["--until", "2025-10-30"], ["0", BOB, "-3000"]),
        (["--until", "2025-10-31"], ["0", BOB, SALARY, SHOP, "35000"]),
        (["--until", "2025-10-31", *PARIS], ["0", BOB, SALARY, "47000"]),
        (["--since", "2025-11-05", "--until", "2025-11-05"], ["35000", NIGHTS, "27000"]),
        (["--since", "2025-11-05T12:00", "--until", "2025-11-05T12:00"], ["35000", "35000"]),
        (["--since", "2025-11-05T12:00Z", "--until", "2025-11-05T12:00:01Z"], ["35000", NIGHTS, "27000"]),
        (["--by", "recorded_at"], ["0", SALARY, SHOP, BOB, NIGHTS, SECOND, BACK, "28500"]),
        (["--by", "recorded_at", "--month", "2025-11"], ["38000", BOB, NIGHTS, SECOND, "26500"]),
        (["--at", "2025-11-04"], ["0", SALARY, SHOP, "38000"]),
        (["--month", "2025-10", "--at", "2025-11-04"], ["0", SALARY, SHOP, "38000"]),
    ],
)
def test_a_statement_adds_up(books: Path, options: list[str], verdict: list[str]) -> None:
    found = told(books, "statement", "USD", "alice", *options)
    changes = [line["change"] for line in found["lines"]]
    assert [found["opening"]["available"], *changes, found["closing"]["available"]] == verdict
    assert int(verdict[0]) + sum(map(int, changes)) == int(verdict[-1])
    rows = [line.split("\t") for line in run("statement", books, "USD", "alice", *options).stdout.splitlines()]
    kind, change, available = (rows[0].index(name) for name in ("kind", "change", "available"))
    assert (rows[1][kind], rows[-1][kind]) == ("opening balance", "closing balance")
    cents = [round(float(row[change] or 0) * 100) for row in rows[1:]]
    running = round(float(rows[1][available]) * 100)
    for row, added in zip(rows[2:], cents[1:], strict=True):
        running += added
        assert round(float(row[available]) * 100) == running
    assert running == int(verdict[-1])


def test_a_statement_in_each_format(books: Path) -> None:
    asked = ["statement", books, "USD", "alice", "--month", "2025-11", *PARIS]
    table = [line for line in run(*asked, "--table").stdout.splitlines() if line.strip()]
    assert ["opening balance" in table[2], "closing balance" in table[-1], len(table)] == [True, True, 7]
    assert table[2].split()[-2:] == ["470.00", "0.00"]
    assert table[-1].split()[-2:] == ["265.00", "0.00"]
    assert "2025-11-01T00:30:00+01:00" in table[3]
    comma = run(*asked, "--csv").stdout.splitlines()
    assert comma[0] == (
        "position,occurred_at,recorded_at,kind,token,account,counterparty,change,reserved_change,available,reserved,entry_id,"
        "transaction_id,hold,reference,memo"
    )
    assert comma[1] == ",,,opening balance,USD,alice,,,,470.00,0.00,,,,,"
    memo = '"on the first, in Paris"'
    assert comma[2].endswith(f",transfer,USD,alice,shop,-120.00,0.00,350.00,0.00,5,5,,order 7,{memo}")
    assert run(*asked).stderr == "by occurred_at, from 2025-11-01T00:00:00+01:00 on, before 2025-12-01T00:00:00+01:00\n"
    (line,) = run(*asked, "--jsonl").stdout.splitlines()
    assert json.loads(line) == told(books, *map(str, (asked[0], *asked[2:])))


@pytest.mark.parametrize(
    ("cell", "options", "verdict"),
    [
        (["USD", "nobody"], [], ["0.00", "0.00"]),
        (["USD", "hotel"], ["--by", "recorded_at", "--since", "2025-11-30"], ["0.00", "0.00"]),
        (["carol", "APP"], [], ["0.000", "7.500"]),
        (["carol", "APP"], ["--month", "2025-10"], ["0.000", "0.000"]),
        (["carol", "APP"], ["--month", "2025-12"], ["7.500", "7.500"]),
        (["APP", HIDDEN_BONDING_CURVE_ACCOUNT], [], ["0.000", "0.000"]),
        (["APP", "nobody"], [], ["0", "0"]),
    ],
)
def test_every_cell_has_a_statement(books: Path, cell: list[str], options: list[str], verdict: list[str]) -> None:
    done = run("statement", books, *cell, *options)
    assert done.returncode == 0, done.stderr
    header, *rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [rows[0][header.index("available")], rows[-1][header.index("available")]] == verdict
    explained = run("explain", books, *cell)
    assert explained.returncode == 0, explained.stderr


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        (["--since", "2025-11-05"], [BOB, NIGHTS, SECOND, BACK]),
        (["--since", "2025-11-05", "--by", "occurred_at"], [NIGHTS, SECOND, BACK]),
        (["--until", "2025-10-31"], [SALARY, SHOP]),
        (["--until", "2025-10-31", *PARIS], [SALARY]),
        (["--until", "2025-10-31", "--by", "occurred_at"], [SALARY, SHOP, BOB]),
        (["--since", "2025-11-05", "--newest", "--limit", "1"], [BACK]),
        (["--since", "2025-11-05", "--at", "2025-11-06"], [BOB, NIGHTS]),
    ],
)
def test_a_history_of_days(books: Path, options: list[str], verdict: list[str]) -> None:
    assert [line["change"] for line in told(books, "history", "USD", "alice", *options)] == verdict


def test_an_explanation_sums_to_the_balance(books: Path) -> None:
    for account, moment in (("alice", []), ("bob", []), ("hotel", []), ("alice", ["--at", "2025-11-06"])):
        found = told(books, "explain", "USD", account, *moment)
        assert found["complete"]
        assert sum(int(line["change"]) for line in found["transactions"]) == int(found["available"])
        assert sum(int(line["reserved_change"]) for line in found["transactions"]) == int(found["reserved"])
    assert told(books, "explain", "USD", "nobody")["transactions"] == []
    done = run("explain", books, "USD", "alice", "--limit", "2")
    assert done.stdout.splitlines()[1] == "USD\talice\t285.00\t0.00\t285.00\tFalse"
    assert "these are the newest 2 movements, and there are more" in done.stderr


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (["2025-10-31", "2025-11-05", "USD"], {"alice": (38000, 27000), "bob": (0, 3000), "hotel": (0, 0)}),
        (["2025-11-05", "2025-10-31", "USD"], {"alice": (27000, 38000), "bob": (3000, 0), "hotel": (0, 0)}),
        (["2025-10-31", "2025-10-31", "USD", *PARIS], {}),
        (["2025-10-31", "2025-11-01", "USD", *PARIS], {"alice": (50000, 38000), "shop": (0, 12000)}),
        (["4", "5"], {"alice": (50000, 38000), "shop": (0, 12000)}),
        (["5", "2025-11-30T22:00Z", "TEA"], {"carol": (0, 42500)}),
    ],
)
def test_a_difference(books: Path, asked: list[str], verdict: dict[str, tuple[int, int]]) -> None:
    found = told(books, "diff", *asked)
    shown = {each["account"]: (int(each["available_before"]), int(each["available_after"])) for each in found}
    assert shown == verdict
    assert all(int(each["change"]) == shown[each["account"]][1] - shown[each["account"]][0] for each in found)


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (["diff", "1", "9999"], "invalid_position"),
        (["diff", "1", "never"], "B is a position, a time as"),
        (["diff", "1", "5", "EUR"], "token_not_found"),
        (["diff", "2025-10-30", "5"], "nothing was recorded up to"),
        (["statement", "EUR", "alice"], "token_not_found"),
        (["statement", "USD", "no body"], "invalid_account"),
        (["statement", "USD", "alice", "--month", "2025-13"], "a month is written as 2026-11"),
        (["statement", "USD", "alice", "--month", "2025-11", "--since", "2025-11-01"], "by a month, and not by both"),
        (["statement", "USD", "alice", "--since", "2025-11-02", "--until", "2025-10-01"], "a span ends after it begins"),
        (["statement", "USD", "alice", "--since", "4"], "--since is a time as"),
        (["statement", "USD", "alice", "--until", "9999-12-31"], "--until is a time as"),
        (["statement", "USD", "alice", "--tz", "Nowhere"], "a time zone is a name"),
        (["statement", "USD", "alice", "--by", "date"], 'by "recorded_at" or "occurred_at"'),
        (["explain", "EUR", "alice"], "token_not_found"),
        (["explain", "USD", "alice", "--limit", "0"], "--limit"),
        (["accounts", "EUR"], "token_not_found"),
        (["entry", "2000"], "entry_not_found"),
        (["entry", "x"], "usage"),
        (["holds", "EUR"], "token_not_found"),
        (["holds", "--payer", "no body"], "invalid_account"),
        (["holds", "--due-before", "soon"], "--due-before is a time as"),
        (["hold", "h-9"], "hold_not_found"),
    ],
)
def test_what_is_wrong_is_exit_code_2(books: Path, asked: list[str], verdict: str) -> None:
    done = run(asked[0], books, *asked[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert verdict in done.stderr
    assert json.loads(run(asked[0], books, *asked[1:], "--json").stderr)["recorded"] is False


@pytest.mark.parametrize(
    ("filters", "verdict"),
    [
        ([], ["h-2", "h-3"]),
        (["USD"], ["h-2", "h-3"]),
        (["TEA"], []),
        (["--authority", "bank"], ["h-3"]),
        (["--payer", "alice"], ["h-2"]),
        (["--payer", "alice", "--authority", "bank"], []),
        (["--due-before", "2025-12-01"], []),
        (["--due-before", "2025-12-01T00:00:01"], ["h-2"]),
        (["--due-before", "2025-12-02"], ["h-2"]),
        (["--due-before", "2025-12-01", "--tz", "America/New_York"], ["h-2"]),
        (["--newest"], ["h-3", "h-2"]),
        (["--newest", "--limit", "1"], ["h-3"]),
        (["--at", "2025-11-06"], ["h-1"]),
        (["--at", "2025-11-30", "--payer", "alice"], ["h-1", "h-2"]),
    ],
)
def test_the_open_holds(books: Path, filters: list[str], verdict: list[str]) -> None:
    assert [each["hold"] for each in told(books, "holds", *filters)] == verdict


def test_a_hold_and_how_money_left_it(books: Path) -> None:
    closed = told(books, "hold", "h-1")
    assert (closed["amount"], closed["remaining"], closed["memo"], closed["decimals"]) == ("8000", "0", "two nights", 2)
    legs = [(leg["kind"], leg["receiver"], leg["amount"]) for leg in closed["legs"]]
    assert legs == [("settle", "inn", "6000"), ("release", "alice", "2000")]
    assert told(books, "hold", "h-1", "--at", "2025-11-06")["legs"] == []
    header, *rows = [line.split(",") for line in run("hold", books, "h-1", "--csv").stdout.splitlines()]
    amount, left = header.index("amount"), header.index("leg_amount")
    assert [(row[amount], row[left]) for row in rows] == [("80.00", "60.00"), ("80.00", "20.00")]
    assert run("hold", books, "h-2", "--csv").stdout.splitlines()[1].endswith(",,,,,")


def test_an_entry_as_it_was_and_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", decimals=2))
        paid = ledger.mint(
            "USD", "alice", 5_00, idempotency_key="key 1", reference="pay", metadata={"n": 10**30, "a": [1.5, None]}
        )
        back = ledger.reverse(entry=paid.entry_id)
        ledger.erase(paid.entry_id, "asked for")
        head = ledger.status().head.position
    now, then = told(path, "entry", "2"), told(path, "entry", "2", "--at", "2")
    assert (now["key"], now["reference"], now["reversed_by"], now["metadata"]) == ("key 1", "pay", [back.entry_id], None)
    assert then["reversed_by"] == []
    assert told(path, "entry", str(back.entry_id))["reverses"] == [2]
    (movement,) = now["transactions"]
    assert (movement["kind"], movement["sender"], movement["receiver"], movement["amount"]) == ("mint", "", "alice", "500")
    assert told(path, "entry", "1")["transactions"] == []
    lines = run("entry", path, "1", "--csv").stdout.splitlines()
    assert (len(lines), lines[1].count(",")) == (2, lines[0].count(","))
    assert run("entry", path, str(head + 1)).returncode == 2


def test_tokens_as_they_were_registered(books: Path) -> None:
    found = {each["token"]: each for each in told(books, "tokens")}
    assert (found["APP"]["role"], found["APP"]["curve"][:7], found["APP"]["owner"]) == ("app", "linear(", "owner")
    assert (found["TEA"]["decimals"], found["TEA"]["unit"], found["TEA"]["accepts"]) == (3, None, [])
    plain = run("tokens", books).stdout.splitlines()
    assert plain[0] == "token\trole\tdecimals\tmax\tunit\tcurve\towner\taccepts"
    assert plain[1].split("\t")[:3] == ["USD", "external", "2"]
    assert [each["token"] for each in told(books, "tokens", "--at", "1")] == ["USD"]


def test_what_a_fragment_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("COIN", decimals=1, unit=100))
        ledger.mint("COIN", "ann", 250)
        ledger.transfer("COIN", "ann", "bea", 120)
        (small, large) = ledger.fragments("COIN", "bea")
        asked = ledger.lineage(small.id)
    found = told(path, "lineage", str(small.id))
    assert (found["amount"], found["owner"], found["parents"]) == ("20", "bea", list(asked.fragment.parents))
    assert [each["fragment"] for each in found["ancestors"]] == [each.id for each in asked.ancestors]
    assert {each["kind"] for each in found["ancestors"]} == {"mint"}
    assert found["complete"]
    header, first, *others = [line.split("\t") for line in run("lineage", path, str(large.id)).stdout.splitlines()]
    assert (first[header.index("amount")], len(others)) == ("10.0", len(asked.ancestors))
    done = run("lineage", path, str(small.id), "--limit", "1")
    assert len(done.stdout.splitlines()) == 3
    assert "these are the newest 1 ancestors, and there are more" in done.stderr
    assert run("lineage", path, "7").returncode == 2
