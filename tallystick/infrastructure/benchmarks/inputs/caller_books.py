"""A ledger that many callers share: threads, each waiting for its own transaction, and tasks of an event loop.

Payments are drawn before they are timed: a key that was never used, two accounts and an amount.
"""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tallystick.domain.values.token import Token
from tallystick.infrastructure.ledger.asyncio.ledger import AsyncLedger

ACCOUNTS = 1_000
FUNDS = 10**9
THREADS = 8
TASKS_TO_GROW = 1_000
ROWS_TO_GROW = 500_000
SEED = 1
AMOUNT_MAX = 50

Payment = tuple[str, str, str, int]
"""Its key, its sender, its receiver and its amount."""


class CallerBooks:
    """A ledger with `ACCOUNTS` funded accounts of one token, plain or fragmented."""

    def __init__(self, url: str | Path, unit: int | None = None, funds: int = FUNDS) -> None:
        self._loop = asyncio.Runner()
        self._threads = ThreadPoolExecutor(THREADS)
        self._chance = random.Random(SEED)
        self._keys = 0
        self._names = [f"account-{number}" for number in range(ACCOUNTS)]
        self._shared = self._loop.run(_open(url))
        self.ledger = self._shared.blocking
        self.ledger.register_token(Token("USD", decimals=2, unit=unit))
        self.ledger.mint_many("USD", self._names, [funds] * ACCOUNTS)

    def draw(self, count: int) -> list[Payment]:
        """Random payments under new keys."""
        self._keys += count
        numbers = range(self._keys - count, self._keys)
        pairs = (self._chance.sample(self._names, 2) for _ in numbers)
        amounts = (self._chance.randint(1, AMOUNT_MAX) for _ in numbers)
        return [
            (f"payment-{n}", sender, receiver, amount)
            for n, (sender, receiver), amount in zip(numbers, pairs, amounts, strict=True)
        ]

    def grow(self, transfers: int, keys: int) -> None:
        """Makes the journal longer by transfers in batches, and then by payments under keys."""
        handles, chance = self.ledger.handles("USD", self._names), np.random.default_rng(SEED)
        for start in range(0, transfers, ROWS_TO_GROW):
            rows = min(ROWS_TO_GROW, transfers - start)
            senders, receivers = chance.integers(0, ACCOUNTS, (2, rows))
            self.ledger.transfer_many("USD", handles[senders], handles[receivers], chance.integers(1, AMOUNT_MAX, rows))
        self.by_tasks(self.draw(keys), TASKS_TO_GROW)

    # The ways to call. Each gives the number of transfers, when all of them are durable.

    def by_one(self, payments: Sequence[Payment]) -> int:
        """A transaction for each payment, one after another."""
        atomic = self.ledger.atomic
        for key, sender, receiver, amount in payments:
            with atomic(key) as tx:
                tx.transfer("USD", sender, receiver, amount)
        return len(payments)

    def by_threads(self, payments: Sequence[Payment]) -> int:
        """The same by `THREADS` threads, each of which does its share."""
        return sum(self._threads.map(self.by_one, _shares(payments, THREADS)))

    def by_tasks(self, payments: Sequence[Payment], tasks: int) -> int:
        """The same by so many tasks of one event loop."""
        return self._loop.run(self._by_tasks(payments, tasks))

    def by_calling(self, payments: Sequence[Payment]) -> int:
        """A direct call for each payment, one after another."""
        transfer = self.ledger.transfer
        for key, sender, receiver, amount in payments:
            transfer("USD", sender, receiver, amount, idempotency_key=key)
        return len(payments)

    def by_calling_tasks(self, payments: Sequence[Payment], tasks: int) -> int:
        """The same by so many tasks of one event loop."""
        return self._loop.run(self._by_calling_tasks(payments, tasks))

    def at_once(self, transactions: Sequence[Sequence[Payment]]) -> int:
        """A transaction for each sequence of payments, whose keys are not used."""
        done = 0
        for payments in transactions:
            with self.ledger.atomic() as tx:
                transfer = tx.transfer
                for _, sender, receiver, amount in payments:
                    transfer("USD", sender, receiver, amount)
            done += len(payments)
        return done

    async def _by_tasks(self, payments: Sequence[Payment], tasks: int) -> int:
        return sum(await asyncio.gather(*map(self._call, _shares(payments, tasks))))

    async def _call(self, payments: Sequence[Payment]) -> int:
        atomic = self._shared.atomic
        for key, sender, receiver, amount in payments:
            async with atomic(key) as tx:
                tx.transfer("USD", sender, receiver, amount)
        return len(payments)

    async def _by_calling_tasks(self, payments: Sequence[Payment], tasks: int) -> int:
        return sum(await asyncio.gather(*map(self._call_directly, _shares(payments, tasks))))

    async def _call_directly(self, payments: Sequence[Payment]) -> int:
        transfer = self._shared.transfer
        for key, sender, receiver, amount in payments:
            await transfer("USD", sender, receiver, amount, idempotency_key=key)
        return len(payments)

    def close(self) -> None:
        """Closes the ledger, and ends the loop and the threads."""
        self._loop.run(self._shared.close())
        self._loop.close()
        self._threads.shutdown()


async def _open(url: str | Path) -> AsyncLedger:
    return await AsyncLedger.open(url)


def _shares(payments: Sequence[Payment], callers: int) -> list[Sequence[Payment]]:
    return [payments[caller::callers] for caller in range(callers)]
