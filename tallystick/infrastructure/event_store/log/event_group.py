"""The event store's group: insertions that are made durable together as one row of the journal.

The versions of a stream rise, and whose do not is refused alone. A store refuses what does not go on after a stream's last
version, so that is looked up only once it has, but where a stream may be the ledger's.
"""

from collections.abc import Callable, Sequence

from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError

from tallystick.domain.errors import LedgerError
from tallystick.infrastructure.event_store.log.insertion import Insertion
from tallystick.infrastructure.event_store.log.last_versions import OF_LEDGER, LastVersions
from tallystick.infrastructure.group_commit.group import Group
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.journal.clock import time_of_commit
from tallystick.infrastructure.journal.format import Head, JournalRow, join_bodies, make_row
from tallystick.infrastructure.journal.limits import GROUP_BYTES
from tallystick.infrastructure.journal.port import Journal, Overtaken, StreamEntry


class EventGroup(Group[Insertion]):
    """The insertions entered so far, and the last versions that they change."""

    attempts_max = 2

    def __init__(self, journal: Journal, versions: LastVersions, clock: Callable[[], int]) -> None:
        self._journal = journal
        self._versions = versions
        self._clock = clock

    def execute(self, queue: CommitQueue[Insertion], head: Head) -> Sequence[Insertion]:
        taken = queue.take()
        waiting = taken if len(taken) == 1 else _fitting(taken)
        was_overtaken = bool(waiting) and waiting[0].attempts > 0  # who was put back is first
        self._versions.look_up(waiting, head, all_versions=was_overtaken)
        recorded_at = time_of_commit(self._journal, head, self._clock)
        first_position = position = head.position + 1
        entries: dict[str, StreamEntry] = {}
        bodies: list[bytes] = []
        counts: list[int] = []
        entered: list[Insertion] = []
        self.members = entered
        for insertion in waiting:
            entered.append(insertion)
            insertion.error = self._enter(insertion, entries, first_position)
            if insertion.error is None:
                insertion.first_position = position
                bodies.append(insertion.body)
                counts.append(len(insertion.events))
                position += len(insertion.events)
        if counts:
            self.entries = list(entries.values())
            self.row = make_row(head.digest, first_position, recorded_at, (), counts, join_bodies(bodies))
        return taken

    def _enter(self, insertion: Insertion, entries: dict[str, StreamEntry], first_position: int) -> IntegrityError | None:
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

    def succeed(self, row: JournalRow) -> None:
        self._versions.advance(self.entries, row.head())
        self.note_recorded()

    def take_back(self) -> None:
        self._versions.forget()

    def drop(self) -> None:
        self._versions.forget()

    def note_recorded(self) -> None:
        self.decided = self.members

    def given_up(self, overtaken: Overtaken) -> Exception:
        told = OperationalError(f"nothing was recorded: {overtaken}")
        told.__cause__ = overtaken
        return told

    def fail(self, error: BaseException) -> None:
        """What nobody foresaw while the store had the row is the library's error too."""
        if self.sent is not None and not isinstance(error, (LedgerError, PersistenceError)):
            told = OperationalError(f"nothing was recorded: {error!r}")
            told.__cause__ = error
            error = told
        super().fail(error)


def _fitting(waiting: Sequence[Insertion]) -> Sequence[Insertion]:
    """As many of the first as are not larger together than a row should be."""
    size = 0
    for count, insertion in enumerate(waiting):
        size += len(insertion.body)
        if count and size > GROUP_BYTES:
            return waiting[:count]
    return waiting


def _conflict(stream: str, version: int, last_version: int) -> IntegrityError:
    if last_version == OF_LEDGER:
        return IntegrityError(f"{stream} is a token or a contract: the ledger alone makes its events")
    if version < 0:
        return IntegrityError(f"version {version} of {stream} is below 0")
    return IntegrityError(f"version {version} of {stream} is not above {last_version}, its last")
