"""What a block is told stands when it is executed, or the block is in conflict: each figure that it is given, and guards."""

import pickle
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallystick import Balance, Conflict, InsufficientFunds, InvalidAmount, Ledger, SquareRootCurve, Token, TransactionClosed
from tests.support.books.app_book import T, do
from tests.support.books.contract_book import elsewhere, in_another_thread

Call = Callable[[Any], Any]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    now = BEGIN

    def __call__(self) -> datetime:
        return self.now


class Undone(Exception):
    """What the tests undo a savepoint by."""


@pytest.fixture(params=[False, True], ids=["plain", "fragmented"])
def shop(request: pytest.FixtureRequest) -> Any:
    """USD backs a pool of 1,000, 300 of it alice's; of the app TeaParty alice and bob have bought; two holds are due."""
    clock = Clock()
    with Ledger.open("memory:", clock=clock) as ledger:
        ledger.register_token(Token("USD", unit=1 if request.param else None))
        ledger.register_token(Token("TEA", decimals=12, role="settlement"))
        ledger.register_token(Token("TeaParty", decimals=12, role="app", curve=SquareRootCurve(10), owner="dev"))
        with ledger.atomic() as tx:
            for user in ("alice", "bob", "carol"):
                tx.mint("TEA", user, 1_000 * T)
                tx.mint("USD", user, 2_000)
                if user != "carol":
                    tx.app("TeaParty").buy(user, 100 * T)
            tx.register_contract("pool", backed_by="USD").fund("alice", 1_000)
            tx.contract("pool").alloc("alice")
            tx.contract("pool").shadow_up("alice", 300)
            tx.app("TeaParty").pay("carol", 50 * T)
            for amount in (5, 6):
                tx.reserve("USD", "bob", "keeper", amount, expires_in=timedelta(hours=1))
        clock.now += timedelta(hours=2)
        yield ledger
        assert ledger.audit().ok


def in_savepoint(call: Call) -> Call:
    """The same, told in a part that is undone, behind something else that is undone with it."""

    def tried(tx: Any) -> Any:
        told: list[Any] = []
        with suppress(Undone), tx.savepoint():
            tx.transfer("USD", "alice", "dave", 7)
            told.append(call(tx))
            raise Undone
        return told[0]

    return tried


def before_rollback(call: Call) -> Call:
    def tried(tx: Any) -> Any:
        told = call(tx)
        tx.rollback()
        return told

    return tried


def balance_of(account: str, token: str = "USD") -> Call:
    return lambda tx: tx.balance(token, account)


def buy(account: str, amount: int, **options: Any) -> Call:
    return lambda tx: tx.app("TeaParty").buy(account, amount, **options)


def sell(account: str, amount: int, **options: Any) -> Call:
    return lambda tx: tx.app("TeaParty").sell(account, amount, **options)


def mint(account: str, amount: int = 1) -> Call:
    return lambda tx: tx.mint("USD", account, amount)


def take(account: str, amount: int) -> Call:
    return lambda tx: tx.transfer("USD", account, "erin", amount)


def raise_pool(tx: Any) -> None:
    tx.contract("pool").shadow_up("alice", 1)


def share_of_income(tx: Any) -> Balance:
    tx.app("TeaParty").distribute_income()
    return tx.balance("TeaParty", "bob")


