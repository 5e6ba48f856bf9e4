"""Where the parts meet: batches, reversals, freezes, holds, details and saved events, by every read that tells of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import AccountIsFrozen, AlreadyReversed, InsufficientFunds, Ledger, Line, NotReversible, Receipt
from tests.support.books.app_book import TOKENS as APP_TOKENS
from tests.support.books.app_book import T
from tests.support.books.tokens import FRAGMENTED, PLAIN, WIDE
from tests.support.event_store.order_book import Orders, open_orders, paid, paid_order, shared

DAYS = [datetime(2020, 3, day, tzinfo=UTC) for day in range(1, 29)]
CLOSED: dict[str, Any] = {"debits": True, "credits": True, "reason": "court"}


@pytest.fixture
def address(url: str | Path) -> str:
    return shared(url)


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    """Alice and Bob have 100 of each token; at the end all is sound, and the same to whoever opens the journal anew."""
    with Ledger.open(address) as opened:
        for registered in (PLAIN, FRAGMENTED, WIDE):
            opened.register_token(registered)
            opened.mint_many(registered.code, ["alice", "bob"], [100, 100])
        yield opened
        assert_is_whole(opened, address)


def assert_is_whole(ledger: Ledger, address: str) -> None:
    assert ledger.verify().ok
    assert ledger.audit().findings == ()
    told = told_of(ledger)
    with Ledger.open(address) as again:
        assert told_of(again) == told
        assert again.frozen() == ledger.frozen()
        assert again.holds() == ledger.holds()


def told_of(ledger: Ledger) -> dict[Any, Any]:
    """Each account's lines, which add up to its balance, read in both orders and page by page."""
    told: dict[Any, Any] = {}
    for code in (token.code for token in ledger.tokens()):
        for account, balance in ledger.balances(code).items():
            lines = list(ledger.history(code, account))
            assert list(ledger.history(code, account, newest_first=True)) == lines[::-1]
            assert paged(ledger, code, account) == lines
            assert sum(line.change for line in lines) == balance.available == lines[-1].available
            assert sum(line.reserved_change for line in lines) == balance.reserved == lines[-1].reserved
            for line in lines:
                assert_agrees(ledger, line)
            told[code, account] = (balance, lines)
    return told


def paged(ledger: Ledger, token: str, account: str) -> list[Line]:
    page = ledger.history(token, account, limit=1)
    lines = list(page)
    while page.next is not None:
        page = ledger.history(token, account, page.next, limit=1)
        lines += page
    return lines


def assert_agrees(ledger: Ledger, line: Line) -> None:
    """A line says what its transaction and its entry say."""
    entry = ledger.entry(line.entry_id)
    assert entry.recorded_at == line.recorded_at
    if line.transaction_id is None:
        return
    transaction = ledger.transaction(line.transaction_id)
    assert transaction in entry.transactions
    for field in ("position", "entry_id", "kind", "token", "memo", "reference", "hold", "recorded_at", "occurred_at"):
        assert transaction[field] == line[field]
    if line.reference is not None:
        found = ledger.find(line.reference)
        assert entry in found
        assert [each.id for each in found] == sorted((each.id for each in found), reverse=True)


def rows_of_their_own(ledger: Ledger, token: str) -> list[int]:
    """Rows that happened in another order than they were recorded, two of them in a reference of their own."""
    receipt = ledger.transfer_many(
        token,
        ["alice", "alice", "bob"],
        ["bob", "carol", "alice"],
        [5, 6, 7],
        memo=["a", "b", "c"],
        occurred_at=[DAYS[9], DAYS[3], DAYS[6]],
        references=["order 1", None, "order 2"],
        metadata={"file": 1},
    )
    return list(receipt.transaction_ids)


# Batches.


