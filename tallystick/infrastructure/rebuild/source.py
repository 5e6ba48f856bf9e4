"""What a rebuild reads: the journal's commits and movements, as whoever has the journal open gives them."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Protocol

from tallystick.projections.movements.cells import Cells
from tallystick.projections.projection import Commit


class Source(Protocol):
    """The journal of a ledger. What is read is checked as it is read: `CorruptJournal`."""

    def head(self) -> tuple[int, str]:
        """Where the journal ends, and its digest there."""
        ...

    def has(self, position: int, digest: str) -> bool:
        """Whether the journal has this digest at a position, at which a commit ended."""
        ...

    def end_at(self, position: int) -> tuple[int, str, datetime | None]:
        """Where the commit that has a position ends, the journal's digest there, and when it was recorded; nothing at 0."""
        ...

    def commits(self, upto: int, after: int = 0) -> Iterator[Commit]:
        """The commits behind that which ends at `after`, up to that which ends at `upto`."""
        ...

    def movements(self, after: int, cells: Cells | None = None, /) -> Iterable[Any]:
        """All movements behind a position, as record batches, with the numbers of `cells` where they are given."""
        ...


def movements_upto(source: Source, upto: int, after: int = 0, cells: Cells | None = None) -> Iterator[Any]:
    """The movements behind a position and up to another, as record batches; with the numbers of `cells`, if they are given."""
    for batch in source.movements(after, cells):
        positions = batch.column("position").to_numpy()
        rows = int(positions.searchsorted(upto, side="right"))
        if rows:
            yield batch.slice(0, rows)
        if rows < len(positions):
            return
