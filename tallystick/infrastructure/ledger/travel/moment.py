"""A moment of a journal: where it ended when the newest commit had been recorded that is not after a position or a time.

A commit is whole or not there at all, so of a position in the midst of one it is the commit before. What was not reached yet
is refused: the newest state is never given in its place.
"""

from datetime import datetime
from typing import cast

from tallystick.domain.errors import InvalidPosition
from tallystick.domain.values.instant import from_microseconds, to_microseconds
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow
from tallystick.infrastructure.journal.port import Journal

Moment = int | datetime
"""A position, or an aware datetime."""


def head_at(journal: Journal, at: Moment, now: int) -> Head:
    """Where the journal ended at a moment; `now` is the ledger's time, in microseconds.

    Raises `InvalidPosition` beyond the end and before the first commit, and `InvalidRequest` where a time has no zone.
    """
    head = journal.head()
    row = _row_at_time(journal, at, head, now) if isinstance(at, datetime) else _row_at_position(journal, at, head)
    if row is None:
        raise InvalidPosition(f"nothing was recorded up to {_written(at)}")
    return row.head()


def _row_at_position(journal: Journal, at: object, head: Head) -> JournalRow | None:
    if type(at) is not int or at < 0:
        raise InvalidPosition(f"a moment is a position, an int of 1 or more, or an aware datetime, not {at!r}")
    if at > head.position:
        raise InvalidPosition(f"the journal has reached position {head.position}, not {at}")
    row = journal.row_at(at)
    if row is None or row.last_position == at:
        return row
    return journal.row_at(row.first_position - 1)


def _row_at_time(journal: Journal, at: datetime, head: Head, now: int) -> JournalRow | None:
    """Found by halves, for no commit was recorded before the one before it."""
    instant = to_microseconds(at)
    now = max(now, head.recorded_at)
    if instant > now:
        raise InvalidPosition(f"that time has not come: the ledger's time is {from_microseconds(now)}, before {_written(at)}")
    if head == EMPTY or instant >= head.recorded_at:
        return journal.row_at(head.position)
    found: JournalRow | None = None
    low, high = 1, head.position
    while low <= high:
        middle = cast(JournalRow, journal.row_at((low + high) // 2))
        if middle.recorded_at <= instant:
            found, low = middle, middle.last_position + 1
        else:
            high = middle.first_position - 1
    return found


def _written(at: Moment) -> str:
    return at.isoformat() if isinstance(at, datetime) else f"position {at}"
