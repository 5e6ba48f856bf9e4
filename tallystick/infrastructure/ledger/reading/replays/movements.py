"""The movements of a ledger: its rows, from the first or from a position on, made into Arrow's columns as they are read."""

from collections.abc import Iterator
from typing import Any

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.integers import as_int
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.lines.entries import entries_of
from tallystick.infrastructure.ledger.reading.replays.beginning import Beginning, beginning_after
from tallystick.infrastructure.ledger.reading.replays.rows import rows_between
from tallystick.projections.movements.cells import Cells
from tallystick.projections.movements.movements import EntryEvents, Movements
from tallystick.projections.movements.schema import pyarrow

BATCH_ROWS = 65_536


def movements_of(core: LedgerCore, after: int, batch_rows: int, cells: Cells | None = None) -> Iterator[Any]:
    """Record batches of all movements behind position `after`, up to where the journal ends now; with the numbers of `cells`.

    What is wrong with the arguments is raised at once: `InvalidPosition`, `InvalidRequest`.
    """
    core.check_open()
    rows = as_int(batch_rows)
    if rows is None or rows < 1:
        raise InvalidRequest(f"batch_rows is an int, 1 or more, not {batch_rows!r}")
    pyarrow()
    beginning = beginning_after(core, after)
    return _movements(core, beginning, after, core.journal.head().position, rows, cells)


def _movements(
    core: LedgerCore, beginning: Beginning, after: int, upto: int, batch_rows: int, cells: Cells | None
) -> Iterator[Any]:
    made = Movements(batch_rows, beginning.apps(), beginning.names_of, beginning.available_of, cells)
    for row in rows_between(core.journal, beginning.head, upto):
        core.check_open()
        for entry in entries_of(row):
            first_position, _, recorded_at, events, (occurred_at, reference) = entry
            yield from made.add(EntryEvents(first_position, recorded_at, occurred_at, reference, events), after)
    yield from made.rest()
