"""Rows as Arrow batches: how each kind of column lies in one, and the digest of what lies there.

What is written, what is read back and what is compared are such batches, in whatever store they stood meanwhile. Amounts are
texts of digits, so that none is too large, and times are in microseconds and UTC.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.instant import to_microseconds
from tallystick.projections.tables import Kind, Shape

CHUNK_ROWS = 65_536


def pyarrow(part: str = "") -> Any:
    """The library, or a part of it such as "csv", imported when something is rebuilt. Raises `InvalidRequest`."""
    try:
        return import_module(f"pyarrow.{part}" if part else "pyarrow")
    except ImportError as error:
        raise InvalidRequest('a rebuild needs pyarrow: pip install "tallystick[arrow]"') from error


def type_of(kind: Kind) -> Any:
    """The Arrow type of a kind."""
    arrow = pyarrow()
    types: dict[Kind, Callable[[], Any]] = {
        "text": arrow.string,
        "int": arrow.int64,
        "amount": arrow.string,
        "time": lambda: arrow.timestamp("us", tz="UTC"),
        "bool": arrow.bool_,
    }
    return types[kind]()


def schema_of(shape: Shape) -> Any:
    """The Arrow schema of a table."""
    return pyarrow().schema([(name, type_of(kind)) for name, kind in shape.columns.items()])


def batches_of(shape: Shape, rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
    """The rows as batches of `CHUNK_ROWS`; `InvalidRequest` where a value is not of its column's kind."""
    left = iter(rows)
    while chunk := list(islice(left, CHUNK_ROWS)):
        yield batch_of(shape, chunk)


def batch_of(shape: Shape, rows: Sequence[Sequence[Any]]) -> Any:
    """The same of rows that make one batch."""
    arrow = pyarrow()
    width = len(shape.columns)
    for row in rows:
        if len(row) != width:
            raise InvalidRequest(f"a row of {shape.name} has {len(row)} values for {width} columns: {row!r:.120}")
    columns: list[Any] = []
    for at, (name, kind) in enumerate(shape.columns.items()):
        convert = _CONVERT.get(kind)
        try:
            values = [row[at] for row in rows]
            if convert is not None:
                values = [None if value is None else convert(value) for value in values]
            columns.append(arrow.array(values, type_of(kind)))
        except (arrow.ArrowException, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise InvalidRequest(f"{shape.name}.{name} is of the kind {kind}, and has something else in it: {error}") from error
    return arrow.record_batch(columns, schema=schema_of(shape))


def _whole(value: Any) -> Any:
    """A number that is whole; a truth is none."""
    if type(value) is not int:
        raise TypeError(f"{value!r:.80} is no int")
    return value


def _time(value: Any) -> int:
    return to_microseconds(value) if isinstance(value, datetime) else _whole(value)


_CONVERT: dict[Kind, Callable[[Any], Any]] = {"int": _whole, "amount": lambda value: str(_whole(value)), "time": _time}


def digest_of(batches: Iterable[Any]) -> str:
    """SHA-256, in hex, of the rows in their order, in whatever batches they come; None and an empty text are not the same."""
    found = hashlib.sha256()
    given = list(batches)
    table = pyarrow().Table.from_batches(given) if given else None
    if table is not None and table.num_rows:
        found.update(b"%d" % table.num_rows)
        for column in table.columns:
            for part in _bytes_of(column.combine_chunks()):
                found.update(part)
    return found.hexdigest()


def _bytes_of(column: Any) -> Iterator[Any]:
    """A column as bytes that do not depend on what Arrow had it in: which values are none, their lengths, and the values."""
    arrow, compute = pyarrow(), pyarrow("compute")
    if isinstance(column, arrow.ChunkedArray):
        column = column.chunk(0)
    yield str(column.type).encode()
    yield column.is_valid().cast(arrow.uint8()).to_numpy()
    if not arrow.types.is_string(column.type):
        numbers = arrow.uint8() if arrow.types.is_boolean(column.type) else arrow.int64()
        yield column.cast(numbers).fill_null(0).to_numpy()
        return
    texts = column.fill_null("")
    yield compute.binary_length(texts).to_numpy()
    _, offsets, characters = texts.buffers()
    first, last = np.frombuffer(offsets, dtype=np.int32)[[texts.offset, texts.offset + len(texts)]].tolist()
    yield memoryview(characters or b"")[first:last]


class Cutter:
    """Batches that come in whatever sizes, taken in pieces of so many rows as are asked for."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = iter(batches)
        self._left: Any = None

    def take(self, rows: int) -> Iterator[Any]:
        """The next rows, as few batches; fewer rows where there are no more."""
        while rows:
            batch = self._next()
            if batch is None:
                return
            yield batch.slice(0, rows)
            if batch.num_rows > rows:
                self._left = batch.slice(rows)
            rows -= min(rows, batch.num_rows)

    def rest(self) -> Iterator[Any]:
        """All rows that were not taken."""
        while (batch := self._next()) is not None:
            yield batch

    def has_more(self) -> bool:
        """Whether there are rows that were not taken."""
        self._left = self._next()
        return self._left is not None

    def _next(self) -> Any:
        batch, self._left = self._left, None
        while batch is None or not batch.num_rows:
            batch = next(self._batches, None)
            if batch is None:
                return None
        return batch
