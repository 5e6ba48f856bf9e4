"""Touches: what cells were worth after commits that touched them, as they are gathered, and sorted once there are enough.

Most values fit 32 bits, some 64, and few neither. Each of these classes is sorted apart, by cell and then by position, so no
cell makes another's values wider.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Rows
from tallystick.infrastructure.indexes.past.column_blocks import AnyColumn, Column, column_in_memory, integer_of

Keys = NDArray[np.uint64]
Positions = NDArray[np.int64]

_NARROW = 2**32
_LOOSE_MAX = 1 << 15


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


class Segment(NamedTuple):
    """Touches of one class, sorted. Those of `cells[k]` are from `starts[k]` up to `starts[k + 1]`, in the order of time.

    `commits` are positions, or numbers of them in a table that whoever has the segment knows. `values` are machine integers,
    or bytes where they are wide: the lowest first, with a sign.
    """

    cells: Column
    starts: Column
    commits: Column
    values: Column

    @property
    def is_wide(self) -> bool:
        """Whether its values are bytes."""
        return self.values.array.dtype.kind == "V"

    def value(self, place: int) -> int:
        """The value of one touch. Raises `DamagedRun`."""
        return self.values.one(place)

    def span(self, cell: int) -> tuple[int, int]:
        """Where the touches of a cell are, found by halves; an empty span where it has none. Raises `DamagedRun`."""
        place = self.place_of(cell)
        if place == len(self.cells.array) or self.cells.one(place) != cell:
            return 0, 0
        start, stop = self.starts.part(place, place + 2).tolist()
        return start, stop

    def place_of(self, cell: int) -> int:
        """How many cells are below this one. Raises `DamagedRun`."""
        low, high = 0, len(self.cells.array)
        while low < high:
            middle = (low + high) // 2
            if self.cells.one(middle) < cell:
                low = middle + 1
            else:
                high = middle
        return low

    def newest(self, cell: int, limit: int) -> int | None:
        """The place of the cell's newest touch whose commit is below `limit`; None where there is none. Raises `DamagedRun`."""
        start, stop = self.span(cell)
        if start == stop:
            return None
        place = start + int(np.searchsorted(self.commits.part(start, stop), limit)) - 1
        return None if place < start else place

    def newest_of_all(self, first: int, end: int, limit: int) -> tuple[Any, Any, list[int] | AnyColumn]:
        """Of the cells from number `first` up to `end` that have a touch whose commit is below `limit`: the cells, the commit
        of the newest of those touches of each, and the value. Raises `DamagedRun`.
        """
        low, high = self.place_of(first), self.place_of(end)
        cells, starts = self.cells.part(low, high), self.starts.part(low, high + 1).astype(np.int64)
        if not len(cells):
            return cells, starts[:0], np.zeros(0, dtype=np.int64)
        commits = self.commits.part(int(starts[0]), int(starts[-1]))
        starts -= starts[0]
        places = starts[1:] - 1
        if int(commits.max()) >= limit:
            within = np.concatenate(([0], np.cumsum(commits < limit)))
            counts = within[starts[1:]] - within[starts[:-1]]
            has = counts > 0
            cells, places = cells[has], (starts[:-1] + counts - 1)[has]
        offset = int(self.starts.one(low))
        self.values.check(offset, offset + len(commits))
        values = self.values.array[offset : offset + len(commits)][places]
        return cells, commits[places], [integer_of(value) for value in values] if self.is_wide else values


class Gathering:
    """Gathers touches: many of one commit in columns, others one by one. `count` says how many there are."""

    def __init__(self) -> None:
        self._parts: list[Touches] = []
        self._cells: list[int] = []
        self._positions: list[int] = []
        self._values: list[int] = []
        self._wide: list[WideTouch] = []
        self.count = 0

    def add(self, cells: Sequence[int], values: Sequence[int], position: int) -> None:
        """Touches of the commit that ends at `position`, no cell of which is named twice."""
        self._cells += cells
        self._values += values
        self._positions += [position] * len(cells)
        self.count += len(cells)
        if len(self._cells) >= _LOOSE_MAX:
            self._tie()

    def add_column(self, cells: Keys, values: NDArray[np.int64], position: int) -> None:
        """The same in columns."""
        self._tie()
        self._parts.append(Touches(cells, np.full(len(cells), position, dtype=np.int64), values))
        self.count += len(cells)

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
        self._parts.append(
            Touches(np.array(cells, dtype=np.uint64), np.array(positions, dtype=np.int64), np.array(values, dtype=np.int64))
        )

    def mark(self) -> tuple[int, int]:
        """What was gathered up to now, as `since` takes it."""
        self._tie()
        return len(self._parts), len(self._wide)

    def between(self, begin: tuple[int, int], end: tuple[int, int]) -> tuple[Touches, list[WideTouch]]:
        """What was gathered from one mark up to another."""
        parts = self._parts[begin[0] : end[0]]
        columns = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else ()
        empty = Touches(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        return Touches(*columns) if parts else empty, self._wide[begin[1] : end[1]]


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
        width = max(touch.value.bit_length() for touch in wide) // 8 + 1
        packed = b"".join([touch.value.to_bytes(width, "little", signed=True) for touch in wide])
        made.append(_sorted(cells, positions, np.frombuffer(packed, dtype=f"V{width}"), table))
    return made


def _sorted(cells: Keys, positions: Positions, values: AnyColumn, table: Positions | None) -> Segment:
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    begins = np.flatnonzero(np.concatenate((np.ones(1, dtype=np.bool_), cells[1:] != cells[:-1])))
    commits = positions[order] if table is None else np.searchsorted(table, positions[order])
    columns = (
        cells[begins],
        narrowed(np.append(begins, len(cells))),
        commits if table is None else narrowed(commits),
        values[order] if values.dtype.kind == "V" else narrowed(values[order]),
    )
    return Segment(*map(column_in_memory, columns))


def narrowed(column: AnyColumn) -> AnyColumn:
    """Integers of 0 or more in the narrowest type that holds them all."""
    highest = int(column.max()) if len(column) else 0
    width = next(width for width in (1, 2, 4, 8) if highest < 1 << 8 * width)
    return column.astype(f"<u{width}")
