"""The port to an event store that the `eventsourcing` library's own recorders keep, for SQLite or PostgreSQL.

It is only read, as it was when it was opened, and in pages, so that its size does not matter. Whatever is read is checked to
be what the library writes; how streams and versions follow each other is not.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Self

from tallystick.domain.errors import InvalidRequest, MalformedEvent
from tallystick.infrastructure.journal.limits import FOREIGN_VERSION_MAX

PAGE_ROWS = 1000
PAGE_BYTES = 4 * 2**20
"""A page has so many rows at most, and no further one after so many bytes of states."""
INTEGER_MIN = -(2**63)
MIGRATION = "__migration__"
"""What the library calls the tracking row that says which form the table has."""

IdType = Literal["uuid", "text"]
EventColumns = tuple[Any, Any, Any, Any, Any]
"""The id of a stream as the store has it, version, topic, state and notification id; None for a snapshot's."""
VersionColumns = tuple[Any, Any, Any]
"""The id of a stream as the store has it, version and notification id."""


class EventsourcingEvent(NamedTuple):
    """An event with its notification id, or a snapshot, where that is 0. `stream` is a UUID's canonical form, or text."""

    stream: str
    version: int
    topic: str
    state: bytes
    notification_id: int


class EventsourcingStore(ABC):
    """The store of one application, whose `application` name is in lower case. `name` is what to call it in messages.

    Every method raises `StorageUnavailable` where the store cannot be read.
    """

    name: str
    application: str

    def events(self) -> Iterator[EventsourcingEvent]:
        """All events in the order of their notification ids. Raises `MalformedEvent`."""
        after = INTEGER_MIN
        while page := self.events_after(after):
            yield from map(self._event, page)
            after = page[-1][4]

    def versions(self) -> Iterator[tuple[str, int, int]]:
        """Stream, version and notification id of all events, stream by stream, in the order of versions."""
        after = (self.lowest_id(), INTEGER_MIN)
        while page := self.versions_after(*after):
            yield from ((self.stream_of(id), version, notification_id) for id, version, notification_id in page)
            after = page[-1][:2]

    def snapshots(self) -> Iterator[EventsourcingEvent]:
        """All snapshots, stream by stream, in the order of versions. Raises `MalformedEvent`."""
        after = (self.lowest_id(), INTEGER_MIN)
        while page := self.snapshots_after(*after):
            yield from map(self._event, page)
            after = page[-1][:2]

    def tracking(self) -> Iterator[tuple[str, int]]:
        """The applications that this one follows, in order, each with the last notification id that it has processed.

        That is also what the library keeps of the older form of the table, which has a row for every id. Raises
        `MalformedEvent`.
        """
        for application, notification_id in self.last_tracked():
            if not isinstance(application, str) or not _is_version(notification_id):
                raise MalformedEvent("no application is tracked like that", stream=str(application), version=notification_id)
            yield application, notification_id

    def _event(self, columns: EventColumns) -> EventsourcingEvent:
        id, version, topic, state, notification_id = columns
        if not isinstance(id, str) or not isinstance(topic, str) or not isinstance(state, bytes):
            raise MalformedEvent("its id and topic are text and its state bytes", stream=str(id), version=version)
        if not _is_version(version):
            raise MalformedEvent("a version is an integer from 0 to 2**62", stream=id, version=version)
        try:
            return EventsourcingEvent(self.stream_of(id), version, topic, state, notification_id or 0)
        except ValueError as error:
            raise MalformedEvent(str(error), stream=id, version=version) from None

    # What the store at hand must do.

    @abstractmethod
    def events_after(self, notification_id: int) -> Sequence[EventColumns]:
        """The next page of events; nothing where there are no more."""

    @abstractmethod
    def versions_after(self, id: Any, version: int) -> Sequence[VersionColumns]:
        """The next page of versions in the order of ids and versions."""

    @abstractmethod
    def snapshots_after(self, id: Any, version: int) -> Sequence[EventColumns]:
        """The next page of snapshots in that order; nothing where the store has no table of them."""

    @abstractmethod
    def last_tracked(self) -> Sequence[tuple[Any, Any]]:
        """Each application's last notification id, without the row of the table's form."""

    @abstractmethod
    def lowest_id(self) -> str:
        """An id that none comes before."""

    @abstractmethod
    def stream_of(self, id: str) -> str:
        """The canonical form of an id. Raises `ValueError` where it is not of the type that the ids are of."""

    @abstractmethod
    def close(self) -> None:
        """Gives up what is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def application_name(name: str) -> str:
    """The name as the journal has it; `InvalidRequest` where it is empty."""
    if not name.strip():
        raise InvalidRequest("the name of an application is not empty")
    return name.lower()


def _is_version(number: object) -> bool:
    return type(number) is int and 0 <= number <= FOREIGN_VERSION_MAX
