"""Rebuilding: a ledger's call that writes tables worked out from its journal, and what a rebuild reads of it."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tallystick.infrastructure.journal.format import EMPTY
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.replaying import commit_of
from tallystick.infrastructure.ledger.reading.replays.headers import headers_of
from tallystick.infrastructure.ledger.reading.replays.rows import rows_between
from tallystick.infrastructure.rebuild import columns, upkeep
from tallystick.infrastructure.rebuild import rebuild as rebuilds
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.rebuild import KEPT, Rebuilt
from tallystick.infrastructure.rebuild.selection import Given
from tallystick.projections.projection import Commit


class JournalSource:
    """The journal of an open ledger, as a rebuild reads it."""

    def __init__(self, core: LedgerCore, movements: Callable[[int], Iterable[Any]]) -> None:
        self._core = core
        self.movements = movements

    def head(self) -> tuple[int, str]:
        """Where the journal ends, and its digest there."""
        head = self._core.journal.head()
        return head.position, head.digest.hex()

    def has(self, position: int, digest: str) -> bool:
        """Whether the journal has this digest at a position, at which a commit ended."""
        if position == EMPTY.position:
            return digest == EMPTY.digest.hex()
        row = self._core.journal.row_at(position)
        return row is not None and row.last_position == position and row.digest.hex() == digest

    def commits(self, upto: int) -> Iterator[Commit]:
        """The commits up to that which ends at `upto`."""
        for row in rows_between(self._core.journal, EMPTY, upto):
            yield commit_of(row)._replace(entries=headers_of(row))


class Rebuilding:
    """That call."""

    _core: LedgerCore
    movements: Callable[..., Iterable[Any]]

    def rebuild(
        self, projections: Given | Iterable[Given], into: str | Path, progress: Progress | None = None, *, keep: int = KEPT
    ) -> Rebuilt:
        """Works tables out from the first event on, and puts them where others read them, in place of those before.

        `projections`: names of tables, "balances", "supply", "shadow_spaces", "allocations", "fragments", "holds",
        "transactions" or "entries"; or a
        projection of your own that has `tables()`, as an object without events yet, its class, or "module:Class". `into`: an
        SQLite file, "postgresql://user@host/database?schema=NAME", or a folder for Parquet. They have all events up to where
        the journal ends now; interrupted or killed, the same call goes on with that. Readers see the tables before until the
        new ones are there and were checked: read back, they are what was written, and all movements sum to them. So many builds
        before are kept. `progress` is told now and then how many positions are done, and of how many.

        Raises `RebuildDiffers`, and nothing was switched; `InvalidRequest`, `InvalidURL`, `CorruptJournal`, and errors of
        storage.
        """
        self._core.check_open()
        return rebuilds.rebuild(self._source(), projections, into, progress, keep)

    def check_rebuilt(
        self, projections: Given | Iterable[Given], into: str | Path, progress: Progress | None = None
    ) -> list[Rebuilt]:
        """Compares the tables that are in use there with what the journal gives, as of their position, and writes nothing.

        Gives each version that is in use of them. Raises `RebuildDiffers`, and what `rebuild` does.
        """
        self._core.check_open()
        return upkeep.check(self._source(), projections, into, progress)

    def _source(self) -> JournalSource:
        return JournalSource(self._core, lambda after: self.movements(after, columns.CHUNK_ROWS))
