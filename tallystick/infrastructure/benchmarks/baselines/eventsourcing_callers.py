"""An application of the `eventsourcing` library that is called by as many threads as help it.

Each thread has accounts of its own, so that none ever finds that somebody else has changed an aggregate.
"""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from eventsourcing.application import Application

from tallystick.infrastructure.benchmarks.baselines.eventsourcing_application import Account

SEED = 1
AMOUNT_MAX = 50

Transfers = list[tuple[Account, Account, int]]


class EventsourcingCallers:
    """The application in a place of its own, with so many accounts that have `funds` each."""

    def __init__(self, environment: Mapping[str, str], threads: int, accounts: int, funds: int) -> None:
        self._application: Application[UUID] = Application(environment)
        self._threads = ThreadPoolExecutor(threads)
        each = accounts // threads
        self._parts = [[Account(f"account-{part}-{k}", funds) for k in range(each)] for part in range(threads)]
        self._chance = random.Random(SEED)
        for accounts_of_one in self._parts:
            self._application.save(*accounts_of_one)

    def draw(self, transactions: int, transfers: int) -> list[list[Transfers]]:
        """For each thread its transactions, of so many random transfers each."""
        threads = len(self._parts)
        shares = [transactions // threads + (part < transactions % threads) for part in range(threads)]
        return [
            [self._draw(accounts, transfers) for _ in range(share)] for accounts, share in zip(self._parts, shares, strict=True)
        ]

    def _draw(self, accounts: Sequence[Account], transfers: int) -> Transfers:
        pairs = (self._chance.sample(accounts, 2) for _ in range(transfers))
        return [(sender, receiver, self._chance.randint(1, AMOUNT_MAX)) for sender, receiver in pairs]

    def do(self, drawn: Sequence[Sequence[Transfers]]) -> int:
        """All of it, to the last durable commit; gives the number of transfers."""
        return sum(self._threads.map(self._call, drawn))

    def _call(self, transactions: Sequence[Transfers]) -> int:
        done = 0
        for transfers in transactions:
            for sender, receiver, amount in transfers:
                sender.debit(amount)
                receiver.credit(amount)
            touched = {id(account): account for sender, receiver, _ in transfers for account in (sender, receiver)}
            self._application.save(*touched.values())
            done += len(transfers)
        return done

    def close(self) -> None:
        """Ends the threads and closes the application."""
        self._threads.shutdown()
        self._application.close()
