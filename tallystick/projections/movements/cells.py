"""Numbers for cells: those of all tokens are counted through, in the order in which they are first met.

Whoever keeps something for each cell keeps it in columns by these numbers. Batches name accounts by numbers of their token, so
the cells of their rows are looked up without their names.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Rows
from tallystick.domain.cells import is_crossing

RESERVE_CELL = -1
"""The number of every supply reserve."""


class Cells:
    """The cells that were met so far, each under its token and its name."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, int]] = {}
        self._by_number: dict[str, Column] = {}
        self._known: dict[str, int] = {}
        self._crosses: Rows = np.zeros(1024, dtype=np.bool_)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def one(self, token: str, name: str | None) -> int:
        """The cell of a name, None for the supply reserve."""
        if name is None:
            return RESERVE_CELL
        names = self._by_name.get(token)
        if names is None:
            names = self._by_name[token] = {}
        cell = names.get(name)
        return self._add(names, name) if cell is None else cell

    def many(self, token: str, names: Sequence[str], numbers: Column) -> Column:
        """The cells of accounts by the numbers that batches gave them; `names` are never fewer than before."""
        known = self._known.get(token, 0)
        if len(names) > known:
            found = np.array([self.one(token, name) for name in names[known:]], dtype=np.int64)
            self._by_number[token] = grown(self._by_number.get(token, found[:0]), known, len(names))
            self._by_number[token][known : len(names)] = found
            self._known[token] = len(names)
        return self._by_number[token][numbers]

    def are_crossing(self, cells: Column) -> Rows:
        """Which of these cross over; the supply reserve does not."""
        return self._crosses[cells] & (cells != RESERVE_CELL)

    def _add(self, names: dict[str, int], name: str) -> int:
        cell = names[name] = self._count
        self._count += 1
        self._crosses = grown(self._crosses, cell, self._count)
        self._crosses[cell] = is_crossing(name)
        return cell


def grown(column: Any, used: int, needed: int) -> Any:
    """A column with room for as many as are needed, the first `used` of which are those of this one."""
    if needed <= len(column):
        return column
    larger = np.zeros(max(needed, 2 * len(column)), dtype=column.dtype)
    larger[:used] = column[:used]
    return larger
