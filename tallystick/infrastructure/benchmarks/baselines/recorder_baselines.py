"""The baselines of an event store: the recorders that the `eventsourcing` library brings itself."""

from tallystick.infrastructure.benchmarks.measuring.timing import Baseline

_NOT_IN_SQL = "chain anything, refuse to change or delete what was recorded, or share a commit among threads"
RECORDER_MEMORY = Baseline(
    "eventsourcing recorder, memory",
    "keeps each event as the object that it was given, in a list, and its number in a dictionary of its aggregate",
    "encode or chain anything",
)
RECORDER_SQLITE = Baseline(
    "eventsourcing recorder, SQLite",
    "inserts a row an event, the events of a save in one commit as durable as the journal's: the write-ahead log, and SQLite's "
    "own default, which is synchronous=FULL; selects rows",
    _NOT_IN_SQL,
)
RECORDER_POSTGRES = Baseline(
    "eventsourcing recorder, PostgreSQL",
    "inserts a row an event, the events of a save in one commit as durable as the server is set to; selects rows",
    _NOT_IN_SQL,
)
SUBSCRIPTION_MEMORY = Baseline(
    "eventsourcing subscription, memory", "selects 500 notifications at a time in a thread of its own", "decode anything"
)
FOLLOWED_SQLITE = Baseline(
    "eventsourcing recorder followed, SQLite",
    "selects 500 notifications after another 500 in a loop, for the library's recorder has no subscription there",
    "wait for what is yet to come",
)
SUBSCRIPTION_POSTGRES = Baseline(
    "eventsourcing subscription, PostgreSQL",
    "selects 500 notifications at a time in a thread of its own, and listens in another",
    "chain anything",
)
