"""`tx.save`: events of an application and the money of a block are recorded together or not at all."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.projection import ApplicationSubscription

from tallystick import (
    AsyncLedger,
    Balances,
    Conflict,
    DuplicateIdempotencyKey,
    InsufficientFunds,
    InvalidRequest,
    Ledger,
    LedgerError,
    StorageFull,
    Token,
    TransactionClosed,
)
from tallystick.domain.events import Moved
from tallystick.infrastructure.commit import group as groups
from tests.support.books.behind import journal_of
from tests.support.event_store.order_book import Order, Orders, open_orders, paid, paid_order, shared, shop

Shop = tuple[Ledger, Application[UUID]]


@pytest.fixture
def address(url: str | Path) -> str:
    return shared(url)


@pytest.fixture
def books(address: str) -> Iterator[Shop]:
    """A ledger in which Alice has 100 USD, and orders beside it; sound at the end, and the same when it is replayed."""
    with shop(address) as (ledger, orders):
        yield ledger, orders
        for report in (ledger.verify(), ledger.audit()):
            assert report.ok, report.findings
        replayed = ledger.replay(Balances()).state["USD"]["available"]
        assert {name: balance.available for name, balance in ledger.balances("USD").items()} == {
            name: amount for name, amount in replayed.items() if amount
        }
        with Ledger.open(address) as again:
            assert again.balances("USD") == ledger.balances("USD")


def pay(ledger: Ledger, orders: Application[UUID], order: Order, amount: int, *key: str) -> Any:
    with ledger.atomic(*key) as tx:
        tx.transfer("USD", "alice", "shop", amount)
        tx.save(orders, order)
    return tx.receipt


def notified(orders: Application[UUID], after: int = 2) -> list[int]:
    return [found.id for found in orders.recorder.select_notifications(after + 1, 1_000)]


# Together.


def test_events_and_money_are_one_commit(books: Shop) -> None:
    ledger, orders = books
    order = paid_order(30)
    receipt = pay(ledger, orders, order, 30)
    assert (receipt.position, receipt.transaction_ids, receipt.hold_ids) == (5, (3,), ())
    row = journal_of(ledger).row_at(3)
    assert row is not None
    assert (row.first_position, row.last_position, row.transactions) == (3, 5, b"[3]")
    assert [event[0] for event in json.loads(row.body)] == ["Moved", "Foreign", "Foreign"]
    assert order.pending_events == []
    assert paid(orders, order) == ledger.balance("USD", "shop").total == 30
    assert notified(orders) == [3, 4, 5]
    assert [line.transaction_id for line in ledger.history("USD", "shop")] == [3]


def test_a_save_alone_is_a_commit_and_its_key_is_used(books: Shop) -> None:
    ledger, orders = books
    order = paid_order(30)
    with ledger.atomic("order") as tx:
        tx.save(orders, order)
    assert tx.receipt is not None
    assert (tx.receipt.position, tx.receipt.transaction_ids) == (4, ())
    with pytest.raises(DuplicateIdempotencyKey) as caught, ledger.atomic("order") as tx:
        tx.save(orders, paid_order(5))
    assert caught.value.receipt.position == 4
    assert notified(orders) == [3, 4]


def test_an_entry_tells_of_its_money_and_is_found_without_any(books: Shop) -> None:
    ledger, orders = books
    order = paid_order(3)
    with ledger.atomic("placed", reference="order-1", metadata={"by": "phone"}) as tx:
        tx.save(orders, order)
    order.pay(4)
    with ledger.atomic(reference="order-1") as tx:
        tx.transfer("USD", "alice", "shop", 4)
        tx.save(orders, order)
    paid_entry, placed = ledger.find("order-1")
    assert (placed.id, placed.last_position, placed.key, placed.metadata, placed.transactions) == (
        3,
        4,
        "placed",
        {"by": "phone"},
        (),
    )
    assert (paid_entry.id, paid_entry.last_position, [found.id for found in paid_entry.transactions]) == (5, 6, [5])
    order.pay(0)
    with ledger.atomic() as tx:
        tx.reverse(entry=paid_entry.id)
        tx.save(orders, order)
    assert ledger.balance("USD", "shop").total == 0
    assert orders.repository.get(order.id).version == 4
    with pytest.raises(LedgerError, match="moves no money"), ledger.atomic() as tx:
        tx.reverse(entry=placed.id)


def test_many_saves_of_a_block_are_one_commit(books: Shop, address: str) -> None:
    ledger, orders = books
    with open_orders(address, type("Returns", (Orders,), {})) as returns:
        first, second, third = (paid_order(amount) for amount in (1, 2, 3))
        idle = Order("nobody")
        orders.save(idle)
        with ledger.atomic() as tx:
            tx.save(orders, first, second, first)
            tx.mint("USD", "shop", 6)
            tx.save(returns, third)
            first.pay(10)
            tx.save(orders, None, first, idle)
            first.pay(100)
        assert [event.amount for event in first.pending_events] == [100]
        assert (paid(orders, first), paid(orders, second), paid(returns, third)) == (11, 2, 3)
        assert notified(orders, after=3) == [4, 5, 6, 7, 8, 11]
        assert notified(returns, after=3) == [4, 9, 10]
        orders.save(first)
        assert paid(orders, first) == 111


def test_events_that_are_given_as_such_are_saved(books: Shop) -> None:
    ledger, orders = books
    order = paid_order(30)
    with ledger.atomic() as tx:
        tx.save(orders, *order.collect_events())
    assert paid(orders, order) == 30


def test_nothing_pending_records_nothing(books: Shop) -> None:
    ledger, orders = books
    order = paid_order(30)
    orders.save(order)
    before = ledger.verify()
    with ledger.atomic("key") as tx:
        tx.save(orders, order)
        tx.save(orders)
    assert tx.receipt is None
    assert ledger.verify() == before
    with ledger.atomic("key") as tx:
        tx.save(orders, order)
        tx.transfer("USD", "alice", "shop", 30)
    assert tx.receipt is not None


def test_compressed_and_encrypted_events_stay_so(books: Shop, address: str) -> None:
    ledger, _ = books
    key = "AAECAwQFBgcICQoLDA0ODw=="
    options = {
        "CIPHER_TOPIC": "eventsourcing.cipher:AESCipher",
        "CIPHER_KEY": key,
        "COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor",
    }
    with open_orders(address, type("Secret", (Orders,), {}), **options) as orders:
        order = paid_order(7, buyer="somebody-whom-nobody-knows")
        pay(ledger, orders, order, 7)
        states = [found.state for found in orders.recorder.select_events(order.id)]
        assert len(states) == 2
        assert not any(b"somebody" in state or b"buyer" in state for state in states)
        assert orders.repository.get(order.id) == order


def test_a_ledger_goes_on_from_a_snapshot_behind_it(shared_url: str | Path) -> None:
    address = shared(shared_url)
    with shop(address) as (ledger, orders):
        for amount in (1, 2):
            pay(ledger, orders, paid_order(amount), amount)
            ledger.snapshot()
        with ledger.atomic() as tx:
            tx.save(orders, paid_order(9))
    with Ledger.open(address) as ledger:
        assert ledger.balance("USD", "shop").total == 3
        with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "shop", 1)
        assert ledger.audit().ok


# Or neither.


def refused_at_once(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    with ledger.atomic() as tx:
        tx.save(orders, order)
        tx.transfer("USD", "alice", "shop", 101)


def raised_by_the_block(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    with ledger.atomic() as tx:
        tx.transfer("USD", "alice", "shop", 30)
        tx.save(orders, order)
        order.pay(5_000)


def refused_at_the_end(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    with ledger.atomic() as tx:
        tx.transfer("USD", "alice", "shop", 30)
        tx.save(orders, order)
        in_another_block(ledger, lambda other: other.burn("USD", "alice", 80))


def with_money_in_hand(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    with ledger.atomic() as tx:
        tx.save(orders, order)
        tx.money("USD", "alice", 10)


def version_taken(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    with ledger.atomic() as tx:
        tx.save(orders, order)
        tx.transfer("USD", "alice", "shop", 30)
        taken(orders, order)


def version_taken_and_money_gone(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    """Both are so because somebody was faster, and that is what it is told."""
    with ledger.atomic() as tx:
        tx.save(orders, order)
        tx.transfer("USD", "alice", "shop", 30)
        taken(orders, order)
        in_another_block(ledger, lambda other: other.burn("USD", "alice", 80))


def twice_under_two_objects(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    other = deepcopy(order)
    with ledger.atomic() as tx:
        tx.save(orders, order)
        tx.transfer("USD", "alice", "shop", 30)
        tx.save(orders, other)


def too_large(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    with pytest.MonkeyPatch.context() as patch, ledger.atomic() as tx:
        tx.transfer("USD", "alice", "shop", 30)
        tx.save(orders, order)
        patch.setattr(groups, "COMMIT_BYTES_MAX", 300)
        tx.__exit__(None, None, None)


def not_stored(ledger: Ledger, orders: Application[UUID], order: Order) -> None:
    with pytest.MonkeyPatch.context() as patch, ledger.atomic() as tx:
        tx.transfer("USD", "alice", "shop", 30)
        tx.save(orders, order)
        patch.setattr(journal_of(ledger), "append", full)
        tx.__exit__(None, None, None)


def full(*arguments: object) -> None:
    raise StorageFull("full")


def in_another_block(ledger: Ledger, does: Callable[[Any], object]) -> None:
    """As another process would, for blocks of one thread do not nest."""

    def do() -> None:
        with ledger.atomic() as tx:
            does(tx)

    thread = Thread(target=do)
    thread.start()
    thread.join()


def taken(orders: Application[UUID], order: Order) -> None:
    """Somebody else saves the order in the versions that are pending here."""
    orders.save(*order.pending_events)


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (refused_at_once, InsufficientFunds),
        (refused_at_the_end, InsufficientFunds),
        (raised_by_the_block, ValueError),
        (with_money_in_hand, InvalidRequest),
        (twice_under_two_objects, InvalidRequest),
        (version_taken, Conflict),
        (version_taken_and_money_gone, Conflict),
        (too_large, LedgerError),
        (not_stored, StorageFull),
    ],
)
def test_what_is_not_recorded_is_pending_as_before(
    books: Shop, attempt: Callable[[Ledger, Application[UUID], Order], None], told: type[Exception]
) -> None:
    ledger, orders = books
    order = paid_order(30)
    before = list(order.pending_events)
    with pytest.raises(told):
        attempt(ledger, orders, order)
    assert [id(event) for event in order.pending_events] == [id(event) for event in before]
    assert ledger.balance("USD", "shop").total == 0
    others = paid_order(12)
    pay(ledger, orders, others, 12)
    assert paid(orders, others) == ledger.balance("USD", "shop").total == 12
    if told is not Conflict:
        assert order.id not in orders.repository
        pay(ledger, orders, order, 8)
        assert order.pending_events == []
        assert paid(orders, order) == 30


def test_a_save_is_undone_with_its_savepoint_and_by_rollback(books: Shop) -> None:
    ledger, orders = books
    kept, undone, forgotten = (paid_order(amount) for amount in (1, 2, 3))
    with ledger.atomic() as tx:
        tx.save(orders, forgotten)
        tx.rollback()
        tx.save(orders, kept)
        with pytest.raises(InsufficientFunds), tx.savepoint():
            tx.save(orders, undone, kept)
            kept.pay(10)
            tx.save(orders, kept)
            tx.burn("USD", "alice", 101)
        tx.burn("USD", "alice", 1)
    assert (len(kept.pending_events), len(undone.pending_events), len(forgotten.pending_events)) == (1, 2, 2)
    assert paid(orders, kept) == 1
    with ledger.atomic() as tx:
        with pytest.raises(InsufficientFunds), tx.savepoint():
            tx.save(orders, undone)
            tx.burn("USD", "alice", 101)
        tx.save(orders, undone, kept)
    assert (paid(orders, undone), paid(orders, kept)) == (2, 11)


def test_run_plans_again_on_what_somebody_else_saved(books: Shop, address: str) -> None:
    ledger, orders = books
    order = paid_order(0)
    orders.save(order)
    seen: list[int] = []

    def pay_ten(tx: Any) -> None:
        found: Order = orders.repository.get(order.id)
        seen.append(found.paid)
        found.pay(10)
        tx.transfer("USD", "alice", "shop", 10)
        tx.save(orders, found)
        if len(seen) < 3:
            with open_orders(address) as elsewhere:
                other: Order = elsewhere.repository.get(order.id)
                other.pay(1)
                elsewhere.save(other)

    ledger.run(pay_ten)
    assert seen == [0, 1, 2]
    assert paid(orders, order) == 12
    assert ledger.balance("USD", "shop").total == 10


def test_the_conflict_names_the_stream_and_the_versions(books: Shop) -> None:
    ledger, orders = books
    order = paid_order(1)
    with pytest.raises(Conflict) as caught, ledger.atomic() as tx:
        tx.save(orders, order)
        taken(orders, order)
    assert f"orders {order.id}" in str(caught.value)
    assert (caught.value.fields["told"], caught.value.fields["now"]) == (0, 2)


# Which journal.


def test_another_journal_is_refused(books: Shop, tmp_path: Path, postgres_url: str) -> None:
    ledger, orders = books
    order = paid_order(1)
    with ExitStack() as stack:
        elsewhere = [Orders()]
        elsewhere += [open_orders(url) for url in ("memory:", f"memory:{uuid4().hex}", f"sqlite:///{tmp_path}/other.db")]
        elsewhere.append(open_orders(f"{postgres_url.replace('schema=', 'schema=other_')}"))
        for application in elsewhere:
            stack.enter_context(application)
            with pytest.raises(InvalidRequest, match="Orders keeps its events elsewhere"), ledger.atomic() as tx:
                tx.mint("USD", "shop", 1)
                tx.save(application, order)
    for wrong in (None, "orders", Orders, orders.recorder):
        with pytest.raises(InvalidRequest, match="Application"), ledger.atomic() as tx:
            tx.save(wrong, order)
    assert len(order.pending_events) == 2
    assert ledger.supply("USD").circulating == 100


def test_the_same_journal_is_known_by_other_names(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "books.db")
    with Ledger.open(tmp_path / "books.db") as ledger, open_orders(f"sqlite:///{tmp_path}/link.db") as orders:
        with ledger.atomic() as tx:
            tx.save(orders, order := paid_order(1))
        assert paid(orders, order) == 1


def test_a_journal_in_memory_that_has_a_name_lasts_while_it_is_open() -> None:
    address = f"memory:{uuid4().hex}"
    first, second = Ledger.open(address), Ledger.open(address)
    first.register_token(Token("USD"))
    first.close()
    second.register_token(Token("PLN"))
    with Ledger.open(address) as third:
        assert [token.code for token in third.tokens()] == ["USD", "PLN"]
    second.close()
    with Ledger.open(address) as again, Ledger.open("memory:") as unnamed:
        assert again.tokens() == unnamed.tokens() == []


@pytest.mark.parametrize("wrong", ["order", 5, ("a", "b")])
def test_what_is_no_aggregate_is_refused(books: Shop, wrong: object) -> None:
    ledger, orders = books
    with pytest.raises(InvalidRequest), ledger.atomic() as tx:
        tx.save(orders, wrong)


def test_the_ledgers_own_events_are_refused(books: Shop) -> None:
    ledger, orders = books
    minted: Any = next(iter(orders.events.get("USD")))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="the ledger alone"), ledger.atomic() as tx:
        tx.save(orders, minted)
    usd: Any = orders.repository.get("USD")  # type: ignore[arg-type]
    with ledger.atomic() as tx:
        tx.save(orders, usd)  # nothing of it is ever pending
    assert tx.receipt is None


def test_a_block_that_has_ended_saves_nothing(books: Shop) -> None:
    ledger, orders = books
    with ledger.atomic() as tx:
        tx.mint("USD", "shop", 1)
    with pytest.raises(TransactionClosed):
        tx.save(orders, paid_order(1))


# A program without a name, whose streams could be a token's.


class Nameless(Application[Any]):
    name = ""


@dataclass(frozen=True)
class Noted:
    """An event whose stream has a text for an id."""

    originator_id: str
    originator_version: int


def test_a_stream_without_an_application_is_not_a_tokens(books: Shop, address: str) -> None:
    ledger, _ = books
    with open_orders(address, Nameless, ORIGINATOR_ID_TYPE="text") as nameless:
        for code in ("USD", "PLN", "pool"):
            with pytest.raises(InvalidRequest, match=f"'{code}' is a token or a contract"), ledger.atomic() as tx:
                tx.register_contract("pool")
                if code == "PLN":
                    in_another_block(ledger, lambda other: other.mint("USD", "shop", 1))
                    ledger.register_token(Token("PLN"))
                tx.save(nameless, Noted(code, 1))
        assert not ledger.is_contract("pool")
        with ledger.atomic() as tx:
            tx.save(nameless, Noted("EUR", 5))
        ledger.register_token(Token("EUR"))
        assert [found.originator_version for found in nameless.recorder.select_events("EUR")] == [5, 6]


# What follows.


class Told(Orders):
    """Notes what it is told."""

    name = "Orders"
    snapshotting_intervals = {Order: 2}  # noqa: RUF012

    def __init__(self, env: Any = None) -> None:
        super().__init__(env)
        self.heard: list[Any] = []

    def _notify(self, recordings: Any) -> None:
        self.heard.append([(recording.domain_event, recording.notification.id) for recording in recordings])

    def notify(self, new_events: Any) -> None:
        self.heard.append(list(new_events))


def test_the_application_does_what_follows_its_own_save(books: Shop, address: str) -> None:
    ledger, _ = books
    options = {"AGGREGATE_CACHE_MAXSIZE": "5", "AGGREGATE_CACHE_FASTFORWARD": "n"}
    with open_orders(address, Told, **options) as orders:
        assert isinstance(orders, Told)
        order = paid_order(30)
        events = list(order.pending_events)
        with pytest.raises(InsufficientFunds):
            pay(ledger, orders, order, 101)
        assert orders.heard == []
        pay(ledger, orders, order, 30)
        assert orders.heard == [[(events[0], 4), (events[1], 5)], events]
        assert orders.repository.cache is not None
        assert orders.repository.cache.get(order.id) is order
        assert orders.snapshots is not None
        assert [snapshot.originator_version for snapshot in orders.snapshots.get(order.id)] == [2]


def test_subscriptions_are_given_it_in_order(books: Shop) -> None:
    ledger, orders = books
    with ApplicationSubscription(orders, gt=2) as subscription:
        for amount in (3, 4):
            pay(ledger, orders, paid_order(amount), amount)
        found = [next(subscription) for _ in range(6)]
    assert [tracking.notification_id for _, tracking in found] == [3, 4, 5, 6, 7, 8]
    assert [isinstance(event, Moved) for event, _ in found] == [True, False, False] * 2
    assert [event.amount for event, _ in found if isinstance(event, (Moved, Order.Paid))] == [3, 3, 4, 4]  # type: ignore[attr-defined]


class Failing(Orders):
    """Cannot bear to be told."""

    name = "Orders"

    def notify(self, new_events: Any) -> None:
        raise Conflict(subject="this", told="that", now="not")


def test_what_goes_wrong_afterwards_undoes_nothing_and_is_not_done_again(
    books: Shop, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, _ = books
    with open_orders(address, Failing) as orders, caplog.at_level(logging.ERROR, "tallystick.save"):
        order = paid_order(30)

        def once(tx: Any) -> None:
            tx.transfer("USD", "alice", "shop", 30)
            tx.save(orders, order)

        ledger.run(once)
        assert ledger.balance("USD", "shop").total == paid(orders, order) == 30
        assert order.pending_events == []
    assert "events of Orders stand from position 4 on" in caplog.text


# Awaited.


def test_blocks_of_a_ledger_for_asyncio() -> None:
    asyncio.run(blocks_for_asyncio())


async def blocks_for_asyncio() -> None:
    address = f"memory:{uuid4().hex}"
    with open_orders(address, Told) as orders:
        assert isinstance(orders, Told)
        async with AsyncLedger.open(address) as ledger:
            await ledger.register_token(Token("USD"))
            order = paid_order(5)
            async with ledger.atomic("key") as tx:
                tx.mint("USD", "alice", 100)
                tx.save(orders, order)
            assert tx.receipt is not None
            assert tx.receipt.position == 4
            assert order.pending_events == []
            assert len(orders.heard) == 2
            assert paid(orders, order) == 5
            order.pay(1)
            with pytest.raises(InsufficientFunds):
                async with ledger.atomic() as tx:
                    tx.save(orders, order)
                    tx.burn("USD", "alice", 101)
            assert len(order.pending_events) == 1
            seen: list[int] = []

            async def again(tx: Any) -> None:
                found: Order = orders.repository.get(order.id)
                seen.append(found.paid)
                found.pay(10)
                tx.save(orders, found)
                if len(seen) == 1:
                    taken(orders, order)

            await ledger.run(again)
            assert seen == [5, 6]
            assert paid(orders, order) == 16
            assert (await ledger.audit()).ok
