"""Rebuilding: a ledger's call that writes tables worked out from its journal, and what a rebuild reads of it."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tallystick.domain.errors import CorruptJournal
from tallystick.domain.values.instant import from_microseconds
from tallystick.infrastructure.journal.format import EMPTY
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.replaying import commit_of
from tallystick.infrastructure.ledger.reading.replays.beginning import beginning_after
from tallystick.infrastructure.ledger.reading.replays.headers import headers_of
from tallystick.infrastructure.ledger.reading.replays.movements import movements_of
from tallystick.infrastructure.ledger.reading.replays.rows import rows_between
from tallystick.infrastructure.rebuild import columns, upkeep
from tallystick.infrastructure.rebuild import rebuild as rebuilds
from tallystick.infrastructure.rebuild.following.follower import EVERY_S, PATIENCE_S, Followed, Follower
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.rebuild import KEPT, Rebuilt
from tallystick.infrastructure.rebuild.selection import Given
from tallystick.projections.movements.cells import Cells
from tallystick.projections.projection import Commit


class JournalSource:
    """The journal of an open ledger, as a rebuild reads it."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core

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

    def end_at(self, position: int) -> tuple[int, str, datetime | None]:
        """Where the commit that has a position ends, the journal's digest there, and when it was recorded; nothing at 0."""
        if position == EMPTY.position:
            return EMPTY.position, EMPTY.digest.hex(), None
        row = self._core.journal.row_at(position)
        if row is None:
            raise CorruptJournal("no row holds it, and the journal goes on behind it", position=position)
        return row.last_position, row.digest.hex(), from_microseconds(row.recorded_at)

    def commits(self, upto: int, after: int = 0) -> Iterator[Commit]:
        """The commits behind that which ends at `after`, up to that which ends at `upto`."""
        beginning = beginning_after(self._core, after) if after else None
        for row in rows_between(self._core.journal, EMPTY if beginning is None else beginning.head, upto):
            yield commit_of(row)._replace(entries=headers_of(row))

    def movements(self, after: int, cells: Cells | None = None, /) -> Iterator[Any]:
        """All movements behind a position, as record batches, with the numbers of `cells` where they are given."""
        return movements_of(self._core, after, columns.CHUNK_ROWS, cells)


class Rebuilding:
    """That call."""

    _core: LedgerCore

    def rebuild(
        self, projections: Given | Iterable[Given], into: str | Path, progress: Progress | None = None, *, keep: int = KEPT
    ) -> Rebuilt:
        """Works tables out from the first event on, and puts them where others read them, in place of those before.

        `projections`: names of tables, "balances", "supply", "shadow_spaces", "allocations", "fragments", "holds",
        "transactions", "entries" or "lines"; or a projection of your own that has `tables()`, as an object without events yet,
        its class, or "module:Class". `into`: an SQLite file, "postgresql://user@host/database?schema=NAME", or a folder for
        Parquet. They have all events up to where the journal ends now; interrupted or killed, the same call goes on with that.
        Readers see the tables before until the new ones are there and were checked: read back, they are what was written, and
        all movements sum to them. So many builds before are kept. `progress` is told now and then how many positions are done,
        and of how many.

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

    def project(self, projections: Given | Iterable[Given], into: str | Path, progress: Progress | None = None) -> Followed:
        """Brings tables that a rebuild has put in use to where the journal ends now, by what was recorded since.

        The arguments are those of `rebuild`, which is done first for those that are not there yet. `into` is an SQLite file or
        a schema of PostgreSQL. What is in use there is worked out again from the first event and held against what stands
        there, before anything of it is changed. Each event is in the tables once, whatever is interrupted when.

        Raises what `rebuild` does; `RebuildDiffers` where what stands there is not what the journal says.
        """
        self._core.check_open()
        follower = Follower(self._source(), projections, into)
        told = follower.round(progress)
        head = told.head
        while told.position < head:
            told = follower.round(progress)
        return told

    def follow(
        self, projections: Given | Iterable[Given], into: str | Path, *, every: float = EVERY_S, patience: float = PATIENCE_S
    ) -> Iterator[Followed]:
        """Does as `project`, and goes on: gives where the tables stand after each step, for as long as it is asked.

        The journal is looked at every so many seconds. A rebuild may put other tables in use meanwhile. Where the storage
        cannot be reached any more it is tried again for so many seconds of `patience`. Raises what `project` does.
        """
        self._core.check_open()
        return Follower(self._source(), projections, into).following(every, patience)

    def _source(self) -> JournalSource:
        return JournalSource(self._core)
