"""The formats in which records are printed: a table for people, lines of fields, CSV, HTML, JSON and lines of JSON.

A record is a plain dictionary with exact integers. Where it counts money it has the token's `decimals`: people get amounts with
the point, and programs get text of digits in smallest units, which no reader of JSON rounds, beside them. In all formats but
JSON, texts pass through `visible`; in JSON they are exact.
"""

import io
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from rich.box import ASCII, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tallystick.domain.decimal_point import written
from tallystick.infrastructure.cli.printing.streams import is_unicode, output
from tallystick.infrastructure.cli.printing.visible import field, visible, visible_json

Record = dict[str, Any]
Form = Literal["table", "tsv", "csv", "html", "json", "jsonl"]

FORMS: tuple[Form, ...] = get_args(Form)

ENDINGS: dict[str, Form] = {
    ".txt": "table",
    ".tsv": "tsv",
    ".csv": "csv",
    ".html": "html",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""Which format a file of what ending has."""

DECIMALS = "decimals"
_BALANCES = ("available", "reserved", "total", "change", "reserved_change", "amount", "remaining", "leg_amount")
_COMPARED = ("available_before", "available_after", "reserved_before", "reserved_after")
_SUPPLY = ("max", "reserve", "circulating", "unit")
MONEY = frozenset((*_BALANCES, *_COMPARED, *_SUPPLY, "balance", "allocs_sum", "sats"))
"""The fields that are counted in a token's smallest unit."""
SATI = "sati"
_IDS = ("id", "fragment", "position", "last_position", "entry_id", "transaction_id", "leg_transaction_id")
NUMBERS = MONEY | {*_IDS, "num_allocs", SATI, DECIMALS}

_WIDE = 4096
PAGE_END = "</tbody>\n</table>\n"
_PAGE_HEAD = """<!doctype html>
<meta charset="utf-8">
<title>tallystick</title>
<style>
body { font-family: sans-serif }
table { border-collapse: collapse }
th, td { padding: 0.2em 0.8em; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; unicode-bidi: isolate }
.number { text-align: right; font-variant-numeric: tabular-nums }
</style>
"""


def default_form() -> Form:
    """A table on a terminal; lines of fields, which are never cut off, elsewhere."""
    return "table" if output().is_terminal else "tsv"


def as_text(records: Sequence[Record], form: Form, columns: Sequence[str] = (), file: Path | None = None) -> str:
    """The records as a table, as lines of fields, as CSV or as a page of HTML, with a header.

    Where no `columns` are given they are those of the first record, but for its `decimals`. A table in a file is as wide as it
    has to be.
    """
    columns = list(columns) or [name for name in (records[0] if records else ()) if name != DECIMALS]
    rows = [[_for_people(record, column) for column in columns] for record in records]
    if form == "table":
        return as_table(columns if records else (), rows, file)
    if form == "tsv":
        return "".join(map(tsv_line, [columns, *rows] if records else ()))
    if form == "html":
        return "".join((as_page_head(columns), *(as_page_row(columns, row) for row in rows), PAGE_END))
    return "".join(map(csv_line, [columns, *rows] if columns else ()))


def tsv_line(row: Iterable[str]) -> str:
    """A line of fields, with a tab between."""
    return "\t".join(map(field, row)) + "\n"


def csv_line(row: Iterable[str]) -> str:
    """A line of CSV."""
    return ",".join(_quoted(visible(each)) for each in row) + "\n"


def as_json(content: Record | Sequence[Record], *, ascii_only: bool = False) -> str:
    """One JSON document of a record or a list of records."""
    plain = for_programs(content) if isinstance(content, dict) else [for_programs(each) for each in content]
    document = msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()
    return visible_json(document, ascii_only=ascii_only) + "\n"


def as_json_lines(records: Iterable[Record], *, ascii_only: bool = False) -> str:
    """The records as JSON, one a line."""
    lines = (msgspec.json.encode(for_programs(record)).decode() + "\n" for record in records)
    return visible_json("".join(lines), ascii_only=ascii_only)


def is_ascii_only(file: Path | None) -> bool:
    """Whether there are characters that cannot be written; files are in UTF-8."""
    return file is None and not is_unicode(sys.stdout)


def print_table(console: Console, records: Sequence[Record], title: str) -> None:
    """A table with a title, on a console."""
    columns = [name for name in records[0] if name != DECIMALS] if records else []
    console.print(_table(columns, [[_for_people(record, column) for column in columns] for record in records], title))


def as_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], file: Path | None, numbers: Collection[str] = NUMBERS
) -> str:
    """A table for people, with a header; the columns of `numbers` to the right."""
    if not columns:
        return "nothing\n"
    shown, drawn = output(), io.StringIO()
    on_terminal = file is None and shown.is_terminal
    width = shown.width if on_terminal else _WIDE
    table = _table(columns, rows, numbers=numbers)
    table.box = ASCII if is_ascii_only(file) else SIMPLE_HEAD
    Console(file=drawn, width=width, force_terminal=on_terminal, legacy_windows=False).print(table)
    return drawn.getvalue()


def as_page_head(columns: Sequence[str], numbers: Collection[str] = NUMBERS) -> str:
    """The beginning of a page of HTML with one table, which needs nothing from elsewhere."""
    from html import escape  # not for every command to import

    head = "".join(
        f"<th{kind}>{escape(visible(column))}</th>" for column, kind in zip(columns, _right(columns, numbers), strict=True)
    )
    return f"{_PAGE_HEAD}<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"


def as_page_row(columns: Sequence[str], row: Sequence[str], numbers: Collection[str] = NUMBERS) -> str:
    """A row of that table."""
    from html import escape

    cells = (f"<td{kind}>{escape(visible(text))}</td>" for text, kind in zip(row, _right(columns, numbers), strict=True))
    return f"<tr>{''.join(cells)}</tr>\n"


def _right(columns: Sequence[str], numbers: Collection[str]) -> list[str]:
    return [' class="number"' if column in numbers else "" for column in columns]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", numbers: Collection[str] = NUMBERS) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(Text(visible(column)), justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(each)) for each in row))
    return table


def _for_people(record: Record, column: str) -> str:
    value = record.get(column)
    if value is None:
        return ""
    return written(value, record[DECIMALS]) if column in MONEY and DECIMALS in record else str(value)


def for_programs(record: Record) -> Record:
    """The record as JSON has it, its amounts as text of digits; and so the records of lists in it."""
    if DECIMALS not in record:
        return {name: _nested(value) for name, value in record.items()}
    return {name: _digits(value) if name in MONEY or name == SATI else _nested(value) for name, value in record.items()}


def _digits(amount: int | None) -> str | None:
    return None if amount is None else str(amount)


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [for_programs(each) if isinstance(each, dict) else each for each in value]  # pyright: ignore
    return value


def _quoted(text: str) -> str:
    """A field of CSV, quoted where a reader would take it for more or less than one."""
    needed = text != text.strip() or any(each in text for each in '",\n\r')
    return '"' + text.replace('"', '""') + '"' if needed else text
