"""The clock by which commits are timed, and when it is not believed.

Times in a journal never decrease, so one commit by a clock that stands years ahead would time every later one by itself, and
make every hold due. So a commit is held against the newest one: a clock that stands further after it than the journal's
`max_clock_leap` is `ClockLeap`, before anything is recorded. A clock behind it is no leap: such a commit has the newest one's
time. Where a database has a clock of its own, that of the machine may be a day from it at most. With nothing to be held
against, in an empty journal, and where `max_clock_leap` is None, every clock is believed up to the end of the year 9999.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from tallystick.domain.errors import ClockLeap
from tallystick.domain.values.instant import INSTANT_MAX, from_microseconds
from tallystick.infrastructure.journal.format import Head
from tallystick.infrastructure.journal.port import Journal

SERVER_LEAP = timedelta(days=1) // timedelta(microseconds=1)


def system_time() -> int:
    """The machine's clock: microseconds since 1970 in UTC."""
    return time.time_ns() // 1000


def time_of_commit(journal: Journal, head: Head, clock: Callable[[], int]) -> int:
    """The time of a commit behind `head`, inside `writing`: that of `clock`, but not before the newest commit's.

    Raises `ClockLeap`. A clock other than `system_time` is the caller's, and not held against the server's.
    """
    now = clock()
    recorded_at, leap = head.recorded_at, journal.max_clock_leap
    if leap is not None and head.position:
        if now - recorded_at > leap:
            raise _leaped("the newest commit is of", now, recorded_at)
        server = journal.server_time
        if server is not None and clock is system_time and abs(now - server) > SERVER_LEAP:
            raise _leaped("the database's says", now, server)
    if now > INSTANT_MAX:
        raise _leaped("times end at", now, INSTANT_MAX)
    return now if now > recorded_at else recorded_at


def _leaped(reason: str, now: int, other: int) -> ClockLeap:
    return ClockLeap(reason, now=from_microseconds(min(now, INSTANT_MAX)), other=from_microseconds(other))
