"""Recording somebody else's events: what several threads want recorded at the same moment is one row and one durable commit."""

from collections.abc import Callable, Sequence
from functools import partial

from eventsourcing.persistence import DataError, ProgrammingError, StoredEvent

from tallystick.domain.errors import TransactionClosed
from tallystick.infrastructure.event_store.log.event_group import EventGroup
from tallystick.infrastructure.event_store.log.insertion import Insertion
from tallystick.infrastructure.event_store.log.last_versions import LastVersions
from tallystick.infrastructure.event_store.log.reader import EventReader
from tallystick.infrastructure.group_commit.group_commit import GroupCommit
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.journal.format import Foreign
from tallystick.infrastructure.journal.limits import FOREIGN_VERSION_MAX
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.system.forked_children import close_in_children

STREAM_BYTES_MAX = 1024
"""PostgreSQL's indexes take no names of 2,700 bytes."""


class EventWriter:
    """Appends events to a journal. May be used from several threads; `clock` gives microseconds since 1970 in UTC."""

    def __init__(self, journal: Journal, reader: EventReader, clock: Callable[[], int]) -> None:
        self._commit_group = GroupCommit(journal, partial(EventGroup, journal, LastVersions(journal, reader), clock))
        self._queue = CommitQueue(self._commit_group)
        close_in_children(self)

    def insert(self, events: Sequence[Foreign]) -> int:
        """Makes the events durable in one commit, and gives the first one's position.

        Raises `IntegrityError` where a version is not above its stream's last one or the stream is a token's,
        `CommitTooLarge`, and `StorageError` and the library's `OperationalError` where the store failed: nothing was recorded
        then, but with `OutcomeUnknown` the events may stand.
        """
        insertion = Insertion(events)
        try:
            self._queue.run(insertion)
        except TransactionClosed as error:
            raise ProgrammingError("events are saved from within a save: by a clock or a signal handler") from error
        return insertion.outcome()

    def close_in_child(self) -> None:
        """Those who commit or wait are the parent's threads."""
        self._queue = CommitQueue(self._commit_group)


def foreign(stream: str, event: StoredEvent) -> Foreign:
    """The event as the journal keeps it. Raises `DataError` where it cannot."""
    version, topic, state = event.originator_version, event.topic, event.state
    if type(version) is not int or version > FOREIGN_VERSION_MAX or type(topic) is not str or type(state) is not bytes:
        raise DataError(f"a stored event has an int up to 2**62, a str and bytes: {event!r}")
    if len(stream) > STREAM_BYTES_MAX // 4 and len(stream.encode()) > STREAM_BYTES_MAX:
        raise DataError(f"the name of a stream has {len(stream.encode())} bytes, and {STREAM_BYTES_MAX} at most: {stream!r}")
    return Foreign(stream, version, topic, state)
