"""Movements added up by Arrow: what every account has by them alone, for comparison with what a projection says.

Amounts come in limbs of 31 bits, so that columns of machine integers hold every amount and every sum: after each round what is
above 31 bits is carried into the next limb. Only the highest has a sign. Limbs that no amount has needed yet are left out.
Nothing here knows what events are.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tallystick.infrastructure.rebuild.columns import pyarrow

LIMBS = 9
LIMB_BITS = 31
ROUND_ROWS = 262_144
"""So many rows are gathered beside the sums before they are added up."""

_CELL = ("token", "account", "held")
_SUM_LIMBS = LIMBS + 2
"""Sums may be wider than every amount."""


class Sum(NamedTuple):
    """What the account, None for the supply reserve, has received of the token, less what it gave: available and held."""

    token: str
    account: str | None
    available: int
    held: int


def sums_of(batches: Iterable[Any]) -> Iterator[Sum]:
    """The sums of record batches of movements, ordered by token and account, the supply reserve's first."""
    adding = _Adding()
    for batch in batches:
        adding.add(batch)
    return adding.sums()


class _Adding:
    def __init__(self) -> None:
        self._limbs = 1
        self._parts: list[Any] = []
        self._rows = 0
        self._added = 0

    def add(self, batch: Any) -> None:
        needed = _limbs_needed(batch)
        if needed > self._limbs:
            self._add_up()
            self._parts = [_widened(part, self._limbs, needed) for part in self._parts]
            self._limbs = needed
        for account, held, sign in (("receiver", "receiver_held", 1), ("sender", "sender_held", -1)):
            part = self._grouped(_side(batch, account, held, self._limbs))
            self._parts.append(part if sign > 0 else _negated(part, self._limbs))
            self._rows += part.num_rows
        if self._rows > ROUND_ROWS + 2 * self._added:
            self._add_up()

    def _add_up(self) -> None:
        """Adds up what was gathered, and carries; one more limb than there were has room for what is carried."""
        if not self._parts:
            return
        widest = min(self._limbs + 1, _SUM_LIMBS)
        parts = [_widened(part, self._limbs, widest) for part in self._parts]
        self._limbs = widest
        added = _carried(self._grouped(pyarrow().concat_tables(parts)), widest)
        self._parts, self._rows = [added], 0
        self._added = added.num_rows

    def _grouped(self, table: Any) -> Any:
        limbs = [f"limb_{limb}" for limb in range(self._limbs)]
        sums = table.group_by(list(_CELL), use_threads=False).aggregate([(limb, "sum") for limb in limbs])
        return sums.select([*_CELL, *(f"{limb}_sum" for limb in limbs)]).rename_columns([*_CELL, *limbs])

    def sums(self) -> Iterator[Sum]:
        self._add_up()
        if not self._parts:
            return
        order = [(name, "ascending") for name in _CELL]
        table = self._parts[0]
        table = table.take(pyarrow("compute").sort_indices(table, sort_keys=order))
        last: Sum | None = None
        for batch in table.to_batches(ROUND_ROWS // 8):
            numbers = _numbers(batch, self._limbs)
            names = zip(*(batch.column(name).to_pylist() for name in _CELL), strict=True)
            for (token, account, held), number in zip(names, numbers, strict=True):
                account = account or None
                if last is None or (last.token, last.account) != (token, account):
                    if last is not None:
                        yield last
                    last = Sum(token, account, 0, 0)
                last = last._replace(held=number) if held else last._replace(available=number)
        if last is not None:
            yield last


def _limbs_needed(batch: Any) -> int:
    compute = pyarrow("compute")
    used = (limb for limb in reversed(range(LIMBS)) if compute.max(batch.column(f"amount_{limb}")).as_py())
    return next(used, 0) + 1


def _side(batch: Any, account: str, held: str, limbs: int) -> Any:
    """What one side of movements gave or got: the cell of each, and the amount. The supply reserve is an empty text."""
    amounts = [batch.column(f"amount_{limb}") if limb < LIMBS else None for limb in range(limbs)]
    zeros = pyarrow().array(np.zeros(batch.num_rows, dtype=np.int64))
    accounts = pyarrow("compute").fill_null(batch.column(account), "")
    columns = [batch.column("token"), accounts, batch.column(held)]
    columns += [zeros if amount is None else amount for amount in amounts]
    return pyarrow().table(columns, names=[*_CELL, *(f"limb_{limb}" for limb in range(limbs))])


def _negated(table: Any, limbs: int) -> Any:
    compute = pyarrow("compute")
    for limb in range(limbs):
        name = f"limb_{limb}"
        table = table.set_column(len(_CELL) + limb, name, compute.negate(table.column(name)))
    return table


def _widened(table: Any, limbs: int, wanted: int) -> Any:
    for limb in range(limbs, wanted):
        table = table.append_column(f"limb_{limb}", pyarrow().array(np.zeros(table.num_rows, dtype=np.int64)))
    return table


def _carried(table: Any, limbs: int) -> Any:
    carry: Any = 0
    for limb in range(limbs):
        column = table.column(len(_CELL) + limb).to_numpy() + carry
        if limb < limbs - 1:
            carry = column >> LIMB_BITS
            column = column - (carry << LIMB_BITS)
        table = table.set_column(len(_CELL) + limb, f"limb_{limb}", pyarrow().array(column))
    return table


def _numbers(batch: Any, limbs: int) -> list[int]:
    """The integers that rows of limbs are."""
    numbers = [0] * batch.num_rows
    for limb in reversed(range(limbs)):
        column = batch.column(f"limb_{limb}").to_pylist()
        numbers = [(number << LIMB_BITS) + each for number, each in zip(numbers, column, strict=True)]
    return numbers
