"""How far each stream has come. A token is a stream and so is a contract, and each of its positions is a version of it; the
events of the book as a whole have one too.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from tallystick.domain.batch.batch import positions_of
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow
from tallystick.infrastructure.journal.port import StreamEntry

_stream_of = attrgetter("stream")


class StreamVersions:
    """The last version of every stream, as of the last row that was given."""

    def __init__(self, versions: Mapping[str, int] | None = None) -> None:
        self._versions: dict[str, int] = {} if versions is None else dict(versions)

    def freeze(self) -> dict[str, int]:
        """A copy of all of them."""
        return dict(self._versions)

    def of(self, stream: str) -> int:
        """The stream's last version, 0 where it has none."""
        return self._versions.get(stream, 0)

    def set(self, stream: str, version: int) -> None:
        """Notes the last version of somebody else's stream, which counts as it pleases."""
        self._versions[stream] = version

    def entries(self, events: Sequence[JournalEvent], row: JournalRow) -> list[StreamEntry]:
        """The entries of the next row, which has these events beside those that are somebody else's."""
        entries: list[StreamEntry] = []
        for stream, count in _counts(events, row).items():
            version = self._versions.get(stream, 0)
            entries.append(StreamEntry(stream, version + 1, version + count, row.first_position))
        return entries

    def advance(self, entries: Iterable[StreamEntry]) -> None:
        """Notes that these entries stand."""
        for entry in entries:
            self._versions[entry.stream] = entry.last_version


def _counts(events: Sequence[JournalEvent], row: JournalRow) -> Mapping[str, int]:
    """How many of the row's positions are events of each stream."""
    positions = row.last_position - row.first_position + 1
    if len(events) == 1 == positions:
        return {events[0].stream: 1}
    streams: list[str] = list(map(_stream_of, events))
    if positions == len(events):
        if streams.count(streams[0]) == positions:  # nearly always, and many times faster to find out
            return {streams[0]: positions}
        return Counter(streams)
    counts: Counter[str] = Counter()
    for stream, event in zip(streams, events, strict=True):
        counts[stream] += positions_of(event)
    return counts
