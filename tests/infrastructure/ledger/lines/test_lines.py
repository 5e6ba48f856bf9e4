"""Lines of an account: they say what happened, and always add up to what the books have."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    AsyncLedger,
    Balances,
    InvalidAmount,
    Ledger,
    Refused,
    Token,
)
from tallystick.domain.cells import locate
from tests.support.books.behind import core_of
from tests.support.books.entry_book import APPS, USERS, open_entry_book
from tests.support.books.entry_calls import CALLS

PAIRS = [
    *((token, account) for token in ("TEA", "CUP", "BTC", *APPS) for account in (*USERS, "keeper", "pool", *APPS)),
    *(("TEA", special) for special in (DAO_RESERVED_ACCOUNT, SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL)),
    *((token, TOTAL_SUPPLY_RESERVE) for token in ("TEA", "CUP", "Spread")),
    *((app, HIDDEN_BONDING_CURVE_ACCOUNT) for app in APPS),
    *(("alice", app) for app in APPS),
]
"""Cells of the book of entries."""


class Recorded:
    """What every cell had after every position at which it changed, as another projection sums it up."""

    name = "recorded"
    version = 1

    def __init__(self) -> None:
        self._balances = Balances()
        self._supplies: dict[str, int] = {}
        self._last: dict[tuple[str, str], tuple[int, int]] = {}
        self.state: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        self._balances.apply(position, recorded_at, event)
        token = getattr(event, "token", None)
        if token is None:
            return
        self._supplies[token] = getattr(event, "max_supply", self._supplies.get(token, 0))
        available, reserved = self._balances.state[token]["available"], self._balances.state[token]["reserved"]
        now = {name: (available.get(name, 0), reserved.get(name, 0)) for name in {*available, *reserved}}
        now[TOTAL_SUPPLY_RESERVE] = (self._supplies[token] - sum(available.values()) - sum(reserved.values()), 0)
        for name, cell in now.items():
            if self._last.get((token, name), (0, 0)) != cell:
                self._last[token, name] = cell
                self.state[token, name].append((position, *cell))


def check_lines(ledger: Ledger, pairs: list[tuple[str, str]]) -> None:
    """Every cell's lines follow one another, agree with another sum at every position, and end with what the books have."""
    recorded = ledger.replay(Recorded()).state
    for first, second in pairs:
        cell = locate(core_of(ledger).books, first, second)
        lines = list(ledger.history(first, second))
        available = reserved = 0
        for line in lines:
            available, reserved = available + line.change, reserved + line.reserved_change
            assert (line.available, line.reserved, line.token, line.account) == (available, reserved, cell.token.code, second)
            assert line.entry_id <= line.position
            if line.transaction_id is not None:
                movement = ledger.transaction(line.transaction_id)
                told = (line.position, line.entry_id, line.kind, line.memo, line.hold, line.recorded_at)
                assert told == (
                    movement.id,
                    movement.entry_id,
                    movement.kind,
                    movement.memo,
                    movement.hold,
                    movement.recorded_at,
                )
            else:
                assert line.kind == "distribution" or second == TOTAL_SUPPLY_RESERVE
        assert available + reserved == ledger.state[first][second]
        changed = [(line.position, line.available, line.reserved) for line in lines if line.change or line.reserved_change]
        assert changed == recorded[cell.token.code, cell.name]
        assert list(ledger.history(first, second, newest_first=True)) == lines[::-1]


BATCHES = {
    "batch of transfers": ("transfer_many", ("CUP", ["alice", "bob", "alice"], ["bob", "alice", "alice"], [25, 6, 7])),
    "batch of mints": ("mint_many", ("TEA", ["new", "alice", DAO_RESERVED_ACCOUNT], [25, 6, 1])),
    "batch of burns": ("burn_many", ("BTC", ["alice", "bob"], [1, 2])),
    "batch of an app's": ("transfer_many", ("Spread", ["alice", "bob"], ["bob", "new"], [1_000, 999])),
}


def play(ledger: Ledger, blocks: list[list[str]]) -> None:
    """Plays blocks of calls, each one commit, and passes over what is refused."""
    for names in blocks:
        for name in names:
            if name in BATCHES:
                call, arguments = BATCHES[name]
                getattr(ledger, call)(*arguments, on_refusal="skip")
        with ledger.atomic() as tx:
            for name in names:
                if name in CALLS:
                    try:
                        with tx.savepoint():
                            CALLS[name][0](tx)
                    except (Refused, InvalidAmount):
                        pass


