"""The baselines: what SQLite, msgspec and hashing do with the same bytes and nothing else."""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tallystick.infrastructure.benchmarks.measuring.timing import Baseline
from tallystick.infrastructure.journal.format import JournalEvent

SAME_BYTES = Baseline(
    "bare insert of the same bytes",
    "inserts the journal's own columns, one row and one durable commit for each commit of the ledger",
    "check, chain or index anything, or make the bytes",
)
ROW_EACH = Baseline(
    "a row each",
    "inserts a row for each change, of about as many bytes, one by one in one durable commit",
    "check or keep a balance",
)
DECODING = Baseline("decoding", "reads and decodes the same rows", "check a digest or add anything up")
HASHING = Baseline("hashing", "reads and hashes the same rows", "decode or keep anything")


class BareTable:
    """Tables with a durable commit: the write-ahead log, `synchronous=FULL`, no triggers, no second table to keep."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, content TEXT)")
        self.connection.execute("CREATE TABLE commits (a INTEGER PRIMARY KEY, b INT, c INT, d TEXT, e TEXT, f TEXT, g BLOB)")

    def insert_each(self, commits: Sequence[tuple[Any, ...]]) -> int:
        """A commit for each of the journal's rows, of the same columns and bytes."""
        for columns in commits:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute("INSERT INTO commits VALUES (NULL, ?, ?, ?, ?, ?, ?)", columns)
            self.connection.execute("COMMIT")
        return len(commits)

    def insert_at_once(self, content: str, count: int) -> int:
        """One commit of `count` rows, inserted one by one."""
        self.connection.execute("BEGIN IMMEDIATE")
        for _ in range(count):
            self.connection.execute("INSERT INTO rows (content) VALUES (?)", (content,))
        self.connection.execute("COMMIT")
        return count

    def close(self) -> None:
        """Closes the connection."""
        self.connection.close()


def last_commits(path: Path, count: int) -> list[tuple[Any, ...]]:
    """The columns of a journal's newest rows but for their first positions, oldest first."""
    query = "SELECT last_position, recorded_at, keys, transactions, body, digest FROM commits ORDER BY 1 DESC LIMIT ?"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query, (count,)).fetchall()[::-1]
    finally:
        connection.close()


def rows_of(path: Path) -> list[Any]:
    """The bodies of a journal, read past this library."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        return [row[0] for row in connection.execute("SELECT body FROM commits ORDER BY first_position")]
    finally:
        connection.close()


def read_and_decode(path: Path) -> int:
    """Reads all bodies and decodes them; gives the number of events."""
    decode = msgspec.json.Decoder(list[JournalEvent]).decode
    return sum(len(decode(body)) for body in rows_of(path))


def read_and_hash(path: Path, events: int) -> int:
    """Reads all bodies and hashes them; gives `events`."""
    digest = hashlib.sha256()
    for body in rows_of(path):
        digest.update(body)
    return events
