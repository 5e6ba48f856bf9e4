"""A column of times: when each row of a batch occurred, in whole microseconds since 1970 in UTC.

It is given as aware datetimes, or as numpy's datetime64, which know no zones and are taken as UTC. In an event it is the first
time and the differences, in the largest usual unit that divides them all: dates take a byte or two a row.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, cast

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.batch.columns import pack, unpack
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.events import RowNotes
from tallystick.domain.values.instant import INSTANT_MAX, check_year, to_microseconds

UNITS = (1_000, 1_000_000, 86_400_000_000)
"""Milliseconds, seconds and days, each so many microseconds."""

_EXACT_MAX = 2**51  # up to it, in the year 2041, rounding the seconds that a float says to microseconds gives back each
_FINER = ("generic", "ns", "ps", "fs", "as")  # in these units no array goes as far as the year 9999
_microseconds = np.dtype("M8[us]")
_last = np.array(INSTANT_MAX).astype(_microseconds)


def times_of(given: Any) -> Column:
    """The times of a column; `InvalidRequest` names the first row that has none from 1970 to 9999."""
    if isinstance(given, np.ndarray):
        column = cast(Any, given)
        if column.dtype.kind == "M":
            return _times_of_array(column)
        given = column.tolist() if column.dtype.kind == "O" else list(column)
    return _times_of_list(given)


def time_of(given: object) -> int:
    """The same of one time."""
    if isinstance(given, np.datetime64):
        try:
            return int(_times_of_array(cast(Any, np.array([cast(Any, given)])))[0])
        except InvalidRequest as error:
            raise InvalidRequest(error.fields["reason"]) from None
    return check_year(to_microseconds(cast(datetime, given)))


def _times_of_array(given: Any) -> Column:
    """What is out of range is told in the unit it is given in, for as microseconds a machine integer may not hold it."""
    numbers = given.astype(np.int64)  # of what is not a time it is the least
    wrong = numbers < 0
    if np.datetime_data(given.dtype)[0] not in _FINER:
        wrong |= numbers > _last.astype(given.dtype).astype(np.int64)
    wrong = np.flatnonzero(wrong)
    if len(wrong):
        row = int(wrong[0])
        raise InvalidRequest(f"a time at which something happened lies between 1970 and 9999, not at {given[row]}", row=row)
    return given.astype(_microseconds).astype(np.int64)


def _times_of_list(given: Sequence[Any]) -> Column:
    zones = set(map(id, map(attrgetter("tzinfo"), given))) if set(map(type, given)) == {datetime} else {id(None)}
    if id(None) not in zones:
        try:
            seconds = np.fromiter(map(datetime.timestamp, given), dtype=np.float64, count=len(given))
        except (TypeError, ValueError, OverflowError):  # a zone of the caller's own knows no offset, or a wrong one
            return _one_by_one(given)
        times = np.rint(seconds * 1e6).astype(np.int64)
        if int(times.min()) >= 0 and int(times.max()) < _EXACT_MAX:
            return times
    return _one_by_one(given)


def _one_by_one(given: Sequence[Any]) -> Column:
    times = np.empty(len(given), dtype=np.int64)
    for row, instant in enumerate(given):
        try:
            times[row] = time_of(instant)
        except InvalidRequest as error:
            raise error.at_row(row) from None
    return times


def pack_times(times: Column) -> tuple[int, int, bytes]:
    """The first time, in units, the unit and the differences, as `RowNotes` keeps them."""
    unit = 1
    for larger in UNITS:
        if (times % larger).any():
            break
        unit = larger
    counted = times // unit
    first = int(counted[0])
    differences = np.diff(counted, prepend=first)
    return first, unit, pack((differences << 1) ^ (differences >> 63)) if differences.any() else b""


def unpack_times(notes: RowNotes, rows: int) -> Column | None:
    """The times again, None where there are none; `ValueError` where they are no times of `rows` rows."""
    if not notes.unit:
        if notes.at or notes.times:
            raise ValueError("times have no unit")
        return None
    last = INSTANT_MAX // notes.unit if notes.unit > 0 else -1
    if not 0 <= notes.at <= last:
        raise ValueError(f"{notes.at} of {notes.unit} microseconds is no time from 1970 to 9999")
    if not notes.times:
        return np.full(rows, notes.at * notes.unit, dtype=np.int64)
    zigzag = unpack(notes.times, rows)
    if isinstance(zigzag, list) or int(zigzag.max()) > 2 * last:  # so no sum can pass what a machine integer holds unseen
        raise ValueError("times are further apart than 1970 and 9999")
    counted = notes.at + np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
    if int(counted.min()) < 0 or int(counted.max()) > last:
        raise ValueError("a time is not from 1970 to 9999")
    return counted * notes.unit