@pytest.mark.parametrize("together", [True, False])
def test_lines_of_every_call(url: Any, together: bool) -> None:
    names = [*CALLS, *BATCHES, *reversed(CALLS), *BATCHES]
    with open_entry_book(url, holds=9) as ledger:
        play(ledger, [names] if together else [[name] for name in names])
        check_lines(ledger, PAIRS)


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from([*CALLS, *BATCHES]), min_size=1, max_size=6), min_size=1, max_size=6))
def test_lines_of_any_calls(blocks: list[list[str]]) -> None:
    with open_entry_book("memory:", holds=3) as ledger:
        play(ledger, blocks)
        check_lines(ledger, PAIRS)


# What lines say.


@pytest.fixture(scope="module")
def book() -> Any:
    with open_entry_book("memory:", holds=3) as ledger:
        yield ledger


def line_of(ledger: Ledger, first: str, second: str) -> tuple[Any, ...]:
    line = ledger.history(first, second, newest_first=True, limit=1)[0]
    return line.kind, line.counterparty, line.change, line.reserved_change


@pytest.mark.parametrize(
    ("name", "cell", "verdict"),
    [
        ("mint CUP", ("CUP", "alice"), ("mint", None, 33, 0)),
        ("mint CUP", ("CUP", TOTAL_SUPPLY_RESERVE), ("mint", "alice", -33, 0)),
        ("burn", ("CUP", "alice"), ("burn", None, -33, 0)),
        ("transfer CUP", ("CUP", "alice"), ("transfer", "dev", -33, 0)),
        ("transfer CUP", ("CUP", "dev"), ("transfer", "alice", 33, 0)),
        ("transfer to oneself", ("CUP", "alice"), ("transfer", "alice", 0, 0)),
        ("reserve", ("CUP", "alice"), ("reserve", "bob", -25, 0)),
        ("reserve", ("CUP", "bob"), ("reserve", "alice", 0, 25)),
        ("reserve for oneself", ("TEA", "alice"), ("reserve", "alice", -25, 25)),
        ("settle a hold", ("CUP", "bob"), ("settle", "dev", 0, -7)),
        ("settle a hold", ("CUP", "dev"), ("settle", "bob", 7, 0)),
        ("release", ("CUP", "bob"), ("release", "alice", 0, -7)),
        ("release", ("CUP", "alice"), ("release", "bob", 7, 0)),
        ("expire", ("CUP", "dev"), ("expire", "keeper", 11, 0)),
        ("deposit", ("TEA", "alice"), ("deposit", "Plain", -50, 0)),
        ("deposit", ("alice", "Plain"), ("deposit", "alice", 50, 0)),
        ("refund", ("TEA", "alice"), ("refund", "Plain", 5, 0)),
        ("refund", ("alice", "Plain"), ("refund", "alice", -5, 0)),
        ("consume a deposit", ("TEA", "Plain"), ("consume_deposit", "alice", 5, 0)),
        ("consume a deposit", ("alice", "Plain"), ("consume_deposit", "Plain", -5, 0)),
        ("pay", ("TEA", "Spread"), ("pay", "alice", 5, 0)),
        ("withdraw income", ("BTC", "dev"), ("withdraw_income", "Spread", 1, 0)),
        ("buy Plain", ("TEA", "alice"), ("buy", "Plain", -100_000, 0)),
        ("buy Plain", ("Plain", "alice"), ("buy", None, 100_000, 0)),
        ("buy Plain", ("Plain", HIDDEN_BONDING_CURVE_ACCOUNT), ("buy", "alice", 100_000, 0)),
        ("buy Owned", ("TEA", "dev"), ("buy", "alice", 100_000, 0)),
        ("sell Plain", ("Plain", "alice"), ("sell", None, -100_000, 0)),
        ("sell Plain", ("TEA", "alice"), ("sell", "Plain", 100_000, 0)),
        ("income without", ("TEA", "Plain"), ("distribution", HIDDEN_BONDING_CURVE_ACCOUNT, -1_000_000, 0)),
        ("dividend", ("Spread", "Spread"), ("distribution", None, -50, 0)),
        ("mint to the DAO", ("TEA", DAO_RESERVED_ACCOUNT), ("seats", None, 5, 0)),
        ("fund", ("BTC", "pool"), ("contract", "alice", 5, 0)),
    ],
)
def test_what_a_line_says(name: str, cell: tuple[str, str], verdict: tuple[Any, ...]) -> None:
    with open_entry_book("memory:", holds=3) as ledger:
        if name == "income without":
            with ledger.atomic() as tx:
                tx.app("Plain").distribute_income()
        if name == "dividend":
            with ledger.atomic() as tx:
                tx.app("Spread").distribute_dividend()
        play(ledger, [[name]])
        assert line_of(ledger, *cell) == verdict


