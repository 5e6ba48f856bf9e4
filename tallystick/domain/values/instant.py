"""Instants as the books keep them: whole microseconds since 1970 in UTC."""

from datetime import UTC, datetime, timedelta

from tallystick.domain.errors import CorruptJournal, InvalidRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000
INSTANT_MAX = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def to_microseconds(instant: datetime) -> int:
    """The instant of an aware datetime; `InvalidRequest` where it has no time zone."""
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        raise InvalidRequest(f"a time is an aware datetime, not {instant!r}")
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware datetime, in UTC, of an instant; `CorruptJournal` where none is so far away, as no rule would record it."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except (OverflowError, TypeError) as error:
        raise CorruptJournal(f"no time is {microseconds} microseconds after 1970", position=0) from error


def check_year(instant: int) -> int:
    """The instant itself, where it lies between 1970 and 9999; else `InvalidRequest`."""
    if not 0 <= instant <= INSTANT_MAX:
        raise InvalidRequest("a time at which something happened lies between 1970 and 9999")
    return instant


def check_occurred_at(occurred_at: int, now: int) -> None:
    """Raises `InvalidRequest` where something happened more than a day after it is recorded."""
    if occurred_at > now + DAY:
        happened, recorded = from_microseconds(occurred_at), from_microseconds(now)
        raise InvalidRequest(f"what is recorded at {recorded} cannot have happened more than a day later, at {happened}")
