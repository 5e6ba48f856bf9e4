"""The formats in which records are printed: a table for people, lines of fields, CSV, JSON and lines of JSON.

A record is a plain dictionary with exact integers. Where it counts money it has the token's `decimals`: people get amounts with
the point, and programs get text of digits in smallest units, which no reader of JSON rounds, beside them.
"""

import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tallystick.domain.decimal_point import written
from tallystick.infrastructure.cli.printing.streams import is_unicode, output
from tallystick.infrastructure.cli.printing.visible import field, visible, visible_json

Record = dict[str, Any]
Form = Literal["table", "tsv", "csv", "json", "jsonl"]

ENDINGS: dict[str, Form] = {
    ".txt": "table",
    ".tsv": "tsv",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""Which format a file of what ending has."""

DECIMALS = "decimals"
_BALANCES = ("available", "reserved", "total", "change", "reserved_change", "amount")
_SUPPLY = ("max", "reserve", "circulating")
MONEY = frozenset((*_BALANCES, *_SUPPLY, "balance", "allocs_sum", "sats"))
"""The fields that are counted in a token's smallest unit."""
SATI = "sati"
NUMBERS = MONEY | {"id", "position", "num_allocs", SATI}

_WIDE = 4096


def default_form() -> Form:
    """A table on a terminal; lines of fields, which are never cut off, elsewhere."""
    return "table" if output().is_terminal else "tsv"


def as_text(records: Sequence[Record], form: Form, columns: Sequence[str] = (), file: Path | None = None) -> str:
    """The records as a table, as lines of fields or as CSV, with a header.

    `columns` are those of a CSV without records; else they are told by the first record. A table in a file is as wide as it
    has to be.
    """
    columns = [name for name in records[0] if name != DECIMALS] if records else list(columns)
    rows = [[_for_people(record, column) for column in columns] for record in records]
    if form == "table":
        return _as_table(columns if records else (), rows, file)
    if form == "tsv":
        return "".join("\t".join(map(field, row)) + "\n" for row in ([columns, *rows] if records else ()))
    seen = visible if file is None and output().is_terminal else str
    return "".join(",".join(_quoted(seen(each)) for each in row) + "\n" for row in ([columns, *rows] if columns else ()))


def as_json(content: Record | Sequence[Record], *, ascii_only: bool = False) -> str:
    """One JSON document of a record or a list of records."""
    plain = _for_programs(content) if isinstance(content, dict) else [_for_programs(each) for each in content]
    document = msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()
    return visible_json(document, ascii_only=ascii_only) + "\n"


def as_json_lines(records: Iterable[Record], *, ascii_only: bool = False) -> str:
    """The records as JSON, one a line."""
    lines = (msgspec.json.encode(_for_programs(record)).decode() + "\n" for record in records)
    return visible_json("".join(lines), ascii_only=ascii_only)


def is_ascii_only(file: Path | None) -> bool:
    """Whether there are characters that cannot be written; files are in UTF-8."""
    return file is None and not is_unicode(sys.stdout)


def print_table(console: Console, records: Sequence[Record], title: str) -> None:
    """A table with a title, on a console."""
    columns = [name for name in records[0] if name != DECIMALS] if records else []
    console.print(_table(columns, [[_for_people(record, column) for column in columns] for record in records], title))


def _as_table(columns: Sequence[str], rows: Sequence[Sequence[str]], file: Path | None) -> str:
    if file is not None:
        console = Console(file=io.StringIO(), width=_WIDE, highlight=False, markup=False, emoji=False, force_terminal=False)
    else:
        console = output()
        if not console.is_terminal:
            console.width = _WIDE
    with console.capture() as captured:
        console.print(_table(columns, rows) if columns else "nothing")
    return captured.get()


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(each)) for each in row))
    return table


def _for_people(record: Record, column: str) -> str:
    value = record.get(column)
    if value is None:
        return ""
    return written(value, record[DECIMALS]) if column in MONEY and DECIMALS in record else str(value)


def _for_programs(record: Record) -> Record:
    if DECIMALS not in record:
        return {name: _nested(value) for name, value in record.items()}
    return {name: str(value) if name in MONEY or name == SATI else _nested(value) for name, value in record.items()}


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_for_programs(each) if isinstance(each, dict) else each for each in value]  # pyright: ignore
    return value


def _quoted(text: str) -> str:
    """A field of CSV, quoted where a reader would take it for more or less than one."""
    needed = text != text.strip() or any(each in text for each in '",\n\r')
    return '"' + text.replace('"', '""') + '"' if needed else text
