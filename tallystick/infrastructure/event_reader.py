"""Reading a journal event by event: those of one stream, or all from a position on, each with its version in its stream.

The version of somebody else's event stands in it. Those of the ledger's are counted: within a stream from where its entry for
a commit says, and in the sequence of all from where the last reading ended, so that who reads on and on looks it up once.
"""

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from tallystick.domain.errors import CorruptJournal
from tallystick.infrastructure.codec import Foreign, JournalEvent, stream_of
from tallystick.infrastructure.decoded_commits import DecodedCommits, Numbered, numbered
from tallystick.infrastructure.journal import PAGE_BYTES, PAGE_ROWS, SMALL, Journal, StreamEntry, StreamPart

READINGS_KEPT = 16
STREAMS_COUNTED = 10_000
"""So many streams' versions are remembered for each of so many readings."""


class EventReader:
    """The events of a journal. May be used from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._commits = DecodedCommits(journal)
        self._lock = threading.Lock()
        self._counted: OrderedDict[int, dict[str, int]] = OrderedDict()

    # One stream.

    def stream(self, stream: str, gt: int, lte: int, *, descending: bool = False, limit: int | None = None) -> list[Numbered]:
        """The events with versions above `gt` up to `lte`, the newest first if `descending`, up to `limit`."""
        found: list[Numbered] = []
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
    ) -> Sequence[Numbered]:
        parts = parts[::-1] if descending else parts
        if None not in [part.body for part in parts]:
            found = numbered(stream, self._commits.events_of(parts), parts[0].first_version)
        else:
            found = [
                event for part in parts for event in numbered(stream, self._commits.of_stream(stream, part), part.first_version)
            ]
        if found and not (gt < found[0][0] and found[-1][0] <= lte):
            found = [(version, event) for version, event in found if gt < version <= lte]
        return found[::-1] if descending else found

    # All of them.

    def events(self, start: int, stop: int | None, size: int) -> Iterator[tuple[int, int, JournalEvent]]:
        """Position, version and event of all from position `start` to `stop`; commits are read `size` at a time."""
        position = start
        versions = self._versions_at(start)
        try:
            while stop is None or position <= stop:
                first, events = self._commits_from(position, min(size, PAGE_ROWS))
                if not events:
                    return
                for index in range(position - first, len(events)):
                    if stop is not None and position > stop:
                        return
                    event = events[index]
                    if isinstance(event, Foreign):
                        version = event.version
                        if versions and event.stream in versions:
                            versions[event.stream] = version
                    else:
                        stream = stream_of(event)
                        before = versions.get(stream)
                        version = 1 + (self._count_before(stream, first, events[:index]) if before is None else before)
                        versions[stream] = version
                    position += 1
                    yield position - 1, version, event
        finally:
            self._remember(position, versions)

    def last(self, is_wanted: Callable[[JournalEvent], bool], above: int, end: int) -> int | None:
        """The last position above `above` up to `end` with an event that is wanted, found from the end backwards."""
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

    def _versions_at(self, position: int) -> dict[str, int]:
        """What is known of the last versions of streams before `position`."""
        with self._lock:
            return dict(self._counted.get(position, {}))

    def _remember(self, position: int, versions: dict[str, int]) -> None:
        if not 0 < len(versions) <= STREAMS_COUNTED:
            return
        with self._lock:
            self._counted[position] = versions
            self._counted.move_to_end(position)
            if len(self._counted) > READINGS_KEPT:
                self._counted.popitem(last=False)

    def _count_before(self, stream: str, first_position: int, events: Sequence[JournalEvent]) -> int:
        """The last version of one of the ledger's streams before an event of it, which comes after these events; the first of
        them is at `first_position` and begins a commit.
        """
        position = first_position + len(events)
        entry = self._entry_at(stream, position)
        if entry is None or entry.first_position < first_position:
            raise CorruptJournal(f"stream {stream!r} has no entry for it", position=position)
        in_commit = events[entry.first_position - first_position :]
        return entry.first_version - 1 + sum(stream_of(event) == stream for event in in_commit)

    def _entry_at(self, stream: str, position: int) -> StreamEntry | None:
        """The stream's newest entry for a commit that begins at `position` or before it, found by halves: entries are in the
        order of versions and of positions.
        """
        entry = next(self._journal.stream(stream, descending=True), None)
        if entry is not None and entry.first_position > position:

            def position_of(version: int) -> int:
                return next(self._journal.stream(stream, version - 1)).first_position

            version = bisect_left(range(entry.last_version), position + 1, key=position_of)
            entry = next(self._journal.stream(stream, lte=version - 1, descending=True), None)
        return entry
