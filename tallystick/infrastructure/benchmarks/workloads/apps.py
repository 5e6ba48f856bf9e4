"""What apps cost: sharing income among few and many holders, and trading on a bonding curve."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.values.account import HIDDEN_BONDING_CURVE_ACCOUNT
from tallystick.domain.values.pool_curves import SquareRootCurve
from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, compare
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.ledger.ledger import Ledger

T = 10**12
BATCH = 8_000
CURVE = SquareRootCurve(10, decimals=12, settlement_decimals=12)

SHARES = Baseline(
    "numpy's shares",
    "multiplies, divides and adds the same columns in memory",
    "give remainders, check or keep anything",
)
ARITHMETIC = Baseline(
    "the curve's arithmetic",
    "works out each price once",
    "move or keep anything, or decide each trade twice, when it is planned and when it is executed",
)


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


def sharing_income(settings: Settings) -> Iterator[Figure]:
    """`distribute_income`, to its durable receipt, among few holders and many."""
    for holders in (10, 10_000, 1_000_000 // settings.scale):
        ledger = app(settings.folder / f"income-{holders}.db", holders)
        weights = np.arange(10**6, 10**6 + holders, dtype=np.int64)
        total = int(weights.sum())

        def share(ledger: Ledger = ledger) -> int:
            with ledger.atomic() as tx:
                tx.app("App").pay("buyer", T)
                tx.app("App").distribute_income()
            return 1

        def floors(weights: Column = weights, total: int = total) -> int:
            for _ in range(10):
                shares = weights * 1000 // total
                _ = weights + shares
            return 10

        yield compare(
            "income paid and shared, one transaction",
            f"{holders:,} holders",
            "distributions",
            share,
            {SHARES: floors},
            settings.runs,
        )
        ledger.close()


def trading(settings: Settings) -> Iterator[Figure]:
    """Buys and sells on a curve, all in one transaction."""
    count, chance = 1_000 // settings.scale, random.Random(1)
    ledger = app(settings.folder / "trades.db", 1_000)

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
        {ARITHMETIC: arithmetic},
        settings.runs,
    )
    ledger.close()


WORKLOADS = (
    Workload("income", "income shared among holders, few and many", sharing_income, (SHARES,)),
    Workload("trades", "buys and sells on a bonding curve", trading, (ARITHMETIC,)),
)
