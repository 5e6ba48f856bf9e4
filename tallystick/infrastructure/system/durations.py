"""Durations as people write them: "30s", "5m", "36h", "400d"."""

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([smhd]?)", re.ASCII)


def parse_duration(text: str, unit: str) -> timedelta:
    """The duration, above 0; a number alone is in `unit`, one of s, m, h and d. `ValueError` where it is none."""
    found = _DURATION.fullmatch(text)
    try:
        duration = timedelta(**{_UNITS[found[2] or unit]: float(found[1])}) if found else timedelta()
    except OverflowError:
        duration = timedelta()
    if duration <= timedelta():
        raise ValueError(f"a duration is a number above 0 with s, m, h or d behind it, not {text!r}")
    return duration
