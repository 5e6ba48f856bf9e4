"""Movements added up: what every account has by them alone, for comparison with what a table says.

Nothing here knows what events are.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.infrastructure.rebuild.gathering import LIMBS, Gathering, Limbs, number_of

_RESERVE = ""
"""What the supply reserve is called here."""


class Told(NamedTuple):
    """Columns of what a table says that accounts have of tokens, available and held for others."""

    tokens: Any
    accounts: Any
    available: Limbs
    held: Limbs


class Sums:
    """What every account has received less what it gave, of every token, by the movements that were added."""

    def __init__(self) -> None:
        self._sums = _cells()

    def add(self, movements: Any) -> None:
        """Adds a record batch of movements."""
        used = [limb for limb in range(LIMBS) if movements.column(f"amount_{limb}").to_numpy().any()]
        limbs = [movements.column(f"amount_{limb}") for limb in range(max(used, default=0) + 1)]
        for side, amounts in (("receiver", limbs), ("sender", _negated(limbs))):
            accounts = pyarrow("compute").fill_null(movements.column(side), _RESERVE)
            cells = {"token": movements.column("token"), "account": accounts, "held": movements.column(f"{side}_held")}
            self._sums.add(cells, {"amount": amounts})

    def of(self, token: str, account: str) -> tuple[int, int]:
        """What one account has available, and holds for others."""
        compute, table = pyarrow("compute"), self._sums.table()
        found = {False: 0, True: 0}
        if table is not None:
            is_it = compute.and_(compute.equal(table.column("token"), token), compute.equal(table.column("account"), account))
            found |= {row["held"]: self._number_in(row) for row in table.filter(is_it).to_pylist()}
        return found[False], found[True]

    def minted(self) -> dict[str, int]:
        """What came out of the supply reserve, less what went back, of each token."""
        table = self._sums.table()
        if table is None:
            return {}
        reserves = table.filter(pyarrow("compute").equal(table.column("account"), _RESERVE))
        return {row["token"]: -self._number_in(row) for row in reserves.to_pylist()}

    def differing(self, told: Iterable[Told]) -> tuple[str, str] | None:
        """The first token and account, in their order, of which something else is told; one that is not told has nothing."""
        left = _cells()
        if (table := self._sums.table()) is not None:
            cells = {name: table.column(name) for name in ("token", "account", "held")}
            left.add(cells, {"amount": [table.column(name) for name in self._sums.limbs_in("amount")]})
        for each in told:
            for limbs, is_held in ((each.available, False), (each.held, True)):
                held = pyarrow().repeat(is_held, len(each.tokens))
                left.add({"token": each.tokens, "account": each.accounts, "held": held}, {"amount": _negated(limbs)})
        return _first(left)

    def _number_in(self, row: dict[str, Any]) -> int:
        return number_of(row[name] for name in self._sums.limbs_in("amount"))


def _cells() -> Gathering:
    return Gathering(("token", "account", "held"), ("amount",))


def _negated(limbs: Limbs) -> list[Any]:
    return [pyarrow("compute").negate(limb) for limb in limbs]


def _first(left: Gathering) -> tuple[str, str] | None:
    """The first account of which something is left."""
    table = left.table()
    if table is None:
        return None
    is_left = np.logical_or.reduce([table.column(name).to_numpy() != 0 for name in left.limbs_in("amount")])
    is_left &= pyarrow("compute").not_equal(table.column("account"), _RESERVE).to_numpy()
    cells = table.select(["token", "account"]).filter(pyarrow().array(is_left)).to_pylist()
    return min(((cell["token"], cell["account"]) for cell in cells), default=None)
