"""The columns of many movements at once: of rows of a batch, and of the shares of a distribution."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Numbers
from tallystick.domain.batch.batch import Batch
from tallystick.domain.batch.texts import TextColumn
from tallystick.domain.events import Distributed
from tallystick.projections.movements.amounts import amount_columns
from tallystick.projections.movements.cells import RESERVE_CELL, Cells
from tallystick.projections.movements.names import NamesColumn
from tallystick.projections.movements.rows import times
from tallystick.projections.movements.schema import pyarrow


class Shared(NamedTuple):
    """What so many `rows` have in common: their entry, its times in microseconds, its reference, and the token."""

    rows: int
    entry_id: int
    recorded_at: int
    occurred_at: int
    reference: str | None
    token: str

    def numbers(self, number: int) -> Any:
        """A column of one number."""
        return pyarrow().array(np.full(self.rows, number, dtype=np.int64))

    def texts(self, text: str | None) -> Any:
        """A column of one text, or of none."""
        arrow = pyarrow()
        return arrow.nulls(self.rows, arrow.string()) if text is None else arrow.repeat(arrow.scalar(text), self.rows)

    def times(self, microseconds: int) -> Any:
        """A column of one time."""
        return times(np.full(self.rows, microseconds, dtype=np.int64))

    def no(self) -> Any:
        """A column of false."""
        return pyarrow().repeat(False, self.rows)


def batch_columns(shared: Shared, batch: Batch, first_row: int, position: int, names: NamesColumn) -> list[Any]:
    """The rows of a batch from `first_row` on, which stands at `position`, as many as are `shared`."""
    arrow, chosen = pyarrow(), slice(first_row, first_row + shared.rows)
    positions = arrow.array(np.arange(position, position + shared.rows))
    no = shared.no()
    return [
        positions,
        shared.numbers(shared.entry_id),
        positions,
        shared.times(shared.recorded_at),
        shared.times(shared.occurred_at) if batch.times is None else times(batch.times[chosen]),
        _kinds(shared, batch, chosen, names),
        shared.texts(shared.token),
        shared.texts(None) if batch.senders is None else names.take(batch.names, batch.senders[chosen]),
        shared.texts(None) if batch.receivers is None else names.take(batch.names, batch.receivers[chosen]),
        no,
        no,
        *amount_columns(batch.amounts[chosen]),
        shared.texts(batch.memo) if batch.memos is None else _texts(batch.memos, chosen),
        shared.texts(shared.reference) if batch.refs is None else _references(batch.refs, chosen, shared.reference),
        shared.texts(None),
    ]


def share_columns(shared: Shared, position: int, event: Distributed, accounts: Sequence[str], amounts: Numbers) -> list[Any]:
    """What these accounts get of a distribution, which is no movement of its own, and so has no transaction's id."""
    arrow, no = pyarrow(), shared.no()
    return [
        shared.numbers(position),
        shared.numbers(shared.entry_id),
        arrow.nulls(shared.rows, arrow.int64()),
        shared.times(shared.recorded_at),
        shared.times(shared.occurred_at),
        shared.texts("distribution"),
        shared.texts(shared.token),
        shared.texts(event.source),
        arrow.array(accounts, arrow.string()),
        no,
        no,
        *amount_columns(amounts),
        shared.texts(event.memo),
        shared.texts(shared.reference),
        shared.texts(None),
    ]


def batch_cells(shared: Shared, batch: Batch, first_row: int, cells: Cells) -> list[Any]:
    """The numbers of the cells of both sides of these rows."""
    chosen = slice(first_row, first_row + shared.rows)
    return [
        shared.numbers(RESERVE_CELL)
        if numbers is None
        else pyarrow().array(cells.many(batch.token, batch.names, numbers[chosen]))
        for numbers in (batch.senders, batch.receivers)
    ]


def share_cells(shared: Shared, event: Distributed, accounts: Sequence[str], cells: Cells) -> list[Any]:
    """The same of shares."""
    receivers = [cells.one(shared.token, account) for account in accounts]
    return [shared.numbers(cells.one(shared.token, event.source)), pyarrow().array(receivers, pyarrow().int64())]


def _kinds(shared: Shared, batch: Batch, chosen: slice, names: NamesColumn) -> Any:
    """As `kind_of_row` tells them: what is minted to one account alone is the seats'."""
    if batch.receivers is None:
        return shared.texts("burn")
    if batch.senders is not None:
        return shared.texts("transfer")
    names.know(batch.names)
    if names.seats is None:
        return shared.texts("mint")
    arrow = pyarrow()
    is_of_seats = (batch.receivers[chosen] == names.seats).astype(np.int64)
    return arrow.array(["mint", "seats"]).take(arrow.array(is_of_seats))


def _texts(column: TextColumn, chosen: slice) -> Any:
    arrow = pyarrow()
    if column.numbers is not None:
        return arrow.array(column.texts, arrow.string()).take(arrow.array(column.numbers[chosen]))
    if len(column.texts) == len(column):
        return arrow.array(column.texts[chosen], arrow.string())
    return arrow.repeat(arrow.scalar(column.texts[0], arrow.string()), chosen.stop - chosen.start)


def _references(column: TextColumn, chosen: slice, otherwise: str | None) -> Any:
    """A row that has none of its own has the entry's."""
    texts = _texts(column, chosen)
    return texts if otherwise is None else texts.fill_null(otherwise)
