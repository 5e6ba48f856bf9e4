"""Rows of columns whose meaning is not known, as the answer to a query is: printed part by part, in every format.

Integers and decimals are exact in all of them: in JSON those of more than 64 bits are text of digits, as no reader rounds text.
A table on a terminal is as wide as its widest row, so its rows are gathered first; in every other format no more are in memory
than came together.
"""

import base64
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple, cast

import msgspec

from tallystick.infrastructure.cli.printing.formats import (
    PAGE_END,
    as_page_head,
    as_page_row,
    as_table,
    csv_line,
    is_ascii_only,
    tsv_line,
)
from tallystick.infrastructure.cli.printing.output import Output
from tallystick.infrastructure.cli.printing.visible import visible_json

Part = Sequence[Sequence[Any]]
_MACHINE_BITS = 64


class Columns(NamedTuple):
    """The columns by name; which of them are numbers, and which have integers of more than 64 bits."""

    names: Sequence[str]
    numbers: Collection[str] = ()
    wide: Collection[str] = ()


def print_rows(out: Output, columns: Columns, parts: Iterable[Part]) -> None:
    """Prints them where and how the command was told."""
    names, ascii_only = columns.names, is_ascii_only(out.file)
    match out.form:
        case "table":
            rows = [[as_cell(value) for value in row] for part in parts for row in part]
            out.texts([as_table(names, rows, out.file, columns.numbers)])
        case "json":
            out.texts(_as_json(columns, parts, ascii_only))
        case "jsonl":
            out.texts(_json_lines(columns, part, ascii_only) for part in parts)
        case "html":
            out.texts(_as_page(columns, parts))
        case "csv":
            out.texts(_as_lines(names, parts, csv_line))
        case _:
            out.texts(_as_lines(names, parts, tsv_line))


def as_cell(value: Any) -> str:
    """A value for people: nothing for NULL, and what is made of others as JSON."""
    plain = as_plain(value)
    if plain is None:
        return ""
    if isinstance(plain, str):
        return plain
    if isinstance(plain, float):
        return repr(plain)
    return msgspec.json.encode(plain).decode()


def as_plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MACHINE_BITS else str(value)
    if isinstance(value, float):
        return value if value - value == 0 else repr(value)  # "nan" and "inf", which JSON has not
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b16encode(value).decode()
    if isinstance(value, dict):
        return {str(name): as_plain(each) for name, each in cast(dict[Any, Any], value).items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(each) for each in cast(list[Any], value)]
    return str(value)


def _as_lines(names: Sequence[str], parts: Iterable[Part], line: Callable[[Iterable[str]], str]) -> Iterator[str]:
    yield line(names)
    for part in parts:
        yield "".join(line(map(as_cell, row)) for row in part)


def _as_page(columns: Columns, parts: Iterable[Part]) -> Iterator[str]:
    yield as_page_head(columns.names, columns.numbers)
    for part in parts:
        yield "".join(as_page_row(columns.names, list(map(as_cell, row)), columns.numbers) for row in part)
    yield PAGE_END


def _as_json(columns: Columns, parts: Iterable[Part], ascii_only: bool) -> Iterator[str]:
    """A list of records, one a line."""
    before = "[\n  "
    for part in parts:
        yield before + ",\n  ".join(_json_lines(columns, part, ascii_only).split("\n")[:-1])
        before = ",\n  "
    yield "[]\n" if before.startswith("[") else "\n]\n"


def _json_lines(columns: Columns, part: Part, ascii_only: bool) -> str:
    lines = (msgspec.json.encode(_record(columns, row)).decode() + "\n" for row in part)
    return visible_json("".join(lines), ascii_only=ascii_only)


def _record(columns: Columns, row: Sequence[Any]) -> dict[str, Any]:
    record = dict(zip(columns.names, map(as_plain, row), strict=True))
    return record | {name: str(record[name]) for name in columns.wide if record[name] is not None}
