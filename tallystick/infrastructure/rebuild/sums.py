"""Movements added up by Arrow: what every account has by them alone, for comparison with what a projection says.

Amounts come in limbs of 31 bits, so that columns of machine integers hold every amount and every sum: after each round what is
above 31 bits is carried into the next limb. Only the highest has a sign. Limbs that no amount has needed yet are left out.
Nothing here knows what events are.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tallystick.infrastructure.rebuild.columns import pyarrow

LIMBS = 9
LIMB_BITS = 31
ROUND_ROWS = 262_144
"""So many rows are gathered beside the sums before they are added up."""
READ_ROWS = 32_768

_CELL = ("token", "account", "held")
_SPARE_LIMBS = 2
"""So much wider are sums than what is added."""


class Sum(NamedTuple):
    """What the account, None for the supply reserve, has received of the token, less what it gave: available and held."""

    token: str
    account: str | None
    available: int
    held: int


def sums_of(batches: Iterable[Any]) -> "Sums":
    """The sums of record batches of movements."""
    sums = Sums()
    for batch in batches:
        sums.add(batch)
    return sums


class Sums:
    """Sums of what was added, ordered by token and account, the supply reserve's first; they can be gone through again."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._rows = 0
        self._added = 0
        self._limbs = 1 + _SPARE_LIMBS

    def add(self, batch: Any) -> None:
        """Adds a record batch of movements."""
        limbs = [batch.column(f"amount_{limb}") for limb in range(_limbs_needed(batch))]
        for account, held, is_given in (("receiver", "receiver_held", False), ("sender", "sender_held", True)):
            accounts = pyarrow("compute").fill_null(batch.column(account), "")
            self.add_limbs((batch.column("token"), accounts, batch.column(held)), limbs, is_given)

    def add_limbs(self, cells: Sequence[Any], limbs: Sequence[Any], is_given: bool = False) -> None:
        """Adds amounts in limbs, of which all may be below zero, to cells: columns of tokens, accounts, and whether it is held.

        The supply reserve is an empty text.
        """
        part = _grouped(pyarrow().table([*cells, *limbs], names=[*_CELL, *_names(len(limbs))]), len(limbs))
        self._parts.append(_negated(part, len(limbs)) if is_given else part)
        self._limbs = max(self._limbs, len(limbs) + _SPARE_LIMBS)
        self._rows += part.num_rows
        if self._rows > ROUND_ROWS + 2 * self._added:
            self._add_up()

    def _add_up(self) -> None:
        """Adds up what was gathered, and carries."""
        if self._parts:
            parts = [_widened(part, self._limbs) for part in self._parts]
            added = _carried(_grouped(pyarrow().concat_tables(parts), self._limbs), self._limbs)
            self._parts, self._rows, self._added = [added], 0, added.num_rows

    def __iter__(self) -> Iterator[Sum]:
        self._add_up()
        if not self._parts:
            return
        table = self._parts[0].sort_by([(name, "ascending") for name in _CELL])
        self._parts = [table]
        last: Sum | None = None
        for batch in table.to_batches(READ_ROWS):
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
    used = (limb for limb in reversed(range(LIMBS)) if batch.column(f"amount_{limb}").to_numpy().any())
    return next(used, 0) + 1


def _names(limbs: int) -> list[str]:
    return [f"limb_{limb}" for limb in range(limbs)]


def _grouped(table: Any, limbs: int) -> Any:
    names = _names(limbs)
    sums = table.group_by(list(_CELL), use_threads=False).aggregate([(name, "sum") for name in names])
    return sums.select([*_CELL, *(f"{name}_sum" for name in names)]).rename_columns([*_CELL, *names])


def _negated(table: Any, limbs: int) -> Any:
    for at, name in enumerate(_names(limbs), len(_CELL)):
        table = table.set_column(at, name, pyarrow("compute").negate(table.column(at)))
    return table


def _widened(table: Any, limbs: int) -> Any:
    nothing = pyarrow().array(np.zeros(table.num_rows, dtype=np.int64))
    for name in _names(limbs)[table.num_columns - len(_CELL) :]:
        table = table.append_column(name, nothing)
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
