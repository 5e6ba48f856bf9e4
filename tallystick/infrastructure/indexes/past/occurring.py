"""From when to when what a row recorded occurred, where the row says something of it."""

from collections.abc import Callable, Sequence

from tallystick.domain.batch.batch import numbered, read_batch
from tallystick.domain.events import NOTED_BATCHES
from tallystick.infrastructure.indexes.past.buckets.gathering import OccurredSpan
from tallystick.infrastructure.journal.details import decode_details
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow, decode_counts


def occurred_span(
    row: JournalRow, events: Sequence[JournalEvent], names_of: Callable[[str], Sequence[str]]
) -> OccurredSpan | None:
    """The span of all times in the row; None where all of it occurred when it was recorded. Raises `CorruptJournal`."""
    if row.details is None:
        return None
    details = decode_details(row)
    times = [each.at for each in details.values() if each.at is not None]
    if len(times) < len(decode_counts(row)):
        times.append(row.recorded_at)
    for _, event in numbered(events, row.first_position):
        if isinstance(event, NOTED_BATCHES) and event.notes.unit:
            column = read_batch(event, names_of(event.token)).times
            if column is not None and len(column):
                times += [int(column.min()), int(column.max())]
    first, last = min(times), max(times)
    return None if first == last == row.recorded_at else OccurredSpan(row.last_position, first, last)
