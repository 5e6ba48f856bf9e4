"""Statements and explanations: lines that sum to what lies between two balances, by both times."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    HIDDEN_BONDING_CURVE_ACCOUNT,
    TOTAL_SUPPLY_RESERVE,
    Balance,
    InvalidRequest,
    Ledger,
    LinearCurve,
    Token,
    TokenNotFound,
)
from tests.support.books.varied_book import ACCOUNTS, BEGIN, CODES, VariedBook


def sums(lines: Any) -> tuple[int, int]:
    return sum(line.change for line in lines), sum(line.reserved_change for line in lines)


@pytest.mark.parametrize("by", ["recorded_at", "occurred_at"])
@pytest.mark.parametrize("seed", range(3))
def test_lines_sum_to_closing_minus_opening(seed: int, by: Any, tmp_path: Path) -> None:
    book = VariedBook(tmp_path / "books.db", seed)
    with book.ledger as ledger:
        list(book.play(40))
        for _ in range(12):
            since, until = sorted(BEGIN + timedelta(hours=book.chance.randrange(-400, book.hours + 24)) for _ in range(2))
            total = [0, 0]
            for code in CODES:
                circulating = 0
                for account in dict(ledger.balances(code)) | dict.fromkeys(ACCOUNTS):
                    statement = ledger.statement(code, account, since, until, by)
                    opening, closing = statement.opening, statement.closing
                    change, held = sums(statement.lines)
                    assert (opening.available + change, opening.reserved + held) == (closing.available, closing.reserved)
                    assert all(since <= getattr(line, by) < until for line in statement.lines)
                    times = [(getattr(line, by), line.position) for line in statement.lines]
                    assert times == sorted(times)
                    before = ledger.statement(code, account, None, since, by)
                    assert before.closing == opening
                    assert before.opening == Balance(0, 0, 0)
                    if statement.lines:
                        last = statement.lines[-1]
                        assert (last.available, last.reserved) == (closing.available, closing.reserved)
                    circulating += closing.total
                total.append(circulating)
            at = until - timedelta(microseconds=1)
            if by == "recorded_at" and BEGIN <= at <= book.now():
                stood = ledger.as_of(at)
                for code in CODES:
                    for account in ACCOUNTS:
                        assert ledger.statement(code, account, since, until, by).closing == stood.balance(code, account)


def test_all_statements_of_a_token_sum_to_its_supply(tmp_path: Path) -> None:
    book = VariedBook(tmp_path / "books.db", 11)
    with book.ledger as ledger:
        list(book.play(60))
        for code in CODES[:3]:
            closings = [ledger.statement(code, account).closing.total for account in ledger.balances(code)]
            assert sum(closings) == ledger.supply(code).circulating


@pytest.fixture
def year() -> Any:
    """On the 3rd of every month 100 come, on the 1st by what they say, and 40 go."""
    now = [datetime(2026, 1, 3, tzinfo=UTC)]
    with Ledger.open("memory:", clock=lambda: now[0]) as ledger:
        ledger.register_token(Token("USD"))
        for month in range(1, 13):
            now[0] = datetime(2026, month, 3, tzinfo=UTC)
            ledger.mint("USD", "alice", 100, occurred_at=datetime(2026, month, 1, tzinfo=UTC))
            ledger.transfer("USD", "alice", "bob", 40)
        yield ledger


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"month": "2026-03"}, (120, [100, -40], 180)),
        ({"month": "2026-03", "by": "recorded_at"}, (120, [100, -40], 180)),
        ({"month": "2026-03", "tz": "Europe/Paris"}, (120, [100, -40], 180)),
        ({"month": "2026-03", "tz": "America/New_York"}, (220, [-40, 100], 280)),  # there the 1st in UTC is the evening before
        ({"month": "2026-12"}, (660, [100, -40], 720)),
        ({"month": "2027-01"}, (720, [], 720)),
        ({"month": "9999-12"}, (720, [], 720)),
        ({"month": "2025-12"}, (0, [], 0)),
        ({"since": datetime(2026, 12, 2, tzinfo=UTC)}, (760, [-40], 720)),
        ({"since": datetime(2026, 12, 2, tzinfo=UTC), "by": "recorded_at"}, (660, [100, -40], 720)),
        ({"until": datetime(2026, 1, 3, tzinfo=UTC)}, (0, [100], 100)),
        ({"until": datetime(2026, 1, 3, tzinfo=UTC), "by": "recorded_at"}, (0, [], 0)),
        ({"month": "2026-13"}, InvalidRequest),
        ({"month": "2026-3"}, InvalidRequest),
        ({"month": "0000-03"}, InvalidRequest),
        ({"month": 3}, InvalidRequest),
        ({"month": "2026-03", "tz": "Mars/Base"}, InvalidRequest),
        ({"month": "2026-03", "tz": "../etc/passwd"}, InvalidRequest),
        ({"month": "2026-03", "tz": None}, InvalidRequest),
        ({"month": "2026-03", "since": BEGIN}, InvalidRequest),
        ({"since": BEGIN.replace(tzinfo=None)}, InvalidRequest),
        ({"since": BEGIN, "until": BEGIN - timedelta(1)}, InvalidRequest),
        ({"by": "said_at"}, InvalidRequest),
    ],
)
def test_spans(year: Ledger, options: dict[str, Any], verdict: Any) -> None:
    if isinstance(verdict, tuple):
        statement = year.statement("USD", "alice", **options)
        changes = [line.change for line in statement.lines]
        assert (statement.opening.total, changes, statement.closing.total) == verdict
    else:
        with pytest.raises(verdict):
            year.statement("USD", "alice", **options)


def test_a_statement_of_what_was_known(year: Ledger) -> None:
    assert year.as_of(2).statement("USD", "alice", month="2026-01").closing.total == 100
    with pytest.raises(TokenNotFound):
        year.statement("EUR", "alice")


def test_why_an_account_has_what_it_has(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        assert ledger.explain("USD", "alice").transactions == ()
        ledger.mint("USD", "alice", 5)
        ledger.burn("USD", "alice", 5)
        for amount in (1, 2, 3):
            ledger.mint("USD", "alice", amount)
        explained = ledger.explain("USD", "alice")
        assert [line.transaction_id for line in explained.transactions] == [4, 5, 6]
        assert (explained.balance.total, explained.complete) == (6, True)
        cut = ledger.explain("USD", "alice", limit=2)
        assert ([line.change for line in cut.transactions], cut.complete) == ([2, 3], False)
        assert ledger.explain("USD", "alice", at=2).balance.total == 5
        assert ledger.explain("USD", "alice", at=3).transactions == ()
        ledger.reserve("USD", "alice", "shop", 6)
        assert ledger.explain("USD", "alice").balance.total == 0
        assert sums(ledger.explain("USD", "shop").transactions) == (0, 6)
        for limit in (0, -1, True, "2"):
            with pytest.raises(InvalidRequest):
                ledger.explain("USD", "alice", limit=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_explanations_sum_to_the_balance(tmp_path: Path, seed: int) -> None:
    book = VariedBook(tmp_path / "books.db", seed)
    with book.ledger as ledger:
        list(book.play(50))
        for code in CODES:
            for account in ACCOUNTS:
                explained = ledger.explain(code, account)
                assert explained.complete
                assert explained.balance == ledger.balance(code, account)
                assert sums(explained.transactions) == (explained.balance.available, explained.balance.reserved)


@pytest.mark.parametrize(
    ("cell", "verdict"),
    [
        (("carol", "APP"), 750),
        (("APP", HIDDEN_BONDING_CURVE_ACCOUNT), 200),
        (("carol", "OTHER"), 0),
        (("TEA", "carol"), 50),
        (("TEA", TOTAL_SUPPLY_RESERVE), 9_000),
    ],
)
def test_every_cell_of_the_double_map_is_told_of(cell: tuple[str, str], verdict: int) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", max_supply=10_000, role="settlement"))
        for code in ("APP", "OTHER"):
            ledger.register_token(Token(code, role="app", curve=LinearCurve(2)))
        ledger.mint("TEA", "carol", 1_000)
        ledger.app("APP").deposit("carol", 750)
        ledger.app("APP").buy("carol", 200)
        assert ledger.state[cell[0]][cell[1]] == verdict
        for by in ("recorded_at", "occurred_at"):
            statement = ledger.statement(*cell, by=by)
            assert (statement.opening.total, sum(sums(statement.lines)), statement.closing.total) == (0, verdict, verdict)
        explanation = ledger.explain(*cell)
        assert (explanation.balance.total, explanation.complete) == (verdict, True)
