"""A place: where a ledger is made to be measured, on SQLite or on PostgreSQL, and beside it what it is compared with.

Each place is new, and nothing of it is left when it is closed. What is bare inserts what the journal keeps of a transaction
and does nothing else; the `eventsourcing` library's is the application of `eventsourcing_callers`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tallystick.infrastructure.benchmarks.baselines.bare import BareTable, last_commits
from tallystick.infrastructure.benchmarks.baselines.recorder_baselines import (
    FOLLOWED_SQLITE,
    RECORDER_MEMORY,
    RECORDER_SQLITE,
    SUBSCRIPTION_MEMORY,
)
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline

BARE_SQLITE = Baseline(
    "bare insert, SQLite",
    "inserts the journal's own columns, as they are when a transaction is committed alone: one row, one durable commit and the "
    "same bytes for each transaction, by one caller",
    "check, chain or index anything, make the bytes, or keep a key unique",
)
EVENTSOURCING_SQLITE = Baseline(
    "eventsourcing, SQLite",
    "debits and credits an aggregate an account, and keeps two events a transfer as rows: one save and durable commit for each "
    "transaction, by one thread, for more do not help it; all aggregates in memory",
    "know a key, a supply or fragments, or chain anything",
)
BARE_POSTGRES = Baseline(
    "bare insert, PostgreSQL",
    "inserts the journal's own columns, as they are when a transaction is committed alone: one prepared statement, one durable "
    "commit and the same bytes for each transaction, in one round trip of psycopg, by one caller",
    "check, chain or index anything, make the bytes, keep a key unique, or take turns with other writers",
)
EVENTSOURCING_POSTGRES = Baseline(
    "eventsourcing, PostgreSQL",
    "debits and credits an aggregate an account, and keeps two events a transfer as rows: one save and commit, as durable as "
    "the server is set to, for each transaction, by four threads with accounts of their own; at most 100 transfers a save, "
    "for in larger ones psycopg can wait for ever; all aggregates in memory",
    "know a key, a supply or fragments, or chain anything",
)


class Bare(Protocol):
    """A table without rules."""

    def insert_each(self, commits: Sequence[tuple[Any, ...]]) -> int:
        """A commit for each of the journal's rows, of the same columns and bytes; gives their number."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


class Store(Protocol):
    """Where one journal is, and beside it the events of one application of the `eventsourcing` library."""

    recorder_baseline: Baseline
    subscription_baseline: Baseline
    has_subscription: bool
    """Whether the library's recorder has one there."""

    saves: int
    """So many saves of one event take some tenths of a second."""

    @property
    def name(self) -> str:
        """What it is called among the figures."""
        ...

    @property
    def url(self) -> str | Path:
        """The journal's address."""
        ...

    def eventsourcing_environment(self) -> Mapping[str, str]:
        """What a new application of that library is told of where to keep its events."""
        ...

    def close(self) -> None:
        """Removes all that was made here."""
        ...


class Place(Store, Protocol):
    """Where one ledger is, and its baselines."""

    bare_baseline: Baseline
    eventsourcing_baseline: Baseline
    eventsourcing_threads: int
    """As many as help an application of that library there."""

    eventsourcing_transfers_max: int
    """More than these it is not given in one save."""

    def last_commits(self, count: int) -> list[tuple[Any, ...]]:
        """The columns of the journal's newest rows but for their first positions, oldest first."""
        ...

    def make_bare(self) -> Bare:
        """A new table."""
        ...


class MemoryPlace:
    """The memory of this process."""

    name = "memory"
    url = "memory:"
    recorder_baseline = RECORDER_MEMORY
    subscription_baseline = SUBSCRIPTION_MEMORY
    has_subscription = True
    saves = 10_000

    def __init__(self, folder: Path) -> None: ...

    def eventsourcing_environment(self) -> Mapping[str, str]:
        """The memory too."""
        return {"PERSISTENCE_MODULE": "eventsourcing.popo"}

    def close(self) -> None:
        """Nothing to do."""


class SQLitePlace:
    """Files in a folder, which whoever gives the folder removes."""

    name = "SQLite"
    recorder_baseline = RECORDER_SQLITE
    subscription_baseline = FOLLOWED_SQLITE
    has_subscription = False
    saves = 2_000
    bare_baseline = BARE_SQLITE
    eventsourcing_baseline = EVENTSOURCING_SQLITE
    eventsourcing_threads = 1
    eventsourcing_transfers_max = 8_000

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> Path:
        """The ledger's file."""
        return self._folder / "books.db"

    def last_commits(self, count: int) -> list[tuple[Any, ...]]:
        """As `Place.last_commits`."""
        return last_commits(self.url, count)

    def make_bare(self) -> BareTable:
        """A table in a file of its own."""
        return BareTable(self._folder / "bare.db")

    def eventsourcing_environment(self) -> Mapping[str, str]:
        """A file of its own."""
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(self._folder / "eventsourcing.db")}

    def close(self) -> None:
        """Leaves the files to whoever gave the folder."""
