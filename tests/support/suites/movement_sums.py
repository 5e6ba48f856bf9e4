"""What movements sum to, by the text of their amounts and by their limbs, and what a ledger says of the same cells."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tallystick import Balances, Ledger
from tallystick.domain.cells import is_crossing

Cell = tuple[str, str | None, bool]
"""A token, a cell of it, None for the supply reserve, and whether it is what is held for others."""


def sums(batches: Iterable[Any]) -> dict[Cell, int]:
    """What every cell received less what it sent, where that is something. Amounts are the same in all three ways."""
    found: defaultdict[Cell, int] = defaultdict(int)
    for batch in batches:
        for row in batch.to_pylist():
            amount = int(row["amount"])
            assert amount > 0
            assert row["amount_int"] == (amount if amount < 10**38 else None)
            limbs = [row[f"amount_{limb}"] for limb in range(9)]
            assert all(0 <= limb < 2**31 for limb in limbs)
            assert sum(limb << 31 * number for number, limb in enumerate(limbs)) == amount
            found[row["token"], row["sender"], row["sender_held"]] -= amount
            found[row["token"], row["receiver"], row["receiver_held"]] += amount
    return {cell: amount for cell, amount in found.items() if amount}


def cells_of(ledger: Any) -> dict[Cell, int]:
    """The same by what a ledger, or a view of one, answers."""
    found: dict[Cell, int] = {}
    replayed = ledger.replay(Balances()).state
    for token in ledger.tokens():
        code, supply = token.code, ledger.supply(token)
        found[code, None, False] = -supply.circulating
        for account, balance in ledger.balances(code).items():
            found[code, account, False], found[code, account, True] = balance.available, balance.reserved
        for account, amount in replayed[code]["available"].items():
            if is_crossing(account):
                found[code, account, False] = amount
                first, second = account.split(" ")
                assert ledger.state[first][second] == amount
    return {cell: amount for cell, amount in found.items() if amount}


def check_sums(ledger: Ledger, batch_rows: int = 65_536) -> None:
    """Movements sum to what the ledger says."""
    batches = list(ledger.movements(batch_rows=batch_rows))
    assert sums(batches) == cells_of(ledger)
    assert all(len(batch) == batch_rows for batch in batches[:-1])
    assert all(0 < len(batch) <= batch_rows for batch in batches)
