"""The journal as an event store of the `eventsourcing` library."""
