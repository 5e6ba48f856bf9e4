"""A bucket: the touches of the commits of one span of the journal, sorted, in a file or in memory. It never changes.

Buckets follow one another as the journal's spans do, and each says at which commits it begins and ends, with their digests.
They are never merged: what every cell was worth at a time is put together faster out of columns in the order of time.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Numbers
from tallystick.infrastructure.indexes.past.buckets.changes import KINDS, SortedChanges, sorted_changes
from tallystick.infrastructure.indexes.past.buckets.gathering import Gathered, OccurredSpan
from tallystick.infrastructure.indexes.past.buckets.touches import (
    Positions,
    Segment,
    Spans,
    distinct,
    is_first,
    narrowed,
    segments_of,
)
from tallystick.infrastructure.indexes.past.column_blocks import AnyColumn, Column, ColumnFile, column_in_memory, write_columns
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.format import Head

FORMAT = 1


class BucketFacts(msgspec.Struct, frozen=True):
    """What a bucket's file says of it: the heads before and at its end, how many classes of touches there are, and which kinds
    of changes.
    """

    format: int
    before: tuple[int, str, int]
    end: tuple[int, str, int]
    segments: int
    changes: list[str]


class Bucket:
    """The touches of what was recorded from `before` up to `end`."""

    def __init__(
        self,
        before: Head,
        end: Head,
        segments: list[Segment],
        changes: Mapping[str, SortedChanges],
        table: Column | None,
        occurred: tuple[Column, ...],
    ) -> None:
        """`table`: the positions, above that of `before`, at which commits end; without one columns have positions."""
        self.before = before
        self.end = end
        self.segments = segments
        self._changes = changes
        self._table = table
        self._occurred = occurred

    @classmethod
    def of(cls, before: Head, end: Head, gathered: Gathered, *, with_table: bool) -> Self:
        """The bucket of what was gathered."""
        table: Positions | None = None
        relative: Column | None = None
        if with_table:
            table = _positions(gathered)
            relative = column_in_memory(narrowed(table - before.position))
        changes = {kind: sorted_changes(rows, table) for kind, rows in gathered.changes.items() if rows}
        spans = np.array(gathered.occurred, dtype=np.int64).reshape(-1, 3)
        occurred = tuple(column_in_memory(np.ascontiguousarray(spans[:, place])) for place in range(3))
        return cls(before, end, segments_of(gathered.touches, gathered.wide, table), changes, relative, occurred)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The bucket in a file. Raises `DamagedRun`."""
        file = ColumnFile(path)
        facts = file.facts(BucketFacts)
        if facts.format != FORMAT:
            raise DamagedRun(f"{path} is of format {facts.format}")
        segments = [Segment(_spans(file, f"{number}"), file.column(f"{number}.values")) for number in range(facts.segments)]
        changes = {
            kind: SortedChanges(_spans(file, kind), tuple(file.column(f"{kind}.{name}") for name in KINDS[kind]))
            for kind in facts.changes
            if kind in KINDS
        }
        occurred = tuple(file.column(f"occurred.{name}") for name in OccurredSpan._fields)
        return cls(_head(facts.before), _head(facts.end), segments, changes, file.column("table"), occurred)

    def save(self, path: Path) -> None:
        """Writes it to a file. Raises `OSError`."""
        columns: dict[str, Column] = {} if self._table is None else {"table": self._table}
        columns |= {f"occurred.{name}": each for name, each in zip(OccurredSpan._fields, self._occurred, strict=True)}
        for number, segment in enumerate(self.segments):
            columns |= _named(segment.spans, f"{number}") | {f"{number}.values": segment.values}
        for kind, changes in self._changes.items():
            columns |= _named(changes.spans, kind)
            columns |= {f"{kind}.{name}": column for name, column in zip(KINDS[kind], changes.columns, strict=True)}
        facts = BucketFacts(FORMAT, _told(self.before), _told(self.end), len(self.segments), list(self._changes))
        write_columns(path, facts, {name: column.all() for name, column in columns.items()})

    @property
    def size(self) -> int:
        """How many touches and changes there are."""
        touches = sum(len(segment.values.array) for segment in self.segments)
        return touches + sum(len(changes.spans.commits.array) for changes in self._changes.values())

    def opened(self) -> Self:
        """This very one: it is in memory."""
        return self

    def check_is(self, before: Head, end: Head) -> None:
        """Raises `DamagedRun` where it is another one."""
        if (self.before, self.end) != (before, end):
            raise DamagedRun(f"a bucket ends at position {self.end.position} now, and not at {end.position}")

    # Answers. All raise `DamagedRun`.

    def value(self, cell: int, at: int) -> int | None:
        """What the cell was worth at a position, by its touches here; None where there are none up to then."""
        limit, best, value = self._limit(at), -1, None
        for segment in self.segments:
            place = segment.newest(cell, limit)
            if place is not None:
                commit = segment.spans.commits.one(place)
                if commit > best:
                    best, value = commit, segment.values.one(place)
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
                start, stop = segment.spans.span(cell)
                if start < stop:
                    commits = segment.spans.commits.part(start, stop)
                    found.append(commits[np.searchsorted(commits, low) : np.searchsorted(commits, high)].astype(np.int64))
        if not found:
            return []
        commits = found[0] if len(found) == 1 else np.unique(np.concatenate(found))
        if self._table is None or not len(commits):
            return commits.tolist()
        self._table.check(int(commits[0]), int(commits[-1]) + 1)
        return (self._table.array[commits].astype(np.int64) + self.before.position).tolist()

    def changes(self, kind: str, cell: int, at: int) -> list[Numbers]:
        """The columns of the changes of a cell up to a position; none where there are no changes of this kind."""
        found = self._changes.get(kind)
        return [] if found is None else found.upto(cell, self._limit(at))

    def occurred_at(self, position: int) -> tuple[int, int] | None:
        """From when to when what a commit recorded occurred, which ends at a position; None where it says nothing of time."""
        positions, first, last = self._occurred
        place = int(np.searchsorted(positions.all(), position))
        if place == len(positions.array) or positions.one(place) != position:
            return None
        return first.one(place), last.one(place)

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


def _positions(gathered: Gathered) -> Positions:
    """Where the commits end in which something was gathered, in order."""
    loose = [touch.position for touch in gathered.wide]
    for changes in gathered.changes.values():
        loose += [change.position for change in changes]
    positions = gathered.touches.positions
    return distinct(np.concatenate((positions[is_first(positions)], np.array(loose, dtype=np.int64))))


def _spans(file: ColumnFile, name: str) -> Spans:
    return Spans(*(file.column(f"{name}.{part}") for part in Spans._fields))


def _named(spans: Spans, name: str) -> dict[str, Column]:
    return {f"{name}.{part}": column for part, column in zip(Spans._fields, spans, strict=True)}


def _told(head: Head) -> tuple[int, str, int]:
    return head.position, head.digest.hex(), head.recorded_at


def _head(told: tuple[int, str, int]) -> Head:
    return Head(told[0], bytes.fromhex(told[1]), told[2])
