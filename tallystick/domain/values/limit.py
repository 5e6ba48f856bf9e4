"""A limit: how many of something are wanted at most."""

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.integers import as_int


def check_limit(limit: object) -> int | None:
    """The limit as Python's own int, 0 or more, or None for no limit; else `InvalidRequest`."""
    if limit is None:
        return None
    value = as_int(limit)
    if value is None or value < 0:
        raise InvalidRequest(f"a limit is an int, 0 or more, not {limit!r}")
    return value
