"""The last versions of somebody else's streams, as far as they are known at the head of the journal.

They hold while nobody else appends: at another head nothing is known any more. Where a stream might be the ledger's, whose
events nobody else may add, that is looked up.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tallystick.infrastructure.event_store.log.reader import EventReader
from tallystick.infrastructure.journal.format import Foreign
from tallystick.infrastructure.journal.port import VERSION_MAX, Head, Journal, StreamEntry

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
        self._versions: dict[str, int] = {}
        self._head: Head | None = None

    @property
    def known(self) -> Mapping[str, int]:
        """The last versions by stream; -1 for one that has no events, since streams may begin at 0."""
        return self._versions

    def forget(self) -> None:
        """Nothing is known any more."""
        self._head = None

    def look_up(self, insertions: Iterable[HasEvents], head: Head, *, all_versions: bool) -> None:
        """Has the last versions at `head` of the streams of these events: of all, or of those that may be the ledger's."""
        if head != self._head or len(self._versions) > VERSIONS_KEPT:
            self._versions = {}
            self._head = head
        known = self._versions
        unknown = {
            event.stream
            for insertion in insertions
            for event in insertion.events
            if event.stream not in known and (all_versions or " " not in event.stream)
        }
        if unknown:
            found = {stream: self._last_version(entry) for stream, entry in self._journal.last_entries(unknown).items()}
            known.update({**dict.fromkeys(unknown, -1), **found})

    def advance(self, entries: Sequence[StreamEntry], head: Head) -> None:
        """These entries were appended at the head that was known, and `head` is where the journal ends now."""
        versions, self._head = self._versions, None
        versions.update({entry[0]: entry[2] for entry in entries})
        self._head = head

    def _last_version(self, entry: StreamEntry) -> int:
        if " " not in entry.stream:
            newest: Any = self._reader.stream(entry.stream, entry.last_version - 1, entry.last_version)
            if any(not isinstance(event, Foreign) for _, event in newest):
                return OF_LEDGER
        return entry.last_version
