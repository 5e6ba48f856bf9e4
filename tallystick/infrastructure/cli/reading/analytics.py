"""The commands for who counts: a query in SQL, and tables exported to files of other programs."""

import sys
from typing import Annotated, cast

import typer

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.analytics.export.exported import ENDINGS, FORMATS, Format
from tallystick.infrastructure.analytics.tables import TABLES
from tallystick.infrastructure.cli.importing import progress_bars
from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import say
from tallystick.infrastructure.cli.reading.book import opened
from tallystick.infrastructure.cli.reading.options import At, Zone
from tallystick.infrastructure.ledger.analytics import source_of

analytics = typer.Typer()

_QUERY_MAX = 2**20
_WIDE = ("HUGEINT", "UHUGEINT")
_SMALL = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NUMBERS = frozenset((*_WIDE, *_SMALL, "BIGNUM", "FLOAT", "DOUBLE"))


@analytics.command(cls=LedgerCommand)
@printing
def sql(
    out: Output,
    query: Annotated[str, typer.Argument(help="One SELECT, or - to read it from standard input.", show_default=False)],
    memory: Annotated[
        str, typer.Option(help="As much as DuckDB may use; what does not fit lies in a temporary folder.")
    ] = "512MB",
    at: At = None,
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """Ask the ledger's tables in SQL, by DuckDB: movements, balances, supply, entries, ... The query can only read them."""
    from tallystick.infrastructure.analytics.query import answered  # not for every command to import
    from tallystick.infrastructure.cli.printing.rows import Columns, print_rows

    asked = _read() if query == "-" else query
    with opened(url, "duckdb", at, tz) as book, answered(source_of(book.reads), asked, memory) as answer:
        kinds = dict(zip(answer.columns, answer.types, strict=True))
        numbers = [name for name, kind in kinds.items() if kind.startswith("DECIMAL") or kind in _NUMBERS]
        columns = Columns(answer.columns, numbers, [name for name, kind in kinds.items() if kind in _WIDE])
        print_rows(out, columns, answer.parts)


@analytics.command(cls=LedgerCommand)
def export(
    tables: Annotated[list[str], typer.Argument(metavar="TABLE...", help=", ".join(TABLES), show_default=False)],
    to: Annotated[
        str,
        typer.Option("-o", "--output", help=f"A file, {', '.join(ENDINGS)}; or a folder as tables/.", show_default=False),
    ],
    format: Annotated[str | None, typer.Option(help=f"One of {', '.join(FORMATS)}.", show_default=False)] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to a folder of Parquet what came since.")] = False,
    at: At = None,
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """Write tables as files of other programs: Parquet, CSV, DuckDB, and movements as a journal of hledger or beancount."""
    with opened(url, "export", at, tz) as book, progress_bars() as progress:
        bar = progress.add_task("exporting", total=None)

        def told(done: int, to_do: int) -> None:
            progress.update(bar, completed=done, total=to_do)

        found = book.reads.export(tables, to, cast(Format | None, format), append=append, progress=told)
    for table in found.tables:
        say(f"{table.name}: {table.rows} rows, {table.path or 'there already'}")
    say(f"exported up to position {found.position}")


def _read() -> str:
    text = sys.stdin.buffer.read(_QUERY_MAX + 1)
    try:
        if len(text) <= _QUERY_MAX:
            return text.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"a query is in UTF-8, which standard input is not: {error}") from error
    raise InvalidRequest(f"a query is up to {_QUERY_MAX} bytes, and standard input has more")
