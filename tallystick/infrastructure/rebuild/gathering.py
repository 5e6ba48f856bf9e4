"""Rows gathered by Arrow: exact sums of columns of numbers for each key, and of other columns what the last row has.

Numbers come in limbs of 31 bits, so that columns of machine integers hold every amount and every sum: after each round what is
above 31 bits is carried into the next limb, and only the highest has a sign. Limbs that no number has needed are left out. Rows
lie beside the sums until there are enough of them for a round, for adding up costs the more the more sums there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tallystick.infrastructure.rebuild.columns import pyarrow

LIMBS = 9
LIMB_BITS = 31
ROUND_ROWS = 262_144

_SPARE_LIMBS = 2
"""So much wider are sums than what is added."""
_MASK = (1 << LIMB_BITS) - 1
_DIGITS_SURE = 18
"""So many digits, with a sign among them or not, are two limbs."""

Limbs = Sequence[Any]
"""A column of numbers, the lowest limb first. Of a number below zero all limbs are, or are nothing."""


class Gathering:
    """Rows by these `keys`, with sums of `numbers` and the last of `lasts`, all names of columns."""

    def __init__(self, keys: Sequence[str], numbers: Sequence[str], lasts: Sequence[str] = ()) -> None:
        self._keys, self._numbers, self._lasts = list(keys), list(numbers), list(lasts)
        self._limbs = 1 + _SPARE_LIMBS
        self._parts: list[Any] = []
        self._rows = 0
        self._added = 0

    def add(self, columns: Mapping[str, Any], numbers: Mapping[str, Limbs]) -> None:
        """Adds rows. A number that has no limbs is nothing in all of them."""
        limbs = {f"{name}_{limb}": column for name, column_limbs in numbers.items() for limb, column in enumerate(column_limbs)}
        part = pyarrow().table({**columns, **limbs})
        self._limbs = max(self._limbs, *(len(each) + _SPARE_LIMBS for each in numbers.values()))
        self._parts.append(part)
        self._rows += len(part)
        if self._rows > ROUND_ROWS + 2 * self._added:
            self.table()

    def table(self) -> Any:
        """What was gathered, a row a key, in columns of keys, lasts, and limbs as `limbs_in` names them; None if that is nothing."""
        arrow = pyarrow()
        if self._rows:
            names = [*self._keys, *self._lasts, *(name for number in self._numbers for name in self.limbs_in(number))]
            gathered = arrow.concat_tables([_with_all(part, names) for part in self._parts])
            wanted = [(name, "last") for name in self._lasts]
            wanted += [(name, "sum") for name in names[len(self._keys) + len(self._lasts) :]]
            grouped = gathered.group_by(self._keys, use_threads=False).aggregate(wanted)
            columns = [grouped.column(name) for name in (*self._keys, *map("_".join, wanted))]
            self._parts = [self._carried(arrow.table(columns, names=names))]
            self._rows, self._added = 0, len(self._parts[0])
        return self._parts[0] if self._parts else None

    def limbs_in(self, number: str) -> list[str]:
        """The columns that a number is."""
        return [f"{number}_{limb}" for limb in range(self._limbs)]

    def _carried(self, table: Any) -> Any:
        for number in self._numbers:
            carry: Any = 0
            for name in self.limbs_in(number):
                column = table.column(name).to_numpy() + carry
                if name != self.limbs_in(number)[-1]:
                    carry = column >> LIMB_BITS
                    column = column - (carry << LIMB_BITS)
                table = table.set_column(table.column_names.index(name), name, pyarrow().array(column))
        return table


def _with_all(table: Any, names: Sequence[str]) -> Any:
    """The table with these columns; a limb that it does not have is nothing."""
    known = set(table.column_names)
    nothing = pyarrow().array(np.zeros(len(table), dtype=np.int64))
    return pyarrow().table([table.column(name) if name in known else nothing for name in names], names=names)


def limbs_of(texts: Any) -> list[Any]:
    """Amounts as limbs, of texts of digits; none where all are nothing. `ValueError` where one is missing or is no number."""
    arrow, compute = pyarrow(), pyarrow("compute")
    if texts.null_count:
        raise ValueError("an amount is missing")
    is_wide = compute.greater(compute.binary_length(texts), _DIGITS_SURE)
    numbers = compute.if_else(is_wide, "0", texts).cast(arrow.int64()).to_numpy()
    signs, sizes = np.sign(numbers), np.abs(numbers)
    limbs = [signs * ((sizes >> LIMB_BITS * limb) & _MASK) for limb in range(2 if sizes.any() else 0)]
    places = np.flatnonzero(is_wide.to_numpy(zero_copy_only=False))
    if len(places):
        limbs = [limbs[limb] if limb < len(limbs) else np.zeros_like(numbers) for limb in range(LIMBS)]
        wide = [int(text) for text in texts.take(arrow.array(places)).to_pylist()]
        for limb, column in enumerate(limbs):
            column[places] = [_limb(number, limb) for number in wide]
    return [arrow.array(limb) for limb in limbs]


def _limb(number: int, limb: int) -> int:
    found = (abs(number) >> LIMB_BITS * limb) & _MASK
    return -found if number < 0 else found


def numbers_of(texts: Any) -> Any:
    """Amounts as an array of numbers, of texts of digits."""
    compute = pyarrow("compute")
    if (compute.max(compute.binary_length(texts)).as_py() or 0) <= _DIGITS_SURE:
        return texts.cast(pyarrow().int64()).to_numpy()
    return np.array([int(text) for text in texts.to_pylist()], dtype=object)


def number_of(limbs: Iterable[int]) -> int:
    """The number that these are."""
    return sum(limb << LIMB_BITS * place for place, limb in enumerate(limbs))
