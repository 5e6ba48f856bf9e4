"""A follower: tables that a rebuild has put in use are brought to where the journal stands, again and again.

Rows, and up to which position they have the journal, change in one step; so each event is in the tables once, whatever is
killed when. Between two rounds nothing is held: a rebuild may come and put other tables in use, or put those before back, and
the follower goes on with what it finds. What it has in memory is worked out from event one when it begins, and held against
what stands there.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

from tallystick.domain.errors import InvalidRequest, StorageUnavailable
from tallystick.domain.values.result import Result
from tallystick.infrastructure.rebuild.following.followed_tables import FollowedTables, written
from tallystick.infrastructure.rebuild.progress import Progress, Rounds
from tallystick.infrastructure.rebuild.rebuild import build_into
from tallystick.infrastructure.rebuild.selection import Given, selected
from tallystick.infrastructure.rebuild.sinks.address import open_sink, sink_at
from tallystick.infrastructure.rebuild.sinks.port import Sink
from tallystick.infrastructure.rebuild.source import Source
from tallystick.infrastructure.rebuild.upkeep import LiveTables, live_tables, missing_among

ROUND_POSITIONS = 262_144
"""A round goes so far at most, or to the end of the commit that is longer."""
EVERY_S = 0.5
PATIENCE_S = 600.0
PAUSE_MAX_S = 10.0
"""A round is followed by a pause as long as it took, so that half of a processor is left, but by no longer one."""
LOOKS_EVERY = 20
"""So many times the journal is found unchanged before it is looked whether other tables were put in use."""

_log = logging.getLogger("tallystick.rebuild")


class Followed(Result, frozen=True):
    """Where tables that are kept current stand: they have all events up to `position`, and the journal ends at `head`.

    `recorded_at` is when what stands at `position` was recorded, None at 0; `written` is how many rows the last round wrote or
    took away.
    """

    position: int
    head: int
    recorded_at: datetime | None
    written: int = 0

    @property
    def lag(self) -> int:
        """How many positions the tables are behind."""
        return self.head - self.position


class Follower:
    """What keeps tables current that were asked for by name, at an address."""

    def __init__(self, source: Source, given: Given | Iterable[Given], into: str | Path) -> None:
        """Raises `InvalidRequest`, `InvalidURL`."""
        if not cast(type[Sink], sink_at(into).func).keeps_current:
            raise InvalidRequest(f"{into}: files of Parquet are not changed once written: rebuild them, or name a database")
        self._source = source
        self._wanted = selected(given)
        self._into = into
        self._followed: list[FollowedTables] = []

    def round(self, progress: Progress | None = None) -> Followed:
        """Brings all tables forward, by so much as one step takes; those that are not there yet are rebuilt first."""
        known, self._followed = self._followed, []  # after an error all is worked out anew
        with open_sink(self._into) as sink:
            followed = self._of_live(sink, known, progress)
            head, _ = self._source.head()
            reached = [each.upto for each in followed]
            upto, digest, recorded_at = self._source.end_at(max(*reached, min(head, min(reached) + ROUND_POSITIONS)))
            steps = [each.step(self._source, sink, upto, digest) for each in followed if each.upto < upto]
            if steps:
                sink.advance(steps)
        self._followed = followed
        return Followed(upto, max(head, upto), recorded_at, written(steps))

    def _of_live(self, sink: Sink, known: list[FollowedTables], progress: Progress | None) -> list[FollowedTables]:
        """What there is to know of the builds in use; it is known already where they stand as it left them."""
        live = self._live(sink, progress)
        if live == [each.live for each in known]:
            return known
        rounds = Rounds(max(each.build.upto for each in live), len(live), progress)
        return [FollowedTables(self._source, sink, each, self._wanted.of(each.names).tracked(), rounds) for each in live]

    def _live(self, sink: Sink, progress: Progress | None) -> list[LiveTables]:
        """The tables in use."""
        names = self._wanted.versions()
        missing = missing_among(live_tables(sink, names), names)
        if missing:
            build_into(sink, self._source, self._wanted.of(missing), progress)
        live = live_tables(sink, names)
        for each in live:
            for name in each.names:
                if each.build.names[name] != names[name]:
                    were = f"version {each.build.names[name]} of it, and this is version {names[name]}"
                    raise InvalidRequest(f"the tables of {name} in use there were made by {were}: rebuild them")
        return live

    def following(self, every: float = EVERY_S, patience: float = PATIENCE_S) -> Iterator[Followed]:
        """Rounds without an end, one as soon as something was recorded; each is told of.

        The journal is looked at every so many seconds. Where the storage cannot be reached any more, or a rebuild is at work
        there, it is tried again for so many seconds of `patience`, and then raised.
        """
        told = self.round()
        yield told
        failing_since: float | None = None
        while True:
            begun = time.monotonic()
            try:
                if told.lag == 0:
                    self._wait(told.head, every)
                    begun = time.monotonic()
                told = self.round()
            except StorageUnavailable as error:
                failing_since = begun if failing_since is None else failing_since
                if time.monotonic() - failing_since >= patience:
                    raise
                _log.warning("tables at position %d are not kept current, and it is tried again: %s", told.position, error)
                time.sleep(every)
                continue
            failing_since = None
            took = time.monotonic() - begun
            yield told
            if told.lag == 0 and told.written:
                time.sleep(min(took, PAUSE_MAX_S))

    def _wait(self, head: int, every: float) -> None:
        """Until the journal ends somewhere else, or it is time to look whether other tables were put in use."""
        for _ in range(LOOKS_EVERY):
            if self._source.head()[0] != head:
                return
            time.sleep(every)
