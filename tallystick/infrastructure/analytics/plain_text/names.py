"""Names as plain-text accounting has them, each another one for another name; what is not allowed in them is escaped.

A name is cut at its colons, as those programs cut theirs, so that what is called `assets:bank` lies where they would put it.
What stands for held money cannot be the end of a name.
"""

import re
from collections.abc import Iterable
from unicodedata import category

HELD_IN_HLEDGER = "on hold"  # names have no space: one that has is escaped
HELD_IN_BEANCOUNT = "On-Hold"  # a hyphen of a name is followed by two hex digits, or by a hyphen

_PLAIN_IN_HLEDGER = frozenset("-_.@+/")
_CURRENCY = re.compile(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]")


def hledger_account(name: str) -> str:
    """The account under `assets`: letters, digits and a few signs as they are, all else as UTF-8 in percent escapes."""
    return ":".join(["assets", *(_percented(part, _PLAIN_IN_HLEDGER) or "%00" for part in name.split(":"))])


def hledger_commodity(code: str) -> str:
    """The token's code in quotes."""
    return f'"{_percented(code, _PLAIN_IN_HLEDGER | frozenset(":"))}"'


def _percented(text: str, plain: frozenset[str]) -> str:
    return "".join(
        each if each.isalnum() or each in plain else "".join(f"%{byte:02X}" for byte in each.encode()) for each in text
    )


def beancount_account(name: str) -> str:
    """The account under `Assets`.

    Each part begins with its first letter in upper case. What is no letter or digit stands in it as UTF-8 in hex, with a hyphen
    before each byte; before a part that begins otherwise than with a digit or one of a to z stands "X--".
    """
    return ":".join(["Assets", *(_hyphened(part) for part in name.split(":"))])


def _hyphened(part: str) -> str:
    escaped = "".join(each if _is_letter_or_digit(each) else "".join(f"-{byte:02X}" for byte in each.encode()) for each in part)
    if "a" <= part[:1] <= "z":
        return escaped[0].upper() + escaped[1:]
    return escaped if "0" <= part[:1] <= "9" else f"X--{escaped}"


def _is_letter_or_digit(character: str) -> bool:
    kind = category(character)
    return kind.startswith("L") or kind == "Nd"


def beancount_currencies(codes: Iterable[str]) -> dict[str, str]:
    """The currency of each token, in the order of their registration: its code, if that can be one.

    Else it is what of the code can be, with the token's number behind it. What one is called does not depend on later ones.
    """
    found: dict[str, str] = {}
    for number, code in enumerate(codes, 1):
        name = code if _CURRENCY.fullmatch(code) else ""
        if not name or name in found.values():
            name = f"{re.sub('[^A-Z0-9]', '', code.upper())[:16].lstrip('0123456789') or 'TOKEN'}-{number}"
        while name in found.values():
            name = f"T{name}"
        found[code] = name
    return found
