"""An exclusive lock that processes take in turn, on files beside the ledger; it falls with the process that holds it.

A plain `flock` is not fair: who lets it go and comes back at once often gets it again before those who wait have woken up.
So there are two: whoever wants the lock first takes the turn, keeps it while waiting for the lock, and passes it on. Who
comes back has to wait for the turn behind the others, whom the kernel serves in the order in which they came.
"""

import os
import weakref
from pathlib import Path

from tallystick.domain.errors import StorageUnavailable
from tallystick.infrastructure.system.posix_locks import ARE_THERE, EXCLUSIVE, UNLOCK, flock


class FileLock:
    """The lock on `path`, which is made where it is missing. Entering again while it is held only counts.

    `StorageUnavailable` on a platform without such locks, where processes could not take turns.
    """

    def __init__(self, path: Path) -> None:
        if not ARE_THERE:
            reason = "ledgers in files need POSIX locks, which this platform does not have"
            raise StorageUnavailable(f"{path} cannot be locked: {reason}")
        self._path = path
        self._turn_path = path.with_suffix(".turn")
        self._file: int | None = None
        self._turn: int | None = None
        self._depth = 0
        _open_locks.add(self)

    def acquire(self) -> None:
        """Waits until nobody else holds it. `StorageUnavailable` where its file cannot be locked; it is not held then."""
        if self._depth == 0:
            try:
                self._take()
            except BaseException as error:
                self.close()
                if isinstance(error, OSError):
                    raise StorageUnavailable(f"{self._path.with_suffix('')}: its lock file: {error}") from error
                raise
        self._depth += 1

    def release(self) -> None:
        """Lets the next one have it; where it is not held, nothing."""
        if self._depth == 0:
            return
        self._depth -= 1  # first: who is interrupted after unlocking must not find it held by count alone
        if self._depth == 0 and self._file is not None:
            flock(self._file, UNLOCK)

    def close(self) -> None:
        """Closes the files, and with them lets go of the lock."""
        for file in (self._file, self._turn):
            if file is not None:
                os.close(file)
        self._file = self._turn = None
        self._depth = 0

    def _take(self) -> None:
        while True:
            if self._file is None or self._turn is None:
                self._turn = _open(self._turn_path)
                self._file = _open(self._path)
            flock(self._turn, EXCLUSIVE)
            flock(self._file, EXCLUSIVE)
            flock(self._turn, UNLOCK)
            if os.fstat(self._file).st_nlink:
                return
            self.close()  # somebody deleted the file, so others lock another one


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


_open_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _close_in_child() -> None:
    """A lock lives as long as any copy of its file descriptor: a child's copies would keep it when the parent has died."""
    for lock in list(_open_locks):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
