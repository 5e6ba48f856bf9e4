"""The command that works tables out anew from the journal, where others read them; and looks at what was built there."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL, location, open_ledger
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import errors, say
from tallystick.infrastructure.cli.replaying.own_code import own_code
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.rebuild.rebuild import KEPT, Rebuilt
from tallystick.infrastructure.rebuild.selection import NAMES
from tallystick.infrastructure.rebuild.upkeep import builds_in, roll_back

rebuilding = typer.Typer()

Into = Annotated[
    str, typer.Option(help="tables.db, a folder for Parquet as tables/, or postgresql://user@host/db?schema=NAME.")
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help=f"{', '.join(NAMES)}; or module:Class.", show_default=False),
]
_BUILT_COLUMNS = ("table", "rows", "version", "position")


@rebuilding.command(cls=LedgerCommand)
@printing
def rebuild(
    out: Output,
    into: Into,
    names: Names = None,
    check: Annotated[bool, typer.Option("--check", help="Compare the tables in use with the journal; write nothing.")] = False,
    keep: Annotated[int, typer.Option(min=0, help="So many builds before stay there.")] = KEPT,
    what: Annotated[bool, typer.Option("--list", help="Print what was built there.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Put the tables in use that were before.")] = False,
    url: URL = None,
) -> None:
    """Work tables out from event one, check them, and put them in place of those in use; killed, run it again."""
    if check + what + rollback > 1:
        raise typer.BadParameter("--check, --list and --rollback are done one at a time")
    place = location(into)
    if what:
        out.records(_listed(place), ("version", "state", "table", "rows", "position", "in_use"))
        return
    names = named(names)
    if rollback:
        found = roll_back(names, place)
        out.records([{"table": name, "version": version} for name, version in sorted(found.items())], ("table", "version"))
        return
    with own_code(*names), open_ledger(url, read_only=True) as ledger:
        built = _done(ledger, names, place, check, keep)
    for each in built:
        say(f"{'checked' if check else 'built'} up to position {each.position}, version {each.version}")
    out.records([_record(each, table) for each in built for table in each.tables], _BUILT_COLUMNS)


def named(names: list[str] | None) -> list[str]:
    """The names that were given, which have to be one or more."""
    if not names:
        raise typer.BadParameter(f"a table or more: {', '.join(NAMES)}, or module:Class", param_hint="NAME...")
    return names


@contextmanager
def shown_progress(what: str) -> Generator[Callable[[int, int], None]]:
    """A bar on a terminal, for a call that tells how many positions are done, and of how many."""
    console = errors()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, to_do: progress.update(bar, completed=done, total=to_do)


def _done(ledger: Ledger, names: list[str], place: Any, check: bool, keep: int) -> list[Rebuilt]:
    with shown_progress("checking" if check else "rebuilding") as told:
        return ledger.check_rebuilt(names, place, told) if check else [ledger.rebuild(names, place, told, keep=keep)]


def _record(built: Rebuilt, table: Any) -> dict[str, Any]:
    return {"table": table.name, "rows": table.rows, "version": built.version, "position": built.position}


def _listed(place: Any) -> list[dict[str, Any]]:
    return [
        {
            "version": build.version,
            "state": build.state,
            "table": name,
            "rows": rows,
            "position": upto,
            "in_use": is_live,
            "begun_at": build.begun_at,
        }
        for build, tables in builds_in(place)
        for name, (is_live, rows, upto) in tables.items()
    ]
