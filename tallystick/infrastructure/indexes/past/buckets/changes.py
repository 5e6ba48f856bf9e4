"""Changes: rows that say what came to a cell and left it, where what it is worth is not a number: open holds, and fragments.

They are sorted by cell, and of one cell stand in the order of time; what the cell had at a position follows from those up to
there. Each kind has columns of its own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Numbers, as_numbers
from tallystick.infrastructure.indexes.past.buckets.touches import Positions, Spans, commits_at, narrowed
from tallystick.infrastructure.indexes.past.column_blocks import AnyColumn, Column, column_in_memory, integer_of
from tallystick.infrastructure.snapshots.wide_numbers import pack_wide


class HoldChange(NamedTuple):
    """Some `amount` came into the hold that was opened at a position, or left it where that is below zero."""

    opened: int
    amount: int


class FragmentChange(NamedTuple):
    """`size` fragments with ids from `first` on, each of `amount`, came to a cell, or left it where `size` is below zero.

    Those that lie under a hold are in the cell of who keeps it: the hold was opened at a position, and `owner` is the handle of
    who paid. Of others both are 0.
    """

    first: int
    size: int
    amount: int
    owner: int
    opened: int


KINDS: Mapping[str, tuple[str, ...]] = {"holds": HoldChange._fields, "fragments": FragmentChange._fields}
"""The columns of each kind."""

Change = HoldChange | FragmentChange


class LooseChange(NamedTuple):
    """A change of a cell, in the commit that ends at `position`."""

    cell: int
    position: int
    change: Change


class SortedChanges(NamedTuple):
    """Changes of one kind, sorted; `spans` say where those of a cell are."""

    spans: Spans
    columns: tuple[Column, ...]

    def upto(self, cell: int, limit: int) -> list[Numbers]:
        """The columns of the changes of a cell whose commits are below `limit`. Raises `DamagedRun`."""
        start, stop = self.spans.span(cell)
        if start < stop:
            stop = start + int(np.searchsorted(self.spans.commits.part(start, stop), limit))
        return [_numbers(column.part(start, stop)) for column in self.columns]


def _numbers(column: AnyColumn) -> Numbers:
    return [integer_of(value) for value in column] if column.dtype.kind == "V" else column.astype(np.int64)


def sorted_changes(loose: Sequence[LooseChange], table: Positions | None) -> SortedChanges:
    """The changes sorted, 1 or more of one kind. Commits are numbers in the table; without one, positions."""
    cells = np.array([each.cell for each in loose], dtype=np.uint64)
    order = np.argsort(cells, kind="stable")
    cells = cells[order]
    commits = commits_at(np.array([each.position for each in loose], dtype=np.int64), table)[order]
    columns = [_packed([values[place] for place in order]) for values in zip(*(each.change for each in loose), strict=True)]
    return SortedChanges(Spans.of(cells, commits), tuple(map(column_in_memory, columns)))


def _packed(values: Sequence[int]) -> AnyColumn:
    column = as_numbers(values)
    if isinstance(column, list):
        return pack_wide(column)
    if not len(column) or int(column.min()) >= 0:
        return narrowed(column)
    highest = int(np.abs(column).max())
    return column.astype(f"<i{next(width for width in (1, 2, 4, 8) if highest < 1 << 8 * width - 1)}")
