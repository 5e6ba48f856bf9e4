"""Dense columns: what every cell was worth at the end of a bucket, taken now and then.

So what a cell was worth is looked for in the few buckets since the last of them, and what all were is these columns and what
those buckets changed. Tokens' columns lie one after another; a token whose cells fit no machine integer has its own, of bytes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Numbers
from tallystick.infrastructure.indexes.past.cells import AVAILABLE, CIRCULATING, CONTRACTS, handle_of, part_of, token_of
from tallystick.infrastructure.indexes.past.column_blocks import AnyColumn, Column, ColumnFile, integer_of, write_columns
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.format import Head
from tallystick.infrastructure.snapshots.wide_numbers import pack_wide

FORMAT = 1


class TokenColumns(NamedTuple):
    """What a token's accounts can spend and hold, by handle; whoever has a higher one than a column is long has nothing."""

    available: Numbers
    held: Numbers
    circulating: int


class DenseFacts(msgspec.Struct, frozen=True):
    """What a file of dense columns says: at which head, and which tokens' columns are bytes."""

    format: int
    position: int
    digest: str
    recorded_at: int
    wide: list[int]


class DenseColumns:
    """The columns in a file."""

    def __init__(self, path: Path) -> None:
        """Raises `DamagedRun` where there is none, or it is not what was written."""
        self._file = ColumnFile(path)
        facts = self._file.facts(DenseFacts)
        if facts.format != FORMAT:
            raise DamagedRun(f"{path} is of format {facts.format}")
        self.head = Head(facts.position, bytes.fromhex(facts.digest), facts.recorded_at)
        self._wide = frozenset(facts.wide)

    def value(self, cell: int) -> int | None:
        """What a cell was worth; None where its account or contract came later. Raises `DamagedRun`."""
        token, part, handle = token_of(cell), part_of(cell), handle_of(cell)
        if part == CIRCULATING:
            return self._one(self._file.column("circulating"), token)
        column, start, stop = self._span(token, part)
        return self._one(column, start + handle) if start + handle < stop else None

    def column(self, token: int, part: int) -> Numbers:
        """What all accounts of a token were worth, as far as they had anything. Raises `DamagedRun`."""
        column, start, stop = self._span(token, part)
        values = column.part(start, stop)
        return [integer_of(value) for value in values] if values.dtype.kind == "V" else values.astype(np.int64)

    def _span(self, token: int, part: int) -> tuple[Column, int, int]:
        """The column in which a token's cells are, and from where to where."""
        if token == CONTRACTS:
            column = self._file.column("contracts")
            return column, 0, len(column.array)
        name = "available" if part == AVAILABLE else "held"
        if token in self._wide:
            column = self._file.column(f"{token}.{name}")
            return column, 0, len(column.array)
        column, starts = self._file.column(name), self._file.column(f"{name}.starts")
        if token + 1 >= len(starts.array):
            return column, 0, 0
        start, stop = starts.part(token, token + 2).tolist()
        return column, start, stop

    @staticmethod
    def _one(column: Column, place: int) -> int | None:
        return column.one(place) if place < len(column.array) else None


def write_dense(path: Path, head: Head, tokens: Iterable[TokenColumns], figures: list[int]) -> None:
    """Writes the columns of all tokens, in the order of registration, and of all contracts. Raises `OSError`."""
    parts: dict[str, list[AnyColumn]] = {"available": [], "held": []}
    own: dict[str, AnyColumn] = {}
    circulating: list[int] = []
    wide: list[int] = []
    for number, token in enumerate(tokens):
        circulating.append(token.circulating)
        is_wide = isinstance(token.available, list) or isinstance(token.held, list)
        if is_wide:
            wide.append(number)
        for name, cells in (("available", token.available), ("held", token.held)):
            if is_wide:
                own[f"{number}.{name}"] = pack_wide(cells if isinstance(cells, list) else cells.tolist())
            parts[name].append(np.zeros(0, dtype=np.int64) if is_wide else np.asarray(cells, dtype=np.int64))
    columns: dict[str, AnyColumn] = {"circulating": pack_wide(circulating), "contracts": pack_wide(figures)}
    for name, each in parts.items():
        columns[name] = np.concatenate([*each, np.zeros(0, dtype=np.int64)])
        columns[f"{name}.starts"] = np.cumsum([0, *map(len, each)], dtype=np.int64)
    facts = DenseFacts(FORMAT, head.position, head.digest.hex(), head.recorded_at, wide)
    write_columns(path, facts, columns | own)
