"""The commands that tell how accounts came by what they have: history, statement, explain, diff."""

from datetime import UTC
from typing import Annotated, Any

import typer

from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import say
from tallystick.infrastructure.cli.reading.book import opened, said_span, where
from tallystick.infrastructure.cli.reading.moments import beginning_given, end_given, moment_given
from tallystick.infrastructure.cli.reading.options import (
    Account,
    At,
    By,
    LinesBy,
    Newest,
    OneToken,
    Since,
    TokenCode,
    Until,
    Zone,
)
from tallystick.infrastructure.cli.reading.records import (
    DIFFERENCE_COLUMNS,
    STATEMENT_COLUMNS,
    difference_records,
    explanation_record,
    full_line_records,
    statement_record,
    statement_rows,
)
from tallystick.infrastructure.cli.records import LINE_COLUMNS, line_records
from tallystick.infrastructure.ledger.reading.explanation import LINES_MAX
from tallystick.infrastructure.ledger.reading.statement import time_zone

movements = typer.Typer()


@movements.command(cls=LedgerCommand)
@printing
def history(
    out: Output,
    token: OneToken,
    account: Account,
    after: Annotated[int, typer.Option(help="Only lines above this position.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many, and the rest of the last one's entry.", show_default=False)
    ] = None,
    newest: Newest = False,
    since: Since = None,
    until: Until = None,
    by: LinesBy = "recorded_at",
    at: At = None,
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """What each movement of an account changed, and what it had then, oldest first."""
    span = _span(since, until, by, tz)
    with opened(url, "history", at, tz) as book:
        lines = book.reads.history(token, account, after, limit=limit, newest_first=newest, **span)
        out.records(line_records(lines, book.decimals()), LINE_COLUMNS)
    if since is not None or until is not None:
        say(said_span(span["since"], span["until"], by))


@movements.command(cls=LedgerCommand)
@printing
def statement(
    out: Output,
    token: OneToken,
    account: Account,
    month: Annotated[str | None, typer.Option("--month", help="Of this month, as 2026-11.", show_default=False)] = None,
    since: Since = None,
    until: Until = None,
    by: LinesBy = "occurred_at",
    at: At = None,
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """What an account had, what happened in a month or another span of time, and what it had then."""
    zone = time_zone(tz)
    span = _span(since, until, by, tz)
    with opened(url, "statement", at, tz) as book:
        found = book.reads.statement(token, account, **span, month=month, tz=tz)
        decimals = book.decimals_of_cell(found.token, found.account)
    lines = full_line_records(found.lines, decimals, zone)
    rows = statement_rows(found, lines, decimals)
    out.document(statement_record(found, lines, decimals), rows, out.text(rows, STATEMENT_COLUMNS), STATEMENT_COLUMNS)
    say(said_span(found.since, found.until, by))


@movements.command(cls=LedgerCommand)
@printing
def explain(
    out: Output,
    token: OneToken,
    account: Account,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many movements, the newest.")] = LINES_MAX,
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """Why an account has what it has: the movements since it last had nothing, which sum to its balance."""
    with opened(url, "explain", at, tz, by) as book:
        found = book.reads.explain(token, account, limit=limit)
        decimals = book.decimals_of_cell(found.token, found.account)
    figures, lines = explanation_record(found, decimals), full_line_records(found.transactions, decimals, UTC)
    parts = [out.text([figures]), *([out.text(lines, STATEMENT_COLUMNS)] if lines else [])]
    out.document({**figures, "transactions": lines}, lines, "\n".join(parts), STATEMENT_COLUMNS)
    if not found.complete:
        say(f"these are the newest {len(found.transactions)} movements, and there are more: --limit gives more of them")


@movements.command(cls=LedgerCommand)
@printing
def diff(
    out: Output,
    a: Annotated[str, typer.Argument(help="A position, a time, or the end of a date.", show_default=False)],
    b: Annotated[str, typer.Argument(help="Another, after it.", show_default=False)],
    token: TokenCode = None,
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """The accounts whose balance is not the same at two moments, and what was added to each."""
    first, last = moment_given(a, tz, "A"), moment_given(b, tz, "B")
    with opened(url, "diff", None, tz) as book:
        before, after = book.now.as_of(first.moment), book.now.as_of(last.moment)
        found = book.now.diff(before.position, after.position, token)
        out.records(difference_records(found, book.decimals()), DIFFERENCE_COLUMNS)
    say(f"from {first.text}: {where(before)}")
    say(f"to {last.text}: {where(after)}")


def _span(since: str | None, until: str | None, by: str, tz: str) -> dict[str, Any]:
    """The keywords of a read of lines."""
    begin = None if since is None else beginning_given(since, tz, "--since")
    end = None if until is None else end_given(until, tz, "--until")
    return {"since": begin, "until": end, "by": by}