def test_a_share_is_a_line_that_is_no_transaction(book: Ledger) -> None:
    pool = book.balance("Spread", "Spread").total
    before = {user: book.balance("Spread", user).total for user in USERS}
    with book.atomic() as tx:
        tx.app("Spread").pay("alice", 500, "Spread")
        tx.app("Spread").distribute_dividend(memo="for 2026")
    lines = [book.history("Spread", user, newest_first=True, limit=1) for user in USERS]
    shares = [next(line for line in page if line.transaction_id is None) for page in lines]
    assert {(line.kind, line.counterparty, line.memo, line.hold) for line in shares} == {
        ("distribution", "Spread", "for 2026", None)
    }
    assert sum(line.change for line in shares) == pool + 500
    assert {line.position for line in shares} == {tx.receipt.position}  # type: ignore[union-attr]
    assert [line.available for line in shares] == [
        before[user] + line.change - 500 * (user == "alice") for user, line in zip(USERS, shares, strict=True)
    ]


def test_entries_of_one_commit_are_told_apart(url: Any) -> None:
    async def told() -> None:
        async with AsyncLedger.open(url) as ledger:
            await ledger.register_token(Token("CUP", unit=10))
            async with ledger.atomic() as tx:
                tx.mint("CUP", "alice", 10_000)

            async def pay(number: int) -> int:
                async with ledger.atomic() as tx:
                    tx.transfer("CUP", "alice", "bob", number)
                    tx.transfer("CUP", "bob", "carol", 1)
                return tx.receipt.transaction_ids[0]  # type: ignore[union-attr]

            firsts = await asyncio.gather(*(pay(number) for number in range(1, 41)))
            lines = await ledger.history("CUP", "bob")
            assert [line.entry_id for line in lines[::2]] == [line.entry_id for line in lines[1::2]] == sorted(firsts)
            page = await ledger.history("CUP", "bob", limit=1)
            assert [line.change for line in page] == [1, -1]
            assert list(await ledger.history("CUP", "bob", newest_first=True)) == list(lines)[::-1]
            for newest_first in (False, True):
                page = await ledger.history("CUP", "bob", limit=3, newest_first=newest_first)
                turned = [*page]
                while page.next is not None:
                    page = await ledger.history("CUP", "bob", limit=3, newest_first=newest_first, **page.next)
                    turned += page
                assert turned == list(lines)[:: -1 if newest_first else 1]

    asyncio.run(told())


def test_an_account_that_became_an_app() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", role="settlement"))
        with ledger.atomic() as tx:
            tx.mint("TEA", "alice", 5)
            tx.transfer("TEA", "alice", "App", 5)
            tx.transfer("TEA", "App", "alice", 5)
        ledger.register_token(Token("App", role="app"))
        with ledger.atomic() as tx:
            tx.app("App").pay("alice", 2)
        assert [line.kind for line in ledger.history("TEA", "App")] == ["transfer", "transfer", "pay"]
        assert [ledger.transaction(id).kind for id in (2, 3, 4)] == ["mint", "transfer", "transfer"]


@pytest.mark.parametrize("name", ["\u00e6r\u00f8", 'quo"ted', "back\\slash", "Many", "Distributed", "\U0001f642", "a"])
def test_names_that_are_written_in_another_way(url: Any, name: str) -> None:
    """Rows in whose bytes a name does not stand are passed over, so how it is written matters."""
    with Ledger.open(url) as ledger:
        ledger.register_token(Token(f"T{name}", unit=10))
        for turn in range(2):
            ledger.mint_many(f"T{name}", [name, "bob"], [50, 60], memo="Many")
            ledger.transfer_many(f"T{name}", ["bob"], [name], [1])
            with ledger.atomic() as tx:
                tx.transfer(f"T{name}", name, "carol", 5, memo='"bob"')
            with ledger.atomic() as tx:
                tx.mint(f"T{name}", "bob", turn + 1, memo=name)
        lines = ledger.history(f"T{name}", name)
        assert [line.change for line in lines] == [50, 1, -5] * 2
        check_lines(ledger, [(f"T{name}", name), (f"T{name}", "bob"), (f"T{name}", "carol")])
