"""A follower: a projection that is built when it is first asked for, and after that reads only what was added."""

from collections.abc import Callable
from typing import Generic

from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, JournalRow, decode_events, may_hold_batches
from tallystick.infrastructure.journal.port import Journal
from tallystick.projections.projection import Commit, ProjectionType, Replay


class Follower(Generic[ProjectionType]):
    """The projection that `make` begins, as of the last `catch_up`."""

    def __init__(self, journal: Journal, make: Callable[[], ProjectionType]) -> None:
        self._journal = journal
        self._make = make
        self._begin()

    def _begin(self) -> None:
        self._head = EMPTY
        self._replay = Replay(self._make())

    def catch_up(self) -> ProjectionType:
        """Applies what was appended since the last call, and gives the projection. Raises `CorruptJournal`."""
        try:
            self._read_on()
        except BaseException:
            self._begin()  # a row may have been applied in part
            raise
        return self._replay.projection

    def _read_on(self) -> None:
        for row in rows_after(self._journal, self._head):
            self._replay.add(commit_of(row))
            self._head = row.head()


def commit_of(row: JournalRow) -> Commit:
    """The events of a row as a replay takes them; `CorruptJournal` as `decode_events`."""
    return Commit(row.first_position, row.recorded_at, decode_events(row), may_hold_batches(row.body))
