"""Rows with right digests that no rule made: what whoever can write the file, or may append, can put into a journal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tallystick.domain.batch.batch import positions_of
from tallystick.infrastructure.journal.format import Key, encode_events, make_row, stream_of
from tallystick.infrastructure.journal.port import StreamEntry
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal


def forge(
    path: Path,
    events: Sequence[Any],
    *,
    recorded_at: int | None = None,
    keys: Sequence[Key] = (),
    details: bytes | None = None,
    counts: Sequence[int] | None = None,
) -> int:
    """Appends a row with these events, one transaction if no `counts` say otherwise; gives its first position."""
    journal = SQLiteJournal(path)
    try:
        with journal.writing() as head:
            positions = sum(map(positions_of, events))
            time = head.recorded_at + 1 if recorded_at is None else recorded_at
            body = encode_events(events)
            row = make_row(head.digest, head.position + 1, time, keys, counts or (positions,), body, details)
            journal.append(row, _entries(journal, events, row.first_position))
            return row.first_position
    finally:
        journal.close()


def _entries(journal: SQLiteJournal, events: Sequence[Any], position: int) -> list[StreamEntry]:
    taken: dict[str, int] = {}
    for event in events:
        taken[stream_of(event)] = taken.get(stream_of(event), 0) + positions_of(event)
    last = {name: entry.last_version for name, entry in journal.last_entries(taken).items()}
    return [StreamEntry(name, last.get(name, 0) + 1, last.get(name, 0) + count, position) for name, count in taken.items()]
