"""Reading a journal event by event: those of one stream, or all from a position on, each with its version in its stream.

The version of somebody else's event stands in it. Those of the ledger's are counted: within a stream from where its entry for
a commit says, and in the sequence of all from where the last reading ended, so that who reads on and on looks it up once.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from tallystick.infrastructure.event_store.log.decoded_commits import DecodedCommits, Versioned, versioned
from tallystick.infrastructure.event_store.log.stream_counts import StreamCounts
from tallystick.infrastructure.journal.format import Foreign, JournalEvent
from tallystick.infrastructure.journal.port import PAGE_BYTES, PAGE_ROWS, SMALL, Journal, StreamPart

READINGS_KEPT = 8
"""So many readings can be gone on with where they ended."""


class EventReader:
    """The events of a journal. May be used from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._commits = DecodedCommits(journal)
        self._lock = threading.Lock()
        self._counted: OrderedDict[int, StreamCounts] = OrderedDict()
        self._generation: int | None = None

    # One stream.

    def stream(self, stream: str, gt: int, lte: int, *, descending: bool = False, limit: int | None = None) -> list[Versioned]:
        """The events with versions above `gt` up to `lte`, the newest first if `descending`, up to `limit`."""
        self._look_whose_it_is()
        found: list[Versioned] = []
        wanted = limit
        while wanted is None or wanted > 0:
            size = PAGE_ROWS if wanted is None else min(wanted, PAGE_ROWS)
            parts = self._journal.stream_parts(stream, gt, lte, size, descending=descending)
            if not parts:
                break
            found += self._events_in(stream, parts, gt, lte, descending=descending)
            if len(parts) < size and sum([len(part.body or b"") for part in parts]) < PAGE_BYTES:
                break
            if descending:
                lte = parts[-1].first_version - 1
            else:
                gt = parts[-1].last_version
            wanted = None if limit is None else limit - len(found)
        return found if limit is None else found[:limit]

    def _events_in(
        self, stream: str, parts: Sequence[StreamPart], gt: int, lte: int, *, descending: bool
    ) -> Sequence[Versioned]:
        parts = parts[::-1] if descending else parts
        if None not in [part.body for part in parts]:
            found = versioned(stream, self._commits.events_of(parts), parts[0].first_version)
        else:
            found = [
                event
                for part in parts
                for event in versioned(stream, self._commits.of_stream(stream, part), part.first_version)
            ]
        if found and not (gt < found[0][0] and found[-1][0] <= lte):
            found = [(version, event) for version, event in found if gt < version <= lte]
        return found[::-1] if descending else found

    # All of them.

    def events(self, start: int, stop: int | None, size: int) -> Iterator[tuple[int, int, JournalEvent]]:
        """Position, version and event of all from position `start` to `stop`; `size` commits are read at first."""
        size = max(1, min(size, PAGE_ROWS))
        self._look_whose_it_is()
        position = start
        counts = self._counts_at(start)
        try:
            while stop is None or position <= stop:
                first, events = self._commits_from(position, size)
                if not events:
                    return
                size = min(2 * size, PAGE_ROWS)  # who is still here found less than was wanted
                counts.begin(first, events, position - first)
                for index in range(position - first, len(events)):
                    if stop is not None and position > stop:
                        return
                    event = events[index]
                    if isinstance(event, Foreign):
                        version = event.version
                        counts.pass_by(event)
                    else:
                        version = counts.count(event)
                    position += 1
                    yield position - 1, version, event
        finally:
            self._remember(position, counts)

    def last(self, is_wanted: Callable[[JournalEvent], bool], above: int, end: int) -> int | None:
        """The last position above `above` up to `end` with an event that is wanted, found from the end backwards."""
        self._look_whose_it_is()
        size = SMALL
        while end > above:
            start = max(above + 1, end - size + 1)
            found: int | None = None
            position = start
            while position <= end:
                first, events = self._commits_from(position, size)
                if not events:
                    break
                for index in range(position - first, min(len(events), end + 1 - first)):
                    if is_wanted(events[index]):
                        found = first + index
                position = first + len(events)
            if found is not None:
                return found
            end = start - 1
            size = min(4 * size, PAGE_ROWS)
        return None

    def _commits_from(self, position: int, size: int) -> tuple[int, Sequence[JournalEvent]]:
        """The events of the commit in which `position` lies and perhaps of some after it, and the first one's position."""
        kept = self._commits.kept(position)
        if kept is not None:
            return kept.first_position, kept.events
        bodies = self._journal.bodies(position, size)
        return (bodies[0].first_position, self._commits.events_of(bodies)) if bodies else (position, ())

    def _look_whose_it_is(self) -> None:
        """Forgets everything where another journal may have been put there."""
        generation = self._journal.generation
        if generation != self._generation:
            with self._lock:
                if self._generation is not None:
                    self._commits = DecodedCommits(self._journal)
                    self._counted.clear()
                self._generation = generation

    def _counts_at(self, position: int) -> StreamCounts:
        """The versions before `position`, where a reading ended there."""
        with self._lock:
            return self._counted.pop(position, None) or StreamCounts(self._journal, position)

    def _remember(self, position: int, counts: StreamCounts) -> None:
        with self._lock:
            self._counted[position] = counts
            self._counted.move_to_end(position)
            if len(self._counted) > READINGS_KEPT:
                self._counted.popitem(last=False)
