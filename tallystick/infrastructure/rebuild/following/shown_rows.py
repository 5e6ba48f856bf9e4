"""The rows of a table of what there is, as they stand in a sink: which number each has, and what has to go and come for others.

A projection says what rows it has now, not which of them are new; so all are gone through, and only those are written that did
not stand there. A table may have the same row twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from tallystick.domain.errors import RebuildDiffers
from tallystick.infrastructure.rebuild.check import readable
from tallystick.infrastructure.rebuild.columns import CHUNK_ROWS, batch_of, pyarrow
from tallystick.infrastructure.rebuild.sinks.port import Replaced, Sink
from tallystick.projections.tables import Shape

Row = tuple[Any, ...]


class ShownRows:
    """The rows of one table by their numbers."""

    def __init__(self, shape: Shape, numbers: dict[Row, int]) -> None:
        self.shape = shape
        self._numbers = numbers
        self._next = max(numbers.values(), default=-1) + 1

    def replaced_by(self, sink: Sink, rows: Iterable[Sequence[Any]]) -> Replaced | None:
        """What makes them these rows; None where they are."""
        before = self._numbers
        self._numbers = dict[Row, int]()
        added: list[Sequence[Any]] = []
        first = self._next
        for key, row in _each_once(rows):
            number = before.pop(key, None)
            if number is None:
                number, self._next = self._next, self._next + 1
                added.append(row)
            self._numbers[key] = number
        if not added and not before:
            return None
        return Replaced(self.shape, sorted(before.values()), sink.kept(batch_of(self.shape, added)), first, len(self._numbers))


def _each_once(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Row, Sequence[Any]]]:
    """The rows, each with what it is known by: itself, and for one that was there already which one of its like it is."""
    seen = set[Row]()
    again = Counter[Row]()
    for row in rows:
        key = tuple(row)
        if key in seen:
            again[key] += 1
            yield (key, again[key]), row
        else:
            seen.add(key)
            yield key, row


def shown_rows(sink: Sink, version: int, shape: Shape, rows: Iterable[Sequence[Any]]) -> ShownRows:
    """The rows that stand in a table, which have to be `rows` in whatever order. Raises `RebuildDiffers`."""
    stored = _stored(sink, version, shape)
    numbers: dict[Row, int] = {}
    left = _each_once(rows)
    while chunk := list(islice(left, CHUNK_ROWS)):
        batch = sink.kept(batch_of(shape, [row for _, row in chunk]))
        for (key, row), as_stored in zip(chunk, _rows_of(batch), strict=True):
            found = stored.get(as_stored)
            if not found:
                raise RebuildDiffers(f"the row {row!r:.200} does not stand there", table=shape.name)
            numbers[key] = found.pop()
    for row, found in stored.items():
        if found:
            raise RebuildDiffers(f"a row {row!r:.200} stands there that there is not", table=shape.name)
    return ShownRows(shape, numbers)


def _stored(sink: Sink, version: int, shape: Shape) -> dict[Row, list[int]]:
    """The numbers of each row that stands there."""
    numbers = iter(sink.numbers(version, shape))
    stored = defaultdict[Row, list[int]](list)
    with readable(shape), closing(sink.read(version, shape)) as batches:
        for batch in batches:
            for row in _rows_of(batch):
                stored[row].append(next(numbers))
    return stored


def _rows_of(batch: Any) -> Iterator[Row]:
    """The rows of a batch, with times in microseconds."""
    arrow = pyarrow()
    columns = [column.cast(arrow.int64()) if arrow.types.is_timestamp(column.type) else column for column in batch.columns]
    return zip(*(column.to_pylist() for column in columns), strict=True)
