"""An application of the `eventsourcing` library: an aggregate an account, debits and credits as its events.

This is the way its own examples transfer money. It is treated kindly here: all accounts stay in memory, none is ever loaded,
and a batch is one save, which is one durable commit.
"""

from functools import partial
from pathlib import Path
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from tallystick.domain.arithmetic.columns import listed
from tallystick.infrastructure.benchmarks.inputs.batch_books import FUNDS, BatchBooks, Rows
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Work

EVENTSOURCING = Baseline(
    "eventsourcing",
    "debits and credits an aggregate an account, each of which checks that it has enough, and keeps two events a transfer as "
    "JSON in rows of SQLite; one save and durable commit a batch, all aggregates in memory",
    "chain anything, or keep a supply or ids",
)


class Account(Aggregate):
    """What somebody has."""

    def __init__(self, name: str, balance: int) -> None:
        self.name = name
        self.balance = balance

    @event("Debited")
    def debit(self, amount: int) -> None:
        """Takes an amount that is there."""
        if amount > self.balance:
            raise ValueError(f"{self.name} has {self.balance} of {amount}")
        self.balance -= amount

    @event("Credited")
    def credit(self, amount: int) -> None:
        """Adds an amount."""
        self.balance += amount


class EventsourcingApplication:
    """The application in a file of its own, with the accounts that the books have."""

    def __init__(self, folder: Path, books: BatchBooks) -> None:
        environment = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "eventsourcing.db")}
        self._application: Application[UUID] = Application(environment)
        self._accounts = [Account(name, FUNDS) for name in books.names]
        self._application.save(*self._accounts)

    def prepare(self, rows: Rows) -> Work:
        """A batch as pairs of aggregates."""
        accounts = self._accounts
        senders = [accounts[place] for place in listed(rows.senders)]
        return partial(self._transfer, senders, [accounts[place] for place in listed(rows.receivers)], listed(rows.amounts))

    def _transfer(self, senders: list[Account], receivers: list[Account], amounts: list[int]) -> int:
        for sender, receiver, amount in zip(senders, receivers, amounts, strict=True):
            sender.debit(amount)
            receiver.credit(amount)
        touched = {id(account): account for account in (*senders, *receivers)}
        self._application.save(*touched.values())
        return len(amounts)

    def close(self) -> None:
        """Closes the application."""
        self._application.close()
