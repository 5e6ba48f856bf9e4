"""Recording somebody else's events: what several threads want recorded at the same moment is one row and one durable commit.

Whoever gets the turn takes along all who wait; when the others get theirs, they find that they were served. The versions of a
stream rise, and whose do not is refused alone. While nobody else appends, the last versions are remembered.

Whoever has the turn may be interrupted anywhere. Those taken along are kept until it is known what became of them, and whoever
has the turn next begins with those.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from eventsourcing.persistence import DataError, IntegrityError, OperationalError, ProgrammingError, StoredEvent

from tallystick.domain.errors import CommitTooLarge, LedgerError, OutcomeUnknown
from tallystick.infrastructure.event_store.log.last_versions import OF_LEDGER, LastVersions
from tallystick.infrastructure.event_store.log.reader import EventReader
from tallystick.infrastructure.journal.appending import append, find_out
from tallystick.infrastructure.journal.format import Foreign, JournalRow, encode_events, join_bodies, make_row
from tallystick.infrastructure.journal.limits import COMMIT_BYTES_MAX, GROUP_BYTES
from tallystick.infrastructure.journal.port import Head, Journal, Overtaken, StreamEntry, head_after
from tallystick.infrastructure.system.forked_children import close_in_children

FOREIGN_VERSION_MAX = 2**62
"""So a token or a contract that gets the name of somebody's stream can go on from its last version."""
STREAM_BYTES_MAX = 1024
"""PostgreSQL's indexes take no names of 2,700 bytes."""


class Insertion:
    """Events that are to be recorded all or none, and what became of them."""

    def __init__(self, events: Sequence[Foreign]) -> None:
        self.events = events
        self.body = encode_events(events)
        if len(self.body) > COMMIT_BYTES_MAX:
            raise CommitTooLarge(bytes=len(self.body), limit=COMMIT_BYTES_MAX)
        self.first_position: int | None = None
        self.error: Exception | None = None
        self.is_withdrawn = False

    @property
    def is_done(self) -> bool:
        """Whether it is known what became of them."""
        return self.first_position is not None or self.error is not None


class Attempt(NamedTuple):
    """A row that is to be appended: whom it serves, each from which position on, and who is refused beside them."""

    row: JournalRow
    entries: Sequence[StreamEntry]
    served: Sequence[tuple[Insertion, int]]
    refused: Sequence[tuple[Insertion, Exception]]

    def succeed(self) -> None:
        """Tells everybody."""
        for insertion, first_position in self.served:
            insertion.first_position = first_position
        for insertion, error in self.refused:
            insertion.error = error

    def fails(self, error: Exception) -> None:
        """Tells everybody, also those who would not have been refused without the others."""
        for insertion, _ in (*self.served, *self.refused):
            insertion.error = error


