"""What options of commands mean: the ledger that is named, and amounts.

People give amounts in the decimals of their token; a bare integer, which could mean two things there, is refused.
"""

import re
from pathlib import Path
from typing import Annotated

import typer

from tallystick.domain.errors import InvalidAmount, InvalidURL
from tallystick.domain.values.token import Token
from tallystick.infrastructure.ledger.ledger import Ledger

URL = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="TALLYSTICK_URL", help="A path, sqlite:///books.db, or postgresql://user@host/db.", show_default=False
    ),
]

_DIGITS = re.compile("[0-9]+")


def location(url: str) -> str | Path:
    """The URL itself, or the path that it is. What seems to have options is no path, for it would be made as such a file."""
    return url if ":" in url or "?" in url else Path(url)


def named_location(url: str | None) -> str | Path:
    """The URL itself, or the path that it is; `InvalidURL` where no ledger is named."""
    if not url:
        raise InvalidURL("no ledger is named: name it first, as in `tallystick balances books.db`, by --url or TALLYSTICK_URL")
    return location(url)


def open_ledger(url: str | None, *, create: bool = False, read_only: bool = False) -> Ledger:
    """The ledger there; `InvalidURL` where none is named."""
    return Ledger.open(named_location(url), create=create, read_only=read_only)


def amount_given(token: Token, text: str, option: str = "--units") -> int:
    """The amount in smallest units; `InvalidAmount` where it has no point though the token has decimals.

    `option` is the one that takes smallest units instead.
    """
    amount = token.parse(text)
    if token.decimals and amount and "." not in text:
        raise InvalidAmount(f"{text} {token.code}: write {token.format(amount)}, or {option} {text}")
    return amount


def units_given(text: str, what: str) -> int:
    """The amount that is given in smallest units; `InvalidAmount` where it is not of digits alone."""
    if not _DIGITS.fullmatch(text):
        raise InvalidAmount(f"{what} is a number of smallest units, and so of digits alone, not {text!r}")
    return int(text)
