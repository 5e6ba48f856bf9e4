"""Text as it can be seen: nothing in a memo or a name moves a cursor, begins a row or turns what stands behind it.

What is not printed as a character of its own is written as an escape, as Python writes it: `\\n`, `\\t`, `\\x1b`, `\\u202e`. A
terminal shows it, a line of fields keeps its fields, and whoever reads it back has what was there.
"""

ALSO_INVISIBLE = frozenset(
    (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10))
) | frozenset(range(0xE0100, 0xE01F0))
"""Code points that Python takes for printable and that show nothing: joiners, fillers, blanks, selectors of variants."""


def visible(text: str) -> str:
    """The text, with an escape for every character that cannot be seen: controls, line ends, bidi controls, zero widths."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate({ord(each): _escape(each) for each in set(text) if _is_hidden(each)})


def field(text: str) -> str:
    """The text as a field of a line of fields. A backslash is doubled in it, so that the field can be read back."""
    return visible(text.replace("\\", "\\\\"))


def visible_json(document: str, *, ascii_only: bool = False) -> str:
    """The JSON document, which means the same, with escapes for the characters that cannot be seen, or for all but ASCII."""
    if document.isascii() and "\x7f" not in document:
        return document
    hidden = {each for each in set(document) if each not in "\n\r\t" and _is_hidden(each)}
    if ascii_only:
        hidden |= {each for each in set(document) if not each.isascii()}
    return document.translate({ord(each): _json_escape(each) for each in hidden})


def _is_hidden(character: str) -> bool:
    return not character.isprintable() or ord(character) in ALSO_INVISIBLE


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
