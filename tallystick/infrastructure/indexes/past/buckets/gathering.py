"""Gathers what the commits of a bucket touched, in the order in which they come, until there is enough to be sorted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tallystick.domain.arithmetic.columns import MACHINE_MAX
from tallystick.infrastructure.indexes.past.buckets.changes import KINDS, Change, LooseChange
from tallystick.infrastructure.indexes.past.buckets.touches import Keys, Touches, WideTouch

_LOOSE_MAX = 1 << 15


class OccurredSpan(NamedTuple):
    """A commit that ends at `position` and says of time: what it recorded occurred from `first` to `last`, in microseconds."""

    position: int
    first: int
    last: int


class Gathered(NamedTuple):
    """What was gathered in some span of the journal; `changes` by kind."""

    touches: Touches
    wide: list[WideTouch]
    changes: dict[str, list[LooseChange]]
    occurred: list[OccurredSpan]


class Mark(NamedTuple):
    """Up to where something was gathered: parts of columns, wide touches, changes of each kind, and times."""

    parts: int
    wide: int
    changes: tuple[int, ...]
    occurred: int


NOTHING = Mark(0, 0, (0,) * len(KINDS), 0)


class Gathering:
    """Gathers: many touches of one commit in columns, others one by one. `size` says how many rows there are."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[Touches] = []
        self._cells: list[int] = []
        self._positions: list[int] = []
        self._values: list[int] = []
        self._wide: list[WideTouch] = []
        self._changes: dict[str, list[LooseChange]] = {kind: [] for kind in KINDS}
        self._occurred: list[OccurredSpan] = []

    def add(self, cells: Sequence[int], values: Sequence[int], position: int) -> None:
        """Touches of the commit that ends at `position`, no cell of which is named twice."""
        self._cells += cells
        self._values += values
        self._positions += [position] * len(cells)
        self.size += len(cells)
        if len(self._cells) >= _LOOSE_MAX:
            self._tie()

    def add_column(self, cells: Keys, values: NDArray[np.int64], position: int) -> None:
        """The same in columns."""
        self._tie()
        self._parts.append(Touches(cells, np.full(len(cells), position, dtype=np.int64), values))
        self.size += len(cells)

    def add_change(self, kind: str, cell: int, change: Change, position: int) -> None:
        """A change of a cell in the commit that ends at `position`."""
        self._changes[kind].append(LooseChange(cell, position, change))
        self.size += 1

    def add_span(self, span: OccurredSpan) -> None:
        """When it was that what a commit recorded occurred."""
        self._occurred.append(span)

    def _tie(self) -> None:
        """Makes columns of those that came one by one."""
        if not self._cells:
            return
        cells, positions, values = self._cells, self._positions, self._values
        self._cells, self._positions, self._values = [], [], []
        if max(values) > MACHINE_MAX:
            self._wide += [WideTouch(*each) for each in zip(cells, positions, values, strict=True) if each[2] > MACHINE_MAX]
            kept = [place for place, value in enumerate(values) if value <= MACHINE_MAX]
            cells, positions, values = ([column[place] for place in kept] for column in (cells, positions, values))
        columns = np.array(cells, dtype=np.uint64), np.array(positions, dtype=np.int64), np.array(values, dtype=np.int64)
        self._parts.append(Touches(*columns))

    def mark(self) -> Mark:
        """What was gathered up to now."""
        self._tie()
        return Mark(len(self._parts), len(self._wide), tuple(map(len, self._changes.values())), len(self._occurred))

    def between(self, begin: Mark, end: Mark) -> Gathered:
        """What was gathered from one mark up to another."""
        touches = Touches(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        parts = [touches, *self._parts[begin.parts : end.parts]]
        changes = {
            kind: rows[first:last]
            for (kind, rows), first, last in zip(self._changes.items(), begin.changes, end.changes, strict=True)
        }
        return Gathered(
            Touches(*(np.concatenate(column) for column in zip(*parts, strict=True))),
            self._wide[begin.wide : end.wide],
            changes,
            self._occurred[begin.occurred : end.occurred],
        )