class EventWriter:
    """Appends events to a journal. May be used from several threads; `clock` gives microseconds since 1970 in UTC."""

    def __init__(self, journal: Journal, reader: EventReader, clock: Callable[[], int]) -> None:
        self._journal = journal
        self._clock = clock
        self._turn = threading.RLock()
        self._leads = False
        self._waiting: deque[Insertion] = deque()
        self._taken: Sequence[Insertion] = ()
        self._attempt: Attempt | None = None
        self._versions = LastVersions(journal, reader)
        close_in_children(self)

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
                if self._leads:
                    raise ProgrammingError("events are saved from within a save: by a clock or a signal handler")
                self._leads = True
                try:
                    while not insertion.is_done:
                        self._commit_waiting()
                finally:
                    self._leads = False
        except BaseException:
            insertion.is_withdrawn = True  # where it is with the store already it may stand all the same
            raise
        if insertion.error is not None:
            raise insertion.error
        assert insertion.first_position is not None
        return insertion.first_position

    def close_in_child(self) -> None:
        """Those who hold the turn or wait are the parent's threads."""
        self._turn = threading.RLock()
        self._leads = False
        self._waiting.clear()
        self._taken, self._attempt = (), None

    # While one has the turn.

    def _commit_waiting(self) -> None:
        """Commits as many of those who wait as one row takes."""
        if self._taken:
            self._end_what_was_begun()
        self._take()
        try:
            self._commit(self._taken)
        except Exception as error:
            self._end_what_was_begun(error)
        self._taken = ()

    def _take(self) -> None:
        size = passed = 0
        taken: list[Insertion] = []
        for insertion in list(self._waiting):
            if not insertion.is_withdrawn:
                size += len(insertion.body)
                if taken and size > GROUP_BYTES:
                    break
                taken.append(insertion)
            passed += 1
        self._taken = taken  # they are in both for a moment, and in one at any time
        for _ in range(passed):
            self._waiting.popleft()

    def _end_what_was_begun(self, error: Exception | None = None) -> None:
        """Finds out what became of those who were taken. Without an `error` somebody was interrupted, and those who were not
        with the store wait again.
        """
        attempt = self._attempt
        if attempt is not None:
            self._resolve(attempt, error)
            self._attempt = None
        for insertion in reversed([insertion for insertion in self._taken if not insertion.is_done]):
            if error is not None:
                insertion.error = error
            elif not insertion.is_withdrawn and insertion not in self._waiting:
                self._waiting.appendleft(insertion)
        self._taken = ()

    def _commit(self, group: Sequence[Insertion]) -> None:
        """Commits what can be of a group. A store refuses what does not go on after a stream's last version, so that is looked
        up only once it has, but where a stream may be the ledger's.
        """
        try:
            self._append(group, all_versions=False)
        except Overtaken:
            self._attempt = None
            self._versions.forget()
            try:
                self._append(group, all_versions=True)
            except Overtaken as error:
                self._attempt = None
                raise OperationalError(f"nothing was recorded: {error}") from error

    def _append(self, group: Sequence[Insertion], *, all_versions: bool) -> None:
        with self._journal.writing() as head:
            self._versions.look_up(group, head, all_versions=all_versions)
            attempt = self._plan(group, head)
            if attempt is None:
                return
            self._attempt = attempt
            append(self._journal, attempt.row, attempt.entries)
            attempt.succeed()
            self._attempt = None
            self._versions.advance(attempt.entries, head_after(attempt.row))

    def _plan(self, group: Sequence[Insertion], head: Head) -> Attempt | None:
        """The row of all those whom nothing refuses, if there are any."""
        first_position = head.position + 1
        entries: dict[str, StreamEntry] = {}
        served: list[tuple[Insertion, int]] = []
        refused: list[tuple[Insertion, Exception]] = []
        position = first_position
        for insertion in group:
            error = self._enter(insertion, entries, first_position)
            if error is None:
                served.append((insertion, position))
                position += len(insertion.events)
            else:
                refused.append((insertion, error))
        if not served:
            for insertion, error in refused:
                insertion.error = error
            return None
        body = join_bodies([insertion.body for insertion, _ in served])
        counts = [len(insertion.events) for insertion, _ in served]
        row = make_row(head.digest, first_position, max(self._clock(), head.recorded_at), (), counts, body)
        return Attempt(row, list(entries.values()), served, refused)

    def _enter(self, insertion: Insertion, entries: dict[str, StreamEntry], first_position: int) -> Exception | None:
        """Adds the entries of an insertion to those of its row; nothing is added where it is refused, and the error given."""
        added: dict[str, StreamEntry] = {}
        known = self._versions.known
        for event in insertion.events:
            stream, version = event.stream, event.version
            entry = added.get(stream)
            if entry is None and entries:
                entry = entries.get(stream)
            if entry is None:
                first_version, last_version = version, known.get(stream, -1)
            else:
                first_version, last_version = entry[1], entry[2]
            if version <= last_version:
                return _conflict(stream, version, last_version)
            added[stream] = StreamEntry._make((stream, first_version, version, first_position))
        entries.update(added)
        return None

    def _resolve(self, attempt: Attempt, error: Exception | None) -> None:
        """Tells everybody what became of a row that was with the store; those wait again whom nobody can tell anything yet."""
        self._versions.forget()
        if error is None:
            found = find_out(self._journal, attempt.row, attempt.entries, KeyboardInterrupt())
            if found is None:
                attempt.succeed()
            elif isinstance(found, OutcomeUnknown):
                attempt.fails(found)
        elif isinstance(error, (LedgerError, OperationalError)):
            attempt.fails(error)
        else:
            told = OperationalError(f"nothing was recorded: {error!r}")
            told.__cause__ = error
            attempt.fails(told)


def _conflict(stream: str, version: int, last_version: int) -> IntegrityError:
    if last_version == OF_LEDGER:
        return IntegrityError(f"{stream} is a token or a contract: the ledger alone makes its events")
    if version < 0:
        return IntegrityError(f"version {version} of {stream} is below 0")
    return IntegrityError(f"version {version} of {stream} is not above {last_version}, its last")


def foreign(stream: str, event: StoredEvent) -> Foreign:
    """The event as the journal keeps it. Raises `DataError` where it cannot."""
    version, topic, state = event.originator_version, event.topic, event.state
    if type(version) is not int or version > FOREIGN_VERSION_MAX or type(topic) is not str or type(state) is not bytes:
        raise DataError(f"a stored event has an int up to 2**62, a str and bytes: {event!r}")
    if len(stream) > STREAM_BYTES_MAX // 4 and len(stream.encode()) > STREAM_BYTES_MAX:
        raise DataError(f"the name of a stream has {len(stream.encode())} bytes, and {STREAM_BYTES_MAX} at most: {stream!r}")
    return Foreign(stream, version, topic, state)