def test_a_row_with_its_own_time_and_reference_is_told_so_everywhere(ledger: Ledger, token: str) -> None:
    first, second, third = rows_of_their_own(ledger, token)
    later = ledger.transfer(token, "bob", "alice", 1, reference="order 1", occurred_at=DAYS[12])
    expected = {
        first: (first, "a", "order 1", DAYS[9]),
        second: (first, "b", None, DAYS[3]),
        third: (first, "c", "order 2", DAYS[6]),
        later.entry_id: (later.entry_id, "", "order 1", DAYS[12]),
    }
    for id, told in expected.items():
        found = ledger.transaction(id)
        assert (found.entry_id, found.memo, found.reference, found.occurred_at) == told
    entry = ledger.entry(first)
    assert (entry.reference, entry.metadata, [each.id for each in entry.transactions]) == (
        None,
        {"file": 1},
        [first, second, third],
    )
    lines = ledger.history(token, "alice", by="occurred_at", since=DAYS[0], until=DAYS[20])
    assert {line.transaction_id: (line.entry_id, line.memo, line.reference, line.occurred_at) for line in lines} == expected
    few = ledger.history(token, "alice", by="occurred_at", since=DAYS[6], until=DAYS[9])
    assert [line.transaction_id for line in few] == [third]
    assert [each.id for each in ledger.find("order 1")] == [later.entry_id, first]
    assert [each.id for each in ledger.find("order 2")] == [first]


def test_a_row_that_is_taken_back_keeps_what_it_was(ledger: Ledger, token: str) -> None:
    first, second, third = rows_of_their_own(ledger, token)
    before = [ledger.transaction(id) for id in (first, second, third)]
    part = ledger.reverse(transaction=third, amount=3, memo="wrong", reference="order 2", occurred_at=DAYS[20])
    rest = ledger.reverse(entry=first, reference="order 1")
    assert [ledger.transaction(id) for id in (first, second, third)] == before
    assert ledger.entry(first).reversed_by == (part.entry_id, rest.entry_id)
    assert (ledger.entry(part.entry_id).reverses, ledger.entry(rest.entry_id).reverses) == ((third,), (first, second, third))
    assert [each.id for each in ledger.find("order 2")] == [part.entry_id, first]
    assert [each.id for each in ledger.find("order 1")] == [rest.entry_id, first]
    taking = ledger.transaction(part.entry_id)
    assert (taking.sender, taking.receiver, taking.minted_amount) == ("alice", "bob", 3)
    assert (taking.reference, taking.occurred_at, taking.memo) == ("order 2", DAYS[20], "wrong")
    assert {name: balance.total for name, balance in ledger.balances(token).items()} == {"alice": 100, "bob": 100}
    with pytest.raises(AlreadyReversed):
        ledger.reverse(transaction=second)


# Freezes.


def reserved(ledger: Ledger, token: str) -> Receipt:
    return ledger.reserve(token, "alice", "keeper", 10)


def released(ledger: Ledger, token: str, receipt: Receipt) -> None:
    assert receipt.hold_id is not None
    ledger.release(receipt.hold_id)


def taken_back(ledger: Ledger, token: str, receipt: Receipt) -> None:
    ledger.reverse(entry=receipt.entry_id)


FROZEN: list[tuple[str, Callable[..., Receipt], Callable[..., None], type[Exception] | None]] = [
    ("a hold is released", reserved, released, None),
    ("a hold is taken back", reserved, taken_back, None),
    ("what it got", lambda ledger, token: ledger.transfer(token, "bob", "alice", 10), taken_back, AccountIsFrozen),
    ("what it gave", lambda ledger, token: ledger.transfer(token, "alice", "bob", 10), taken_back, AccountIsFrozen),
    ("what it was given", lambda ledger, token: ledger.mint(token, "alice", 10), taken_back, AccountIsFrozen),
    ("what it burned", lambda ledger, token: ledger.burn(token, "alice", 10), taken_back, AccountIsFrozen),
]


