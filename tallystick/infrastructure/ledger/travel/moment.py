"""A moment of a journal: where it ended when the newest commit had been recorded that is not after a position or a time.

A commit is whole or not there at all, so of a position in the midst of one it is the commit before. What was not reached yet
is refused: the newest state is never given in its place.
"""

from datetime import datetime

from tallystick.domain.errors import InvalidPosition
from tallystick.domain.integers import as_int
from tallystick.domain.values.instant import from_microseconds, to_microseconds
from tallystick.infrastructure.journal.format import EMPTY, Head
from tallystick.infrastructure.journal.in_time import head_by
from tallystick.infrastructure.journal.port import Journal

Moment = int | datetime
"""A position, or an aware datetime."""


def head_at(journal: Journal, at: Moment, now: int) -> Head:
    """Where the journal ended at a moment; `now` is the ledger's time, in microseconds.

    Raises `InvalidPosition` beyond the end and before the first commit, and `InvalidRequest` where a time has no zone.
    """
    if isinstance(at, datetime):
        return head_at_time(journal, instant_of(journal, at, now))
    return _head_at_position(journal, at)


def instant_of(journal: Journal, at: datetime, now: int) -> int:
    """A time in microseconds; `InvalidPosition` where it has not come yet."""
    instant, now = to_microseconds(at), max(now, journal.head().recorded_at)
    if instant > now:
        told, asked = from_microseconds(now).isoformat(), at.isoformat()
        raise InvalidPosition(f"{asked} has not come: the ledger's time is {told}")
    return instant


def head_at_time(journal: Journal, instant: int) -> Head:
    """The newest commit that was recorded by then, found by halves; else `InvalidPosition`."""
    head = head_by(journal, instant)
    if head == EMPTY:
        raise InvalidPosition(f"nothing was recorded up to {from_microseconds(instant).isoformat()}")
    return head


def _head_at_position(journal: Journal, at: object) -> Head:
    position = as_int(at)
    if position is None or position < 0:
        raise InvalidPosition(f"a moment is a position, an int of 1 or more, or an aware datetime, not {at!r}")
    head = journal.head()
    if position > head.position:
        raise InvalidPosition(f"the journal has reached position {head.position}, not {at}")
    row = journal.row_at(position)
    if row is not None and row.last_position > position:
        row = journal.row_at(row.first_position - 1)
    if row is None:
        raise InvalidPosition(f"nothing was recorded up to position {at}")
    return row.head()
