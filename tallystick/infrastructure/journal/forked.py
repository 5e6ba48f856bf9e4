"""A journal over a journal: the rows of one up to some commit, and those that are appended to them, which stay in memory.

Nothing of the journal below is written, nor is what goes on there seen. A ledger over it begins where that commit ended, and
whatever it commits ends with it. What is kept beside the journal below is gone on from, where it is not from later.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from tallystick.domain.events import ACCOUNTS_STREAM, MetadataErased
from tallystick.infrastructure.journal.format import Body, Head, JournalRow, decode_events, decode_keys
from tallystick.infrastructure.journal.port import (
    NO_METADATA,
    VERSION_MAX,
    Journal,
    MetadataChange,
    MetadataRow,
    Overtaken,
    StreamEntry,
    StreamPart,
)
from tallystick.infrastructure.journal.stores.memory import MemoryJournal


class ForkedJournal(Journal):
    """The rows of `base` up to `end`, which is where one of its commits ends, and then its own."""

    def __init__(self, base: Journal, end: Head) -> None:
        self._base = base
        self._end = end
        self._kept_cache_folder = base.kept_cache_folder
        self._own = MemoryJournal(end)
        self._last_versions: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._erased: set[int] = set()
        self.keeps_keys = base.keeps_keys
        self.max_clock_leap = base.max_clock_leap

    @property
    def kept_cache_folder(self) -> Path | None:
        return self._kept_cache_folder

    @property
    def generation(self) -> int:
        return self._base.generation

    def key_positions(self, keys: Collection[str]) -> Mapping[str, int]:
        below = self._base.key_positions([key for key in keys if key not in self._keys])
        found = {key: position for key, position in below.items() if position <= self._end.position}
        return found | {key: self._keys[key] for key in keys if key in self._keys}

    def used_keys(self) -> Iterator[tuple[str, int]]:
        below = ((key, position) for key, position in self._base.used_keys() if position <= self._end.position)
        return chain(below, self._keys.items())

    def head(self) -> Head:
        return self._own.head()

    def ends_at(self, head: Head) -> bool:
        return self._own.ends_at(head)

    def rows(self, after: int = 0) -> Iterator[JournalRow]:
        if after < self._end.position:
            for row in self._base.rows(after):
                if row.first_position > self._end.position:
                    break
                yield row
        yield from self._own.rows(after)

    def row_at(self, position: int) -> JournalRow | None:
        return self._journal_of(position).row_at(position)

    def _journal_of(self, position: int) -> Journal:
        return self._base if position <= self._end.position else self._own

    def stream(self, stream: str, gt: int = -1, lte: int = VERSION_MAX, *, descending: bool = False) -> Iterator[StreamEntry]:
        own = self._own.stream(stream, gt, lte, descending=descending)
        below = self._base.stream(stream, gt, min(lte, self._last_version(stream)), descending=descending)
        return chain(own, below) if descending else chain(below, own)

    def _last_version(self, stream: str) -> int:
        """The last version that the stream has below, -1 where it has none: the newest are skipped by halves, not in turn."""
        known = self._last_versions.get(stream)
        if known is None:
            newest = self._base.last_entries([stream]).get(stream)
            known, above = -1, -1 if newest is None else newest.last_version
            while known < above:
                middle = (known + above + 1) // 2
                entry = next(self._base.stream(stream, middle - 1, middle), None)
                if entry is not None and entry.first_position <= self._end.position:
                    known = entry.last_version
                else:
                    above = middle - 1 if entry is None else entry.first_version - 1
            self._last_versions[stream] = known
        return known

    def bodies(self, position: int, count: int) -> Sequence[Body]:
        if position <= self._end.position:
            found = [body for body in self._base.bodies(position, count) if body.first_position <= self._end.position]
            if found:
                return found
        return self._own.bodies(position, count)

    def stream_parts(self, stream: str, gt: int, lte: int, count: int, *, descending: bool = False) -> Sequence[StreamPart]:
        last = min(lte, self._last_version(stream))
        reads: list[Callable[[int], Sequence[StreamPart]]] = [
            lambda count: self._base.stream_parts(stream, gt, last, count, descending=descending),
            lambda count: self._own.stream_parts(stream, gt, lte, count, descending=descending),
        ]
        first, then = reversed(reads) if descending else reads
        return first(count) or then(count)

    def last_entries(self, streams: Collection[str]) -> Mapping[str, StreamEntry]:
        newest = ((stream, next(self.stream(stream, descending=True), None)) for stream in streams)
        return {stream: entry for stream, entry in newest if entry is not None}

    def streams(self) -> Iterator[StreamEntry]:
        below = (entry for entry in self._base.streams() if entry.first_position <= self._end.position)
        return chain(below, self._own.streams())

    def metadata(self, entries: Collection[int]) -> Mapping[int, MetadataRow]:
        asked = [entry for entry in entries if entry <= self._end.position and entry not in self._erased]
        return {**self._base.metadata(asked), **self._own.metadata(entries)}

    def metadata_entries(self) -> Iterator[int]:
        below = (entry for entry in self._base.metadata_entries() if entry <= self._end.position and entry not in self._erased)
        return chain(below, self._own.metadata_entries())

    def erased_beyond(self) -> Collection[int]:
        erased = set(self._base.erased_beyond())
        for entry in self._base.stream(ACCOUNTS_STREAM, self._last_version(ACCOUNTS_STREAM)):
            row = self._base.row_at(entry.first_position)
            if row is not None:
                erased.update(event.entry for event in decode_events(row) if isinstance(event, MetadataErased))
        return erased

    @contextmanager
    def writing(self) -> Generator[Head]:
        with self._own.writing() as head:
            yield head

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        keys = [used.key for used in decode_keys(row)]
        if self.keeps_keys and self.key_positions(keys):
            raise Overtaken("an idempotency key of this commit was used")
        self._own.append(row, entries, metadata)
        self._erased.update(metadata.erased)
        if self.keeps_keys:
            self._keys.update(dict.fromkeys(keys, row.first_position))

    def reopen(self) -> None:
        """Nothing to do: what is appended lies in memory."""

    def close(self) -> None:
        """Nothing to do: the journal below is not its own."""
