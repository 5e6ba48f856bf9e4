"""The SQLite file of a ledger as threads and processes share it: who may use its connections when, and when they are made anew.

Reading has a connection of its own, so that it never waits for a commit. Writers queue on a lock file before they ask SQLite
for its lock, because SQLite's own busy waiting lets one writer starve another. Each use asks first whether the file is still
the one at its path, and makes new connections if it is not.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tallystick.domain.errors import LedgerClosed, LedgerReadOnly, StorageError, StorageUnavailable
from tallystick.infrastructure.journal.port import UnclearOutcome
from tallystick.infrastructure.journal.stores.sqlite.file import (
    BUSY_TIMEOUT_MS,
    NOTHING_RECORDED,
    SQLITE_ERRORS,
    Connections,
    connect,
    connect_to_write,
    did_nothing,
    has_log,
    is_writable,
    schema_of,
    translated,
)
from tallystick.infrastructure.journal.stores.sqlite.write_ahead_log import begin_log_anew, write_over_refused
from tallystick.infrastructure.system.file_at_path import FileAtPath, FileIdentity, check_has_one_name, identity_of, resolved
from tallystick.infrastructure.system.file_lock import FileLock
from tallystick.infrastructure.system.forked_children import bring_to_rest_in_forks, close_in_children, leave_alone

READERS_PATIENCE_MS = 1000
WRITERS_PATIENCE_S = 1

FORK_PATIENCE_S = 60.0
"""A fork waits so long for who reads or commits."""
IN_A_CHILD = "is that of the process from which this one was forked: open it here"

_inherited: set[FileIdentity] = set()
"""What a child cannot open: its parent was in the midst of it when it was forked."""


class SharedFile:
    """The file at `path`, which is made where it is missing and `create` allows it. If `read_only`, nothing is written there.

    Locks are taken in this order: of writing, of the file, of reading.
    """

    def __init__(self, path: Path, *, create: bool, durable: bool, read_only: bool = False) -> None:
        self.path = path = resolved(path)
        self.file_lock = FileLock(Path(f"{path}.lock"), beside=path)
        self.writing_lock = threading.RLock()
        self.reading_lock = threading.RLock()
        self.times_opened = 0
        self.schema = 0
        """The version of the schema when it was last looked at; others may have made it a newer one since."""
        self._at_path = FileAtPath(path)
        self._create = create
        self._durable = durable
        self._only_reads = read_only
        self._connections: Connections | None = None
        self.is_read_as_it_is = False
        """Whether what is read is taken as if nobody wrote to it."""
        self._outcome_is_unclear = False
        self._log_is_inherited = True
        self._closed_because: str | None = None
        self._locks_at_rest: list[Any] = []
        self._was_at_rest = True
        try:
            self.reopen()
        except BaseException:
            self.close()
            raise
        self._create = False
        bring_to_rest_in_forks(self)
        close_in_children(self)

    @property
    def read_only(self) -> bool:
        """Whether it could be opened for reading alone."""
        return self._connections is not None and self._connections.read_only

    # ReadTransaction.

    def is_stale(self) -> bool:
        """Whether there are no connections, or some to a file that is at its path no more.

        Raises `LedgerClosed`, and `StorageUnavailable` where no file is there or it has another name too.
        """
        connections = self._connections
        if connections is None:
            self._check_open()
            return True
        replaced = self._at_path.was_replaced()
        if self._at_path.links > 1:
            raise self._at_path.has_more_names()
        return replaced or (connections.immutable and self.is_written())

    def _check_open(self) -> None:
        if self._closed_because is not None:
            raise LedgerClosed(f"the ledger {self.path} {self._closed_because}")

    def is_written(self, *, surely: bool = False) -> bool:
        """Whether somebody has begun to write, or may have, if not `surely`, what is read as if nobody did."""
        return has_log(self.path) or self._at_path.was_written(surely=surely)

    def to_read(self) -> sqlite3.Connection:
        """The connection to read with, inside the lock of reading."""
        if self._connections is None:
            raise StorageUnavailable(f"{self.path} could not be opened again")
        return self._connections.reading

    # WriteTransaction, inside the locks of writing and of the file.

    def check_writable(self) -> None:
        """Raises `StorageUnavailable` where it is read-only, and still is, and `LedgerReadOnly` where it was opened so."""
        if self._only_reads:
            raise LedgerReadOnly(f"{self.path} was opened with read_only=True{NOTHING_RECORDED}")
        if self.read_only and not is_writable(self.path):
            raise StorageUnavailable(f"{self.path} is read-only, or its folder is{NOTHING_RECORDED}")

    def begin(self) -> sqlite3.Connection:
        """The connection to write with, in a transaction that nobody else can be in."""
        if self.is_stale() or self.read_only:
            self.reopen()
        if self._outcome_is_unclear:
            self.reopen()
            write_over_refused(self._to_write())
            self._outcome_is_unclear = False
        connection = self._to_write()
        if self._log_is_inherited:
            begin_log_anew(connection, READERS_PATIENCE_MS)
            self._log_is_inherited = False
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def begun(self) -> sqlite3.Connection:
        """The connection that `begin` gave; `StorageUnavailable` where another file was opened since."""
        connection = self._to_write()
        if not connection.in_transaction:
            raise StorageUnavailable(f"{self.path}: another file was put there meanwhile{NOTHING_RECORDED}")
        return connection

    def commit(self) -> None:
        """Makes the transaction durable. Raises `StorageFull` or `StorageUnavailable`, and nothing was recorded, or
        `UnclearOutcome`: then `reopen` and `resolve`.
        """
        connection = self.begun()
        self._outcome_is_unclear = True
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if did_nothing(error):
                self._outcome_is_unclear = False
                raise translated(self.path, error, NOTHING_RECORDED) from error
            raise UnclearOutcome(f"{self.path}: {error}") from error
        try:
            replaced = self._at_path.was_replaced()
        except StorageUnavailable as error:
            raise UnclearOutcome(str(error)) from error
        if replaced:
            raise UnclearOutcome(f"{self.path}: another file was put there while the commit was written")
        self._outcome_is_unclear = False

    def roll_back(self) -> None:
        """Ends the transaction that `begin` began, where it was not committed."""
        connection = None if self._connections is None else self._connections.writing
        if connection is not None and connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def resolve(self, is_recorded: Callable[[], bool]) -> bool:
        """After an unclear outcome, whether what was written `stands`; what this says is so from then on.

        Raises `StorageUnavailable` where that cannot be brought about.
        """
        with self.writing_lock:
            self.file_lock.acquire()
            try:
                connection = self._to_write()
                write_over_refused(connection)
                found = is_recorded()
                if found:
                    self._make_durable(connection)
                self._outcome_is_unclear = False
                return found
            except SQLITE_ERRORS as error:
                raise translated(self.path, error) from error
            finally:
                self.file_lock.release()

    def _make_durable(self, connection: sqlite3.Connection) -> None:
        """Makes all durable that can be seen, even what a crash left in the system's memory alone."""
        if not begin_log_anew(connection, BUSY_TIMEOUT_MS):
            raise StorageUnavailable(f"{self.path}: somebody who reads an older state keeps the log from being copied")
        write_over_refused(connection)

    def _to_write(self) -> sqlite3.Connection:
        connections = self._connections
        if connections is None or connections.read_only:
            raise StorageUnavailable(f"{self.path} is read-only, or its folder is{NOTHING_RECORDED}")
        writing = connections.writing
        if writing is None:
            writing = connect_to_write(self.path, durable=self._durable)
            self._connections = connections._replace(writing=writing)
        return writing

    # Connections.

    def reopen(self) -> None:
        """Makes new connections; a transaction that was begun is rolled back."""
        with self.writing_lock, contextlib.ExitStack() as locks:
            self._check_open()
            if self._connections is not None and not self._only_reads and is_writable(self.path):
                self.file_lock.acquire()
                locks.callback(self.file_lock.release)
            locks.enter_context(self.reading_lock)
            try:
                self._reconnect()
            except SQLITE_ERRORS as error:
                raise translated(self.path, error) from error

    def reopen_to_read(self) -> None:
        """The same, but does not wait for a commit in flight, which may be waiting for what the reader holds."""
        if not self.writing_lock.acquire(timeout=WRITERS_PATIENCE_S):
            raise StorageUnavailable(f"{self.path}: another file was put there, and a commit is in flight")
        try:
            self.reopen()
        finally:
            self.writing_lock.release()

    def _reconnect(self) -> None:
        self.roll_back()
        old = self._connections
        replaced = old is not None and self._at_path.was_replaced()
        self._connections = None
        if old is not None and replaced:
            old.close()
            if not self._only_reads:
                self._at_path.put_aside_companions()
        if self._only_reads and self._at_path.has_old_log():
            reason = "another file was put there, and the -wal file of the old one still lies beside it: remove that"
            raise StorageUnavailable(f"{self.path}: {reason}")
        check_has_one_name(self.path)
        if identity_of(self.path) in _inherited:
            reason = "this process was forked in the midst of using it, and SQLite cannot open it here any more"
            raise StorageUnavailable(f"{self.path}: {reason}: open it in a process that is forked anew")
        try:
            self._at_path.remember_time()
            self._connections = connect(
                self.path, self.file_lock, create=self._create, durable=self._durable, read_only=self._only_reads
            )
            self.is_read_as_it_is = self._connections.immutable
            self._at_path.remember()
            self.schema = schema_of(self._connections.reading)
            self.times_opened += 1
            self._log_is_inherited = True
        finally:
            if old is not None:  # last, because SQLite copies and removes a log that nobody has open
                old.close()

    def close(self) -> None:
        """Closes the connections and lets go of the file lock."""
        with self.writing_lock, self.reading_lock:
            if self._closed_because is None:
                self._closed_because = "was closed"
            if self._connections is not None and not self._connections.read_only:
                with contextlib.suppress(StorageError, sqlite3.Error):
                    self._to_write()  # with which SQLite removes the log
            connections, self._connections = self._connections, None
            if connections is not None:
                replaced = False
                with contextlib.suppress(StorageUnavailable):
                    replaced = self._at_path.was_replaced()
                connections.close()
                if replaced and not self._only_reads:
                    self._at_path.put_aside_companions()
            self.file_lock.close()

    # Forks.

    def rest_before_fork(self) -> None:
        """SQLite remembers what a process has open: a child that opened it again would take its parent's locks for its own.

        So only what the child can close is open at that moment.
        """
        for lock in (self.writing_lock, self.reading_lock):
            if not lock.acquire(timeout=FORK_PATIENCE_S):
                return
            self._locks_at_rest.append(lock)
        connections = self._connections
        if connections is not None and connections.writing is not None and not connections.writing.in_transaction:
            self._connections = connections._replace(writing=None)
            connections.writing.close()

    def go_on_after_fork(self) -> None:
        """The connection to write with is made again when it is needed."""
        self._was_at_rest = len(self._locks_at_rest) == 2
        while self._locks_at_rest:
            self._locks_at_rest.pop().release()

    def close_in_child(self) -> None:
        """The child opens the file anew: it has none of the locks, and what it has of the connections is closed."""
        connections, self._connections = self._connections, None
        if connections is not None:
            if self._was_at_rest and connections.writing is None:
                connections.close()
            else:
                leave_alone(connections)
                identity = identity_of(self.path)
                if identity is not None:
                    _inherited.add(identity)
        self._closed_because = IN_A_CHILD
        self.writing_lock, self.reading_lock = threading.RLock(), threading.RLock()
