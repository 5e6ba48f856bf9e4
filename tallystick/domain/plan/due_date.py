"""When a hold falls due: a date, or a span from the ledger's time on.

What is refused here is refused when it is planned. Once planned it is recorded, also if the date has passed by the time the
block is executed: the hold is due at once then, and money in it can only be released.
"""

from datetime import datetime, timedelta
from typing import Protocol

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.instant import from_microseconds, to_microseconds

_LAST = to_microseconds(datetime.fromisoformat("9999-12-31T23:59:59.999999+00:00"))
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What knows the ledger's time."""

    def now(self) -> int:
        """The time in microseconds in UTC."""
        ...


def due_date(clock: Clock, expires_at: datetime | None, expires_in: timedelta | None) -> int | None:
    """The date in microseconds; None where neither is given. `InvalidRequest` where both are, or where it is not ahead."""
    if expires_at is None and expires_in is None:
        return None
    if expires_at is not None and expires_in is not None:
        raise InvalidRequest("a hold falls due at expires_at or after expires_in, not at both")
    now = clock.now()
    due = now + _span(expires_in) if expires_at is None else to_microseconds(expires_at)
    if not now < due <= _LAST:
        raise InvalidRequest(
            f"a hold falls due after the ledger's time, {from_microseconds(now)}, and before the year 10000, "
            f"not {f'after {expires_in}' if expires_at is None else f'at {expires_at}'}"
        )
    return due


def _span(expires_in: object) -> int:
    if not isinstance(expires_in, timedelta) or expires_in <= timedelta():
        raise InvalidRequest(f"a hold falls due after a timedelta above 0, not {expires_in!r}")
    return expires_in // _MICROSECOND