@pytest.mark.parametrize(("begin", "end", "refused"), [case[1:] for case in FROZEN], ids=[case[0] for case in FROZEN])
@pytest.mark.parametrize("everywhere", [True, False])
def test_what_comes_back_to_a_frozen_account(
    ledger: Ledger,
    token: str,
    begin: Callable[..., Receipt],
    end: Callable[..., None],
    refused: type[Exception] | None,
    everywhere: bool,
) -> None:
    before = ledger.balance(token, "alice")
    receipt = begin(ledger, token)
    ledger.freeze("alice", None if everywhere else token, **CLOSED)
    if refused is not None:
        with pytest.raises(refused):
            end(ledger, token, receipt)
        with pytest.raises(refused), ledger.atomic() as tx:
            tx.reverse(entry=receipt.entry_id)
        ledger.unfreeze("alice", None if everywhere else token)
    end(ledger, token, receipt)
    assert ledger.balance(token, "alice") == before


def test_shares_and_what_is_due_arrive_at_frozen_accounts(address: str) -> None:
    clock = [datetime(2030, 1, 1, tzinfo=UTC)]
    with Ledger.open(address, clock=lambda: clock[0]) as ledger:
        for registered in APP_TOKENS:
            ledger.register_token(registered)
        ledger.mint("TEA", "alice", 1_000 * T)
        app = ledger.app("TeaParty")
        app.buy("alice", 100 * T)
        app.pay("alice", 10 * T)
        receipt = ledger.reserve("TEA", "alice", "keeper", T, expires_in=timedelta(hours=1), reference="rent")
        for account in ("alice", "dev"):
            ledger.freeze(account, **CLOSED)
        before = {name: ledger.balance("TEA", name).available for name in ("alice", "dev")}
        with ledger.atomic() as tx:
            tx.app("TeaParty").distribute_income()
        assert tx.receipt is not None
        clock[0] += timedelta(hours=2)
        expired = ledger.expire(reference="rent")
        assert expired is not None
        gained = {name: ledger.balance("TEA", name).available - before[name] for name in before}
        assert gained["dev"] > 0 or gained["alice"] > T
        for id in (expired.entry_id, tx.receipt.entry_id):
            with pytest.raises(NotReversible):
                ledger.reverse(entry=id)
        with pytest.raises(AccountIsFrozen):
            app.sell("alice", 1_000)
        assert [each.id for each in ledger.find("rent")] == [expired.entry_id, receipt.entry_id]
        assert [frozen.account for frozen in ledger.frozen()] == ["alice", "dev"]
        assert_is_whole(ledger, address)


# Holds.


def test_a_hold_its_settlement_and_what_is_taken_back(ledger: Ledger, token: str) -> None:
    opened = ledger.reserve(
        token, "alice", "keeper", 50, expires_in=timedelta(days=30), memo="m", reference="rent", occurred_at=DAYS[1]
    )
    assert opened.hold_id is not None
    settled = ledger.settle(token, "keeper", "bob", 20, opened.hold_id, reference="rent", occurred_at=DAYS[2])
    back = ledger.reverse(transaction=settled.entry_id, amount=15, reference="rent", occurred_at=DAYS[3])
    hold = ledger.hold(opened.hold_id)
    assert (hold.amount, hold.remaining, hold.memo, hold.position) == (50, 30, "m", opened.entry_id)
    assert hold.expires_at is not None
    assert timedelta(days=29) < hold.expires_at - opened.recorded_at <= timedelta(days=30)
    rest = ledger.reverse(entry=opened.entry_id, reference="rent", occurred_at=DAYS[4])
    hold = ledger.hold(opened.hold_id)
    assert [(leg.kind, leg.receiver, leg.amount, leg.transaction_id) for leg in hold.legs] == [
        ("settle", "bob", 20, settled.entry_id),
        ("release", "alice", 30, rest.entry_id),
    ]
    assert (hold.remaining, ledger.holds()) == (0, [])
    lines = ledger.history(token, "alice", by="occurred_at", since=DAYS[0], until=DAYS[9])
    assert [(line.kind, line.counterparty, line.change, line.reserved_change, line.hold) for line in lines] == [
        ("reserve", "keeper", -50, 0, opened.hold_id),
        ("transfer", "bob", 15, 0, None),
        ("release", "keeper", 30, 0, opened.hold_id),
    ]
    entries = [rest, back, settled, opened]
    assert [each.id for each in ledger.find("rent")] == [receipt.entry_id for receipt in entries]
    assert ledger.entry(opened.entry_id).reversed_by == (rest.entry_id,)
    assert ledger.entry(settled.entry_id).reversed_by == (back.entry_id,)
    assert ledger.balance(token, "alice").available == 95
    with pytest.raises(AlreadyReversed):
        ledger.reverse(entry=opened.entry_id)
    with pytest.raises(InsufficientFunds):
        ledger.settle(token, "keeper", "bob", 1)


