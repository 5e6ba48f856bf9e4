"""Where a journal stood at a time, found by halves: times of rows never decrease."""

from typing import cast

from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow
from tallystick.infrastructure.journal.port import Journal


def head_by(journal: Journal, instant: int) -> Head:
    """Where the journal ended with the newest row that was recorded by then, in microseconds; `EMPTY` before the first."""
    head = journal.head()
    if head != EMPTY and instant >= head.recorded_at:
        return head
    found: JournalRow | None = None
    low, high = 1, head.position
    while low <= high:
        middle = cast(JournalRow, journal.row_at((low + high) // 2))
        if middle.recorded_at <= instant:
            found, low = middle, middle.last_position + 1
        else:
            high = middle.first_position - 1
    return EMPTY if found is None else found.head()
