"""What the commands share: the options by which a ledger is named, opening it, and where things are printed."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tallystick.domain.errors import InvalidURL
from tallystick.infrastructure.ledger.ledger import Ledger

URL = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="TALLYSTICK_URL", help="A path, sqlite:///books.db, or postgresql://user@host/db.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


def location(url: str) -> str | Path:
    """The URL itself, or the path that it is."""
    return url if ":" in url else Path(url)


def named_location(url: str | None) -> str | Path:
    """The URL itself, or the path that it is; `InvalidURL` where no ledger is named."""
    if not url:
        raise InvalidURL("no ledger is named: give --url or set TALLYSTICK_URL")
    return location(url)


def open_ledger(url: str | None, *, create: bool = False) -> Ledger:
    """The ledger there; `InvalidURL` where none is named."""
    return Ledger.open(named_location(url), create=create)


def output() -> Console:
    """Standard output, for data."""
    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)


def errors() -> Console:
    """Standard error, for messages and progress."""
    return Console(stderr=True, highlight=False)
