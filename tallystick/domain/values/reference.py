"""A reference: the caller's own text for what is recorded, as an order's number; and an id that is text."""

from tallystick.domain.errors import InvalidRequest

REFERENCE_LENGTH_MAX = 256


def check_reference(reference: object) -> str:
    """The reference itself, where it is text of 1 to `REFERENCE_LENGTH_MAX` characters; else `InvalidRequest`."""
    return _checked("a reference", reference)


def check_text_id(id: object) -> str:
    """The same of an id that is text."""
    return _checked("an id that is text", id)


def _checked(what: str, text: object) -> str:
    if type(text) is not str or not 1 <= len(text) <= REFERENCE_LENGTH_MAX:
        raise InvalidRequest(f"{what} is a str of 1 to {REFERENCE_LENGTH_MAX} characters, not {str(text)[:80]!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} is text that UTF-8 can write, not {text[:80]!r}") from None
    return text
