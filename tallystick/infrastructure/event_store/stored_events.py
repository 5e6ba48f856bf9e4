"""The events of a journal as the `eventsourcing` library's stored events and notifications.

Somebody else's event is what it was when it was stored. One of the ledger's carries the event itself, as it was decoded with
its commit: its state, the JSON that stands in the journal, is made when somebody asks for it.

The library's classes are frozen dataclasses, whose constructors set each field by a call; here the fields are put where those
calls would put them, in a third of the time.
"""

from typing import Any, TypeVar
from uuid import UUID

import msgspec
from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.utils import get_topic

from tallystick.domain.events import EVENT_TYPES, DomainEvent
from tallystick.infrastructure.journal.format import Foreign, JournalEvent

TOPICS: dict[type, str] = {kind: get_topic(kind) for kind in EVENT_TYPES}
"""The topic of each type of the ledger's events."""

_encode = msgspec.json.Encoder().encode
_new = object.__new__
Stored = TypeVar("Stored", bound=StoredEvent)


class _OfLedger:
    """What a stored event of the ledger's adds: the event. Its state is the event as JSON."""

    event: DomainEvent
    state = property(lambda self: _encode(self.event))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredEvent) and _fields(self) == _fields(other)

    def __hash__(self) -> int:
        return hash(_fields(self))


class LedgerStoredEvent(_OfLedger, StoredEvent):  # pyright: ignore[reportIncompatibleVariableOverride]
    """An event of a token's or a contract's stream; `event` is it."""


class LedgerNotification(_OfLedger, Notification):  # pyright: ignore[reportIncompatibleVariableOverride]
    """An event of a token's or a contract's stream at a position; `event` is it."""


def topic_of(event: JournalEvent) -> str:
    """What the library tells types of events apart by."""
    return event.topic if isinstance(event, Foreign) else TOPICS[type(event)]


def stored_event(id: UUID | str, version: int, event: JournalEvent) -> StoredEvent:
    """The event with the number `version` in the stream that is known by `id`."""
    if isinstance(event, Foreign):
        stored = _new(StoredEvent)
        fields = stored.__dict__
        fields["state"] = event.state
    else:
        stored = _new(LedgerStoredEvent)
        fields = stored.__dict__
        fields["event"] = event
    fields["originator_id"] = id
    fields["originator_version"] = version
    fields["topic"] = topic_of(event)
    return stored


def notification(id: UUID | str, version: int, event: JournalEvent, position: int) -> Notification:
    """The same, with the position at which it stands."""
    if isinstance(event, Foreign):
        notified = _new(Notification)
        fields = notified.__dict__
        fields["state"] = event.state
        fields["topic"] = event.topic
    else:
        notified = _new(LedgerNotification)
        fields = notified.__dict__
        fields["event"] = event
        fields["topic"] = TOPICS[type(event)]
    fields["originator_id"] = id
    fields["originator_version"] = version
    fields["id"] = position
    return notified


def _fields(stored: Any) -> tuple[Any, ...]:
    return (stored.originator_id, stored.originator_version, stored.topic, stored.state, getattr(stored, "id", None))
