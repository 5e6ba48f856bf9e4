"""Bonding curves: known figures, and that no rounding makes money, up to 2**256."""

from collections.abc import Callable
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import Curve, FixedPriceCurve, InvalidCurve, LinearCurve, SquareRootCurve, UnknownCurve
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.curve import CURVES, UnresolvedCurve, largest_amount, make_curve
from tests.support.strategies import curves, payments, supplies

T = 10**12


@pytest.mark.parametrize(
    ("tokens", "price"),
    [(0, 0), (1, 10**12), (100, 10**13), (10_000, 10**14)],
)
def test_the_price_is_the_root_of_the_supply(tokens: int, price: int) -> None:
    assert SquareRootCurve(10).price(tokens * T) == price
    assert SquareRootCurve(20).price(tokens * T) == 2 * price


@pytest.mark.parametrize(
    ("k", "supply", "pool"),
    [(10, T, 666_666_666_666), (10, 100_000, 21), (7, 100 * T, 466_666_666_666_666), (10, 0, 0)],
)
def test_the_pool(k: int, supply: int, pool: int) -> None:
    assert SquareRootCurve(k).cost(0, supply) == SquareRootCurve(k).proceeds(supply, supply) == pool


@pytest.mark.parametrize(("supply", "buy_k", "sell_k"), [(925_902_662, 10, 7), (1_000_299, 100, 99)])
def test_buying_and_selling_back_yields_no_profit(supply: int, buy_k: int, sell_k: int) -> None:
    curve = SquareRootCurve(buy_k, sell_k)
    for amount in range(1, 2_000):
        assert curve.proceeds(supply + amount, amount) <= curve.cost(supply, amount)


@pytest.mark.parametrize(
    ("curve", "supply", "amount", "cost", "price"),
    [
        (FixedPriceCurve(3 * T), 5 * T, 2 * T, 6 * T, 3 * T),
        (FixedPriceCurve(1), 0, T - 1, 0, 1),
        (FixedPriceCurve(1), 0, T, 1, 1),
        (LinearCurve(2 * T), 0, 10 * T, 100 * T, 0),
        (LinearCurve(2 * T), 10 * T, 10 * T, 300 * T, 20 * T),
    ],
)
def test_other_curves(curve: Curve, supply: int, amount: int, cost: int, price: int) -> None:
    assert curve.cost(supply, amount) == curve.proceeds(supply + amount, amount) == cost
    assert curve.price(supply) == price
    assert isinstance(curve, Curve)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SquareRootCurve(10, 11),
        lambda: SquareRootCurve(0),
        lambda: SquareRootCurve(10, 0),
        lambda: SquareRootCurve(-1),
        lambda: SquareRootCurve(10.0),  # type: ignore[arg-type]
        lambda: SquareRootCurve(True),
        lambda: SquareRootCurve(2**64),
        lambda: FixedPriceCurve(0),
        lambda: LinearCurve("1"),  # type: ignore[arg-type]
    ],
)
def test_parameters_that_are_none(make: Callable[[], Curve]) -> None:
    with pytest.raises(InvalidCurve):
        make()


@given(curves)
def test_a_curve_is_made_again_from_its_name_and_parameters(curve: Curve) -> None:
    again = make_curve(curve.name, curve.parameters, CURVES)
    assert (again.name, again.parameters) == (curve.name, curve.parameters)
    assert again.cost(10**15, 10**13) == curve.cost(10**15, 10**13)


@pytest.mark.parametrize(("name", "parameters"), [("mine", (1, 2)), ("linear", (1, 2, 3)), ("linear", (0,))])
def test_a_curve_that_is_not_known(name: str, parameters: tuple[int, ...]) -> None:
    curve = make_curve(name, parameters, CURVES)
    assert isinstance(curve, UnresolvedCurve)
    for ask in (curve.cost, curve.proceeds, curve.amount_for, lambda supply, _: curve.price(supply)):
        with pytest.raises(UnknownCurve, match=name):
            ask(1, 1)


# Properties.


@given(curves, supplies, payments)
def test_a_payment_buys_the_most_that_it_can(curve: Curve, supply: int, payment: int) -> None:
    amount = curve.amount_for(supply, payment)
    assert amount == 0 or curve.cost(supply, amount) <= payment
    assert supply + amount == AMOUNT_MAX or curve.cost(supply, amount + 1) > payment


@given(curves, supplies, payments)
def test_no_round_trip_profits(curve: Curve, supply: int, payment: int) -> None:
    amount = curve.amount_for(supply, payment)
    assert curve.proceeds(supply + amount, amount) <= min(payment, curve.cost(supply, amount))


@given(curves, supplies, payments, payments)
def test_more_payment_never_buys_less(curve: Curve, supply: int, payment: int, more: int) -> None:
    assert curve.amount_for(supply, payment + more) >= curve.amount_for(supply, payment)


@given(curves, supplies, payments, payments)
def test_splitting_a_purchase_never_buys_more(curve: Curve, supply: int, first: int, second: int) -> None:
    at_once = curve.amount_for(supply, first + second)
    part = curve.amount_for(supply, first)
    assert part + curve.amount_for(supply + part, second) <= at_once


@given(curves, st.lists(st.tuples(payments, st.integers(0, 100)), max_size=20))
def test_what_was_paid_in_covers_selling_everything(curve: Curve, trades: list[tuple[int, int]]) -> None:
    supply = reserve = 0
    for payment, share in trades:
        amount = curve.amount_for(supply, payment)
        spread = curve.cost(supply, amount) - curve.proceeds(supply + amount, amount)
        assert spread >= 0
        supply, reserve = supply + amount, reserve + payment - spread
        assert curve.proceeds(supply, supply) <= reserve
        sold = supply * share // 100
        reserve -= curve.proceeds(supply, sold)
        supply -= sold
        assert curve.proceeds(supply, supply) <= reserve


@given(st.integers(0, AMOUNT_MAX), st.integers(0, AMOUNT_MAX))
def test_the_largest_amount_is_found_by_at_most_512_questions(most: int, largest: int) -> None:
    asked: list[int] = []

    def affordable(amount: int) -> bool:
        asked.append(amount)
        assert 0 < amount <= most
        return amount <= largest

    assert largest_amount(affordable, most) == min(most, largest)
    assert len(asked) <= 512


def test_roots_are_exact() -> None:
    """The price is a step of the root in millionths, without any rounding to floating point."""
    supply = 10**60 + 1
    assert SquareRootCurve(10).price(supply) == isqrt(supply) * 10**6
