"""A follower: a projection that is built when it is first asked for, and after that reads only what was added."""

from typing import Generic

from tallystick.domain.errors import CorruptJournal
from tallystick.infrastructure.codec import decode_events, digest_of
from tallystick.infrastructure.journal import EMPTY, Head, Journal
from tallystick.projections.projection import ProjectionType, replay


class Follower(Generic[ProjectionType]):
    """`projection` as of the last `catch_up`."""

    def __init__(self, journal: Journal, projection: ProjectionType) -> None:
        self._journal = journal
        self._head = EMPTY
        self.projection = projection

    def catch_up(self) -> ProjectionType:
        """Applies what was appended since the last call, and gives the projection. Raises `CorruptJournal`."""
        for row in self._journal.rows(after=self._head.position):
            if digest_of(self._head.digest, row) != row.digest:
                raise CorruptJournal("its digest does not fit", position=row.first_position)
            replay(self.projection, [(row.first_position, row.recorded_at, decode_events(row))])
            self._head = Head(row.last_position, row.digest, row.recorded_at)
        return self.projection
