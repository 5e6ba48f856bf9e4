"""Values as a statement's own text has them: what is appended goes to the server in one message, with the COMMIT behind it.

Parameters would need a statement for each command, and either one round trip each or statements that were prepared in the same
session, which behind a pooler is another one. A text has a quote doubled, and one with a backslash says that it has, so what it
means is no matter of the session's settings.
"""

from collections.abc import Iterable


def text(content: bytes) -> bytes:
    """A text, in UTF-8 without U+0000; also a number, or an array, of which it is the text."""
    quoted = content.replace(b"'", b"''") if b"'" in content else content
    if b"\\" in quoted:
        return b" E'" + quoted.replace(b"\\", b"\\\\") + b"'"
    return b"'" + quoted + b"'"


def texts(contents: Iterable[str]) -> bytes:
    """An array of texts."""
    elements = [content.replace("\\", "\\\\").replace('"', '\\"') for content in contents]
    return text(('{"' + '","'.join(elements) + '"}' if elements else "{}").encode())


def numbers(values: Iterable[int]) -> bytes:
    """An array of integers."""
    return b"'{" + ",".join(map(str, values)).encode() + b"}'"


def bytea(content: bytes) -> bytes:
    """Bytes."""
    return b" E'\\\\x" + content.hex().encode() + b"'"


def byteas(contents: Iterable[bytes]) -> bytes:
    """An array of bytes."""
    return text(("{" + ",".join(['"\\\\x' + content.hex() + '"' for content in contents]) + "}").encode())
