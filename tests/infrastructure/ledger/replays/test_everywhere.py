"""Movements and replays of every store, of views that ask the past index or replay, of forks, and of groups."""

import asyncio
from pathlib import Path
from typing import Any

from tallystick import AsyncLedger, Balances, Ledger, Token, Transactions
from tests.infrastructure.ledger.replays.test_movements import rows_of
from tests.infrastructure.ledger.replays.test_replays import Told
from tests.support.books.varied_book import VariedBook
from tests.support.suites.movement_sums import cells_of, check_sums, sums
from tests.support.ways_to_the_past import way

__all__ = ["way"]  # a fixture, of every test here


def test_of_every_store(url: Any) -> None:
    book = VariedBook(url, 3)
    ends = list(book.play(25))
    with book.ledger as ledger:
        check_sums(ledger, 10)
        kept = ledger.replay(Balances(), upto=ends[12])
        assert ledger.replay(kept, after=ends[12]).state == ledger.replay(Balances()).state


def test_of_views_that_go_on_from_a_position(tmp_path: Path) -> None:
    book = VariedBook(tmp_path / "books.db", 5)
    ends = sorted({*book.play(120)})
    with book.ledger as ledger:
        whole, told = rows_of(ledger.movements()), ledger.replay(Told()).state
        for index in range(10, len(ends), 23):
            view, after = ledger.as_of(ends[index]), ends[index // 2 + index % 5]
            assert rows_of(view.movements(after)) == [row for row in whole if after < row["position"] <= view.position]
            assert sums(view.movements()) == cells_of(view)
            kept = view.replay(Balances(), upto=after)
            assert view.replay(kept, after=after).state == ledger.replay(Balances(), upto=view.position).state
            assert view.replay(Told(), after=after).state == [
                each for each in told if each[1] > after and each[-1 if each[0] == "entry" else 1] <= view.position
            ]


def test_of_forks(tmp_path: Path) -> None:
    book = VariedBook(tmp_path / "books.db", 9)
    ends = list(book.play(40))
    with book.ledger as ledger, ledger.fork(ends[20]) as fork:
        fork.mint_many("PLN", ["new", "alice"], [7, 14])
        check_sums(fork)
        assert [row["receiver"] for row in rows_of(fork.movements(ends[20]))] == ["new", "alice"]
        assert fork.replay(Transactions(), after=ends[20]).state.keys() == {ends[20] + 1, ends[20] + 2}


def test_of_groups(tmp_path: Path) -> None:
    async def play() -> None:
        async with AsyncLedger.open(tmp_path / "books.db") as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 1000)

            async def pay(number: int) -> None:
                async with ledger.atomic(reference=f"r{number}") as tx:
                    tx.transfer("USD", "alice", f"a{number}", 1 + number)
                    tx.release(tx.reserve("USD", f"a{number}", "court", 1), 1)

            await asyncio.gather(*(pay(number) for number in range(20)))

    asyncio.run(play())
    with Ledger.open(tmp_path / "books.db") as ledger:
        check_sums(ledger, 4)
        rows = rows_of(ledger.movements())
        assert sorted({row["reference"] for row in rows if row["reference"]}) == sorted(f"r{number}" for number in range(20))
        for row in rows:
            transaction = ledger.transaction(row["transaction_id"])
            assert (row["entry_id"], row["kind"], row["reference"]) == (
                transaction.entry_id,
                transaction.kind,
                transaction.reference,
            )