TOLD: list[tuple[str, Call, Call, bool]] = [
    ("balance", balance_of("alice"), mint("alice"), False),
    ("balance of another", balance_of("alice"), mint("bob"), True),
    ("balance that came back", balance_of("alice"), lambda tx: (take("alice", 5)(tx), mint("alice", 5)(tx)), True),
    ("what is held", balance_of("keeper"), lambda tx: tx.reserve("USD", "bob", "keeper", 1), False),
    ("income", balance_of("dev", "TEA"), lambda tx: tx.transfer("TEA", "bob", "dev", 1), False),
    ("bought", buy("alice", T), buy("bob", 10 * T), False),
    ("bought, and nothing else traded", buy("alice", T), mint("alice"), True),
    ("bought for a better price", buy("alice", T), sell("bob", 10 * T), False),
    ("sold", sell("alice", T), sell("bob", 10 * T), False),
    ("sold for a better price", sell("alice", T), buy("bob", 10 * T), False),
    ("bought, so much or more", buy("alice", T, at_least=1), buy("bob", 10 * T), True),
    ("bought, so much or more, but it is less", buy("alice", T, at_least=140_000_000_000), buy("bob", 800 * T), False),
    ("sold, so much or more", sell("alice", T, at_least=1), sell("bob", 10 * T), True),
    ("expired", lambda tx: tx.expire(), lambda tx: tx.expire(1), False),
    ("expired, up to one", lambda tx: tx.expire(1), lambda tx: tx.expire(1), True),
    ("contract's balance", lambda tx: tx.contract("pool").balance, lambda tx: tx.contract("pool").fund("bob", 1), False),
    ("what is allocated", lambda tx: tx.contract("pool").allocs_sum, raise_pool, False),
    ("how many have allocations", lambda tx: tx.contract("pool").num_allocs, lambda tx: tx.contract("pool").alloc("x"), False),
    ("an allocation", lambda tx: tx.contract("pool").allocation("alice"), raise_pool, False),
    ("no allocation", lambda tx: tx.contract("pool").allocation("x"), lambda tx: tx.contract("pool").alloc("x"), False),
    ("a contract, and its money", lambda tx: tx.contract("pool").balance, mint("alice"), True),
    ("guard", lambda tx: tx.require("USD", "alice", 900), take("alice", 50), True),
    ("guard that no longer holds", lambda tx: tx.require("USD", "alice", 900), take("alice", 101), False),
    ("shares of income", share_of_income, buy("carol", T), False),
    ("shares of income, and nobody else has more", share_of_income, mint("alice"), True),
]


@pytest.mark.parametrize("way", [lambda call: call, in_savepoint, before_rollback], ids=["", "savepoint", "rollback"])
@pytest.mark.parametrize(("call", "meanwhile", "stands"), [case[1:] for case in TOLD], ids=[case[0] for case in TOLD])
def test_what_is_told_stands_or_is_a_conflict(
    shop: Ledger, call: Call, meanwhile: Call, stands: bool, way: Callable[[Call], Call]
) -> None:
    before = shop.verify().position
    try:
        with shop.atomic() as tx:
            way(call)(tx)
            tx.mint("USD", "witness", 1)
            elsewhere(shop, meanwhile)
            after = shop.verify().position
    except Conflict as error:
        assert not stands
        assert shop.verify().position == after > before
        assert pickle.loads(pickle.dumps(error)).fields.keys() == error.fields.keys()
    else:
        assert stands
        assert shop.balance("USD", "witness").total == 1


def test_the_figures_of_a_trade_are_those_of_the_receipt(shop: Ledger) -> None:
    with shop.atomic() as tx:
        bought, sold = buy("alice", T)(tx), sell("bob", T)(tx)
        least = buy("carol", T, at_least=5)(tx)
    assert least == 5
    found = tx.receipt.trades if tx.receipt else []
    assert [trade.received for trade in found][:2] == [bought, sold]
    assert found[2].received == shop.balance("TeaParty", "carol").total > 5


# Trades of which the block knows the least.


@pytest.mark.parametrize("meanwhile", [buy("bob", 10 * T), sell("bob", 10 * T), mint("bob")])
def test_a_block_counts_on_the_least_that_a_trade_brings(shop: Ledger, meanwhile: Call) -> None:
    had = shop.balance("TeaParty", "alice").available
    with shop.atomic() as tx:
        assert buy("alice", T, at_least=70)(tx) == 70
        assert tx.balance("TeaParty", "alice") == Balance(had + 70, 0, had + 70)
        with tx.savepoint(), suppress(InsufficientFunds):
            tx.transfer("TeaParty", "alice", "dave", had + 71)
            raise AssertionError("the block cannot count on that")
        with pytest.raises(InsufficientFunds):
            tx.require("TeaParty", "alice", had + 71)
        money = tx.money("TeaParty", "alice", had + 70)
        assert tx.balance("TeaParty", "alice").available == 0
        money.transfer_to("dave")
        elsewhere(shop, meanwhile)
    assert shop.balance("TeaParty", "dave").total == had + 70
    assert shop.balance("TeaParty", "alice").total == (tx.receipt.trades[0].received - 70 if tx.receipt else None)


def test_what_is_undone_is_counted_on_no_more(shop: Ledger) -> None:
    had = shop.balance("TEA", "alice").available
    with shop.atomic() as tx:
        with suppress(Undone), tx.savepoint():
            assert sell("alice", T, at_least=9)(tx) == 9
            assert tx.balance("TEA", "alice").available == had + 9
            raise Undone
        assert tx.balance("TEA", "alice").available == had
        sell("alice", T, at_least=9)(tx)
        tx.rollback()
        assert tx.balance("TEA", "alice").available == had
    assert tx.receipt is None


