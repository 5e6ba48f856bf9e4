"""A ledger as it stood: at every position each read says what it said then, on every store; and beyond them nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    AsyncLedger,
    EntryNotFound,
    InvalidPosition,
    InvalidRequest,
    Ledger,
    LedgerClosed,
    LedgerReadOnly,
    Token,
    TokenNotFound,
)
from tests.support.books.varied_book import ACCOUNTS, BEGIN, CODES, CONTRACTS, VariedBook


def told(ledger: Any) -> dict[str, Any]:
    """What the reads of a ledger say, all of them but for those of the journal."""
    return {
        "tokens": ledger.tokens(),
        "balances": {code: dict(ledger.balances(code)) for code in CODES},
        "of accounts": [ledger.balances_of(account) for account in ACCOUNTS],
        "balance": [ledger.balance(code, account) for code in CODES for account in ACCOUNTS],
        "totals": [ledger.total(code, prefix) for code in CODES for prefix in ("", "a")],
        "cells": [ledger.state[first][second] for first, second in CELLS],
        "supplies": [ledger.supply(code) for code in CODES],
        "fragments": [ledger.fragments("FRG", account) for account in ACCOUNTS],
        "holds": ledger.holds(),
        "frozen": ledger.frozen(),
        "contracts": [(ledger.contract(id), ledger.allocations(id)) for id in CONTRACTS],
        "shadows": [ledger.allocations_of(account) for account in ACCOUNTS],
        "app": ledger.app("APP"),
        "receipts": [ledger.receipt(f"key{number}") for number in range(60)],
        "found": [[entry.id for entry in ledger.find(f"order{number}")] for number in range(5)],
        "history": [list(ledger.history(code, account)) for code in CODES[:3] for account in ACCOUNTS[:2]],
    }


CELLS = [
    ("alice", "APP"),
    ("APP", "HIDDEN_BONDING_CURVE_ACCOUNT"),
    ("TEA", "TOTAL_SUPPLY_RESERVE"),
    ("TEA", "APP"),
    ("PLN", "fund"),
]


def played(book: VariedBook, commits: int) -> dict[int, dict[str, Any]]:
    """What the book's ledger said, by the position at which it stood."""
    return {position: told(book.ledger) for position in book.play(commits)}


@pytest.mark.parametrize("seed", range(3))
def test_every_read_says_what_it_said_then(url: str | Path, seed: int) -> None:
    book = VariedBook(url, seed)
    with book.ledger as ledger:
        stood = played(book, 30)
        for position, expected in stood.items():
            view = ledger.as_of(position)
            assert view.position == position
            assert told(view) == expected
            at_that_time = ledger.as_of(view.recorded_at)  # the newest that was recorded then
            assert told(at_that_time) == stood[at_that_time.position]
            assert view.audit().ok
            assert told(view) == expected


def test_from_snapshots_as_from_the_journal(shared_url: str | Path) -> None:
    book = VariedBook(shared_url, 5)
    stood: dict[int, dict[str, Any]] = {}
    for commits in (6, 9, 7):
        stood |= played(book, commits)
        book.ledger.snapshot()
        book.ledger.close()
        book.ledger = book.open()
    with book.ledger as ledger:
        for position, expected in stood.items():
            assert told(ledger.as_of(position)) == expected


@pytest.fixture
def three() -> Any:
    """Three commits, an hour apart, the second of positions 3 to 5."""
    now = [BEGIN]
    with Ledger.open("memory:", clock=lambda: now[0]) as ledger:
        ledger.register_token(Token("USD"))
        now[0] += timedelta(hours=1)
        ledger.mint("USD", "alice", 10)
        now[0] += timedelta(hours=1)
        ledger.mint_many("USD", ["alice"] * 3, [1, 2, 3])
        now[0] += timedelta(hours=1)
        yield ledger


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (1, 1),
        (2, 2),
        (3, 2),  # in the midst of a commit it is the one before
        (4, 2),
        (5, 5),
        (6, InvalidPosition),
        (2**70, InvalidPosition),
        (0, InvalidPosition),
        (-1, InvalidPosition),
        (True, InvalidPosition),
        ("2", InvalidPosition),
        (1.0, InvalidPosition),
        (BEGIN - timedelta(microseconds=1), InvalidPosition),
        (BEGIN, 1),
        (BEGIN + timedelta(minutes=59), 1),
        (BEGIN + timedelta(hours=1), 2),
        (BEGIN + timedelta(hours=2) - timedelta(microseconds=1), 2),
        (BEGIN + timedelta(hours=2), 5),
        (BEGIN + timedelta(hours=3), 5),
        (BEGIN + timedelta(hours=3, microseconds=1), InvalidPosition),  # it has not come
        (datetime(1, 1, 1, tzinfo=UTC), InvalidPosition),
        (datetime(9999, 12, 31, tzinfo=UTC), InvalidPosition),
        (BEGIN.replace(tzinfo=None), InvalidRequest),
    ],
)
def test_moments(three: Ledger, at: Any, verdict: Any) -> None:
    if isinstance(verdict, int):
        assert three.as_of(at).position == verdict
    else:
        with pytest.raises(verdict):
            three.as_of(at)


def test_an_empty_ledger_has_no_past() -> None:
    with Ledger.open("memory:") as ledger:
        for at in (0, 1, BEGIN):
            with pytest.raises(InvalidPosition):
                ledger.as_of(at)


def test_what_came_later_is_not_in_it(three: Ledger) -> None:
    view = three.as_of(1)
    three.register_token(Token("EUR"))
    with pytest.raises(TokenNotFound):
        view.balance("EUR", "alice")
    with pytest.raises(EntryNotFound):
        view.entry(2)
    assert view.balances("USD") == {}
    assert three.as_of(2).transaction(2).minted_amount == 10


def test_the_past_does_not_change(three: Ledger) -> None:
    view = three.as_of(2)
    for name in ("atomic", "transfer", "mint_many", "register_token", "erase", "run", "snapshot"):
        assert not hasattr(view, name)
    three.register_token(Token("TEA", 12, role="settlement"))
    three.register_token(Token("APP", 12, role="app"))
    with pytest.raises(LedgerReadOnly):
        three.as_of(three.status().head.position).app("APP").deposit("alice", 1)


def test_it_is_of_use_as_long_as_the_ledger_is_open(three: Ledger) -> None:
    view, fork = three.as_of(2), three.fork(2)
    three.close()
    for past in (view, fork):
        with pytest.raises(LedgerClosed):
            past.balance("USD", "alice")


def test_awaited(url: str | Path) -> None:
    book = VariedBook(url, 8)
    with book.ledger:
        positions = list(book.play(10))
        expected = {position: told(book.ledger.as_of(position)) for position in positions}

        async def main() -> None:
            async with AsyncLedger.open(url, clock=book.now) as ledger:
                for position in positions:
                    view = await ledger.as_of(position)
                    assert view.position == position
                    assert view.recorded_at == view.blocking.recorded_at
                    assert [await view.balance(code, account) for code in CODES for account in ACCOUNTS] == (
                        expected[position]["balance"]
                    )
                    assert [await view.state[first][second] for first, second in CELLS] == expected[position]["cells"]
                    found = await view.contracts()
                    assert [(found[id].balance, await found[id].allocations()) for id in CONTRACTS] == [
                        (contract.balance, allocations) for contract, allocations in expected[position]["contracts"]
                    ]

        if str(url) != "memory:":
            asyncio.run(main())
