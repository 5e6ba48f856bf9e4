"""Threads and tasks on the same ledger at the same time, beside a store that fails now and then."""

import asyncio
import random
import threading
from typing import Any

import pytest

from tallystick import (
    AsyncLedger,
    Conflict,
    DuplicateIdempotencyKey,
    InsufficientFunds,
    Ledger,
    LedgerError,
    StorageFull,
    StorageUnavailable,
    Token,
)
from tallystick.infrastructure.journal.port import Overtaken
from tallystick.infrastructure.ledger.asyncio.ledger import Opening
from tallystick.infrastructure.ledger.core import LedgerCore
from tests.support.books.behind import core_on, ledger_on
from tests.support.faults.held_journal import PATIENCE_SECONDS, HeldJournal, Lost


@pytest.mark.parametrize("seed", range(3))
def test_threads_and_tasks_beside_appends_that_fail(seed: int) -> None:
    """Money is conserved, what was acknowledged is there, what was refused is not, and the books are the journal's."""
    chance = random.Random(seed)
    journal = HeldJournal()
    failures = [None] * 6 + [StorageFull("full"), StorageUnavailable("gone"), Overtaken(), MemoryError()]
    journal.outcomes.extend(
        Lost(stands=chance.random() < 0.5) if chance.random() < 0.1 else chance.choice(failures) for _ in range(2000)
    )
    accounts = [f"account-{k}" for k in range(8)]
    acknowledged: dict[str, int] = {}
    refused: set[str] = set()

    def open_core() -> LedgerCore:
        outcomes, journal.outcomes = journal.outcomes, type(journal.outcomes)()
        core = core_on(journal, lambda: 1, iter(f"hold-{k}" for k in range(10**6)).__next__)
        ledger = Ledger(core)
        ledger.register_token(Token("USD", unit=7))
        with ledger.atomic() as tx:
            for account in accounts:
                tx.mint("USD", account, 100)
        journal.outcomes = outcomes
        return core

    def plan(tx: Any, chance: random.Random) -> None:
        giver, taker = chance.sample(accounts, 2)
        if chance.random() < 0.3:
            tx.transfer("USD", giver, taker, max(1, tx.balance("USD", giver).available // 2))
        else:
            tx.transfer("USD", giver, taker, chance.randrange(1, 60))
        if chance.random() < 0.2:
            tx.settle("USD", taker, giver, 1, tx.reserve("USD", giver, taker, 2))

    def note(key: str, tx: Any, error: BaseException | None) -> None:
        if error is None:
            acknowledged[key] = tx.receipt.position
        elif not isinstance(error, DuplicateIdempotencyKey):
            assert isinstance(error, (InsufficientFunds, Conflict, StorageFull, StorageUnavailable, MemoryError)), error
            refused.add(key)

    def on_a_thread(ledger: Ledger, name: str) -> None:
        chance = random.Random(f"{seed} {name}")
        for turn in range(40):
            key = f"{name}-{turn}"
            try:
                with ledger.atomic(key) as tx:
                    plan(tx, chance)
            except (LedgerError, MemoryError) as error:
                note(key, None, error)
            else:
                note(key, tx, None)

    async def in_a_task(ledger: AsyncLedger, name: str) -> None:
        chance = random.Random(f"{seed} {name}")
        for turn in range(10):
            key = f"{name}-{turn}"
            try:
                async with ledger.atomic(key) as tx:
                    plan(tx, chance)
            except (LedgerError, MemoryError) as error:
                note(key, None, error)
            else:
                note(key, tx, None)

    def read(ledger: Ledger, finished: threading.Event, sums: set[int]) -> None:
        while not finished.is_set():
            sums.add(sum(balance.total for balance in ledger.balances("USD").values()))
            sums.add(ledger.supply("USD").circulating)

    async def main() -> None:
        finished, sums = threading.Event(), set[int]()
        async with Opening(open_core) as ledger:
            reading = asyncio.create_task(asyncio.to_thread(read, ledger.blocking, finished, sums))
            threads = [asyncio.to_thread(on_a_thread, ledger.blocking, f"thread-{k}") for k in range(3)]
            await asyncio.gather(*threads, *(in_a_task(ledger, f"task-{k}") for k in range(30)))
            finished.set()
            await reading
            assert sums == {800}
            journal.outcomes.clear()
            for key in refused:
                async with ledger.atomic(key) as tx:
                    tx.rollback()
            for key, position in acknowledged.items():
                with pytest.raises(DuplicateIdempotencyKey) as caught:
                    async with ledger.atomic(key):
                        raise AssertionError("the body ran")
                assert caught.value.receipt.position == position
            balances = await ledger.balances("USD")
            report = await ledger.audit()
            assert report.ok, report.findings
        with ledger_on(journal) as again:
            assert again.balances("USD") == balances
        assert len(acknowledged) > 100
        assert len(refused) > 20

    asyncio.run(asyncio.wait_for(main(), PATIENCE_SECONDS))
