"""Recording somebody else's events: what several threads want recorded at the same moment is one row and one durable commit.

Whoever gets the turn takes along all who wait; when the others get theirs, they find that they were served. The versions of a
stream rise, and whose do not is refused alone. While nobody else appends, the last versions are remembered.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, cast

from eventsourcing.persistence import DataError, IntegrityError, OperationalError, StoredEvent

from tallystick.domain.errors import CommitTooLarge, OutcomeUnknown, StorageError
from tallystick.infrastructure.codec import Foreign, Row, encode_events, join_bodies, make_row
from tallystick.infrastructure.event_reader import EventReader
from tallystick.infrastructure.group import COMMIT_BYTES_MAX, GROUP_BYTES
from tallystick.infrastructure.journal import Head, Journal, Overtaken, StreamEntry, UnclearOutcome

FOREIGN_VERSION_MAX = 2**62
"""So a token or a contract that gets the name of somebody's stream can go on from its last version."""
OF_LEDGER = FOREIGN_VERSION_MAX + 1
"""Stands for the last version of a stream that nobody else may add to."""
VERSIONS_KEPT = 100_000
_entry: Callable[[tuple[str, int, int, int]], StreamEntry] = partial(cast(Any, tuple).__new__, StreamEntry)


class Insertion:
    """Events that are to be recorded all or none, and what became of them."""

    def __init__(self, events: Sequence[Foreign]) -> None:
        self.events = events
        self.body = encode_events(events)
        if len(self.body) > COMMIT_BYTES_MAX:
            raise CommitTooLarge(bytes=len(self.body), limit=COMMIT_BYTES_MAX)
        self.first_position: int | None = None
        self.error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is known what became of them."""
        return self.first_position is not None or self.error is not None


class EventWriter:
    """Appends events to a journal. May be used from several threads; `clock` gives microseconds since 1970 in UTC."""

    def __init__(self, journal: Journal, reader: EventReader, clock: Callable[[], int]) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._turn = threading.Lock()
        self._waiting: deque[Insertion] = deque()
        self._last_versions: dict[str, int] = {}
        self._versions_at = Head(-1, b"", 0)

    def insert(self, events: Sequence[Foreign]) -> int:
        """Makes the events durable in one commit, and gives the first one's position.

        Raises `IntegrityError` where a version is not above its stream's last one or the stream is a token's,
        `CommitTooLarge`, and `StorageError` and the library's `OperationalError` where the store failed: nothing was recorded
        then, but with `OutcomeUnknown` the events may stand.
        """
        insertion = Insertion(events)
        self._waiting.append(insertion)
        try:
            with self._turn:
                while not insertion.is_done:
                    self._commit_waiting()
        except BaseException:
            with contextlib.suppress(ValueError):  # where somebody took it along, it will stand
                self._waiting.remove(insertion)
            raise
        if insertion.error is not None:
            raise insertion.error
        assert insertion.first_position is not None
        return insertion.first_position

    def _commit_waiting(self) -> None:
        """Commits as many of those who wait as one row takes."""
        group: list[Insertion] = []
        size = 0
        while self._waiting and (not group or size + len(self._waiting[0].body) <= GROUP_BYTES):
            group.append(self._waiting.popleft())
            size += len(group[-1].body)
        try:
            self._commit(group)
        except BaseException as error:
            told = (
                error if isinstance(error, Exception) else OutcomeUnknown("the commit was interrupted: it may or may not stand")
            )
            for insertion in group:
                if not insertion.is_done:
                    insertion.error = told
            if told is not error:
                raise

    def _commit(self, group: Sequence[Insertion]) -> None:
        """Commits what can be of a group. A store refuses what does not go on after a stream's last version, so that is looked
        up only once it has, but where a stream may be the ledger's.
        """
        try:
            self._append(group, all_versions=False)
        except Overtaken:
            self._last_versions.clear()
            try:
                self._append(group, all_versions=True)
            except Overtaken as error:
                raise OperationalError(f"nothing was recorded: {error}") from error

    def _append(self, group: Sequence[Insertion], *, all_versions: bool) -> None:
        with self._journal.writing() as head:
            self._look_up({event.stream for insertion in group for event in insertion.events}, head, all_versions=all_versions)
            first_position = head.position + 1
            entries: dict[str, StreamEntry] = {}
            accepted = [insertion for insertion in group if self._enter(insertion, entries, first_position)]
            if not accepted:
                return
            body = join_bodies([insertion.body for insertion in accepted])
            counts = [len(insertion.events) for insertion in accepted]
            recorded_at = max(self._clock(), head.recorded_at)
            row = make_row(head.digest, first_position, recorded_at, (), counts, body)
            try:
                self._journal.append(row, list(entries.values()))
            except UnclearOutcome as error:
                self._resolve(row, list(entries.values()), error)
            self._last_versions.update({stream: entry[2] for stream, entry in entries.items()})
            self._versions_at = Head(row.last_position, row.digest, recorded_at)
        for insertion, count in zip(accepted, counts, strict=True):
            insertion.first_position = first_position
            first_position += count

    def _enter(self, insertion: Insertion, entries: dict[str, StreamEntry], first_position: int) -> bool:
        """Adds the entries of an insertion to those of its row; false, and nothing is added, where it is refused."""
        added: dict[str, StreamEntry] = {}
        known = self._last_versions
        for event in insertion.events:
            stream, version = event.stream, event.version
            entry = added.get(stream) or entries.get(stream)
            if entry is None:
                last_version, first_version = known.get(stream, -1), version
            else:
                _, first_version, last_version, _ = entry
            if version <= last_version:
                insertion.error = _conflict(stream, version, last_version)
                return False
            added[stream] = _entry((stream, first_version, version, first_position))
        entries.update(added)
        return True

    def _resolve(self, row: Row, entries: Sequence[StreamEntry], error: UnclearOutcome) -> None:
        """Returns where `row` stands after all."""
        try:
            stands = self._journal.has_recorded(row, entries)
        except StorageError:
            raise OutcomeUnknown(f"the commit at position {row.first_position} may or may not stand: {error}") from error
        if not stands:
            raise OperationalError(f"nothing was recorded: {error}") from error

    # The last versions of streams.

    def _look_up(self, streams: Collection[str], head: Head, *, all_versions: bool) -> None:
        """Has the last versions of these streams, of all or of those that may be the ledger's; -1 for one without events, since
        streams may begin at 0.
        """
        if head != self._versions_at or len(self._last_versions) > VERSIONS_KEPT:
            self._last_versions.clear()
            self._versions_at = head
        known = self._last_versions
        unknown = {stream for stream in streams if (all_versions or " " not in stream) and stream not in known}
        if unknown:
            found = self._journal.last_entries(unknown)
            known.update(dict.fromkeys(unknown, -1))
            known.update({stream: self._last_version(entry) for stream, entry in found.items()})

    def _last_version(self, entry: StreamEntry) -> int:
        if " " not in entry.stream:  # it may be the ledger's
            newest = self._reader.stream(entry.stream, entry.last_version - 1, entry.last_version)
            if any(not isinstance(event, Foreign) for _, event in newest):
                return OF_LEDGER
        return entry.last_version


def _conflict(stream: str, version: int, last_version: int) -> IntegrityError:
    if last_version == OF_LEDGER:
        return IntegrityError(f"{stream} is a token or a contract: the ledger alone makes its events")
    if version < 0:
        return IntegrityError(f"version {version} of {stream} is below 0")
    return IntegrityError(f"version {version} of {stream} is not above {last_version}, its last")


def foreign(stream: str, event: StoredEvent) -> Foreign:
    """The event as the journal keeps it. Raises `DataError` where it cannot."""
    version, topic, state = event.originator_version, event.topic, event.state
    if type(version) is not int or version > FOREIGN_VERSION_MAX or not isinstance(topic, str) or not isinstance(state, bytes):
        raise DataError(f"a stored event has an int up to 2**62, a str and bytes: {event!r}")
    return Foreign(stream, version, topic, state)
