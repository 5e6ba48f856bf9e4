"""Importing the event store of an application of the `eventsourcing` library."""
