"""The `eventsourcing` library's recorder over a journal: its aggregates and the ledger's in one sequence.

What applications of that library record is kept as `Foreign` events, each call of `insert_events` as one row, so it has
positions, digests and audits like all else, and a ledger may be open on the same journal. The ledger's own events are read
here too: a token is a stream named by its code and a contract one named by its id, an event's topic is its class and its
state the JSON that stands in the journal. Only the ledger adds to those.

Failures arrive as the library's errors, with ours as their cause: `OperationalError` where the store failed,
`InterfaceError` where it was closed, `DataError` for what cannot be stored, `DatabaseError` where the journal is corrupt.
"""

import re
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Literal
from uuid import UUID

import msgspec
from eventsourcing import persistence
from eventsourcing.persistence import DataError, IntegrityError, Notification, StoredEvent
from eventsourcing.utils import get_topic

from tallystick.domain.batch import expanded
from tallystick.domain.errors import CommitTooLarge, CorruptJournal, LedgerClosed, OutcomeUnknown, StorageError
from tallystick.infrastructure.batch_names import BatchNames
from tallystick.infrastructure.codec import (
    Foreign,
    JournalEvent,
    Row,
    decode_events,
    encode_events,
    make_row,
    may_hold_batches,
    stream_of,
)
from tallystick.infrastructure.group import COMMIT_BYTES_MAX
from tallystick.infrastructure.journal import VERSION_MAX, Journal, StreamEntry, UnclearOutcome

POLL_SECONDS = 0.1
PULL_LIMIT = 500
ROWS_ONE_BY_ONE = 16

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_encode_state = msgspec.json.Encoder().encode

_TRANSLATIONS: tuple[tuple[type[Exception], type[persistence.PersistenceError]], ...] = (
    (LedgerClosed, persistence.InterfaceError),
    (StorageError, persistence.OperationalError),
    (CorruptJournal, persistence.DatabaseError),
    (CommitTooLarge, DataError),
    (UnicodeEncodeError, DataError),
)


@contextmanager
def _library_errors() -> Generator[None]:
    try:
        yield
    except tuple(ours for ours, _ in _TRANSLATIONS) as error:
        theirs = next(theirs for ours, theirs in _TRANSLATIONS if isinstance(error, ours))
        raise theirs(str(error)) from error


