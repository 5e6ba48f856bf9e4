"""How CSV files are imported: quoted strictly. Row 1 is the header, and all are as wide."""

import csv
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.domain.errors import MalformedRow
from tallystick.infrastructure.imports.files import Undecodable, open_text

if TYPE_CHECKING:
    from _csv import Reader


@contextmanager
def open_csv(path: Path, undecodable: Undecodable) -> Generator["Reader"]:
    """The records of a file, its header first, which raise `csv.Error`.

    What cannot be decoded raises `UnicodeDecodeError`, somewhat before its row is reached, or comes as surrogates.
    """
    with open_text(path, undecodable) as file:
        yield csv.reader(file, strict=True)


def wrong_width(row: int, record: Sequence[str], width: int) -> MalformedRow:
    """What is wrong with a record that is not as wide as the header."""
    return MalformedRow(f"it has {len(record)} columns and the header {width}", row=row)
