"""How CSV files are imported: UTF-8, with or without a mark, quoted strictly. Row 1 is the header, and all are as wide."""

import csv
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tallystick.domain.errors import MalformedRow

if TYPE_CHECKING:
    from _csv import Reader


@contextmanager
def open_csv(path: Path, undecodable: Literal["strict", "surrogateescape"]) -> Generator["Reader"]:
    """The records of a file, its header first, which raise `csv.Error`.

    What is no UTF-8 raises `UnicodeDecodeError`, somewhat before its row is reached, or comes as surrogates.
    """
    with path.open(encoding="utf-8-sig", errors=undecodable, newline="") as file:
        yield csv.reader(file, strict=True)


def wrong_width(row: int, record: Sequence[str], width: int) -> MalformedRow:
    """What is wrong with a record that is not as wide as the header."""
    return MalformedRow(f"it has {len(record)} columns and the header {width}", row=row)