class JournalRecorder(persistence.ApplicationRecorder):
    """Records and reads stored events in `journal`. Notification ids are positions.

    Streams are named by text, a UUID by its canonical form. With `originator_id_type` "uuid" such a name is read back as a
    `UUID`, and any other, like a token's code, as it is; with "text" all are text. `clock` gives the time in microseconds
    since 1970 in UTC.
    """

    def __init__(
        self,
        journal: Journal,
        originator_id_type: Literal["uuid", "text"] = "uuid",
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        if originator_id_type not in ("uuid", "text"):
            raise ValueError(f"originator_id_type is 'uuid' or 'text', not {originator_id_type!r}")
        self.originator_id_type = originator_id_type
        self._journal = journal
        self._clock = clock
        self._appended = threading.Condition()
        self._last_read: tuple[Row, list[JournalEvent]] | None = None
        self._names = BatchNames(journal)

    @_library_errors()
    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Makes the events durable as one commit, all or nothing, and gives their positions.

        Raises `IntegrityError` where a version is not above its stream's last one or the stream is a token's, and the
        errors that the module's documentation lists. After an `OperationalError` caused by `OutcomeUnknown` the events
        may stand; after any other error nothing was recorded.
        """
        if not stored_events:
            return []
        events = [_foreign(event) for event in stored_events]
        body = encode_events(events)
        if len(body) > COMMIT_BYTES_MAX:
            raise CommitTooLarge(bytes=len(body), limit=COMMIT_BYTES_MAX)
        with self._journal.writing() as head:
            first_position = head.position + 1
            entries = self._entries(events, first_position)
            recorded_at = max(self._clock(), head.recorded_at)
            row = make_row(head.digest, first_position, recorded_at, (), (len(events),), body)
            try:
                self._journal.append(row, entries)
            except UnclearOutcome as error:
                self._resolve(row, entries, error)
        self.wake()
        return list(range(row.first_position, row.last_position + 1))

    @_library_errors()
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of a stream with versions above `gt` up to `lte`, the newest first if `desc`, up to `limit`."""
        above = -1 if gt is None else max(-1, min(gt, VERSION_MAX))
        upto = VERSION_MAX if lte is None else max(-1, min(lte, VERSION_MAX))
        found = (
            StoredEvent(self._originator_id(event), version, _topic(event), _state(event))
            for entry in self._journal.stream(str(originator_id), above, upto, descending=desc)
            for version, event in self._versions(entry, descending=desc)
            if above < version <= upto
        )
        return list(islice(found, limit))

    @_library_errors()
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The events from position `start` (or the one after it) to `stop`, of `topics` if any, up to `limit`."""
        first = 1 if start is None else max(1, start if inclusive_of_start else start + 1)
        found = (
            Notification(self._originator_id(event), version, topic, _state(event), id=position)
            for position, version, event in self._numbered(first, stop)
            if (topic := _topic(event)) in topics or not topics
        )
        return list(islice(found, limit))

    @_library_errors()
    def max_notification_id(self) -> int | None:
        """The position of the newest event; None where there is none."""
        return self._journal.head().position or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> "JournalSubscription":
        """The events above position `gt`, of `topics` if any, and then those that are yet to come."""
        return JournalSubscription(self, gt, topics)

    def wake(self) -> None:
        """Has the subscriptions of this recorder look at once whether there is something new."""
        with self._appended:
            self._appended.notify_all()

    def wait(self, position: int, until: Callable[[], bool]) -> int:
        """The head's position, once it is above `position` or `until` holds; waits `POLL_SECONDS` at most."""
        with self._appended:
            head = self.max_notification_id() or 0
            if head <= position and not until():
                self._appended.wait(POLL_SECONDS)
            return head

    # Writing.

    def _entries(self, events: Sequence[Foreign], first_position: int) -> list[StreamEntry]:
        entries: dict[str, StreamEntry] = {}
        for event in events:
            entry = entries.get(event.stream)
            last_version = self._last_version(event.stream) if entry is None else entry.last_version
            if event.version <= last_version:
                raise IntegrityError(f"version {event.version} of {event.stream} is not above {last_version}, its last")
            first_version = event.version if entry is None else entry.first_version
            entries[event.stream] = StreamEntry(event.stream, first_version, event.version, first_position)
        return list(entries.values())

    def _last_version(self, stream: str) -> int:
        """The last version of somebody else's stream; -1 where it has none, since streams may begin at 0."""
        entry = next(self._journal.stream(stream, descending=True), None)
        if entry is None:
            return -1
        if any(not isinstance(event, Foreign) for _, event in self._versions(entry)):
            raise IntegrityError(f"{stream} is a token or a contract: the ledger alone makes its events")
        return entry.last_version

    def _resolve(self, row: Row, entries: Sequence[StreamEntry], error: UnclearOutcome) -> None:
        """Returns where `row` stands after all."""
        try:
            stands = self._journal.has_recorded(row, entries)
        except StorageError:
            raise OutcomeUnknown(f"the commit at position {row.first_position} may or may not stand: {error}") from error
        if not stands:
            raise persistence.OperationalError(f"nothing was recorded: {error}") from error

    # Reading.

    def _commit(self, position: int) -> tuple[Row, list[JournalEvent]] | None:
        """The commit in which `position` lies. The last one is kept: a large one is read in many small selections."""
        commit = self._last_read
        if commit is None or not commit[0].first_position <= position <= commit[0].last_position:
            row = self._journal.row_at(position)
            if row is None:
                return None
            commit = self._last_read = (row, self._events(row))
        return commit

    def _commits(self, position: int) -> Iterator[tuple[Row, list[JournalEvent]]]:
        """The commits from the one in which `position` lies: one by one at first, for `rows` reads many ahead."""
        for _ in range(ROWS_ONE_BY_ONE):
            commit = self._commit(position)
            if commit is None:
                return
            yield commit
            position = commit[0].last_position + 1
        for row in self._journal.rows(after=position - 1):
            yield row, self._events(row)

    def _events(self, row: Row) -> list[JournalEvent]:
        """The events of a row, those of a batch one by one."""
        events = decode_events(row)
        if not may_hold_batches(row.body):
            return events
        try:
            return expanded(events, lambda token: self._names.at(token, row.first_position))
        except (ValueError, ArithmeticError) as error:
            raise CorruptJournal(f"a batch cannot be read: {error}", position=row.first_position) from error

    def _versions(self, entry: StreamEntry, *, descending: bool = False) -> Iterator[tuple[int, JournalEvent]]:
        """The events of a stream in one commit, with their versions."""
        commit = self._commit(entry.first_position)
        if commit is None:
            raise CorruptJournal(f"the entry of stream {entry.stream!r} leads nowhere", position=entry.first_position)
        events = [event for event in commit[1] if stream_of(event) == entry.stream]
        numbered = [
            (event.version if isinstance(event, Foreign) else version, event)
            for version, event in enumerate(events, entry.first_version)
        ]
        return reversed(numbered) if descending else iter(numbered)

    def _numbered(self, start: int, stop: int | None) -> Iterator[tuple[int, int, JournalEvent]]:
        """Position, version and event of all from position `start` to `stop`."""
        versions: dict[str, int] = {}
        for row, events in self._commits(start):
            offset = max(0, start - row.first_position)
            for position, event in enumerate(events[offset:], row.first_position + offset):
                if stop is not None and position > stop:
                    return
                if isinstance(event, Foreign):
                    yield position, event.version, event
                    continue
                stream = stream_of(event)
                if stream not in versions:
                    skipped = sum(stream_of(before) == stream for before in events[:offset])
                    versions[stream] = self._entry_at(stream, row.first_position).first_version - 1 + skipped
                versions[stream] += 1
                yield position, versions[stream], event

    def _entry_at(self, stream: str, first_position: int) -> StreamEntry:
        """The entry of a stream for one commit, found by halves: entries are in the order of versions and of positions."""
        entry = next(self._journal.stream(stream, descending=True), None)
        if entry is not None and entry.first_position > first_position:

            def position_of(version: int) -> int:
                return next(self._journal.stream(stream, version - 1)).first_position

            version = bisect_left(range(entry.last_version), first_position, key=position_of)
            entry = next(self._journal.stream(stream, version - 1))
        if entry is None or entry.first_position != first_position:
            raise CorruptJournal(f"stream {stream!r} has no entry for it", position=first_position)
        return entry

    def _originator_id(self, event: JournalEvent) -> UUID | str:
        stream = stream_of(event)
        is_uuid = self.originator_id_type == "uuid" and isinstance(event, Foreign) and _UUID.fullmatch(stream)
        return UUID(stream) if is_uuid else stream


class JournalSubscription(persistence.Subscription[JournalRecorder]):
    """Events as they are recorded: at once those of its own recorder, within `POLL_SECONDS` those of anybody else."""

    def __init__(self, recorder: JournalRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt, topics)
        self._ready: deque[Notification] = deque()
        self._position = gt or 0

    def stop(self) -> None:
        """Ends the iteration, from whatever thread."""
        super().stop()
        self._recorder.wake()

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._ready:
                return self._ready.popleft()
            head = self._recorder.wait(self._position, lambda: self._has_been_stopped)
            if head > self._position:
                self._pull(head)
        raise StopIteration

    def _pull(self, head: int) -> None:
        self._ready.extend(
            self._recorder.select_notifications(self._position, PULL_LIMIT, head, self._topics, inclusive_of_start=False)
        )
        self._position = self._ready[-1].id if len(self._ready) == PULL_LIMIT else head


def _foreign(event: StoredEvent) -> Foreign:
    version, topic, state = event.originator_version, event.topic, event.state
    if type(version) is not int or version > VERSION_MAX or not isinstance(topic, str) or not isinstance(state, bytes):
        raise DataError(f"a stored event has an int, a str and bytes: {event!r}")
    return Foreign(str(event.originator_id), version, topic, state)


def _topic(event: JournalEvent) -> str:
    return event.topic if isinstance(event, Foreign) else get_topic(type(event))


def _state(event: JournalEvent) -> bytes:
    return event.state if isinstance(event, Foreign) else _encode_state(event)
