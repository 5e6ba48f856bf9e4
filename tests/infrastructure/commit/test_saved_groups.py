"""Events that are saved beside money, in groups, through lost answers and interruptions, and by processes that are killed."""

import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import tallystick
from tallystick import Conflict, InsufficientFunds, Ledger, OutcomeUnknown, StorageError, StorageFull, StorageUnavailable
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import Overtaken
from tests.support.books.behind import journal_of, ledger_on
from tests.support.books.order_book import Order, open_orders, orders_on, paid, paid_order, shared, shop
from tests.support.faults.held_journal import Crowd, Lost, result
from tests.support.faults.interruption import Interrupter
from tests.support.programs.processes import WaitForAll, run_in_processes


class Shop(Crowd):
    """A crowd that orders: each pays one USD for an order, in one commit."""

    def __init__(self) -> None:
        super().__init__()
        self.orders = orders_on(self.journal)

    def buy(self, order: Order, receiver: str, amount: int = 1) -> Any:
        with self.ledger.atomic() as tx:
            tx.transfer("USD", "alice", receiver, amount)
            tx.save(self.orders, order)
        return tx

    def has(self, order: Order) -> bool:
        return order.id in self.orders.repository


def test_a_version_that_is_taken_refuses_one_member_of_fifty() -> None:
    shop = Shop()
    contested = paid_order(0)
    shop.orders.save(contested)
    for version in range(2):
        contested.pay(version)
    other = shop.orders.repository.get(contested.id)
    other.pay(5)
    first = shop.hold()
    members = [(paid_order(number), f"shop-{number}") for number in range(49)]
    futures = [shop.queued(shop.buy, order, name) for order, name in members[:20]]
    futures.append(shop.queued(shop.buy, other, "winner"))
    futures += [shop.queued(shop.buy, order, name) for order, name in members[20:40]]
    loser = shop.queued(shop.buy, contested, "loser")
    futures += [shop.queued(shop.buy, order, name) for order, name in members[40:]]
    poor = paid_order(1)
    refused = shop.queued(shop.buy, poor, "poor", 100)
    shop.journal.let_go()
    result(first)
    for future in futures:
        assert not isinstance(result(future), BaseException)
    assert isinstance(result(loser), Conflict)
    assert isinstance(result(refused), InsufficientFunds)
    assert shop.rows == 3  # the order, who was held, and the group
    assert len(contested.pending_events) == len(poor.pending_events) == 2
    assert all(shop.has(order) and not order.pending_events for order, _ in members)
    assert shop.ledger.balance("USD", "loser").total == 0
    group = shop.journal.rows_stored[-1]
    receipts = [result(future).receipt for future in futures]
    assert {receipt.position for receipt in receipts} == {group.last_position}
    assert [receipt.transaction_ids[0] for receipt in receipts] == positions_of_money(group)
    assert shop.ledger.audit().ok
    shop.close()
    with ledger_on(shop.journal) as again:
        assert again.balance("USD", "winner").total == 1


def positions_of_money(row: JournalRow) -> list[int]:
    from tallystick.domain.events import Moved
    from tallystick.infrastructure.journal.format import decode_events

    events = enumerate(decode_events(row), row.first_position)
    return [position for position, event in events if isinstance(event, Moved)]


def test_versions_go_on_within_a_group() -> None:
    shop = Shop()
    order = paid_order(3)
    first = shop.hold()
    placed = shop.queued(shop.buy, order, "one")
    later = Order.Paid(originator_id=order.id, originator_version=3, timestamp=Order.Paid.create_timestamp(), amount=4)  # type: ignore[attr-defined]

    def pay_more() -> Any:
        with shop.ledger.atomic() as tx:
            tx.transfer("USD", "alice", "two", 1)
            tx.save(shop.orders, later)
        return tx

    more = shop.queued(pay_more)
    again = shop.queued(pay_more)
    shop.journal.let_go()
    for future in (first, placed, more):
        assert not isinstance(result(future), BaseException)
    assert isinstance(result(again), Conflict)
    assert shop.rows == 2
    assert paid(shop.orders, order) == 7
    entries = list(journal_of(shop.ledger).stream(f"orders {order.id}"))
    assert [(entry.first_version, entry.last_version) for entry in entries] == [(1, 3)]
    assert shop.ledger.audit().ok
    shop.close()


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (StorageFull("full"), StorageFull),
        (Lost(stands=True), None),
        (Lost(stands=False), StorageUnavailable),
        (Lost(stands=True, reachable=False), OutcomeUnknown),
        (Overtaken(), None),
    ],
)
@pytest.mark.parametrize("has_money", [True, False])
def test_what_a_store_says_is_told(outcome: BaseException, told: type[Exception] | None, has_money: bool) -> None:
    shop = Shop()
    order = paid_order(3)
    events = list(order.pending_events)
    shop.journal.outcomes.append(outcome)
    try:
        with shop.ledger.atomic("key") as tx:
            if has_money:
                tx.mint("USD", "shop", 3)
            tx.save(shop.orders, order)
    except StorageError as error:
        assert type(error) is told
        assert order.pending_events == events
        assert tx.receipt is None
    else:
        assert told is None
        assert order.pending_events == []
        assert paid(shop.orders, order) == 3
        assert shop.ledger.balance("USD", "shop").total == 3 * has_money
    shop.journal.reachable = True
    assert shop.has(order) == (told in (None, OutcomeUnknown))
    assert shop.ledger.balance("USD", "shop").total == 3 * has_money * shop.has(order)
    assert shop.ledger.audit().ok
    shop.close()


