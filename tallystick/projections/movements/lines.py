"""Lines in columns: what each movement did to each cell that it touched, with what the cell had after it.

They are those that `Line` tells of one account, for all accounts side by side, made of record batches of movements. The supply
reserve has none. `account` is the cell: one that crosses over stands under both of its names.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.cells import is_crossing
from tallystick.projections.lines import party
from tallystick.projections.movements.cells import RESERVE_CELL, Cells
from tallystick.projections.movements.line_changes import ALL_SHARES, TAKER, LineChanger, LineChanges
from tallystick.projections.movements.schema import pyarrow
from tallystick.projections.tables import Kind

LINE_COLUMNS: Mapping[str, Kind] = {
    "position": "int",
    "entry_id": "int",
    "transaction_id": "int",
    "kind": "text",
    "token": "text",
    "account": "text",
    "counterparty": "text",
    "change": "amount",
    "reserved_change": "amount",
    "available": "amount",
    "reserved": "amount",
    "memo": "text",
    "reference": "text",
    "hold": "text",
    "recorded_at": "time",
    "occurred_at": "time",
}
"""Those of a `Line`."""

_AMOUNTS = tuple(name for name, kind in LINE_COLUMNS.items() if kind == "amount")


class Lines:
    """Makes lines of movements that have the numbers of `cells`, and are added in the order of the journal from the first on.

    The lines of the distribution at `open_position` are not all given yet: its last share may come, and who gave it all.
    """

    def __init__(self) -> None:
        self.cells = Cells()
        self.open_position: int | None = None
        self._changer = LineChanger()
        self._left: Any = None

    def add(self, movements: Any, after: int = 0) -> Any:
        """The lines of these movements that are behind position `after`, as a record batch; None where there are none.

        A share that comes last is kept for the next time, when it is known whether it is the last of its distribution.
        """
        if self._left is not None:
            movements = pyarrow().Table.from_batches([self._left, movements]).combine_chunks().to_batches()[0]
            self._left = self.open_position = None
        last = len(movements) - 1
        if movements.column("transaction_id")[last].is_valid:
            return self._lines(movements, after, -1)
        self._left = movements.slice(last)
        position: int = self._left.column("position")[0].as_py()
        self.open_position = position
        return self._lines(movements.slice(0, last), after, position) if last else None

    def rest(self, after: int = 0) -> Any:
        """The lines of what was kept, if there are any."""
        left, self._left, self.open_position = self._left, None, None
        return None if left is None else self._lines(left, after, -1)

    def _lines(self, movements: Any, after: int, next_position: int) -> Any:
        changes = self._changer.take(movements, next_position)
        positions = movements.column("position").to_numpy()[changes.rows]
        if not len(positions) or positions[-1] <= after:
            return None
        lines = self._batch(movements, changes)
        return lines.slice(int(np.searchsorted(positions, after, side="right"))) if positions[0] <= after else lines

    def _batch(self, movements: Any, changes: LineChanges) -> Any:
        arrow = pyarrow()
        rows = arrow.array(changes.rows)
        names = arrow.concat_arrays([movements.column("sender"), movements.column("receiver")])
        of_receivers = changes.rows + len(movements)
        is_taker = changes.sides == TAKER
        others = arrow.array(np.where(is_taker, changes.rows, of_receivers), mask=changes.sides == ALL_SHARES)
        columns = dict(zip(_AMOUNTS, changes.amounts, strict=True))
        columns["account"] = names.take(arrow.array(np.where(is_taker, of_receivers, changes.rows)))
        columns["counterparty"] = self._parties(movements, changes, columns["account"], names.take(others))
        return arrow.record_batch(
            [columns[name] if name in columns else _taken(movements.column(name), rows) for name in LINE_COLUMNS],
            names=list(LINE_COLUMNS),
        )

    def _parties(self, movements: Any, changes: LineChanges, accounts: Any, others: Any) -> Any:
        """Who stands for the other cells, as `Line` has it: of those that cross over the app."""
        arrow = pyarrow()
        senders: Column = movements.column("sender_cell").to_numpy()
        receivers: Column = movements.column("receiver_cell").to_numpy()
        cells = np.where(changes.sides == TAKER, senders[changes.rows], receivers[changes.rows])
        crossing = self.cells.are_crossing(np.where(changes.sides == ALL_SHARES, RESERVE_CELL, cells))
        if not crossing.any():
            return others
        chosen = arrow.array(np.flatnonzero(crossing))
        both = zip(others.take(chosen).to_pylist(), accounts.take(chosen).to_pylist(), strict=True)
        parties = [party(other, account.split(" ")[1] if is_crossing(account) else account) for other, account in both]
        return pyarrow("compute").replace_with_mask(others, arrow.array(crossing), arrow.array(parties, arrow.string()))


def _taken(column: Any, rows: Any) -> Any:
    """The values at rows."""
    return pyarrow().nulls(len(rows), column.type) if column.null_count == len(column) else column.take(rows)
