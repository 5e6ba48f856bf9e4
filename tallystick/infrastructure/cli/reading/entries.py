"""The commands that look a thing up: an entry, the holds, one of them, and what a fragment was made of."""

from typing import Annotated

import typer

from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import say
from tallystick.infrastructure.cli.reading.book import opened
from tallystick.infrastructure.cli.reading.moments import beginning_given
from tallystick.infrastructure.cli.reading.options import At, By, Limit, Newest, TokenCode, Zone
from tallystick.infrastructure.cli.reading.records import (
    HOLD_COLUMNS,
    LEG_COLUMNS,
    ORIGIN_COLUMNS,
    TRANSACTION_COLUMNS,
    entry_record,
    entry_rows,
    hold_record,
    hold_rows,
    leg_records,
    origin_record,
    readable,
    transaction_records,
)
from tallystick.infrastructure.ledger.reading.fragments.lineage_reads import ANCESTORS_MAX

entries = typer.Typer()


@entries.command(cls=LedgerCommand)
@printing
def entry(
    out: Output,
    id: Annotated[int, typer.Argument(help="The entry's id, which is the position of its first event.", show_default=False)],
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """What one block recorded: its movements, its key, reference and metadata, and what takes it back."""
    with opened(url, "entry", at, tz, by) as book:
        found = book.reads.entry(id)
        transactions = transaction_records(found.transactions, book.decimals())
    figures = entry_record(found)
    people = readable(figures)
    parts = [out.text([people]), *([out.text(transactions, TRANSACTION_COLUMNS)] if transactions else [])]
    out.document({**figures, "transactions": transactions}, entry_rows(figures, transactions), "\n".join(parts))


@entries.command(cls=LedgerCommand)
@printing
def holds(
    out: Output,
    token: TokenCode = None,
    authority: Annotated[str | None, typer.Option("--authority", help="That this account keeps.", show_default=False)] = None,
    payer: Annotated[str | None, typer.Option("--payer", help="That this account paid.", show_default=False)] = None,
    due_before: Annotated[
        str | None,
        typer.Option("--due-before", help="That fall due before this date, or this time.", show_default=False, metavar="WHEN"),
    ] = None,
    limit: Limit = None,
    newest: Newest = False,
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """The open holds: what is held, of whom, in whose keeping, and until when; oldest first."""
    due = None if due_before is None else beginning_given(due_before, tz, "--due-before")
    with opened(url, "holds", at, tz, by) as book:
        found = book.reads.holds(token, authority, payer, due)
        chosen = (found[::-1] if newest else found)[:limit]
        decimals = book.decimals()
    out.records([hold_record(hold, decimals) for hold in chosen], HOLD_COLUMNS)
    if due is not None:
        say(f"due before {due.isoformat()}")


@entries.command(cls=LedgerCommand)
@printing
def hold(
    out: Output,
    id: Annotated[str, typer.Argument(help="The hold's id.", show_default=False)],
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """A hold, open or closed, and how money left it."""
    with opened(url, "hold", at, tz, by) as book:
        found, decimals = book.reads.hold(id), book.decimals()
    figures, legs = hold_record(found, decimals), leg_records(found, decimals)
    parts = [out.text([figures], HOLD_COLUMNS), *([out.text(legs, LEG_COLUMNS)] if legs else [])]
    out.document({**figures, "legs": legs}, hold_rows(figures, legs), "\n".join(parts))


@entries.command(cls=LedgerCommand)
@printing
def lineage(
    out: Output,
    fragment_id: Annotated[int, typer.Argument(help="The fragment's id.", show_default=False)],
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many ancestors, the newest.")] = ANCESTORS_MAX,
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """What a fragment was made of: its parents, theirs, and so on to what was minted; itself first, then the newest."""
    with opened(url, "lineage", at, tz, by) as book:
        found, decimals = book.reads.lineage(fragment_id, limit), book.decimals()
    fragment, *ancestors = (origin_record(origin, decimals) for origin in (found.fragment, *found.ancestors))
    rows = [readable(record) for record in (fragment, *ancestors)]
    document = {**fragment, "complete": found.complete, "ancestors": ancestors}
    out.document(document, rows, out.text(rows, ORIGIN_COLUMNS), ORIGIN_COLUMNS)
    if not found.complete:
        say(f"these are the newest {len(found.ancestors)} ancestors, and there are more: --limit gives more of them")
