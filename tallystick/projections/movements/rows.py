"""Rows of movements: gathered one by one or in columns, and given in record batches of a size, in their order."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Column, as_numbers
from tallystick.domain.entry.kinds import Kind
from tallystick.projections.movements.amounts import amount_columns
from tallystick.projections.movements.cells import Cells
from tallystick.projections.movements.schema import movement_schema, numbered_schema, pyarrow


class Row(NamedTuple):
    """One movement. Times are in microseconds since 1970 in UTC."""

    position: int
    entry_id: int
    transaction_id: int | None
    recorded_at: int
    occurred_at: int
    kind: Kind
    token: str
    sender: str | None
    receiver: str | None
    sender_held: bool
    receiver_held: bool
    amount: int
    memo: str
    reference: str | None
    hold: str | None


_AMOUNT = Row._fields.index("amount")


class Rows:
    """What was gathered and not given yet. As many rows are given at once as `batch_rows`, and the rest at the end.

    With `cells` they have the numbers of their cells too.
    """

    def __init__(self, batch_rows: int, cells: Cells | None = None) -> None:
        self._size = batch_rows
        self._cells = cells
        self._schema = movement_schema() if cells is None else numbered_schema()
        self._rows: list[Row] = []
        self._parts: list[Any] = []
        self._count = 0

    @property
    def room(self) -> int:
        """How many rows there are to come before a record batch is full; 1 or more."""
        return self._size - self._count - len(self._rows)

    def add(self, row: Row) -> bool:
        """Adds a row; true where a record batch is full."""
        self._rows.append(row)
        return self._count + len(self._rows) >= self._size

    def add_columns(self, columns: Sequence[Any]) -> bool:
        """Adds rows, no more than there is room for, in the columns of the schema."""
        self._settle()
        part = pyarrow().RecordBatch.from_arrays(columns, schema=self._schema)
        self._parts.append(part)
        self._count += len(part)
        return self._count >= self._size

    def take(self) -> Iterator[Any]:
        """The record batch of all that was gathered, if that is anything."""
        self._settle()
        if not self._parts:
            return
        parts, self._parts, self._count = self._parts, [], 0
        if len(parts) == 1:
            yield parts[0]
        else:
            yield from pyarrow().Table.from_batches(parts).combine_chunks().to_batches()

    def _settle(self) -> None:
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        arrow, schema, cells = pyarrow(), self._schema, self._cells
        given = list(zip(*rows, strict=True))
        columns = [_column(arrow, values, field.type) for values, field in zip(given[:_AMOUNT], schema, strict=False)]
        columns += amount_columns(as_numbers(given[_AMOUNT]))
        columns += [arrow.array(values, arrow.string()) for values in given[_AMOUNT + 1 :]]
        if cells is not None:
            columns.append(arrow.array([cells.one(row.token, row.sender) for row in rows], arrow.int64()))
            columns.append(arrow.array([cells.one(row.token, row.receiver) for row in rows], arrow.int64()))
        self._parts.append(arrow.RecordBatch.from_arrays(columns, schema=schema))
        self._count += len(rows)


def _column(arrow: Any, values: Sequence[Any], kind: Any) -> Any:
    if arrow.types.is_timestamp(kind):
        return times(np.array(values, dtype=np.int64))
    return arrow.array(values, kind)


def times(microseconds: Column) -> Any:
    """A column of times."""
    arrow = pyarrow()
    return arrow.array(microseconds).view(arrow.timestamp("us", "UTC"))
