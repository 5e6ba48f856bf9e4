"""What apps cost: sharing income among few and many holders, and trading on a bonding curve."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.timing import Result, compare
from tallystick import HIDDEN_BONDING_CURVE_ACCOUNT, Ledger, SquareRootCurve, Token

T = 10**12
BATCH = 8_000
CURVE = SquareRootCurve(10)


def app(path: Path, holders: int) -> Ledger:
    """A ledger with an app whose token these many accounts hold, each another amount, and a curve that covers them."""
    ledger = Ledger.open(path)
    ledger.register_token(Token("TEA", decimals=12, role="settlement"))
    ledger.register_token(Token("App", decimals=12, max_supply=2**62, role="app", curve=CURVE))
    supply = 0
    for start in range(0, holders, BATCH):
        cells = [("App", f"holder-{number}", 10**6 + number) for number in range(start, min(holders, start + BATCH))]
        supply += sum(amount for _, _, amount in cells)
        ledger.take_over((), cells)
    reserve = CURVE.cost(0, supply) + 1
    ledger.take_over((), [("TEA", "buyer", 10**9 * T), ("App", HIDDEN_BONDING_CURVE_ACCOUNT, reserve)])
    return ledger


def sharing_income(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """`distribute_income`, to its durable receipt, among few holders and many."""
    for holders in (10, 10_000, 1_000_000 // scale):
        ledger = app(folder / f"income-{holders}.db", holders)
        weights = np.arange(10**6, 10**6 + holders, dtype=np.int64)
        total = int(weights.sum())

        def share(ledger: Ledger = ledger) -> int:
            with ledger.atomic() as tx:
                tx.app("App").pay("buyer", T)
                tx.app("App").distribute_income()
            return 1

        def floors(weights: "np.ndarray[tuple[int], np.dtype[np.int64]]" = weights, total: int = total) -> int:
            for _ in range(10):
                shares = weights * 1000 // total
                _ = weights + shares
            return 10

        yield compare(
            "income paid and shared, one transaction",
            f"{holders:,} holders",
            "distributions",
            share,
            floors,
            "multiplying, dividing and adding the same columns in numpy; gives no remainders, checks and keeps nothing",
            runs,
        )
        ledger.close()


def trading(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """Buys and sells on a curve, all in one transaction."""
    count, chance = 1_000 // scale, random.Random(1)
    ledger = app(folder / "trades.db", 1_000)

    def trade() -> int:
        with ledger.atomic() as tx:
            handle = tx.app("App")
            for _ in range(count // 2):
                minted = handle.buy("buyer", chance.randint(T, 50 * T))
                handle.sell("buyer", minted)
        return count

    def arithmetic() -> int:
        supply = 10**15
        for _ in range(count // 2):
            amount = CURVE.amount_for(supply, chance.randint(T, 50 * T))
            CURVE.proceeds(supply + amount, amount)
        return count

    yield compare(
        f"buys and sells, {count:,} in one transaction",
        "1,000 holders",
        "trades",
        trade,
        arithmetic,
        "the curve's arithmetic alone, once; a trade is decided when it is planned and when it is executed",
        runs,
    )
    ledger.close()


WORKLOADS = {"income": sharing_income, "trades": trading}
