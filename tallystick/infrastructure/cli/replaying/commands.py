"""The commands that replay: a projection, held against the books or what stands elsewhere; two versions of one, held against
each other; and the search for the commit since which something is so.
"""

import time
from typing import Annotated, Any, cast

import typer

from tallystick.infrastructure.cli.differences import differences
from tallystick.infrastructure.cli.endings import DIFFERENCE, FINE
from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL, location, open_ledger
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import say
from tallystick.infrastructure.cli.replaying.own_code import own_code
from tallystick.infrastructure.cli.replaying.records import (
    bisect_record,
    bisect_rows,
    check_record,
    check_rows,
    diff_record,
    diff_rows,
)
from tallystick.infrastructure.ledger.comparing.parting import EVERY
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.travel.view import View
from tallystick.infrastructure.rebuild.given import SHIPPED, projection_of
from tallystick.infrastructure.system.loading import loaded
from tallystick.projections.projection import digest

replaying = typer.Typer()

_NAMES = ", ".join(SHIPPED)
Upto = Annotated[int | None, typer.Option("--upto", help="Only events up to this position.", show_default=False)]


@replaying.command(cls=LedgerCommand)
@printing
def replay(
    out: Output,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The projection, as --projection names one.", show_default=False)
    ] = None,
    projection: Annotated[
        str | None, typer.Option(help=f"One of {_NAMES}, or module:Class; by default balances.", show_default=False)
    ] = None,
    upto: Upto = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--check-against",
            metavar="URL",
            help="Compare it with that of another ledger, or with the tables that a rebuild made there.",
            show_default=False,
        ),
    ] = None,
    url: URL = None,
) -> None:
    """Rebuild a projection from event one, and compare it with the books, or with what stands elsewhere."""
    if name is not None and projection not in (None, name):
        raise typer.BadParameter(f"one projection, and {name} and {projection} are named", param_hint="--projection")
    wanted = name or projection or "balances"
    with own_code(wanted), open_ledger(url, read_only=True) as ledger:
        if against is None:
            _with_books(out, ledger, wanted, upto)
        else:
            _with_other(out, ledger, wanted, against, upto)


def _with_books(out: Output, ledger: Ledger, wanted: str, upto: int | None) -> None:
    rebuilt = projection_of(wanted)
    head = ledger.verify().position if upto is None else upto
    started = time.perf_counter()
    ledger.replay(rebuilt, upto)
    seconds = time.perf_counter() - started
    found = list(differences(ledger, rebuilt)) if upto is None else []
    say(f"{head} events in {seconds:.2f} s")
    for difference in found:
        say(f"differs from the books: {difference}")
    out.record({"projection": wanted, "position": head, "digest": digest(rebuilt), "differences": len(found)})
    raise typer.Exit(DIFFERENCE if found else FINE)


def _with_other(out: Output, ledger: Ledger, wanted: str, against: str, upto: int | None) -> None:
    found = ledger.check_replay(wanted, location(against), upto)
    if found.journals_part_at is not None:
        say(f"the journals part at position {found.journals_part_at}")
    if found.reason:
        say(found.reason)
    is_what = "is" if found.ok else "is not"
    has = "the ledger there has" if found.against == "ledger" else "the tables there have"
    say(f"{wanted} up to position {found.position} {is_what} what {has}")
    record = check_record(found)
    rows = check_rows(record)
    out.document(record, rows, out.text(rows))
    raise typer.Exit(FINE if found.ok else DIFFERENCE)


@replaying.command("replay-diff")
@printing
def replay_diff(
    out: Output,
    context: typer.Context,
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[LEDGER] OLD NEW", help=f"The ledger, as --url names one, and two of {_NAMES}, or of module:Class."
        ),
    ],
    every: Annotated[
        int, typer.Option(min=1, help="Compare at the end of a commit every so many positions; 1 is exact, and slow.")
    ] = EVERY,
    upto: Upto = None,
    url: URL = None,
) -> None:
    """Find the first position at which two versions of a projection part: `tallystick replay-diff v1:Spending v2:Spending`."""
    source = cast(Any, context.get_parameter_source("url"))
    is_given = source is not None and source.name == "COMMANDLINE"
    *named, old, new = arguments if len(arguments) > 1 else [*arguments, "", ""]
    if not new or len(named) > 1 or (named and is_given):
        raise typer.BadParameter("the ledger, by its name or by --url, and two projections")
    with own_code(old, new), open_ledger(named[0] if named else url, read_only=True) as ledger:
        end = ledger.status().head.position if upto is None else upto
        found = ledger.replay_diff(old, new, every=every, upto=end)
    say(f"they do not part up to position {end}" if found is None else f"they part at position {found.position}")
    record = diff_record(old, new, end, found)
    rows = diff_rows(record)
    out.document(record, rows, out.text(rows))
    raise typer.Exit(FINE if found is None else DIFFERENCE)


@replaying.command(cls=LedgerCommand)
@printing
def bisect(
    out: Output,
    predicate: Annotated[
        str, typer.Argument(help="module:function, called with the ledger as it stood at a moment.", show_default=False)
    ],
    after: Annotated[int, typer.Option(min=0, help="It is false as of this position; 0 is the first commit.")] = 0,
    upto: Annotated[
        int | None, typer.Option(help="It is true as of this position; by default at the end.", show_default=False)
    ] = None,
    url: URL = None,
) -> None:
    """Find the first commit as of which something is true, by halves: `tallystick bisect books.db checks:overdrawn`."""
    if ":" not in predicate:
        raise typer.BadParameter(f"module:function, and not {predicate}", param_hint="PREDICATE")
    with own_code(predicate), open_ledger(url, read_only=True) as ledger:
        asked = loaded(predicate)

        def told(view: View) -> Any:
            answer = asked(view)
            say(f"as of position {view.position}: {bool(answer)}")
            return answer

        found = ledger.bisect(told if callable(asked) else asked, after, upto)
    record = bisect_record(predicate, found)
    rows = bisect_rows(record)
    out.document(record, rows, out.text(rows))
