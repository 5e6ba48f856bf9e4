"""Reading and writing a shared SQLite file: what is taken before, and given back after, whatever becomes of it."""

import sqlite3
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from tallystick.domain.errors import StorageError, StorageUnavailable
from tallystick.infrastructure.journal.stores.sqlite import file as sqlite_file
from tallystick.infrastructure.journal.stores.sqlite.shared_file import SharedFile

Answer = TypeVar("Answer")


class ReadTransaction:
    """While it is entered the connection is this thread's, and SQLite's errors leave it as ours."""

    def __init__(self, file: SharedFile) -> None:
        self._file = file

    def __enter__(self) -> sqlite3.Connection:
        with self._file.reading_lock:
            stale = self._file.is_stale()
        if stale:
            self._file.reopen_to_read()
        self._file.reading_lock.acquire()
        try:
            return self._file.to_read()
        except BaseException:
            self._file.reading_lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        file = self._file
        try:
            written = file.is_read_as_it_is and file.is_written(surely=True)
        finally:
            file.reading_lock.release()
        if written and (error is None or isinstance(error, sqlite_file.SQLITE_ERRORS)):
            raise StorageUnavailable(f"{file.path}: somebody began to write to it while it was read; read again") from error
        if isinstance(error, sqlite_file.SQLITE_ERRORS):
            raise sqlite_file.translated(self._file.path, error) from error


class WriteTransaction(Generic[Answer]):
    """While it is entered nobody else, in no thread or process, can append; what was not committed is rolled back.

    Entering gives what `ask` answers of the connection.
    """

    def __init__(self, file: SharedFile, ask: Callable[[sqlite3.Connection], Answer]) -> None:
        self._file = file
        self._ask = ask

    def __enter__(self) -> Answer:
        patience_s = sqlite_file.BUSY_TIMEOUT_MS / 1000
        if not self._file.writing_lock.acquire(timeout=patience_s):
            reason = f"another thread of this process has kept the turn to write for {patience_s:g} s"
            raise StorageUnavailable(f"{self._file.path}: {reason}{sqlite_file.NOTHING_RECORDED}")
        try:
            self._file.check_writable()
            return self._begin(time.monotonic() + patience_s)
        except BaseException as error:
            self._leave()
            if isinstance(error, sqlite_file.SQLITE_ERRORS):
                raise sqlite_file.translated(self._file.path, error, sqlite_file.NOTHING_RECORDED) from error
            if isinstance(error, StorageError) and sqlite_file.NOTHING_RECORDED not in str(error):
                raise type(error)(f"{error}{sqlite_file.NOTHING_RECORDED}") from error
            raise

    def _begin(self, deadline: float) -> Answer:
        """Where another program has SQLite's lock, the file lock is given back between the attempts."""
        while True:
            self._file.file_lock.acquire()
            try:
                return self._ask(self._file.begin())
            except (sqlite3.Error, StorageUnavailable) as error:
                reason = error.__cause__ if isinstance(error, StorageUnavailable) else error
                if not sqlite_file.is_busy(reason) or time.monotonic() > deadline:
                    raise
            self._file.roll_back()
            self._file.file_lock.release()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        self._leave()
        if isinstance(error, sqlite_file.SQLITE_ERRORS):
            raise sqlite_file.translated(self._file.path, error, sqlite_file.NOTHING_RECORDED) from error

    def _leave(self) -> None:
        """Each is given up whatever interrupts giving up the one before."""
        try:
            self._file.roll_back()
        finally:
            try:
                self._file.file_lock.release()
            finally:
                self._file.writing_lock.release()
