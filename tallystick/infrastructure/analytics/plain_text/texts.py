"""Texts and amounts in a line of a plain-text journal."""

import re

_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_SPACES = re.compile("(?<= ) |^ | $")


def escaped(text: str, also: str = "") -> str:
    """The text in one line, with escapes as Python has them for what cannot be seen, for backslashes and for those `also`.

    So is a space that begins or ends it or follows another, as programs take those away.
    """
    if text.isalnum():
        return text
    marked = {each: _escape(each) for each in set(text) if not each.isprintable() or each == "\\" or each in also}
    return _SPACES.sub(r"\\x20", text.translate(str.maketrans(marked)))


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return _ESCAPED.sub(lambda found: "\\" if found[1] == "\\" else chr(int(found[1][1:], 16)), text)


def pointed(digits: str, decimals: int) -> str:
    """An amount that is given as text of digits, with its decimal point."""
    if not decimals:
        return digits
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    digits = digits.rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
