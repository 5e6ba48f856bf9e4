"""A book whose sums are to be found again elsewhere: all models, groups, batches, reversals, and amounts beyond 2**128."""

import asyncio
from pathlib import Path

from tallystick import AsyncLedger, Token
from tests.support.books.varied_book import VariedBook

WIDE = (2**255, 2**254 + 1, 2**128 + 3, 10**38, 10**38 - 1, 2**63, 2**63 - 1)


def make_summed_book(path: Path, seed: int) -> None:
    """Makes the journal at a path."""
    book = VariedBook(path, seed)
    for _ in book.play(120):
        pass
    with book.ledger as ledger:
        ledger.register_token(Token("BIG", max_supply=2**256 - 1))
        for amount in WIDE:
            ledger.mint("BIG", "eve", amount)
            ledger.transfer("BIG", "eve", "fay", amount)
        paid = ledger.transfer("BIG", "fay", "gus", 2**254 + 11).transaction_ids[0]
        ledger.reverse(transaction=paid, amount=2**253)
        ledger.reverse(transaction=paid)
        ledger.mint_many("BIG", ["gus", "hal"] * 40, [2**130 + each for each in range(80)])
        ledger.transfer_many("BIG", ["gus"] * 60, ["hal"] * 60, [2**129 - each for each in range(60)])
        hold = ledger.reserve("BIG", "fay", "gus", 2**254 + 7).hold_id
        ledger.settle("BIG", "gus", "hal", 2**253, hold=hold)
    asyncio.run(_group(path, book))


async def _group(path: Path, book: VariedBook) -> None:
    """Entries that are committed together, wide ones among them."""
    async with AsyncLedger.open(path, clock=book.now) as ledger:

        async def pay(number: int) -> None:
            async with ledger.atomic(reference=f"group {number}") as tx:
                tx.transfer("BIG", "fay", f"to{number}", 2**140 + number)
                tx.mint("PLN", f"to{number}", 7)
                tx.transfer("PLN", f"to{number}", "alice", 7)

        await asyncio.gather(*map(pay, range(12)))
