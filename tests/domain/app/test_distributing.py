"""What distributions give is exact in each, and fair over many of them."""

import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from math import floor, sqrt
from pathlib import Path

import pytest

from tallystick import Balances, Ledger, Token
from tallystick.events import Distributed

TIMES = 1_000


class Rules:
    """A projection: by which rule each distribution is rounded."""

    name, version = "rules", 1

    def __init__(self) -> None:
        self.state: Counter[int] = Counter()

    def apply(self, position: int, recorded_at: int, event: object, /) -> None:
        if isinstance(event, Distributed):
            self.state[event.rounding] += 1


def book(url: str | Path, weights: list[int], of_payer: int = 10**12) -> Ledger:
    """Holders with so much each, and one who pays the app what it shares with them."""
    ledger = Ledger.open(url)
    ledger.register_token(Token("App", role="app"))
    ledger.register_token(Token("TEA", role="settlement"))
    holders = {f"holder-{number:02}": weight for number, weight in enumerate(weights)}
    ledger.take_over([], [("App", name, amount) for name, amount in {**holders, "payer": of_payer}.items()])
    return ledger


def share(ledger: Ledger, amount: int) -> tuple[dict[str, Fraction], dict[str, int]]:
    """What is due to each of that amount, exactly, and what they got."""
    with ledger.atomic() as tx:
        tx.app("App").pay("payer", amount, token="App")
    before = {name: balance.total for name, balance in ledger.balances("App").items() if name != "App"}
    with ledger.atomic() as tx:
        tx.app("App").distribute_dividend()
    total = sum(before.values())
    due = {name: Fraction(amount * holding, total) for name, holding in before.items()}
    return due, {name: ledger.balance("App", name).total - holding for name, holding in before.items()}


@pytest.mark.parametrize("amount", [1, 2, 3, 10, 49, 50, 10**15 + 7, 2**80])
def test_each_gets_the_floor_or_one_more(url: str | Path, amount: int) -> None:
    with book(url, [976, 24, 1, 10**13, 10**13]) as ledger:
        for _ in range(3):
            ledger.take_over([], [("App", "payer", amount)])
            due, got = share(ledger, amount)
            assert sum(got.values()) == amount
            assert all(0 <= got[name] - floor(exact) <= 1 for name, exact in due.items())
        assert ledger.replay(Rules()).state == {2: 3}
        assert ledger.audit().ok
        rebuilt = ledger.replay(Balances()).state["App"]["available"]
        assert {name: balance.total for name, balance in ledger.balances("App").items()} == {
            name: held for name, held in rebuilt.items() if held
        }


@pytest.mark.parametrize(
    ("holders", "amount"),
    [
        (2, lambda chance: 1),
        (2, lambda chance: 50),
        (7, lambda chance: 1),
        (40, lambda chance: 1),
        (40, lambda chance: 23),
        (2, lambda chance: chance.randint(1, 50)),
        (40, lambda chance: chance.randint(1, 50)),
    ],
)
def test_over_a_thousand_distributions_nobody_is_favoured(holders: int, amount: Callable[[random.Random], int]) -> None:
    """Of one amount again and again everybody comes to what is due to him within a few units; of amounts that vary, within what
    as many throws of a coin would be off: nobody drifts away.
    """
    chance = random.Random(holders)
    missed: dict[str, Fraction] = {}
    variance: Counter[str] = Counter()
    amounts: set[int] = set()
    with book("memory:", [chance.randint(1, 1_000) * 10**9 for _ in range(holders)]) as ledger:
        for _ in range(TIMES):
            shared = amount(chance)
            amounts.add(shared)
            due, got = share(ledger, shared)
            for name, exact in due.items():
                missed[name] = missed.get(name, Fraction(0)) + got[name] - exact
                variance[name] += float((exact % 1) * (1 - exact % 1))  # type: ignore[assignment]
        assert ledger.audit().ok
    for name, miss in missed.items():
        assert abs(miss) <= (4 if len(amounts) == 1 else 4 * sqrt(variance[name])), name


def test_a_small_holder_gets_what_is_due() -> None:
    """976 to 24, and a unit at a time: the largest remainder would give the small one none of 24."""
    with book("memory:", [976 * 10**12, 24 * 10**12], of_payer=TIMES) as ledger:
        missed: Counter[str] = Counter()
        for _ in range(TIMES):
            due, got = share(ledger, 1)
            for name, exact in due.items():
                missed[name] += got[name] - exact  # type: ignore[assignment]
        assert all(abs(miss) <= 1 for miss in missed.values()), missed