@pytest.fixture
def garbage_later() -> Iterator[None]:
    """Applications close themselves when they are collected, and that is not to be what is interrupted."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


POINTS_APART = 5
"""Each scene of five interrupts at every fifth point, and no two at the same."""


@pytest.mark.parametrize(
    ("start", "outcomes"),
    [
        (1, []),
        (2, [None, StorageFull("full")]),
        (3, [None, Lost(stands=True)]),
        (4, [None, Lost(stands=False)]),
        (5, [None, Overtaken()]),
    ],
)
@pytest.mark.usefixtures("garbage_later")
def test_a_thread_interrupted_at_any_point(start: int, outcomes: Sequence[BaseException | None]) -> None:
    """It leads a group in which others save too; the money is there where the order is, and who was told is told what is so."""
    point = start - POINTS_APART
    interrupter = Interrupter(0)
    while point <= 0 or interrupter.happened:
        point += POINTS_APART
        interrupter = Interrupter(point)
        shop = Shop()
        orders = {name: paid_order(1) for name in ("leader", "one", "two")}
        first = shop.hold()
        futures: dict[str, Future[Any]] = {"leader": shop.queued(interrupter, shop.buy, orders["leader"], "leader")}
        for name in ("one", "two"):
            futures[name] = shop.queued(shop.buy, orders[name], name)
        shop.journal.let_go(*outcomes)
        result(first)
        for name, future in futures.items():
            check(shop, name, orders[name], result(future))
        shop.journal.outcomes.clear()
        assert result(shop.start(shop.buy, paid_order(1), "afterwards")).receipt is not None
        report = shop.ledger.audit()
        assert report.ok, report.findings
        balances = shop.ledger.balances("USD")
        shop.close()
        shop.orders.close()
        with ledger_on(shop.journal) as again:
            assert again.balances("USD") == balances
    assert point > 100


def check(shop: Shop, name: str, order: Order, told: Any) -> None:
    stands = shop.has(order)
    assert shop.ledger.balance("USD", name).total == stands
    if not isinstance(told, BaseException):
        assert stands
        assert order.pending_events == []
    elif isinstance(told, (KeyboardInterrupt, OutcomeUnknown)):
        assert len(order.pending_events) == 2 or stands
    else:
        assert isinstance(told, StorageError)
        assert not stands
        assert len(order.pending_events) == 2


# Processes.


def test_processes_that_save_the_same_orders(shared_url: str | Path) -> None:
    """Each pays into the same two orders; a version that another took is a conflict, and planned again."""
    address = shared(shared_url)
    with shop(address) as (ledger, orders):
        both = [paid_order(0), paid_order(0)]
        orders.save(*both)

        def work(wait: WaitForAll) -> int:
            with Ledger.open(address) as ledger, open_orders(address) as orders:

                def pay(tx: Any) -> None:
                    for order in both:
                        found: Order = orders.repository.get(order.id)
                        found.pay(1)
                        tx.save(orders, found)
                    tx.transfer("USD", "alice", "shop", 2)

                wait()
                for _ in range(10):
                    ledger.run(pay, attempts=1_000)
            return 10

        assert run_in_processes([work] * 3) == [10] * 3
        assert [paid(orders, order) for order in both] == [30, 30]
        assert ledger.balance("USD", "shop").total == 60
        assert ledger.audit().ok


FOLDERS = tuple(str(Path(tallystick.__file__).parent / "infrastructure" / room) for room in ("commit", "journal", "ledger"))
KILLED_EVERY = 13
"""It is killed at each so many-th line of ours, counted from the moment its block ends."""


def test_a_process_killed_at_any_line_has_recorded_both_or_neither(shared_url: str | Path) -> None:
    address = shared(shared_url)
    with shop(address) as (ledger, orders):
        recorded: list[bool] = []
        line = 1
        while True:
            order = paid_order(1)
            before = ledger.balance("USD", "shop").total
            status = in_a_child_killed_at(line, address, order)
            stands = order.id in orders.repository
            assert ledger.balance("USD", "shop").total == before + stands
            recorded.append(stands)
            assert ledger.verify().ok
            if status == 0:
                break
            line += KILLED_EVERY
        assert recorded[0] is False
        assert recorded[-1] is True
        assert len(recorded) > 8
        assert ledger.audit().ok


def in_a_child_killed_at(line: int, address: str, order: Order) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(FOLDERS):
            return None
        count += event == "line"
        if count == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    try:
        with Ledger.open(address) as ledger, open_orders(address) as orders:
            with ledger.atomic() as tx:
                tx.mint("USD", "shop", 1)
                tx.save(orders, order)
                sys.settrace(trace)
            sys.settrace(None)
        status = 0
    finally:
        os._exit(status)
