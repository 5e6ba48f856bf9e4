"""Sharing in proportion: exact, to the whole, the same in columns and in big integers, and fair."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import Balances, FixedPriceCurve, Ledger, Token
from tallystick.domain.arithmetic.division import divide_running_sums, multiply_divide
from tallystick.domain.arithmetic.shares import pro_rata, sampled, shares_among
from tests.support.strategies import holdings, narrow_holdings, wholes


def names(index: int) -> str:
    return f"holder-{index:06}"


@given(st.integers(1, 2**80), st.lists(holdings, min_size=1, max_size=40), st.integers(0, 10**6))
def test_shares_are_exact(whole: int, weights: list[int], turn: int) -> None:
    shares = list(pro_rata(whole, weights, names, turn))
    total = sum(weights)
    assert sum(shares) == whole
    exact = [Fraction(whole * weight, total) for weight in weights]
    assert all(0 <= share - int(one) <= 1 for share, one in zip(shares, exact, strict=True))
    rounded_up = [one - int(one) for share, one in zip(shares, exact, strict=True) if share > int(one)]
    rounded_down = [one - int(one) for share, one in zip(shares, exact, strict=True) if share == int(one)]
    assert not rounded_up or not rounded_down or min(rounded_up) >= max(rounded_down)


@given(st.data(), st.integers(1, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_columns_are_divided_exactly(data: st.DataObject, divisor: int, factor: int) -> None:
    entries = data.draw(st.lists(st.one_of(st.integers(0, divisor), st.sampled_from([0, 1, divisor, divisor - 1])), max_size=9))
    quotients, remainders = multiply_divide(np.array(entries, dtype=np.uint64), factor, divisor)
    assert list(zip(quotients.tolist(), remainders.tolist(), strict=True)) == [divmod(n * factor, divisor) for n in entries]


@pytest.mark.parametrize("number", [4_625_610_065_222_268_120, 2**63 - 1, 2**62, 2**62 + 1, 3, 1])
def test_what_divides_leaves_nothing(number: int) -> None:
    entries = [0, 1 % number, number // 2, number - number // 27, number]
    quotients, remainders = multiply_divide(np.array(entries, dtype=np.uint64), number, number)
    assert (quotients.tolist(), remainders.tolist()) == (entries, [0] * len(entries))


def test_a_remainder_that_looks_like_the_divisor() -> None:
    entries, number = [4_460_833_713_354_051_021], 4_625_610_065_222_268_120
    quotients, remainders = multiply_divide(np.array(entries, dtype=np.uint64), number, number)
    assert (quotients.tolist(), remainders.tolist()) == (entries, [0])


def test_long_columns_are_divided_exactly() -> None:
    entries = [number * 2**40 + number for number in range(50_000)]
    divisor, factor = entries[-1] + 12_345, 2**62 + 12_345
    quotients, remainders = multiply_divide(np.array(entries, dtype=np.uint64), factor, divisor)
    assert list(zip(quotients.tolist(), remainders.tolist(), strict=True)) == [divmod(n * factor, divisor) for n in entries]


@given(wholes, st.lists(narrow_holdings, min_size=1, max_size=60), st.integers(0, 10**6))
def test_columns_are_shared_as_lists_are(whole: int, weights: list[int], turn: int) -> None:
    weights = weights + weights[: len(weights) // 2]  # so that some are tied
    column = pro_rata(whole, np.array(weights, dtype=np.int64), names, turn)
    assert isinstance(column, np.ndarray)
    assert column.tolist() == pro_rata(whole, weights, names, turn)


@pytest.mark.parametrize(("whole", "weight"), [(2**62, 1), (1, 2**62), (2**31, 2**31), (2**32, 2**31), (2**63, 2**40)])
def test_sums_too_wide_for_a_column_are_exact(whole: int, weight: int) -> None:
    weights = [weight, weight, max(1, weight // 2)]
    narrow = pro_rata(whole, np.array(weights, dtype=np.int64), names, 0)
    assert list(narrow) == list(pro_rata(whole, weights, names, 0))
    assert sum(map(int, narrow)) == whole


def test_nobody_has_no_share() -> None:
    assert list(shares_among({"a": 0, "b": 5}, 10, {"b"}, 1)) == []
    assert dict(shares_among({"a": 1, "b": 5, "c": 1}, 10, {"b"}, 1)) == {"a": 5, "c": 5}


def test_nobody_is_favoured() -> None:
    """A hundred times 1 among 10 equals: everybody gets 10, or one more or less."""
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", role="settlement"))
        ledger.register_token(Token("App", role="app", curve=FixedPriceCurve(1)))
        holders = [f"holder-{number}" for number in range(10)]
        with ledger.atomic() as tx:
            for holder in (*holders, "payer"):
                tx.topup("TEA", holder, 10**6)
                tx.app("App").buy(holder, 1_000)
            tx.reserve("App", "payer", "keeper", 900)
        gained: Counter[str] = Counter()
        for _ in range(100):
            before = {holder: ledger.balance("App", holder).available for holder in holders}
            with ledger.atomic() as tx:
                for holder in holders:  # equal again
                    if before[holder] > 1_000:
                        tx.reserve("App", holder, "keeper", before[holder] - 1_000)
                rest = ledger.balance("App", "payer").available
                tx.reserve("App", "payer", "keeper", rest - 1)
                tx.app("App").pay("payer", 1, token="App")
            with ledger.atomic() as tx:
                tx.app("App").distribute_dividend()
            for holder in holders:
                gained[holder] += ledger.balance("App", holder).available - 1_000
            with ledger.atomic() as tx:
                tx.app("App").buy("payer", 5)
        assert sum(gained.values()) == 100
        assert set(gained.values()) <= {9, 10, 11}
        assert ledger.audit().ok
        state = ledger.replay(Balances()).state["App"]["available"]
        assert {account: state[account] for account in holders} == {
            account: ledger.balance("App", account).available for account in holders
        }


def test_a_wide_token_is_shared_too() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", max_supply=2**200, role="settlement"))
        ledger.register_token(Token("App", max_supply=2**200, role="app", curve=FixedPriceCurve(1)))
        with ledger.atomic() as tx:
            for holder, amount in (("alice", 2**100), ("bob", 2**101)):
                tx.topup("TEA", holder, 2**110)
                tx.app("App").buy(holder, amount)
            tx.app("App").pay("alice", 2**90)
            tx.app("App").distribute_income()
            told = tx.balance("App", "alice").available
        assert told == ledger.balance("App", "alice").available == 2**100 + 2**90 // 3
        assert ledger.balance("App", "alice").available + ledger.balance("App", "bob").available == 3 * 2**100 + 2**90
        assert ledger.audit().ok


@given(wholes, st.lists(narrow_holdings, min_size=1, max_size=60), st.integers(0, 10**6))
def test_sampled_shares_are_each_the_floor_or_one_more_and_sum_to_the_whole(whole: int, weights: list[int], turn: int) -> None:
    shares = sampled(whole, weights, names, turn)
    total = sum(weights)
    assert sum(shares) == whole
    assert all(0 <= share - whole * weight // total <= 1 for share, weight in zip(shares, weights, strict=True))
    column = sampled(whole, np.array(weights, dtype=np.int64), names, turn)
    assert list(map(int, column)) == list(shares)


@given(
    st.one_of(st.integers(1, 1000), st.integers(1, 2**63 - 1), st.integers(2**62 - 3, 2**62 + 3)),
    st.lists(st.one_of(st.integers(0, 2**63), st.sampled_from([0, 1, 2**63 - 1, -1, -2])), min_size=1, max_size=60),
    st.integers(0, 2**63),
)
def test_running_sums_are_divided_exactly(divisor: int, entries: list[int], start: int) -> None:
    """Those that come to whole multiples and just below among them."""
    column = [entry % divisor for entry in entries]
    start %= divisor
    expected = [sum(column[: end + 1], start) // divisor for end in range(len(column))]
    assert divide_running_sums(np.array(column, dtype=np.uint64), start, divisor).tolist() == expected


@pytest.mark.parametrize("divisor", [1, 3, 10**12 + 1, 2**62, 2**62 + 1, 2**63 - 1])
@pytest.mark.parametrize("entry", [0, 1, -1, 7**20])
def test_long_running_sums_are_divided_exactly(divisor: int, entry: int) -> None:
    column = np.full(200_000, entry % divisor, dtype=np.uint64)
    expected = [(divisor - 1 + entry % divisor * count) // divisor for count in range(1, len(column) + 1)]
    assert divide_running_sums(column, divisor - 1, divisor).tolist() == expected


SAMPLED: list[tuple[int, list[int], int, list[int]]] = [
    (1, [1, 1, 1], 0, [0, 0, 1]),
    (1, [1, 1, 1], 1, [0, 1, 0]),
    (1, [1, 1, 1], 2, [0, 0, 1]),
    (1, [1, 1, 1], 3, [1, 0, 0]),
    (2, [1, 1, 1], 0, [0, 1, 1]),
    (10, [7, 2, 1], 5, [7, 2, 1]),
    (1, [976, 24], 0, [0, 1]),
    (1, [976, 24], 1, [1, 0]),
]


@pytest.mark.parametrize(("whole", "weights", "turn", "shares"), SAMPLED)
def test_sampled_shares_as_the_format_says(whole: int, weights: list[int], turn: int, shares: list[int]) -> None:
    assert sampled(whole, weights, names, turn) == shares


def test_over_many_turns_sampling_owes_nobody_more_than_a_unit() -> None:
    weights = [976, 24]
    got = [0, 0]
    for turn in range(1000):
        got = [sum(pair) for pair in zip(got, sampled(1, weights, names, turn), strict=True)]
    assert all(abs(share - weight) <= 1 for share, weight in zip(got, weights, strict=True))
