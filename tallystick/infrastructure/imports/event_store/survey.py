"""Reading an event store for the first time: that a journal can keep all that is in it, before anything is written."""

from collections.abc import Iterator
from typing import NamedTuple

from tallystick.domain.errors import MalformedEvent, TooManyGaps
from tallystick.infrastructure.imports.event_store.port import EventsourcingEvent, EventsourcingStore
from tallystick.infrastructure.imports.report import Progress
from tallystick.infrastructure.journal.format import Foreign, encode_events
from tallystick.infrastructure.journal.limits import COMMIT_BYTES_MAX

GAPS_PER_EVENT_MAX = 10
PROGRESS_ROWS = 1000


class Survey(NamedTuple):
    """How much is in a store; `missing` are the notification ids below the last one that no event has."""

    events: int
    missing: int
    snapshots: int
    tracking: int


def survey(store: EventsourcingStore, *, renumber: bool, checked: Progress | None = None) -> Survey:
    """Checks everything in the store; `checked` is called with the number of events and snapshots that were.

    Raises `MalformedEvent` where an event, snapshot or tracked position is not as the library writes it, is too large for a
    commit, has a version below one that its stream got before, or, unless `renumber`, a notification id below 1; then
    `TooManyGaps`.
    """
    events = snapshots = last_id = 0
    for event in _sized(store.events()):
        if event.notification_id < 1 and not renumber:
            reason = f"its notification id is {event.notification_id}, and positions begin at 1"
            raise MalformedEvent(reason, stream=event.stream, version=event.version)
        events, last_id = events + 1, event.notification_id
        _tell(checked, events)
    missing = 0 if renumber else last_id - events
    if missing > GAPS_PER_EVENT_MAX * events:
        raise TooManyGaps(missing=missing, events=events)
    _check_order(store)
    for _ in _sized(store.snapshots()):
        snapshots += 1
        _tell(checked, events + snapshots)
    return Survey(events, missing, snapshots, sum(1 for _ in store.tracking()))


def _check_order(store: EventsourcingStore) -> None:
    """Versions rise in the order of notification ids where ids rise in the order of versions, and those are read that way:
    it takes no memory, however many streams there are.
    """
    before = ("", 0, 0)
    for stream, version, notification_id in store.versions():
        if stream == before[0] and notification_id < before[2]:
            reason = f"it has the notification id {before[2]}, after version {version} with {notification_id}"
            raise MalformedEvent(f"{reason}; a journal's versions rise", stream=stream, version=before[1])
        before = (stream, version, notification_id)


def _sized(events: Iterator[EventsourcingEvent]) -> Iterator[EventsourcingEvent]:
    for event in events:
        if len(event.topic) + len(event.state) > COMMIT_BYTES_MAX // 8:  # written it takes up to 6 times as much
            size = len(encode_events([Foreign(event.stream, event.version, event.topic, event.state)]))
            if size > COMMIT_BYTES_MAX:
                reason = f"it takes {size} bytes of the {COMMIT_BYTES_MAX} that one commit may have"
                raise MalformedEvent(reason, stream=event.stream, version=event.version)
        yield event


def _tell(checked: Progress | None, rows: int) -> None:
    if checked is not None and rows % PROGRESS_ROWS == 0:
        checked(rows)
