"""A ledger by the time at which things occurred: what its lines sum to that had, as far as was known."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import AsyncLedger, InvalidPosition, InvalidRequest, Ledger, Token
from tests.support.books.varied_book import ACCOUNTS, BEGIN, CODES, VariedBook


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_the_lines_sum_to_that_had_occurred(url: str | Path, seed: int) -> None:
    book = VariedBook(url, seed)
    with book.ledger as ledger:
        positions = list(book.play(40))
        for _ in range(5):
            at = BEGIN + timedelta(hours=book.chance.randrange(-400, book.hours + 1))
            known_at = book.chance.choice([None, book.chance.choice(positions)])
            view = ledger.as_of(at, by="occurred_at", known_at=known_at)
            known = ledger if known_at is None else ledger.as_of(known_at)
            for code in CODES:
                expected = {account: occurred(known, code, account, at) for account in (*ACCOUNTS, "owner", "fund", "APP")}
                found = {account: view.balance(code, account) for account in expected}
                assert {account: (each.available, each.reserved) for account, each in found.items()} == expected
                all_of_them = view.balances(code)
                assert {account: (each.available, each.reserved) for account, each in all_of_them.items()} == {
                    account: balance for account, balance in expected.items() if any(balance)
                }
                assert view.total(code).total == sum(sum(balance) for balance in expected.values())
                assert list(view.balances(code, "a", 1)) == [name for name in all_of_them if name.startswith("a")][:1]
                if code != "TEA":  # of which some lies with apps
                    assert view.supply(code).circulating == view.total(code).total


def occurred(ledger: Any, code: str, account: str, at: Any) -> tuple[int, int]:
    lines = [line for line in ledger.history(code, account) if line.occurred_at <= at]
    return sum(line.change for line in lines), sum(line.reserved_change for line in lines)


def test_what_it_does_not_know() -> None:
    now = [BEGIN]
    with Ledger.open("memory:", clock=lambda: now[0]) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 5, occurred_at=BEGIN - timedelta(days=9))
        view = ledger.as_of(BEGIN - timedelta(days=1), by="occurred_at")
        assert view.balance("USD", "alice").total == 5  # before the token was registered
        assert view.supply("USD").circulating == 5
        assert ledger.as_of(BEGIN, by="occurred_at", known_at=1).balances("USD") == {}
        for read in ("holds", "fragments", "history", "contract", "entry", "app"):
            with pytest.raises(InvalidRequest, match="occurred_at"):
                getattr(view, read)
        with pytest.raises(AttributeError):
            getattr(view, "mint")  # noqa: B009
        for at, options, error in (
            (2, {"by": "occurred_at"}, InvalidRequest),
            (BEGIN, {"by": "said_at"}, InvalidRequest),
            (BEGIN, {"known_at": 1}, InvalidRequest),
            (BEGIN + timedelta(seconds=1), {"by": "occurred_at"}, InvalidPosition),
            (BEGIN, {"by": "occurred_at", "known_at": 9}, InvalidPosition),
        ):
            with pytest.raises(error):
                ledger.as_of(at, **options)  # type: ignore[call-overload]


def test_awaited() -> None:
    async def main() -> None:
        async with AsyncLedger.open("memory:", clock=lambda: BEGIN) as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 5, occurred_at=BEGIN - timedelta(days=9))
            view = await ledger.as_of(BEGIN - timedelta(days=1), "occurred_at")
            assert (await view.balance("USD", "alice")).total == 5
            assert (await view.supply("USD")).circulating == (await view.total("USD")).total == 5
            assert list(await view.balances("USD")) == ["alice"]
            with pytest.raises(InvalidRequest):
                view.holds()

    asyncio.run(main())
