"""Orders and what is paid for them: an application of the `eventsourcing` library in the journal of a ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from tallystick import Ledger, Token
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.recorders import JournalRecorder

MODULE = "tallystick.infrastructure.recorders"


class Order(Aggregate):
    """What somebody has bought, and how much is paid of it."""

    @event("Placed")
    def __init__(self, buyer: str) -> None:
        self.buyer = buyer
        self.paid = 0

    @event("Paid")
    def pay(self, amount: int) -> None:
        if amount > 1_000:
            raise ValueError("nobody pays so much")
        self.paid += amount


class Orders(Application[UUID]):
    """The application."""


def shared(url: str | Path) -> str:
    """The address under which a ledger and applications share the journal of a test, in memory too."""
    if isinstance(url, Path):
        return f"sqlite:///{url}"
    return f"memory:{uuid4().hex}" if url == "memory:" else url


def open_orders(address: str, kind: type[Application[UUID]] = Orders, **variables: str) -> Application[UUID]:
    """The application in the journal at `address`, with these variables in its environment."""
    return kind({"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": address, **variables})


def orders_on(journal: Journal) -> Application[UUID]:
    """The application in a journal of a test."""

    class OrdersHere(Orders):
        name = "Orders"

        def construct_recorder(self) -> JournalRecorder:
            return JournalRecorder(journal, application=self.name)

    return OrdersHere({"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": "memory:"})


@contextmanager
def shop(address: str) -> Iterator[tuple[Ledger, Application[UUID]]]:
    """A ledger in which Alice has 100 USD, and orders beside it."""
    with Ledger.open(address) as ledger, open_orders(address) as orders:
        ledger.register_token(Token("USD"))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100)
        yield ledger, orders


def paid_order(amount: int, buyer: str = "alice") -> Order:
    """An order with two pending events."""
    order = Order(buyer)
    order.pay(amount)
    return order


def paid(orders: Application[UUID], order: Any) -> int:
    """How much is paid of an order, as its repository says."""
    found: Order = orders.repository.get(order.id)
    return found.paid
