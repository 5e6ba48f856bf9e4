"""What an event store of the `eventsourcing` library becomes in a journal: `Foreign` events, one after another.

First the events, in the order of their notification ids, then the snapshots, then what the application tracks. Where ids are
kept, an event's position is its notification id, and at each id that the store never used, or no longer has, stands an event
without topic and state, so that those after it keep theirs. Snapshots and what is tracked have no ids to keep.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tallystick.infrastructure.event_store.stream_names import EVENTS, GAPS, SNAPSHOTS, TRACKING, StreamSpace
from tallystick.infrastructure.imports.event_store.port import EventsourcingEvent, EventsourcingStore
from tallystick.infrastructure.journal.format import Foreign


class Item(NamedTuple):
    """An event for the journal, and the position that it must have, None where it may have any."""

    event: Foreign
    position: int | None


class EventsourcingItems:
    """What `store` becomes; gone through anew each time."""

    def __init__(self, store: EventsourcingStore, *, renumber: bool) -> None:
        self._store = store
        self._renumber = renumber
        self._events = StreamSpace(store.application, EVENTS)
        self._snapshots = StreamSpace(store.application, SNAPSHOTS)
        self._tracking = StreamSpace(store.application, TRACKING)
        self._gaps = StreamSpace(store.application, GAPS).stream_of(store.application)

    def __iter__(self) -> Iterator[Item]:
        yield from self._renumbered() if self._renumber else self._in_their_places()
        for snapshot in self._store.snapshots():
            yield Item(_foreign(self._snapshots, snapshot), None)
        for application, notification_id in self._store.tracking():
            yield Item(Foreign(self._tracking.stream_of(application), notification_id, "", b""), None)

    def are_in(self, stream: str) -> bool:
        """Whether a stream of the journal is the application's, but for what fills gaps."""
        return any(space.id_of(stream) is not None for space in (self._events, self._snapshots, self._tracking))

    def _renumbered(self) -> Iterator[Item]:
        for event in self._store.events():
            yield Item(_foreign(self._events, event), None)

    def _in_their_places(self) -> Iterator[Item]:
        position = 0
        for event in self._store.events():
            for missing in range(position + 1, event.notification_id):
                yield Item(Foreign(self._gaps, missing, "", b""), missing)
            position = event.notification_id
            yield Item(_foreign(self._events, event), position)


def _foreign(space: StreamSpace, event: EventsourcingEvent) -> Foreign:
    return Foreign(space.stream_of(event.stream), event.version, event.topic, event.state)
