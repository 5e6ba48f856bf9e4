"""Reading transfers from CSV with the standard library: row 1 is the header, and empty lines count as rows of nothing.

What is no UTF-8 goes on as characters that no account, amount or memo may have, so that the row in which it stands is named.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tallystick.domain.errors import MalformedRow
from tallystick.infrastructure.imports.csv_format import open_csv, wrong_width
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.imports.transfers.rows import BLOCK_ROWS, Reading, columns_to_read, parse_rows

if TYPE_CHECKING:
    from _csv import Reader


class _Block(NamedTuple):
    """Records with the numbers of their rows, and what is wrong with the row after them, if anything is."""

    numbers: Sequence[int]
    records: list[list[str]]
    fault: MalformedRow | None


def read_csv(path: Path, reading: Reading) -> Iterator[TransferRows]:
    """The rows of a file, a block at a time. Raises `MalformedRow`."""
    with open_csv(path, "surrogateescape") as reader:
        try:
            header = next(reader, list[str]())
        except (csv.Error, UnicodeError) as error:
            raise MalformedRow(str(error), row=1) from error
        names = columns_to_read(header, reading.token)
        for numbers, records, fault in _blocks(reader, len(header)):
            if records:
                columns = list(zip(*records, strict=True))
                yield parse_rows(numbers, {name: columns[header.index(names[name])] for name in names}, reading)
            if fault is not None:
                raise fault


def _blocks(reader: "Reader", width: int) -> Iterator[_Block]:
    first = 2
    while True:
        records: list[list[str]] = []
        fault = None
        try:
            records.extend(islice(reader, BLOCK_ROWS))
        except (csv.Error, UnicodeError) as error:
            fault = MalformedRow(str(error), row=first + len(records))
        if records or fault:
            yield _checked(first, records, width, fault)
        if len(records) < BLOCK_ROWS:
            return
        first += len(records)


def _checked(first: int, records: list[list[str]], width: int, fault: MalformedRow | None) -> _Block:
    """The records that are no empty lines, up to the first that is not as wide as the header."""
    numbers = range(first, first + len(records))
    if {width}.issuperset(map(len, records)):
        return _Block(numbers, records, fault)
    found: dict[int, list[str]] = {}
    for number, record in zip(numbers, records, strict=True):
        if len(record) not in (0, width):
            fault = wrong_width(number, record, width)
            break
        if record:
            found[number] = record
    return _Block(list(found), list(found.values()), fault)
