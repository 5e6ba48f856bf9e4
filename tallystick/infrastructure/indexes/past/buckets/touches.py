"""Touches: what cells were worth after commits that touched them, sorted by cell and then by the order of time.

Most values fit 32 bits, some 64, and few neither. Each of these classes is sorted apart, so no cell makes another's values
wider.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tallystick.domain.arithmetic.columns import Rows
from tallystick.infrastructure.indexes.past.column_blocks import AnyColumn, Column, column_in_memory, integer_of
from tallystick.infrastructure.snapshots.wide_numbers import pack_wide

Keys = NDArray[np.uint64]
Positions = NDArray[np.int64]

_NARROW = 2**32


class Touches(NamedTuple):
    """Touches in the order in which they came: of which cell, at the position at which the commit ends, and the value then."""

    cells: Keys
    positions: Positions
    values: NDArray[np.int64]


class WideTouch(NamedTuple):
    """A touch whose value fits no machine integer."""

    cell: int
    position: int
    value: int


class Spans(NamedTuple):
    """Where in sorted columns what is of each cell stands: of `cells[k]` from `starts[k]` up to `starts[k + 1]`, in the order
    of time. `commits` are positions, or numbers of them in a table that whoever has the columns knows.
    """

    cells: Column
    starts: Column
    commits: Column

    @classmethod
    def of(cls, cells: Keys, commits: AnyColumn) -> Self:
        """Those of columns that are sorted, with the cell and the commit of each row."""
        begins = np.flatnonzero(is_first(cells))
        return cls(*map(column_in_memory, (cells[begins], narrowed(np.append(begins, len(cells))), commits)))

    def span(self, cell: int) -> tuple[int, int]:
        """Where the rows of a cell are, found by halves; an empty span where it has none. Raises `DamagedRun`."""
        place = self.place_of(cell)
        if place == len(self.cells.array) or self.cells.one(place) != cell:
            return 0, 0
        start, stop = self.starts.part(place, place + 2).tolist()
        return start, stop

    def place_of(self, cell: int) -> int:
        """How many cells are below this one. Raises `DamagedRun`."""
        return int(np.searchsorted(self.cells.all(), np.uint64(cell)))  # all of them are checked once, and it is fast for ever


class Segment(NamedTuple):
    """Touches of one class, sorted. `values` are machine integers, or bytes where they are wide, as `pack_wide` packs them."""

    spans: Spans
    values: Column

    @property
    def is_wide(self) -> bool:
        """Whether its values are bytes."""
        return self.values.array.dtype.kind == "V"

    def newest(self, cell: int, limit: int) -> int | None:
        """The place of the cell's newest touch whose commit is below `limit`; None where there is none. Raises `DamagedRun`."""
        start, stop = self.spans.span(cell)
        if start == stop:
            return None
        place = start + int(np.searchsorted(self.spans.commits.part(start, stop), limit)) - 1
        return None if place < start else place

    def newest_of_all(self, first: int, end: int, limit: int) -> tuple[Any, Any, list[int] | AnyColumn]:
        """Of the cells from number `first` up to `end` that have a touch whose commit is below `limit`: the cells, the commit
        of the newest of those touches of each, and the value. Raises `DamagedRun`.
        """
        spans = self.spans
        low, high = spans.place_of(first), spans.place_of(end)
        cells, starts = spans.cells.part(low, high), spans.starts.part(low, high + 1).astype(np.int64)
        if not len(cells):
            return cells, starts[:0], np.zeros(0, dtype=np.int64)
        offset = int(starts[0])
        commits = spans.commits.part(offset, int(starts[-1]))
        starts -= offset
        places = starts[1:] - 1
        if int(commits.max()) >= limit:
            within = np.concatenate(([0], np.cumsum(commits < limit)))
            counts = within[starts[1:]] - within[starts[:-1]]
            has = counts > 0
            cells, places = cells[has], (starts[:-1] + counts - 1)[has]
        values = self.values.part(offset, offset + len(commits))[places]
        return cells, commits[places], [integer_of(value) for value in values] if self.is_wide else values


def segments_of(touches: Touches, wide: Sequence[WideTouch], table: Positions | None) -> list[Segment]:
    """The touches sorted. Commits are numbers in the table of positions, which has them all; without one, positions."""
    made: list[Segment] = []
    is_narrow: Rows = touches.values < _NARROW
    for chosen in (is_narrow, ~is_narrow):
        if chosen.any():
            made.append(_sorted(touches.cells[chosen], touches.positions[chosen], touches.values[chosen], table))
    if wide:
        cells = np.array([touch.cell for touch in wide], dtype=np.uint64)
        positions = np.array([touch.position for touch in wide], dtype=np.int64)
        made.append(_sorted(cells, positions, pack_wide([touch.value for touch in wide]), table))
    return made


def _sorted(cells: Keys, positions: Positions, values: AnyColumn, table: Positions | None) -> Segment:
    order = np.argsort(cells, kind="stable")
    column = column_in_memory((values if values.dtype.kind == "V" else narrowed(values))[order])
    return Segment(Spans.of(cells[order], commits_at(positions, table)[order]), column)


def commits_at(positions: Positions, table: Positions | None) -> AnyColumn:
    """The commits that end at these positions: their numbers in the table or, without one, the positions. They are found faster
    in the order of time than in the order of cells.
    """
    return positions if table is None else narrowed(np.searchsorted(table, positions))


def distinct(column: AnyColumn) -> AnyColumn:
    """The integers of a column, each once, ascending; by sorting, for `np.unique` hashes them first, which takes longer."""
    ascending = np.sort(column)
    return ascending[is_first(ascending)]


def is_first(column: AnyColumn) -> Rows:
    """Which integers of a column are others than those before them."""
    return np.concatenate((np.ones(min(1, len(column)), dtype=np.bool_), column[1:] != column[:-1]))


def narrowed(column: AnyColumn) -> AnyColumn:
    """Integers of 0 or more in the narrowest type that holds them all."""
    highest = int(column.max()) if len(column) else 0
    width = next(width for width in (1, 2, 4, 8) if highest < 1 << 8 * width)
    return column.astype(f"<u{width}")
