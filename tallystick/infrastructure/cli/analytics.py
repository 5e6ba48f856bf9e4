"""The commands for who counts: a query in SQL, and tables exported to files of other programs."""

import sys
from typing import Annotated

import typer

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.analytics.query import MEMORY, Answer, answered
from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.rows import Columns, print_rows
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
    ] = MEMORY,
    at: At = None,
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """Ask the ledger's tables in SQL, by DuckDB: movements, balances, supply, entries, ... The query can only read them."""
    asked = _read() if query == "-" else query
    with opened(url, "duckdb", at, tz) as book, answered(source_of(book.reads), asked, memory) as answer:
        print_rows(out, _described(answer), answer.parts)


def _described(answer: Answer) -> Columns:
    kinds = dict(zip(answer.columns, answer.types, strict=True))
    numbers = [name for name, kind in kinds.items() if kind.startswith("DECIMAL") or kind in _NUMBERS]
    return Columns(answer.columns, numbers, [name for name, kind in kinds.items() if kind in _WIDE])


def _read() -> str:
    text = sys.stdin.buffer.read(_QUERY_MAX + 1)
    try:
        if len(text) <= _QUERY_MAX:
            return text.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"a query is in UTF-8, which standard input is not: {error}") from error
    raise InvalidRequest(f"a query is up to {_QUERY_MAX} bytes, and standard input has more")
