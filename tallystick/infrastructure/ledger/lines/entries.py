"""Entries: a row of the journal taken apart into the atomic blocks that were committed in it."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from tallystick.domain.batch.batch import numbered
from tallystick.infrastructure.journal.details import Details, decode_details
from tallystick.infrastructure.journal.format import JournalRow, decode_counts, decode_events


class Beside(NamedTuple):
    """What stands beside the events of an entry: when it happened, in microseconds in UTC, and the caller's reference."""

    occurred_at: int
    reference: str | None


class EntryEvents(NamedTuple):
    """One entry: the positions that it takes, when it was recorded, its events, and what stands beside them."""

    first_position: int
    last_position: int
    recorded_at: int
    events: Sequence[Any]
    details: Beside


def _beside(row: JournalRow, details: Details | None) -> Beside:
    """Where nothing else is said, it happened when it was recorded."""
    if details is None:
        return Beside(row.recorded_at, None)
    return Beside(row.recorded_at if details.at is None else details.at, details.ref)


def entries_of(row: JournalRow) -> Iterator[EntryEvents]:
    """The entries of a row, in order; `CorruptJournal` where it cannot be read."""
    counts = decode_counts(row)
    events, details = decode_events(row), decode_details(row)
    if len(counts) == 1:
        yield EntryEvents(row.first_position, row.last_position, row.recorded_at, events, _beside(row, details.get(0)))
        return
    firsts = [position for position, _ in numbered(events, row.first_position)]
    index = 0
    for number, last in enumerate(accumulate(counts, initial=row.first_position - 1)):
        if not number:
            continue
        start = index
        while index < len(firsts) and firsts[index] <= last:
            index += 1
        first = last - counts[number - 1] + 1
        yield EntryEvents(first, last, row.recorded_at, events[start:index], _beside(row, details.get(number - 1)))
