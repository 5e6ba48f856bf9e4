"""Bonding curves: known figures, and that no rounding makes money, up to 2**256."""

from collections.abc import Callable
from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import Curve, FixedPriceCurve, InvalidCurve, LinearCurve, SquareRootCurve, UnknownCurve
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.curve import CURVES, UnresolvedCurve, make_curve
from tallystick.domain.values.pool_curves import cube_root
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
    ("curve", "supply", "price"),
    [
        (SquareRootCurve(10, 10, 2, 2), 100_00, 10_00),
        (SquareRootCurve(10, 7, 0, 6), 100, 10_000_000),
        (SquareRootCurve(7, 7, 18, 2), 100 * 10**18, 7_00),
        (SquareRootCurve(10, 10, 12, 12), 2 * T, 1_414_213_562_373),
        (SquareRootCurve(10, 10, 2, 2), 0, 0),
        (FixedPriceCurve(5_00, 6, 2), 10**30, 5_00),
        (LinearCurve(3, 2, 2), 100_00, 300),
        (LinearCurve(3, 2, 2), 99, 2),
    ],
)
def test_what_a_token_costs_at_its_decimals(curve: Curve, supply: int, price: int) -> None:
    assert curve.price(supply) == price


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
        (SquareRootCurve(10, 10, 2, 2), 0, 100_00, 666_66, 0),
        (SquareRootCurve(30, 30, 0, 2), 100, 1, 30_07, 30_00),
        (FixedPriceCurve(3_00, 0, 2), 5, 2, 6_00, 3_00),
        (FixedPriceCurve(3_00, 18, 2), 5 * 10**18, 2 * 10**18, 6_00, 3_00),
        (LinearCurve(2_00, 3, 2), 10_000, 10_000, 300_00, 20_00),
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
        lambda: LinearCurve(1, 2),
        lambda: FixedPriceCurve(1, None, 2),
        lambda: SquareRootCurve(10, 10, 78, 2),
        lambda: SquareRootCurve(10, 10, 2, -1),
        lambda: FixedPriceCurve(1, True, 2),
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


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mine", (1, 2)),
        ("linear", (1, 2, 3, 4)),
        ("linear", (1, 2, 78)),
        ("linear", (1, 2)),
        ("linear", (0,)),
        ("square_root", (10, 7, 12)),
    ],
)
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


@given(curves, supplies, st.lists(st.integers(1, 2**200), min_size=1, max_size=20))
def test_what_is_bought_at_once_costs_what_its_steps_cost(curve: Curve, supply: int, steps: list[int]) -> None:
    """To the unit where it sells as it buys; where it sells cheaper, steps may cost more, each being rounded by itself."""
    paid, reached = 0, supply
    for step in steps:
        paid += curve.cost(reached, step)
        reached += step
    at_once = curve.cost(supply, reached - supply)
    assert at_once <= paid <= at_once + len(steps)
    if not getattr(curve, "has_spread", False):
        assert paid == at_once
    back = 0
    for step in reversed(steps):
        back += curve.proceeds(reached, step)
        reached -= step
    assert reached == supply
    assert back == curve.proceeds(supply + sum(steps), sum(steps)) <= at_once


def found_by_halves(curve: Curve, supply: int, payment: int) -> int:
    """The largest amount that costs at most the payment, by trying."""
    most, reach = AMOUNT_MAX - supply, 1
    while reach <= most and curve.cost(supply, reach) <= payment:
        reach *= 2
    low, high = reach // 2, min(reach, most + 1)  # low is affordable, high is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if curve.cost(supply, middle) <= payment else (low, middle)
    return low


@settings(max_examples=500)
@given(curves, st.one_of(supplies, st.integers(0, AMOUNT_MAX)), st.one_of(st.just(-1), payments, st.integers(0, 2**300)))
def test_what_a_payment_buys_is_what_trying_finds(curve: Curve, supply: int, payment: int) -> None:
    assert curve.amount_for(supply, payment) == found_by_halves(curve, supply, payment)


@given(st.one_of(st.integers(0, 1_000), st.integers(0, 2**1_500), st.integers(0, 2**500).map(lambda root: root**3)))
def test_a_cube_root_is_the_largest_whose_cube_is_within(number: int) -> None:
    assert cube_root(number) ** 3 <= number < (cube_root(number) + 1) ** 3
    assert cube_root(cube_root(number) ** 3) == cube_root(number)


@given(st.integers(1, 10**6), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 30))
def test_decimals_do_not_change_what_whole_tokens_cost(k: int, supply: int, amount: int, decimals: int) -> None:
    """Beside the curve that counts in hundredths: what is cut off is less than a unit at each end."""
    scale = 10**decimals
    for make in (
        lambda *scale: SquareRootCurve(k, k, *scale),
        lambda *s: FixedPriceCurve(k, *s),
        lambda *s: LinearCurve(k, *s),
    ):
        finer = make(2 + decimals, 2).cost(supply * scale, amount * scale)
        assert finer == make(2, 2).cost(supply, amount)


def test_roots_are_exact() -> None:
    """The price is a step of the root in millionths, without any rounding to floating point."""
    supply = 10**60 + 1
    assert SquareRootCurve(10).price(supply) == isqrt(supply) * 10**6
