"""The versions of the ledger's events, counted while a journal is read on from some position.

Their numbers in their streams do not stand in them. Who reads from the first position on counts them all. Who begins later has
the streams that are new to it looked up, all of a page together, and counts from there.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from tallystick.domain.errors import CorruptJournal
from tallystick.infrastructure.journal.format import Foreign, JournalEvent, stream_of
from tallystick.infrastructure.journal.port import Journal, StreamEntry

STREAMS_COUNTED = 100_000
"""So many streams are counted at a time; of more, those that were met first are looked up again."""


class StreamCounts:
    """The last version of each stream met so far, in a reading that begins at `start`."""

    def __init__(self, journal: Journal, start: int) -> None:
        self._journal = journal
        self._versions: dict[str, int] = {}
        self._is_complete = start == 1
        self._first_position = 0
        self._skipped: Counter[str] = Counter()

    def begin(self, first_position: int, events: Sequence[JournalEvent], offset: int) -> None:
        """From here on events from `offset` on are counted, of commits the first of which begins at `first_position`."""
        if len(self._versions) > STREAMS_COUNTED:
            self._is_complete = False
            for stream in list(islice(self._versions, len(self._versions) // 2)):
                del self._versions[stream]
        self._first_position = first_position
        self._skipped = Counter([stream_of(event) for event in events[:offset] if not isinstance(event, Foreign)])
        if not self._is_complete:
            self._look_up(first_position, events, offset)

    def pass_by(self, event: Foreign) -> None:
        """Somebody else's event was met; where its stream has no white space, the ledger may go on with it."""
        if " " not in event.stream and (self._is_complete or event.stream in self._versions):
            self._versions[event.stream] = event.version

    def count(self, event: JournalEvent) -> int:
        """The version of the ledger's next event."""
        stream = stream_of(event)
        version = self._versions[stream] = self._versions.get(stream, 0) + 1
        return version

    def _look_up(self, first_position: int, events: Sequence[JournalEvent], offset: int) -> None:
        """Has the versions of streams that are new here, before their first events."""
        new: dict[str, int] = {}
        for index in range(offset, len(events)):
            event = events[index]
            if not isinstance(event, Foreign):
                stream = stream_of(event)
                if stream not in self._versions and stream not in new:
                    new[stream] = first_position + index
        if not new:
            return
        newest = self._journal.last_entries(list(new))
        for stream, position in new.items():
            entry = newest.get(stream)
            if entry is not None and entry.first_position > position:
                entry = self._entry_at(stream, position, entry.last_version)
            if entry is None or entry.first_position < first_position:
                raise CorruptJournal(f"stream {stream!r} has no entry for it", position=position)
            skipped = self._skipped[stream] if entry.first_position == first_position else 0
            self._versions[stream] = entry.first_version - 1 + skipped

    def _entry_at(self, stream: str, position: int, last_version: int) -> StreamEntry | None:
        """The stream's newest entry for a commit that begins at `position` or before it, found by halves: entries are in the
        order of versions and of positions.
        """

        def position_of(version: int) -> int:
            return next(self._journal.stream(stream, version - 1)).first_position

        version = bisect_left(range(last_version), position + 1, key=position_of)
        return next(self._journal.stream(stream, lte=version - 1, descending=True), None)
