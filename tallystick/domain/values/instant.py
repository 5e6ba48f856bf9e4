"""Instants as the books keep them: whole microseconds since 1970 in UTC."""

from datetime import UTC, datetime, timedelta

from tallystick.domain.errors import InvalidRequest

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
