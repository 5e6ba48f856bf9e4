"""What a reader asks with, as callers give it: ids, which are positions or texts, and how many are wanted."""

from tallystick.domain.errors import InvalidPosition, InvalidRequest
from tallystick.domain.integers import as_int

_POSITION_MAX = 2**63 - 1
TEXT_ID_LENGTH_MAX = 256


def check_position(given: object) -> int:
    """The position as Python's own int, 0 or more; else `InvalidPosition`."""
    position = as_int(given)
    if position is None or position < 0:
        raise InvalidPosition(f"a position is an int, 0 or more, not {given!r}")
    return position


def check_id(id: object, what: str) -> int:
    """The id of an entry or a transaction as Python's own int, 0 where it is no position that there can be; `InvalidRequest`
    where it is no integer.
    """
    position = as_int(id)
    if position is None:
        raise InvalidRequest(f"the id of {what} is an int, not {id!r}")
    return position if 0 < position <= _POSITION_MAX else 0


def check_limit(limit: object) -> int | None:
    """The limit as Python's own int, 0 or more, or None for no limit; else `InvalidRequest`."""
    if limit is None:
        return None
    count = as_int(limit)
    if count is None or count < 0:
        raise InvalidRequest(f"a limit is an int, 0 or more, not {limit!r}")
    return count


def check_text_id(id: object) -> str:
    """The id itself, where it is text of 1 to `TEXT_ID_LENGTH_MAX` characters; else `InvalidRequest`."""
    if type(id) is not str or not 1 <= len(id) <= TEXT_ID_LENGTH_MAX:
        raise InvalidRequest(f"an id that is text has 1 to {TEXT_ID_LENGTH_MAX} characters, and is not {str(id)[:80]!r}")
    try:
        id.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"an id that is text is such as UTF-8 can write, not {id[:80]!r}") from None
    return id
