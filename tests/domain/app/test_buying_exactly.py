"""Buying exactly so many tokens: what they cost is paid, and no more than the buyer says."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import (
    AccountIsFrozen,
    AsyncLedger,
    Conflict,
    Curve,
    FixedPriceCurve,
    InsufficientFunds,
    InvalidAccount,
    InvalidAmount,
    InvalidCurve,
    Ledger,
    NotAnApp,
    NotReversible,
    SquareRootCurve,
    SupplyExhausted,
    Token,
    Trade,
    UnknownCurve,
)
from tests.domain.app.test_trading import Failing, Generous
from tests.support import strategies
from tests.support.books.app_book import T
from tests.support.books.contract_book import elsewhere

CURVE = SquareRootCurve(10, 7, 12, 12)


def bought(ledger: Ledger, amount: int, at_most: int) -> Trade:
    (trade,) = ledger.app("TeaParty").buy_exactly("alice", amount, at_most).trades
    return trade


@pytest.mark.parametrize("amount", [1, 999, T, 3 * T + 1])
def test_what_it_costs_is_paid(book: Ledger, amount: int) -> None:
    ledger = book
    cost = CURVE.cost(0, amount)
    spread = cost - CURVE.proceeds(amount, amount)
    before = ledger.balance("TEA", "alice").available
    trade = bought(ledger, amount, max(cost, 1))
    paid = max(cost, 1)
    assert (trade.side, trade.account, trade.paid, trade.received) == ("buy", "alice", paid, amount)
    assert ledger.balance("TEA", "alice").available == before - paid
    assert ledger.balance("TeaParty", "alice").available == amount
    assert ledger.balance("TEA", "dev").available == spread
    assert ledger.app("TeaParty").reserve == paid - spread
    assert [line.kind for line in ledger.history("TeaParty", "alice")] == ["buy"]
    with pytest.raises(NotReversible, match="trade"):
        ledger.reverse(transaction=trade.transaction_id)
    assert ledger.audit().ok


@pytest.mark.parametrize(
    ("app", "account", "amount", "at_most", "verdict"),
    [
        ("TeaParty", "alice", T, 1, InvalidAmount),
        ("TeaParty", "alice", 0, T, InvalidAmount),
        ("TeaParty", "alice", T, 0, InvalidAmount),
        ("TeaParty", "alice", T, None, InvalidAmount),
        ("TeaParty", "alice", 1.5, T, InvalidAmount),
        ("TeaParty", "nobody", T, 2**250, InsufficientFunds),
        ("TeaParty", "no body", T, T, InvalidAccount),
        ("TeaParty", "GlobalToken", T, T, InvalidAccount),
        ("TeaParty", "alice", 2**255, 2**255, SupplyExhausted),
        ("TEA", "alice", T, T, NotAnApp),
        ("Plain", "alice", T, T, UnknownCurve),
        ("TeaParty", "frozen", T, T, AccountIsFrozen),
    ],
)
def test_refusals(book: Ledger, app: str, account: str, amount: Any, at_most: Any, verdict: type[Exception]) -> None:
    ledger = book
    ledger.register_token(Token("Plain", role="app"))
    ledger.mint("TEA", "frozen", T)
    ledger.freeze("frozen")
    before = ledger.verify()
    with pytest.raises(verdict), ledger.atomic() as tx:
        tx.app(app).buy_exactly(account, amount, at_most)
    if app != "TEA":
        with pytest.raises(verdict):
            ledger.app(app).buy_exactly(account, amount, at_most)
    assert ledger.verify() == before


@pytest.mark.parametrize(("curve", "verdict"), [(Failing(), InvalidCurve), (Generous(), InsufficientFunds)])
def test_a_curve_that_fails_or_pays_too_much(curve: Curve, verdict: type[Exception]) -> None:
    with Ledger.open("memory:", curves={curve.name: lambda *parameters: curve}) as ledger:
        ledger.register_token(Token("TEA", role="settlement"))
        ledger.register_token(Token("Own", role="app", curve=curve))
        ledger.mint("TEA", "alice", T)
        with pytest.raises(verdict):
            ledger.app("Own").buy_exactly("alice", 5, T)
        assert ledger.supply("Own").circulating == 0


def test_a_block_counts_on_the_most_that_it_accepts(book: Ledger) -> None:
    """A price that moves meanwhile is paid up to there, and beyond is a conflict; also where the buyer has no more."""
    now = CURVE.cost(0, T)
    with book.atomic() as tx:
        assert tx.app("TeaParty").buy_exactly("alice", T, 2 * now) == 2 * now
        elsewhere(book, lambda other: other.app("TeaParty").buy("bob", T // 10))
    (trade,) = tx.receipt.trades
    assert now < trade.paid <= 2 * now
    with pytest.raises(Conflict, match="TeaParty"), book.atomic() as tx:
        now = CURVE.cost(book.app("TeaParty").supply, T)
        tx.app("TeaParty").buy_exactly("alice", T, now)
        elsewhere(book, lambda other: other.app("TeaParty").buy("bob", T // 10))
    now = CURVE.cost(book.app("TeaParty").supply, T)
    book.mint("TEA", "carol", now)
    with pytest.raises(Conflict, match="TeaParty"), book.atomic() as tx:
        assert tx.app("TeaParty").buy_exactly("carol", T, 2 * now) == now, "carol has no more"
        elsewhere(book, lambda other: other.app("TeaParty").buy("bob", T // 10))
    with pytest.raises(InsufficientFunds), book.atomic() as tx:
        tx.app("TeaParty").buy_exactly("carol", T, 9 * now)
    assert book.balance("TeaParty", "carol").total == 0
    assert book.audit().ok


def test_what_is_not_paid_after_all_is_nothing_to_count_on(book: Ledger) -> None:
    cost = CURVE.cost(0, T)
    before = book.balance("TEA", "alice").available
    with book.atomic() as tx:
        tx.app("TeaParty").buy_exactly("alice", T, 3 * cost)
        assert tx.balance("TEA", "alice").available == before - 3 * cost
        with pytest.raises(InsufficientFunds):
            tx.transfer("TEA", "alice", "bob", before - 3 * cost + 1)
        tx.transfer("TEA", "alice", "bob", before - 3 * cost)
        elsewhere(book, lambda other: other.app("TeaParty").buy("bob", T // 10))
    (trade,) = tx.receipt.trades
    assert trade.paid > cost
    assert book.balance("TEA", "alice").available == 3 * cost - trade.paid
    with book.atomic() as tx:
        with contextlib.suppress(ZeroDivisionError), tx.savepoint():
            tx.app("TeaParty").buy_exactly("bob", 1, T)
            raise ZeroDivisionError
        tx.transfer("TEA", "bob", "carol", 1)
    assert book.audit().ok


def test_what_costs_less_than_a_unit_costs_a_unit() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", 2, role="settlement"))
        ledger.register_token(Token("App", 6, role="app", curve=FixedPriceCurve(5)))
        ledger.mint("TEA", "alice", 10)
        for held in (1, 2, 3):
            (trade,) = ledger.app("App").buy_exactly("alice", 1, 1).trades
            assert (trade.paid, trade.received, ledger.balance("TEA", "alice").available) == (1, 1, 10 - held)
        assert ledger.audit().ok


def test_it_is_awaited(url: str | Path) -> None:
    async def case() -> None:
        async with AsyncLedger.open(url) as ledger:
            await ledger.register_token(Token("TEA", 2, role="settlement"))
            await ledger.register_token(Token("App", 2, role="app", curve=FixedPriceCurve(50)))
            await ledger.mint("TEA", "alice", 1000)
            receipt = await (await ledger.app("App")).buy_exactly("alice", 300, at_most=200, idempotency_key="once")
            assert [(trade.paid, trade.received) for trade in receipt.trades] == [(150, 300)]
            async with ledger.atomic() as tx:
                assert tx.app("App").buy_exactly("alice", 2, at_most=7) == 7
            assert (await ledger.balance("TEA", "alice")).available == 849

    asyncio.run(case())


BUY: dict[bool, Callable[[Ledger, int, int], Any]] = {
    True: lambda ledger, amount, payment: ledger.app("App").buy_exactly("alice", amount, 2**255),
    False: lambda ledger, amount, payment: ledger.app("App").buy("alice", payment),
}


@given(
    strategies.curves,
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 2**80), st.integers(1, 2**80), st.integers(1, 100)), min_size=1, max_size=6
    ),
)
def test_who_buys_and_sells_gains_nothing(curve: Any, trades: list[tuple[bool, int, int, int]]) -> None:
    """However one buys, in whatever steps, what is sold again brings no more than was paid; and the books stay covered."""
    decimals, settlement_decimals = curve.scale or (12, 12)
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", settlement_decimals, 2**256 - 1, role="settlement"))
        ledger.register_token(Token("App", decimals, 2**256 - 1, role="app", curve=curve, owner="dev"))
        ledger.mint("TEA", "alice", 2**255)
        for is_exact, amount, payment, part in trades:
            try:
                BUY[is_exact](ledger, amount, payment)
            except (InsufficientFunds, InvalidAmount, SupplyExhausted):
                continue
            finally:
                assert ledger.balance("TEA", "alice").available <= 2**255
            held = ledger.balance("App", "alice").available
            try:
                ledger.app("App").sell("alice", max(1, held * part // 100))
            except InvalidAmount:
                continue  # it would bring nothing
            assert ledger.balance("TEA", "alice").available <= 2**255
        app = ledger.app("App")
        followed = ledger.token("App").curve
        assert followed is not None
        assert app.reserve >= followed.proceeds(app.supply, app.supply)
        assert ledger.audit().ok
