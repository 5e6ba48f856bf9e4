"""The ledger as the first argument of a command: `tallystick balances books.db USD`.

A first argument that has the form of an address is the ledger: it begins `sqlite:`, `postgresql:`, `postgres:`, `memory:`, `/`,
`./`, `../` or `~/`, or ends `.db`, `.sqlite` or `.sqlite3`. It is told by its form alone, never by what files there are, so a
command means the same everywhere. With `--url` no argument is the ledger, and none is that stands behind `--`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand

_ADDRESS = re.compile(r"(sqlite|postgresql|postgres|memory):|\.{0,2}/|~/|.*\.(db|sqlite|sqlite3)\Z", re.DOTALL)
_URL = "--url"
_HELP = (
    "LEDGER is what --url names too, where it looks like an address: books.db, ./books, sqlite:///books.db,"
    " postgresql://user@host/db. Else --url names the ledger, or TALLYSTICK_URL."
)


class LedgerCommand(TyperCommand):
    """A command with an option `--url`, which its first argument may stand for."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.epilog = self.epilog or _HELP

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the command line, with the ledger as an option."""
        return super().parse_args(ctx, _with_url(list(args), self._options_with_values()))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What is shown behind the name of the command."""
        options, *arguments = super().collect_usage_pieces(ctx)
        return [options, "[LEDGER]", *arguments]

    def _options_with_values(self) -> frozenset[str]:
        with_values = (each for each in self.params if each.param_type_name == "option" and not getattr(each, "is_flag", False))
        return frozenset(name for each in with_values for name in (*each.opts, *each.secondary_opts))


def is_address(text: str) -> bool:
    """Whether a text has the form of a ledger's address."""
    return _ADDRESS.match(text) is not None


def _with_url(arguments: list[str], with_values: frozenset[str]) -> list[str]:
    """The arguments, the ledger among them as the option's value."""
    found = list(_words(arguments, with_values))
    if any(arguments[place] == _URL or arguments[place].startswith(f"{_URL}=") for place, is_option in found if is_option):
        return arguments
    place = next((place for place, is_option in found if not is_option), None)
    if place is None or not is_address(arguments[place]):
        return arguments
    return [_URL, arguments[place], *arguments[:place], *arguments[place + 1 :]]


def _words(arguments: Sequence[str], with_values: frozenset[str]) -> Iterator[tuple[int, bool]]:
    """The places of options and of arguments, up to `--`, and which of the two each is."""
    place = 0
    while place < len(arguments) and arguments[place] != "--":
        word = arguments[place]
        is_option = word.startswith("-") and word != "-"
        yield place, is_option
        place += 2 if word in with_values else 1
