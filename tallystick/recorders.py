"""The journal as an event store of the `eventsourcing` library: `PERSISTENCE_MODULE=tallystick.recorders`.

It is what `tallystick.infrastructure.recorders` has, under a name to be written by hand.
"""

from tallystick.infrastructure.recorders import (
    JournalAggregateRecorder,
    JournalFactory,
    JournalMapper,
    JournalProcessRecorder,
    JournalRecorder,
    JournalTrackingRecorder,
)

__all__ = [
    "JournalAggregateRecorder",
    "JournalFactory",
    "JournalMapper",
    "JournalProcessRecorder",
    "JournalRecorder",
    "JournalTrackingRecorder",
]
