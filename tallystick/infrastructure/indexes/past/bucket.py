"""A bucket: the touches of the commits of one span of the journal, sorted, in a file or in memory. It never changes.

Buckets follow one another as the journal's spans do, and each says at which commits it begins and ends, with their digests.
They are never merged: what every cell was worth at a time is put together faster out of columns in the order of time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np

from tallystick.infrastructure.indexes.past.column_blocks import AnyColumn, Column, ColumnFile, column_in_memory, write_columns
from tallystick.infrastructure.indexes.past.touches import Positions, Segment, Touches, WideTouch, narrowed, segments_of
from tallystick.infrastructure.journal.format import Head

FORMAT = 1
_PARTS = Segment._fields


class OccurredSpan(NamedTuple):
    """A commit that ends at `position` and says of time: what it recorded occurred from `first` to `last`, in microseconds."""

    position: int
    first: int
    last: int


class BucketFacts(msgspec.Struct, frozen=True):
    """What a bucket's file says of it: the heads before and at its end, and how many classes of touches there are."""

    format: int
    before: tuple[int, str, int]
    end: tuple[int, str, int]
    segments: int


class Bucket:
    """The touches of what was recorded from `before` up to `end`."""

    def __init__(
        self, before: Head, end: Head, segments: list[Segment], table: Column | None, occurred: tuple[Column, Column, Column]
    ) -> None:
        """`table`: the positions, above that of `before`, at which commits end; without one segments have positions."""
        self.before = before
        self.end = end
        self.segments = segments
        self._table = table
        self._occurred = occurred

    @classmethod
    def of(
        cls,
        before: Head,
        end: Head,
        touches: Touches,
        wide: list[WideTouch],
        occurred: list[OccurredSpan],
        *,
        with_table: bool,
    ) -> Self:
        """The bucket of what was gathered."""
        table: Positions | None = None
        relative: Column | None = None
        if with_table:
            positions = np.array([touch.position for touch in wide], dtype=np.int64)
            table = np.unique(np.concatenate((touches.positions, positions)))
            relative = column_in_memory(narrowed(table - before.position))
        spans = np.array(occurred, dtype=np.int64).reshape(-1, 3)
        columns = [column_in_memory(np.ascontiguousarray(spans[:, place])) for place in range(3)]
        return cls(before, end, segments_of(touches, wide, table), relative, (columns[0], columns[1], columns[2]))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The bucket in a file. Raises `DamagedRun`."""
        file = ColumnFile(path)
        facts = file.facts(BucketFacts)
        segments = [Segment(*(file.column(f"{number}.{part}") for part in _PARTS)) for number in range(facts.segments)]
        occurred = file.column("occurred.positions"), file.column("occurred.first"), file.column("occurred.last")
        return cls(_head(facts.before), _head(facts.end), segments, file.column("table"), occurred)

    def save(self, path: Path) -> None:
        """Writes it to a file. Raises `OSError`."""
        table = np.zeros(0, dtype=np.uint8) if self._table is None else self._table.all()
        columns: dict[str, AnyColumn] = {"table": table}
        for name, column in zip(("positions", "first", "last"), self._occurred, strict=True):
            columns[f"occurred.{name}"] = column.all()
        for number, segment in enumerate(self.segments):
            columns |= {f"{number}.{part}": column.all() for part, column in zip(_PARTS, segment, strict=True)}
        facts = BucketFacts(FORMAT, _told(self.before), _told(self.end), len(self.segments))
        write_columns(path, facts, columns)

    # Answers. All raise `DamagedRun`.

    def value(self, cell: int, at: int) -> int | None:
        """What the cell was worth at a position, by its touches here; None where there are none up to then."""
        limit, best, value = self._limit(at), -1, None
        for segment in self.segments:
            place = segment.newest(cell, limit)
            if place is not None:
                commit = segment.commits.one(place)
                if commit > best:
                    best, value = commit, segment.value(place)
        return value

    def newest_of_all(self, first: int, end: int, at: int) -> Iterator[tuple[Any, Any, list[int] | AnyColumn]]:
        """For each class of touches what `Segment.newest_of_all` gives of the cells up to a position."""
        limit = self._limit(at)
        for segment in self.segments:
            yield segment.newest_of_all(first, end, limit)

    def touched(self, cells: tuple[int, ...], after: int, upto: int) -> list[int]:
        """The positions above `after`, up to `upto`, at which commits end that touched one of the cells, in order."""
        low, high = self._limit(after), self._limit(upto)
        found: list[AnyColumn] = []
        for segment in self.segments:
            for cell in cells:
                start, stop = segment.span(cell)
                if start < stop:
                    commits = segment.commits.part(start, stop)
                    found.append(commits[np.searchsorted(commits, low) : np.searchsorted(commits, high)].astype(np.int64))
        if not found:
            return []
        commits = found[0] if len(found) == 1 else np.unique(np.concatenate(found))
        if self._table is None or not len(commits):
            return commits.tolist()
        self._table.check(int(commits[0]), int(commits[-1]) + 1)
        return (self._table.array[commits].astype(np.int64) + self.before.position).tolist()

    def occurred(self) -> tuple[AnyColumn, AnyColumn, AnyColumn]:
        """Of the commits that say of time the positions at which they end, and from when to when that was."""
        positions, first, last = (column.all() for column in self._occurred)
        return positions, first, last

    def _limit(self, at: int) -> int:
        """What every commit up to a position is below."""
        if self._table is None:
            return at + 1
        relative = at - self.before.position
        return 0 if relative < 0 else int(np.searchsorted(self._table.all(), relative, "right"))


def _told(head: Head) -> tuple[int, str, int]:
    return head.position, head.digest.hex(), head.recorded_at


def _head(told: tuple[int, str, int]) -> Head:
    return Head(told[0], bytes.fromhex(told[1]), told[2])
