"""A memo: a few words that go with an operation into the journal."""

from tallystick.domain.errors import InvalidRequest

MEMO_LENGTH_MAX = 65_536


def check_memo(memo: object, what: str = "a memo") -> str:
    """The memo itself, where it is text of at most `MEMO_LENGTH_MAX` characters; else `InvalidRequest`."""
    if type(memo) is not str or len(memo) > MEMO_LENGTH_MAX:
        raise InvalidRequest(f"{what} is a str of at most {MEMO_LENGTH_MAX} characters, not {repr(memo)[:80]}")
    if not memo.isascii():
        try:
            memo.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"{what} is text that UTF-8 can write, not {memo[:80]!r}") from None
    return memo
