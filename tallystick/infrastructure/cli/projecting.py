"""The command that keeps tables current: once, or for as long as it runs."""

from typing import Annotated, Any

import typer
from rich.status import Status

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL, location, open_ledger
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import errors, say
from tallystick.infrastructure.cli.rebuilding import Into, Names, named, shown_progress
from tallystick.infrastructure.cli.replaying.own_code import own_code
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.rebuild.following.follower import EVERY_S, Followed

projecting = typer.Typer()


@projecting.command(cls=LedgerCommand)
@printing
def project(
    out: Output,
    into: Into,
    names: Names = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on, for as long as the command runs.")] = False,
    every: Annotated[
        float, typer.Option(min=0.01, help="With --follow: look at the journal again after so many seconds.")
    ] = EVERY_S,
    url: URL = None,
) -> None:
    """Bring tables forward by what was recorded since, each event once, whatever is killed when."""
    names, place = named(names), location(into)
    if follow and (out.form not in ("table", "tsv", "jsonl") or out.file is not None):
        raise InvalidRequest("--follow prints --jsonl, a record a step, or else nothing: it never ends")
    with own_code(*names), open_ledger(url, read_only=True) as ledger:
        if follow:
            _follow(ledger, out, names, place, every)
        else:
            with shown_progress("bringing forward") as told:
                found = ledger.project(names, place, told)
            out.record(_record(found))


def _follow(ledger: Ledger, out: Output, names: list[str], place: Any, every: float) -> None:
    console = errors()
    with Status("beginning", console=console) as status:
        before: Followed | None = None
        for found in ledger.follow(names, place, every=every):
            is_news = before is None or found.written > 0 or found.position != before.position
            if is_news and out.form == "jsonl":
                out.record(_record(found))
            elif is_news and not console.is_terminal:
                say(_told(found))
            status.update(_told(found))
            before = found


def _told(found: Followed) -> str:
    when = "" if found.recorded_at is None else f", recorded at {found.recorded_at.isoformat(sep=' ', timespec='seconds')}"
    return f"at position {found.position}{when}, {found.lag} behind"


def _record(found: Followed) -> dict[str, Any]:
    return {
        "position": found.position,
        "head": found.head,
        "lag": found.lag,
        "recorded_at": found.recorded_at,
        "written": found.written,
    }
