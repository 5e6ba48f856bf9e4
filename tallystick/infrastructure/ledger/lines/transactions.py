"""The transactions of an entry: its movements, each with what it was and when, and of a batch each row."""

from collections.abc import Container, Iterator

from tallystick.domain.batch.batch import Batch, read_batch
from tallystick.domain.entry.kinds import kind_of_row, movements
from tallystick.domain.events import BATCHES, BatchEvent
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.lines.apps import Apps
from tallystick.infrastructure.ledger.lines.entries import EntryEvents
from tallystick.projections.transactions import Transaction, transaction_of


def transactions_of(core: LedgerCore, entry: EntryEvents, among: Container[int] | None = None) -> Iterator[Transaction]:
    """All of an entry's, or those at positions `among`, in order."""
    apps, first = Apps(core), entry.first_position
    for position, event, kind in movements(entry.events, first, lambda name: apps.was_app(name, first)):
        if isinstance(event, BATCHES):
            yield from _rows(core, entry, position, event, among)
        elif among is None or position in among:
            found = transaction_of(position, entry.recorded_at, event, first, kind, *entry.details)
            if found is not None:
                yield found


def _rows(
    core: LedgerCore, entry: EntryEvents, position: int, event: BatchEvent, among: Container[int] | None
) -> Iterator[Transaction]:
    with core.locked():
        core.reach_head()  # the names that batches gave up to there are known
        batch: Batch = read_batch(event, core.books.names_of(event.token))
    for row in range(len(batch)):
        if among is None or position + row in among:
            moved, at, reference = batch.event(row), batch.occurred_at(row), batch.reference(row)
            found = transaction_of(
                position + row,
                entry.recorded_at,
                moved,
                entry.first_position,
                kind_of_row(moved),
                entry.details.occurred_at if at is None else at,
                entry.details.reference if reference is None else reference,
            )
            if found is not None:
                yield found
