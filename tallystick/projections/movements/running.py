"""Running balances: what each cell has after each of many changes, worked out in columns.

Changes are sorted by cell, summed up, and each cell's sums begin with what it had before. Where a token's amounts or balances
might be too wide for machine integers, its changes are gone through one by one.
"""

from collections.abc import Sequence

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.projections.movements.cells import grown

SAFE = 2.0**62
"""Nothing that is below it by a sum of floating point is too wide for a machine integer."""

Pair = tuple[int, int]
"""What can be spent and what is held for others; or what is added to each."""


class Running:
    """What every cell has, by its number, as far as changes were added."""

    def __init__(self) -> None:
        self._available: Column = np.zeros(1024, dtype=np.int64)
        self._reserved: Column = np.zeros(1024, dtype=np.int64)
        self._wide: dict[int, Pair] = {}
        self._wide_tokens: set[str] = set()
        self._peaks: dict[str, float] = {}

    def wide_among(self, tokens: Sequence[str], moved: Sequence[float]) -> list[bool]:
        """Which of the tokens are to be added one by one, if so much of each is moved next."""
        for token, amount in zip(tokens, moved, strict=True):
            if self._peaks.get(token, 0.0) + amount >= SAFE:
                self._wide_tokens.add(token)
        return [token in self._wide_tokens for token in tokens]

    def add(self, cells: Column, available: Column, reserved: Column, of_tokens: Column, tokens: Sequence[str]) -> None:
        """Adds changes in their order, of cells that are not wide, and has each changed into what its cell has after it.

        `of_tokens` are the places of their tokens among `tokens`.
        """
        if not len(cells):
            return
        most = int(cells.max()) + 1
        self._available = grown(self._available, len(self._available), most)
        self._reserved = grown(self._reserved, len(self._reserved), most)
        order = np.argsort(cells, kind="stable")
        by_cell = cells[order]
        begins = np.flatnonzero(np.append(True, by_cell[1:] != by_cell[:-1]))
        counts = np.diff(np.append(begins, len(by_cell)))
        heights = np.zeros(len(tokens), dtype=np.float64)
        for changes, had in ((available, self._available), (reserved, self._reserved)):
            sums = np.cumsum(changes[order])  # may run over, and what it runs over by falls out again
            before = had[by_cell[begins]] - (sums[begins] - changes[order[begins]])
            sums += np.repeat(before, counts)
            had[by_cell[begins]] = sums[begins + counts - 1]
            changes[order] = sums
            np.maximum.at(heights, of_tokens, np.abs(changes).astype(np.float64))
        for token, height in zip(tokens, heights.tolist(), strict=True):
            self._peaks[token] = max(self._peaks.get(token, 0.0), height)

    def add_wide(self, cells: Sequence[int], changes: Sequence[Pair]) -> list[Pair]:
        """The same one by one, of tokens that are wide: what the cell has after each change."""
        found: list[Pair] = []
        for cell, (available, reserved) in zip(cells, changes, strict=True):
            has = self._wide.get(cell)
            if has is None:
                is_known = cell < len(self._available)
                has = (int(self._available[cell]), int(self._reserved[cell])) if is_known else (0, 0)
            has = (has[0] + available, has[1] + reserved)
            self._wide[cell] = has
            found.append(has)
        return found
