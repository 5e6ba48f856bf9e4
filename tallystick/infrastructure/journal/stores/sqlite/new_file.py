"""A journal's file that is written as a whole, out of the rows of another journal, and gets its name when it is whole.

Until then it lies beside that name as `.unfinished`, and is marked as a ledger by the last thing that is written into it: so
whatever kills the process leaves nothing that passes for a ledger. What a killed one left is written over by the next one.
Names are never taken from a file that is there.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tallystick.domain.errors import InvalidRequest, StorageError, StorageFull, StorageUnavailable
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import MetadataRow, StreamEntry
from tallystick.infrastructure.journal.stores.sqlite.file import SCHEMA, translated
from tallystick.infrastructure.system.file_at_path import FileIdentity, identity_of, resolved
from tallystick.infrastructure.system.posix_locks import AT_ONCE, EXCLUSIVE, UNLOCK, flock

_COMPANIONS = ("-wal", "-shm", "-journal")
_ADD_ROW = "INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_ENTRY = "INSERT INTO streams (stream, first_version, last_version, first_position) VALUES (?, ?, ?, ?)"
_ADD_METADATA = "INSERT INTO metadata (entry, salt, content) VALUES (?, ?, ?)"
_ERASE_METADATA = "DELETE FROM metadata WHERE entry = ?"


class NewFile:
    """The file that is to be at `path`, for whom `mode` lets open it; left without `put_in_place` there is none.

    Raises `InvalidRequest` where something lies there, and `StorageFull` and `StorageUnavailable`.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self.path = resolved(path)
        self.unfinished = Path(f"{self.path}.unfinished")
        self._mode = mode
        self._claim: int | None = None
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        try:
            self._check_is_free()
            self._claim = self._claimed()
            for suffix in _COMPANIONS:
                Path(f"{self.unfinished}{suffix}").unlink(missing_ok=True)
            os.ftruncate(self._claim, 0)
            os.fchmod(self._claim, self._mode)
            self._connection = sqlite3.connect(self.unfinished, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "page_size = 4096"):
                self._connection.execute(f"PRAGMA {pragma}")
            for statement in _statements():
                if statement.startswith("CREATE TABLE"):
                    self._connection.execute(statement)
            self._connection.execute("BEGIN")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        connection, self._connection = self._connection, None
        claim, self._claim = self._claim, None
        if connection is not None:
            connection.close()
        if claim is not None:
            if identity_of(self.unfinished) == _identity_of(claim):
                for suffix in ("", *_COMPANIONS):
                    with contextlib.suppress(OSError):
                        os.unlink(f"{self.unfinished}{suffix}")
            flock(claim, UNLOCK)  # a child that was forked meanwhile has a copy of it
            os.close(claim)
        if isinstance(error, sqlite3.Error):
            raise translated(self.unfinished, error) from error
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise (StorageFull if full else StorageUnavailable)(f"{self.path}: {error}") from error

    def add(self, rows: Iterable[JournalRow], metadata: Iterable[MetadataRow], erased: Iterable[int]) -> None:
        """Writes rows, metadata of entries, and takes out the metadata of other entries, where there is some."""
        connection = self._open()
        connection.executemany(_ADD_ROW, map(_columns, rows))
        connection.executemany(_ADD_METADATA, metadata)
        connection.executemany(_ERASE_METADATA, [(entry,) for entry in erased])

    def add_entries(self, entries: Iterable[StreamEntry]) -> None:
        """Writes entries of streams."""
        self._open().executemany(_ADD_ENTRY, entries)

    def finish(self) -> None:
        """Makes it durable, and a ledger."""
        connection = self._open()
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in _statements():
            if not statement.startswith("CREATE TABLE"):
                connection.execute(statement)
        connection.close()
        self._connection = None
        if self._claim is not None:
            os.fsync(self._claim)

    def put_in_place(self) -> None:
        """Gives it its name; `InvalidRequest` where something has come to lie there."""
        self._check_is_free()
        try:
            os.link(self.unfinished, self.path)
        except FileExistsError:
            raise _is_taken(self.path) from None
        except OSError:  # there are no hard links there
            os.rename(self.unfinished, self.path)
        else:
            os.unlink(self.unfinished)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageUnavailable(f"{self.unfinished} is not being written")
        return self._connection

    def _check_is_free(self) -> None:
        for suffix in ("", *_COMPANIONS):
            if os.path.lexists(f"{self.path}{suffix}"):
                raise _is_taken(Path(f"{self.path}{suffix}"))

    def _claimed(self) -> int:
        """The unfinished file, which nobody else writes then."""
        while True:
            claim = os.open(self.unfinished, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                flock(claim, EXCLUSIVE | AT_ONCE)
                if identity_of(self.unfinished) == _identity_of(claim):
                    return claim
            except BlockingIOError:
                os.close(claim)
                raise StorageUnavailable(f"{self.path} is being written by somebody else") from None
            except BaseException:
                os.close(claim)
                raise
            os.close(claim)


def _is_taken(path: Path) -> InvalidRequest:
    return InvalidRequest(f"{path} is there already, and nothing is written over it: choose another name")


def _identity_of(file: int) -> FileIdentity:
    status = os.fstat(file)
    return FileIdentity(status.st_dev, status.st_ino)


def _columns(row: JournalRow) -> Sequence[object]:
    first, last, recorded_at, keys, transactions, body, digest, details = row
    said = None if details is None else details.decode()
    return first, last, recorded_at, keys.decode(), transactions.decode(), body.decode(), digest, said


def _statements() -> Iterator[str]:
    """Those of the schema, one by one: a script would commit first."""
    statement = ""
    for line in SCHEMA.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
