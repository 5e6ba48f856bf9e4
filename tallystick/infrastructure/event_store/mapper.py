"""The ledger's events as the `eventsourcing` library's domain events: of our own types, with what repositories want of them.

Each type of event gets a subclass that knows the version of the event in its stream and how to bring an aggregate up to date
with it, so that a token's `TokenState` or a contract's `Contract` is what a repository gives. Being subclasses they are taken
by whatever is registered for our types.
"""

from typing import Any, cast

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent
from eventsourcing.persistence import ProgrammingError as LibraryProgrammingError

from tallystick.domain.books.aggregate import StreamAggregate, aggregate_after
from tallystick.domain.events import EVENT_TYPES, DomainEvent
from tallystick.infrastructure.event_store.stored_events import TOPICS, LedgerNotification, LedgerStoredEvent
from tallystick.infrastructure.journal.format import stream_of


class OfStream:
    """An event of a token or a contract with its place in the stream of that."""

    originator_version: int

    @property
    def originator_id(self) -> str:
        """The token's code or the contract's id; of events of the book as a whole the name of their stream."""
        return stream_of(cast(DomainEvent, self))

    def mutate(self, aggregate: StreamAggregate | None) -> StreamAggregate:
        """The aggregate after the event; the same object, changed, where there was one before."""
        return aggregate_after(cast(DomainEvent, self), aggregate, self.originator_version)


_TYPED: dict[type, Any] = {
    kind: msgspec.defstruct(
        kind.__name__,
        [("originator_version", int)],
        bases=(kind,),
        namespace={name: vars(OfStream)[name] for name in ("originator_id", "mutate")},
        module=__name__,
        frozen=True,
        kw_only=True,
    )
    for kind in EVENT_TYPES
}
globals().update({kind.__name__: typed for kind, typed in _TYPED.items()})  # where a pickled one is looked for
_DECODERS = {topic: msgspec.json.Decoder(kind).decode for kind, topic in TOPICS.items()}


def typed_event(event: DomainEvent, version: int) -> Any:
    """The event with its version: an instance of a subclass of its type."""
    return _TYPED[type(event)](*msgspec.structs.astuple(event), originator_version=version)


class JournalMapper(Mapper[Any]):
    """A mapper that passes the ledger's events on as they were decoded; compression and encryption are for the others."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Raises the library's `ProgrammingError` for an event of the ledger's, which alone records those."""
        if isinstance(domain_event, EVENT_TYPES):
            raise LibraryProgrammingError(f"the ledger alone records the events of its tokens and contracts: {domain_event!r}")
        return super().to_stored_event(domain_event)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event; one of the ledger's that came by way of somebody else is decoded from its JSON."""
        if isinstance(stored_event, LedgerStoredEvent | LedgerNotification):
            return typed_event(stored_event.event, stored_event.originator_version)
        decode = _DECODERS.get(stored_event.topic)
        if decode is not None:
            return typed_event(cast(DomainEvent, decode(stored_event.state)), stored_event.originator_version)
        return super().to_domain_event(stored_event)


def for_journals(mapper_class: type[Mapper[Any]]) -> type[JournalMapper]:
    """The class of mappers that do this, and for all other events what `mapper_class` does."""
    if issubclass(mapper_class, JournalMapper):
        return mapper_class
    return type(mapper_class.__name__, (JournalMapper, mapper_class), {"__module__": mapper_class.__module__})
