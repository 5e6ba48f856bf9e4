"""A follower: a projection that is built when it is first asked for, and after that reads only what was added."""

from collections.abc import Callable
from typing import Generic

from tallystick.domain.errors import CorruptJournal
from tallystick.infrastructure.journal.format import JournalRow, decode_events, digest_of, may_hold_batches
from tallystick.infrastructure.journal.port import EMPTY, Head, Journal
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
        for row in self._journal.rows(after=self._head.position):
            if digest_of(self._head.digest, row) != row.digest:
                raise CorruptJournal("its digest does not fit", position=row.first_position)
            self._replay.add(commit_of(row))
            self._head = Head(row.last_position, row.digest, row.recorded_at)


def commit_of(row: JournalRow) -> Commit:
    """The events of a row as a replay takes them; `CorruptJournal` as `decode_events`."""
    return Commit(row.first_position, row.recorded_at, decode_events(row), may_hold_batches(row.body))