@pytest.mark.parametrize("least", [0, -1, True, "7", 1.0])
def test_the_least_is_an_amount(shop: Ledger, least: Any) -> None:
    with shop.atomic() as tx:
        for call in (buy("alice", T, at_least=least), sell("alice", T, at_least=least)):
            with pytest.raises(InvalidAmount):
                call(tx)
        with pytest.raises(InvalidAmount):
            tx.require("USD", "alice", least)


# Conflicts are told as such.


def test_a_refusal_behind_what_came_out_otherwise_is_a_conflict(shop: Ledger) -> None:
    """What the seats share depends on how much there is to be shared."""
    do(shop, lambda tx: tx.seats.collect_memory_tax("TeaParty", 40 * T))
    calls: list[Conflict] = []

    def share(tx: Any) -> None:
        tx.seats.share_income({"mia": 0, "max": 0})
        tx.transfer("TEA", "mia", "dave", 20 * T)
        if not calls:
            elsewhere(shop, lambda other: other.seats.share_income({"eve": 0, "max": 0, "zoe": 0}))

    with pytest.raises(Conflict) as caught, shop.atomic() as tx:
        share(tx)
    assert isinstance(caught.value.cause, InsufficientFunds)
    assert caught.value.__cause__ is caught.value.cause
    assert shop.balance("TEA", "dave").total == 0
    calls.append(caught.value)
    with pytest.raises(InsufficientFunds):  # that is the truth, and who plans again is told it
        shop.run(share)


def test_a_refusal_that_nothing_before_it_caused_is_itself(shop: Ledger) -> None:
    with pytest.raises(InsufficientFunds), shop.atomic() as tx:
        buy("carol", T, at_least=1)(tx)
        tx.transfer("USD", "bob", "dave", 1_000)
        elsewhere(shop, take("bob", 1_500))


def test_a_trade_that_came_out_otherwise_makes_later_refusals_conflicts(shop: Ledger) -> None:
    with pytest.raises(Conflict) as caught, shop.atomic() as tx:
        buy("carol", T, at_least=1)(tx)
        tx.transfer("USD", "bob", "dave", 1_000)
        elsewhere(shop, take("bob", 1_500), buy("bob", 5 * T))
    assert isinstance(caught.value.cause, InsufficientFunds)


def test_what_is_planned_on_stale_figures_is_no_lack_of_funds(shop: Ledger) -> None:
    with pytest.raises(Conflict), shop.atomic() as tx:
        told = tx.balance("USD", "bob").available
        elsewhere(shop, take("bob", 1_500))
        tx.transfer("USD", "bob", "dave", told)


# Guards.


def test_a_guard_holds_or_is_lack_of_funds(shop: Ledger) -> None:
    with shop.atomic() as tx:
        tx.require("USD", "alice", 1_000)
        with pytest.raises(InsufficientFunds) as caught:
            tx.require("USD", "alice", 1_001)
        assert (caught.value.required, caught.value.available) == (1_001, 1_000)
        money = tx.money("USD", "alice", 400)
        tx.require("USD", "alice", 600)
        with pytest.raises(InsufficientFunds):
            tx.require("USD", "alice", 601)
        money.transfer_to("bob")
        tx.require("USD", "bob", 2_000)
    assert shop.balance("USD", "bob").available == 2_000 - 11 + 400
    with pytest.raises(TransactionClosed):
        tx.require("USD", "alice", 1)


def test_a_guard_lets_others_go_on(shop: Ledger) -> None:
    """Where a balance would be in conflict with every payment, a guard is with none that leaves enough."""
    calls = 0

    def pay(tx: Any) -> None:
        nonlocal calls
        calls += 1
        tx.require("USD", "alice", 100)
        elsewhere(shop, take("alice", 1))
        tx.transfer("USD", "alice", "dave", 10)

    for _ in range(10):
        shop.run(pay)
    assert (calls, shop.balance("USD", "dave").total) == (10, 100)


def test_an_exact_trade_at_another_price_is_a_conflict_before_it_is_a_lack(shop: Ledger) -> None:
    outcomes: list[object] = []

    def trade() -> None:
        try:
            with shop.atomic() as tx:
                told = buy("alice", 900 * T)(tx)
                tx.transfer("TeaParty", "alice", "dave", told)
                elsewhere(shop, buy("carol", 900 * T))
        except Exception as error:
            outcomes.append(type(error))

    in_another_thread(trade)
    assert outcomes == [Conflict]
