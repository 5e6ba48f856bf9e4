"""The rows of a table of what there is, as they stand in a sink: which number each has, and what has to go and come for others.

Most projections say what rows they have, not which of them are new; so all are gone through, and only those are written that
did not stand there. A table may have the same row twice then. A projection that has `changes` says which are new, by a key.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from operator import itemgetter
from typing import Any

from tallystick.domain.errors import InvalidRequest, RebuildDiffers
from tallystick.infrastructure.rebuild.check import readable
from tallystick.infrastructure.rebuild.columns import CHUNK_ROWS, batch_of, pyarrow
from tallystick.infrastructure.rebuild.sinks.port import Replaced, Sink
from tallystick.projections.tables import Changes, Shape, Table

Row = tuple[Any, ...]
_AGAIN = object()
"""What the key of a row begins with that was there already."""


class ShownRows:
    """The rows of one table by their numbers."""

    def __init__(self, table: Table, numbers: dict[Row, int]) -> None:
        self.shape = table.shape
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
                number = first + len(added)
                added.append(row)
            self._numbers[key] = number
        return self._replaced(sink, sorted(before.values()), added, len(self._numbers))

    def _replaced(self, sink: Sink, gone: Sequence[int], added: Sequence[Sequence[Any]], rows: int) -> Replaced | None:
        if not gone and not added:
            return None
        first, self._next = self._next, self._next + len(added)
        return Replaced(self.shape, gone, sink.kept(batch_of(self.shape, added)), first, rows)


class KeyedRows(ShownRows):
    """The same of a table whose rows are found by a key, each by one."""

    def __init__(self, table: Table, numbers: dict[Row, int]) -> None:
        super().__init__(table, {})
        if not table.key:
            raise InvalidRequest(
                f"{table.name} has no key by which its changes() could find a row: give (name, columns, rows, key)"
            )
        columns = list(table.columns)
        self._key = itemgetter(*(columns.index(name) for name in table.key))
        self._numbers = {self._key(row): number for row, number in numbers.items() if row[0] is not _AGAIN}
        if len(self._numbers) < len(numbers):
            raise InvalidRequest(
                f"{table.name} has two rows with one key ({', '.join(table.key)}): only tables() can be followed"
            )
        self._next = max(numbers.values(), default=-1) + 1

    def changed_by(self, sink: Sink, changes: Changes) -> Replaced | None:
        """What makes them those that a projection now has; it says which are new, other or gone."""
        gone = [self._numbers.pop(self._key_of(key)) for key in changes.gone if self._key_of(key) in self._numbers]
        added: list[Sequence[Any]] = []
        for row in changes.rows:
            key = self._key(row)
            number = self._numbers.get(key)
            if number is not None:
                gone.append(number)
            self._numbers[key] = self._next + len(added)
            added.append(row)
        return self._replaced(sink, gone, added, len(self._numbers))

    def _key_of(self, key: Sequence[Any]) -> Any:
        """A key as `itemgetter` gives it: a single value bare."""
        return key[0] if len(key) == 1 else tuple(key)


def _each_once(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Row, Sequence[Any]]]:
    """The rows, each with what it is known by: itself, and for one that was there already which one of its like it is."""
    seen = set[Row]()
    again = Counter[Row]()
    for row in rows:
        key = tuple(row)
        if key in seen:
            again[key] += 1
            yield (_AGAIN, again[key], *key), row
        else:
            seen.add(key)
            yield key, row


def numbers_of(sink: Sink, version: int, table: Table) -> dict[Row, int]:
    """The numbers of the rows that stand in a table, which have to be its rows in whatever order. Raises `RebuildDiffers`."""
    shape, rows = table.shape, table.rows
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
    return numbers


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
