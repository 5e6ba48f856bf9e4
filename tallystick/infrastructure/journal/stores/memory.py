"""A journal in memory: for tests and for trying things out; it ends with the process.

One that has a name is shared, in this process, by all who open it under that name, as a ledger and an application are that
want to commit together. It ends when all of them have closed it.
"""

import threading
import weakref
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from operator import attrgetter
from typing import Self

from tallystick.domain.errors import StorageUnavailable
from tallystick.infrastructure.journal.format import EMPTY, Body, Head, JournalRow
from tallystick.infrastructure.journal.port import (
    NO_METADATA,
    SMALL,
    VERSION_MAX,
    Journal,
    MetadataChange,
    MetadataRow,
    Overtaken,
    StreamEntry,
    StreamPart,
)

PATIENCE_S = 30.0


class MemoryJournal(Journal):
    """Rows in a list, which go on from the head `after`. Its rules are the port's and nothing is durable."""

    def __init__(self, after: Head = EMPTY) -> None:
        self._after = after
        self._lock = threading.RLock()
        self._rows: list[JournalRow] = []
        self._firsts: list[int] = []
        self._streams: defaultdict[str, list[StreamEntry]] = defaultdict(list)
        self._metadata: dict[int, MetadataRow] = {}
        self._openers: weakref.WeakSet[MemoryJournal] | None = None

    @classmethod
    def open_named(cls, name: str) -> Self:
        """The journal of this name, which has what those have recorded in it who have it open."""
        with _naming:
            openers = _named.setdefault(name, weakref.WeakSet())
            journal = cls()
            for opener in openers:
                journal._lock, journal._metadata = opener._lock, opener._metadata
                journal._rows, journal._firsts, journal._streams = opener._rows, opener._firsts, opener._streams
                break
            openers.add(journal)
            journal._openers = openers
        return journal

    def is_same(self, other: Journal) -> bool:
        return isinstance(other, MemoryJournal) and other._rows is self._rows

    def head(self) -> Head:
        if not self._rows:
            return self._after
        last = self._rows[-1]
        return Head(last.last_position, last.digest, last.recorded_at)

    def ends_at(self, head: Head) -> bool:
        return self.head() == head

    def rows(self, after: int = 0) -> Iterator[JournalRow]:
        index = bisect_right(self._firsts, after)
        while index < len(self._rows):
            yield self._rows[index]
            index += 1

    def row_at(self, position: int) -> JournalRow | None:
        index = bisect_right(self._firsts, position) - 1
        if index < 0 or self._rows[index].last_position < position:
            return None
        return self._rows[index]

    def stream(self, stream: str, gt: int = -1, lte: int = VERSION_MAX, *, descending: bool = False) -> Iterator[StreamEntry]:
        entries = self._streams.get(stream, [])
        found = range(
            bisect_right(entries, gt, key=attrgetter("last_version")),
            bisect_right(entries, lte, key=attrgetter("first_version")),
        )
        return (entries[index] for index in (reversed(found) if descending else found))

    def bodies(self, position: int, count: int) -> Sequence[Body]:
        index = max(0, bisect_right(self._firsts, position) - 1)
        if index < len(self._rows) and self._rows[index].last_position < position:
            index += 1
        return [Body(row.first_position, row.last_position, row.body) for row in self._rows[index : index + count]]

    def stream_parts(self, stream: str, gt: int, lte: int, count: int, *, descending: bool = False) -> Sequence[StreamPart]:
        parts: list[StreamPart] = []
        for entry in islice(self.stream(stream, gt, lte, descending=descending), count):
            row = self.row_at(entry.first_position)
            end = entry.first_position if row is None else row.last_position
            is_small = row is not None and end < entry.first_position + SMALL
            parts.append(StreamPart(*entry[1:], end, row.body if row is not None and is_small else None))
        return parts

    def last_entries(self, streams: Collection[str]) -> Mapping[str, StreamEntry]:
        return {stream: self._streams[stream][-1] for stream in streams if self._streams.get(stream)}

    def streams(self) -> Iterator[StreamEntry]:
        return (entry for entries in list(self._streams.values()) for entry in entries)

    def metadata(self, entries: Collection[int]) -> Mapping[int, MetadataRow]:
        return {entry: self._metadata[entry] for entry in entries if entry in self._metadata}

    def metadata_entries(self) -> Iterator[int]:
        return iter(list(self._metadata))

    @contextmanager
    def writing(self) -> Generator[Head]:
        if not self._lock.acquire(timeout=PATIENCE_S):
            reason = f"another thread of this process has kept the turn to write for {PATIENCE_S:g} s"
            raise StorageUnavailable(f"the ledger in memory: {reason}; nothing was recorded")
        try:
            yield self.head()
        finally:
            self._lock.release()

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        with self._lock:
            last_position = self._rows[-1].last_position if self._rows else self._after.position
            if row.first_position != last_position + 1 or not all(map(self._goes_on, entries)):
                raise Overtaken("a commit begins after the last position, and a stream goes on after its last version")
            if metadata is not NO_METADATA:
                self._check_metadata(row, metadata)
            self._rows.append(row)
            self._firsts.append(row.first_position)
            for entry in entries:
                self._streams[entry.stream].append(entry)
            for added in metadata.added:
                self._metadata[added.entry] = added
            for erased in metadata.erased:
                self._metadata.pop(erased, None)

    def _goes_on(self, entry: StreamEntry) -> bool:
        before = self._streams.get(entry.stream)
        return not before or entry.first_version > before[-1].last_version

    def _check_metadata(self, row: JournalRow, metadata: MetadataChange) -> None:
        added = {each.entry for each in metadata.added}
        positions = range(row.first_position, row.last_position + 1)
        if len(added) < len(metadata.added) or not all(entry in positions for entry in added):
            raise Overtaken("metadata is of the newest commit")
        if not all(b'["MetadataErased",%d,' % entry in row.body for entry in metadata.erased if entry in self._metadata):
            raise Overtaken("metadata is erased by a commit that says so")

    def reopen(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """One that has a name is forgotten with the last who had it open."""
        if self._openers is not None:
            with _naming:
                self._openers.discard(self)


_naming = threading.Lock()
_named: dict[str, weakref.WeakSet[MemoryJournal]] = {}
