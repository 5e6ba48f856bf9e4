"""Moments as people write them: a position, a time, or a date.

A time without a zone, and a date, are those of the time zone that is named beside them. As a moment a date is the end of its
day; days that a span is given by are whole, the last one too.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.ledger.reading.statement import time_zone
from tallystick.infrastructure.ledger.travel.moment import Moment

_POSITION = re.compile("[0-9]{1,19}")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = "a time as 2026-11-26T12:00:00+01:00 or a date as 2026-11-26"
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


class Given(NamedTuple):
    """A moment as it was given, and in words."""

    moment: Moment
    text: str


def moment_given(text: str, tz: str, option: str = "--at") -> Given:
    """The position, the time, or the end of the day; `InvalidRequest` where it is none of them."""
    if _POSITION.fullmatch(text):
        return Given(int(text), f"position {text}")
    if _DATE.fullmatch(text):
        zone = time_zone(tz)
        try:
            end = (_midnight(text, zone, _DAY).astimezone(UTC) - _MICROSECOND).astimezone(zone)
        except (ValueError, OverflowError) as error:
            raise _no_moment(text, option, f"a position, {_TIME}") from error
        return Given(end, f"{end.isoformat()}, the end of {text} in {tz}")
    found = _time(text, tz, option, f"a position, {_TIME}")
    return Given(found, found.isoformat())


def beginning_given(text: str, tz: str, option: str) -> datetime:
    """The time, or when that day begins; else `InvalidRequest`."""
    return _edge(text, tz, option, timedelta())


def end_given(text: str, tz: str, option: str) -> datetime:
    """The time, or when that day is over: when the next one begins; else `InvalidRequest`."""
    return _edge(text, tz, option, _DAY)


def _edge(text: str, tz: str, option: str, added: timedelta) -> datetime:
    if not _DATE.fullmatch(text):
        return _time(text, tz, option, _TIME)
    zone = time_zone(tz)
    try:
        return _midnight(text, zone, added)
    except (ValueError, OverflowError) as error:
        raise _no_moment(text, option, _TIME) from error


def _midnight(text: str, zone: ZoneInfo, added: timedelta) -> datetime:
    return datetime.combine(date.fromisoformat(text) + added, time.min, zone)


def _time(text: str, tz: str, option: str, forms: str) -> datetime:
    zone = time_zone(tz)
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise _no_moment(text, option, forms) from error


def _no_moment(text: str, option: str, forms: str) -> InvalidRequest:
    return InvalidRequest(f"{option} is {forms}, not {text!r}")
