"""An id of a transfer that is text: an order's number, or whatever else the caller calls it."""

from tallystick.domain.errors import InvalidRequest

TEXT_ID_LENGTH_MAX = 256


def check_text_id(id: object) -> str:
    """The id itself, where it is text of 1 to `TEXT_ID_LENGTH_MAX` characters; else `InvalidRequest`."""
    if type(id) is not str or not 1 <= len(id) <= TEXT_ID_LENGTH_MAX:
        raise InvalidRequest(f"an id that is text has 1 to {TEXT_ID_LENGTH_MAX} characters, and is not {str(id)[:80]!r}")
    try:
        id.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"an id that is text is such as UTF-8 can write, not {id[:80]!r}") from None
    return id
