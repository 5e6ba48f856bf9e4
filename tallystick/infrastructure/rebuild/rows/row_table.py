"""A row table: one that has a row for what happened, and not for what there is. It grows with the journal.

So its rows are not kept in memory, as a projection's state is, but come in chunks while the journal is read, and an interrupted
run goes on behind the last chunk that was written.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.source import Source
from tallystick.projections.tables import Shape


class Rows(NamedTuple):
    """A chunk of a row table; with it the journal is in the table up to position `upto`.

    One that has only some of the rows of the next position brings it no further, and has the `upto` of the chunk before.
    """

    batch: Any
    upto: int


class RowTable(NamedTuple):
    """A row table: its shape, the version of what it has, and its rows behind a position and up to another."""

    shape: Shape
    version: int
    rows: Callable[[Source, int, int, Rounds], Iterator[Rows]]

    @property
    def name(self) -> str:
        """What it is asked for by."""
        return self.shape.name


def last_position(batch: Any) -> int:
    """The position of a batch's last row."""
    return batch.column("position")[-1].as_py()
