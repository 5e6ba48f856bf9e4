"""A journal as an event store of the `eventsourcing` library: its persistence module, for every store that a journal has.

With `PERSISTENCE_MODULE=tallystick.recorders` an application keeps its aggregates, snapshots and tracking in the
journal that `event_store_url` finds, under a name of its own beside other applications and the ledger. Its repository gives
tokens and contracts as well, and its subscriptions tell it of the ledger's events, which only the ledger records.
"""

from tallystick.infrastructure.event_store.factory import JournalFactory
from tallystick.infrastructure.event_store.mapper import JournalMapper
from tallystick.infrastructure.event_store.recorders.aggregate_recorder import JournalAggregateRecorder
from tallystick.infrastructure.event_store.recorders.application_recorder import JournalRecorder
from tallystick.infrastructure.event_store.recorders.tracking_recorder import JournalProcessRecorder, JournalTrackingRecorder

__all__ = [
    "JournalAggregateRecorder",
    "JournalFactory",
    "JournalMapper",
    "JournalProcessRecorder",
    "JournalRecorder",
    "JournalTrackingRecorder",
]