# Metadata.


def test_what_is_erased_is_the_metadata_and_nothing_else(ledger: Ledger, token: str) -> None:
    first, *_ = rows_of_their_own(ledger, token)
    kept = ledger.reverse(transaction=first, metadata={"why": "kept"}, idempotency_key="k", reference="order 1")
    frozen = ledger.freeze("carol", token, metadata={"why": "erased"}, reference="order 9", occurred_at=DAYS[5])
    assert frozen is not None
    before, told = {id: dict(ledger.entry(id)) for id in (first, kept.entry_id, frozen.entry_id)}, told_of(ledger)
    for id in (first, frozen.entry_id):
        ledger.erase(id, "on request")
        before[id]["metadata"] = None
    assert {id: dict(ledger.entry(id)) for id in before} == before
    assert told_of(ledger) == told
    assert ledger.receipt("k") == kept
    assert [each.id for each in ledger.find("order 9")] == [frozen.entry_id]
    ledger.unfreeze("carol", token)
    rest = ledger.reverse(entry=first)
    assert ledger.entry(first).reversed_by == (kept.entry_id, rest.entry_id)


# Saved events.


def test_events_a_reversal_and_a_freeze_are_one_entry(ledger: Ledger, token: str, address: str) -> None:
    first = ledger.transfer(token, "alice", "shop", 40)
    with open_orders(address, Orders) as orders:
        order = paid_order(30)
        with ledger.atomic("k", reference="refund", metadata={"n": 1}, occurred_at=DAYS[7]) as tx:
            tx.save(orders, order)
            tx.reverse(transaction=first.entry_id, amount=30)
            tx.freeze("shop", token, reason="court")
        assert tx.receipt is not None
        assert (paid(orders, order), ledger.balance(token, "alice").total) == (30, 90)
        (entry,) = ledger.find("refund")
        assert (entry.id, entry.last_position) == (tx.receipt.entry_id, tx.receipt.position)
        assert (entry.key, entry.metadata, entry.occurred_at, entry.reverses) == ("k", {"n": 1}, DAYS[7], (first.entry_id,))
        assert [each.id for each in entry.transactions] == list(tx.receipt.transaction_ids)
        assert ledger.entry(first.entry_id).reversed_by == (entry.id,)
        assert ledger.receipt("k") == tx.receipt
        order.pay(5)
        with pytest.raises(AccountIsFrozen), ledger.atomic() as tx:
            tx.save(orders, order)
            tx.reverse(entry=first.entry_id)
        assert len(order.pending_events) == 1
        with ledger.atomic() as tx:
            tx.unfreeze("shop", token)
            tx.save(orders, order)
            tx.reverse(entry=first.entry_id)
        assert (paid(orders, order), ledger.balance(token, "shop").total, ledger.frozen()) == (35, 0, [])
        frozen = ledger.freeze("bob")
        assert frozen is not None
        with pytest.raises(NotReversible):
            ledger.reverse(entry=frozen.entry_id)
