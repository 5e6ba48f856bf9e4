"""Instants as the books keep them: whole microseconds since 1970 in UTC."""

from datetime import UTC, datetime, timedelta

from tallystick.domain.errors import InvalidRequest

INSTANT_MAX = 253_402_300_800_000_000 - 1
"""The last microsecond of the year 9999, which no datetime goes beyond."""

AHEAD_MAX = 86_400_000_000
"""So many microseconds after it was recorded something may be said to have occurred: clocks and dates differ by that."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(instant: datetime) -> int:
    """The instant of an aware datetime; `InvalidRequest` where it has no time zone."""
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        raise InvalidRequest(f"a time is an aware datetime, not {instant!r}")
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware datetime, in UTC, of an instant."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_occurred_at(instant: datetime) -> int:
    """When something occurred, of an aware datetime; `InvalidRequest` where it is none from 1970 to 9999."""
    occurred_at = to_microseconds(instant)
    if not 0 <= occurred_at <= INSTANT_MAX:
        raise InvalidRequest(f"what is recorded occurred from 1970 to 9999 in UTC, and not at {instant.isoformat()}")
    return occurred_at


def check_occurred_at(occurred_at: int, recorded_at: int) -> None:
    """`InvalidRequest` where something would have occurred more than a day after it is recorded."""
    if occurred_at > recorded_at + AHEAD_MAX:
        raise InvalidRequest(
            f"what is recorded at {from_microseconds(recorded_at).isoformat()} occurred at most a day later,"
            f" and not at {from_microseconds(occurred_at).isoformat()}"
        )
