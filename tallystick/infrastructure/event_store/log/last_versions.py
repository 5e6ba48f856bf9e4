"""The last versions of somebody else's streams, as far as they are known at the head of the journal.

They hold while nobody else appends: at another head nothing is known any more. Where a stream might be the ledger's, whose
events nobody else may add, that is looked up.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from tallystick.infrastructure.event_store.log.reader import EventReader
from tallystick.infrastructure.journal.format import Foreign, Head
from tallystick.infrastructure.journal.port import VERSION_MAX, Journal, StreamEntry

OF_LEDGER = VERSION_MAX
"""Stands for the last version of a stream that only the ledger may add to."""
VERSIONS_KEPT = 100_000


class HasEvents(Protocol):
    """Events that are to be recorded."""

    @property
    def events(self) -> Sequence[Foreign]:
        """They, in order."""
        ...


class LastVersions:
    """What is known at one head."""

    def __init__(self, journal: Journal, reader: EventReader) -> None:
        self._journal = journal
        self._reader = reader
        self.known: dict[str, int] = {}
        """The last versions by stream; -1 for one that has no events, since streams may begin at 0."""
        self._head: Head | None = None

    def forget(self) -> None:
        """Nothing is known any more."""
        self._head = None

    def look_up(self, insertions: Iterable[HasEvents], head: Head, *, all_versions: bool) -> None:
        """Has the last versions at `head` of the streams of these events: of all, or of those that may be the ledger's."""
        if head != self._head or len(self.known) > VERSIONS_KEPT:
            self.known = {}
            self._head = head
        known = self.known
        unknown: set[str] = set()
        for insertion in insertions:
            for event in insertion.events:
                stream = event.stream
                if stream not in known and (all_versions or " " not in stream):
                    unknown.add(stream)
        if unknown:
            found = {stream: self._last_version(entry) for stream, entry in self._journal.last_entries(unknown).items()}
            known.update({**dict.fromkeys(unknown, -1), **found})

    def advance(self, entries: Sequence[StreamEntry], head: Head) -> None:
        """These entries were appended at the head that was known, and `head` is where the journal ends now."""
        known, self._head = self.known, None
        for entry in entries:
            known[entry[0]] = entry[2]
        self._head = head

    def _last_version(self, entry: StreamEntry) -> int:
        if " " not in entry.stream:
            newest: Any = self._reader.stream(entry.stream, entry.last_version - 1, entry.last_version)
            if any(not isinstance(event, Foreign) for _, event in newest):
                return OF_LEDGER
        return entry.last_version
