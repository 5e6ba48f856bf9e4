"""An exclusive lock that processes take in turn, on files beside the ledger; it falls with the process that holds it.

A plain `flock` is not fair: who lets it go and comes back at once often gets it again before those who wait have woken up.
So there are two: whoever wants the lock first takes the turn, keeps it while waiting for the lock, and passes it on. Who
comes back has to wait for the turn behind the others, whom the kernel serves in the order in which they came.

The kernel's waiting has no end. So where there is something to wait for, a thread of its own waits there, and who wanted the
lock waits for that thread, `PATIENCE_S` at most; a lock that comes to it later is given back at once. Whoever wants it before
that waits for the same thread, so there are no more of them than there were who waited at once. Who has waited in vain is told
which process holds it, where the system says so.
"""

import os
import threading
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tallystick.domain.errors import StorageUnavailable
from tallystick.infrastructure.system.file_access import open_beside
from tallystick.infrastructure.system.posix_locks import ARE_THERE, AT_ONCE, EXCLUSIVE, UNLOCK, flock, holder_of

PATIENCE_S = 30.0
LOOKED_AFTER_S = 1.0
_EXCLUSIVE_AT_ONCE = EXCLUSIVE | AT_ONCE


class FileLock:
    """The lock on `path`, which is made where it is missing, for those who may write `beside`. Entering again only counts.

    `StorageUnavailable` on a platform without such locks, where processes could not take turns.
    """

    def __init__(self, path: Path, beside: Path | None = None) -> None:
        if not ARE_THERE:
            reason = "ledgers in files need POSIX locks, which this platform does not have"
            raise StorageUnavailable(f"{path} cannot be locked: {reason}")
        self._path = path
        self._turn_path = path.with_suffix(".turn")
        self._beside = beside
        self._file: int | None = None
        self._turn: int | None = None
        self._waiting: _Waiting | None = None
        self._depth = 0
        _open_locks.add(self)

    def acquire(self, patience_s: float | None = None) -> None:
        """Waits until nobody else holds it, `PATIENCE_S` where no patience is given.

        `StorageUnavailable` where somebody does all that time, or its file cannot be locked; it is not held then.
        """
        if self._depth == 0:
            try:
                self._take(PATIENCE_S if patience_s is None else patience_s)
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
        waiting, self._waiting = self._waiting, None
        files, self._file, self._turn = (self._file, self._turn), None, None
        self._depth = 0
        if waiting is None or not waiting.leave_to_itself():
            for file in files:
                if file is not None:
                    os.close(file)

    def close_in_child(self) -> None:
        """Closes a child's copies of the files; the thread that may have waited for them is the parent's."""
        self._waiting = None
        self.close()

    def _take(self, patience_s: float) -> None:
        while True:
            if self._file is None or self._turn is None:
                self._take_up_wait()
                if self._file is None or self._turn is None:
                    self._turn = open_beside(self._turn_path, self._beside)
                    self._file = open_beside(self._path, self._beside)
            turn, file = self._turn, self._file
            if self._waiting is None:
                has_turn = False
                try:
                    flock(turn, _EXCLUSIVE_AT_ONCE)
                    has_turn = True
                    flock(file, _EXCLUSIVE_AT_ONCE)
                except BlockingIOError:
                    self._begin_to_wait(turn, file, has_turn=has_turn)
            if self._waiting is not None:
                self._wait(self._waiting, turn, file, patience_s)
            flock(turn, UNLOCK)
            if os.fstat(file).st_nlink:
                return
            self.close()  # somebody deleted the file, so others lock another one

    def _take_up_wait(self) -> None:
        """Goes on with one that was left, if there is one; where this is interrupted, it is left still."""
        waiting = self._waiting = _Waiting.left_at(self._path)
        if waiting is not None:
            self._turn, self._file = waiting.turn, waiting.file
            if not waiting.take_up():
                self._waiting = self._turn = self._file = None

    def _begin_to_wait(self, turn: int, file: int, *, has_turn: bool) -> None:
        self._waiting = _Waiting(self._path, turn, file, has_turn=has_turn)
        try:
            self._waiting.thread.start()
        except RuntimeError as error:
            self._waiting = None
            reason = "no thread could be started to wait for its lock"
            raise StorageUnavailable(f"{self._path.with_suffix('')}: {reason}: {error}") from error

    def _wait(self, waiting: "_Waiting", turn: int, file: int, patience_s: float) -> None:
        ledger = self._path.with_suffix("")
        first_s = min(LOOKED_AFTER_S, patience_s / 2)
        if not waiting.has_ended.wait(first_s):
            before, since = _holder(file, turn), datetime.now(UTC)
            if not waiting.has_ended.wait(patience_s - first_s):
                who = _holder(file, turn) or "somebody else"
                known = f", at least since {since.isoformat(' ', 'seconds')}" if who == before else ""
                raise StorageUnavailable(f"{ledger}: {who} has the turn to write{known}; it was waited for {patience_s:g} s")
        self._waiting = None
        if waiting.error is not None:
            raise waiting.error


class _Waiting:
    """A thread that waits for both locks; left to itself it gives up what it gets, and closes the files."""

    def __init__(self, path: Path, turn: int, file: int, *, has_turn: bool) -> None:
        self.path = path
        self.turn, self.file = turn, file
        self._has_turn = has_turn
        self._guard = threading.Lock()
        self._has_begun = self._is_left = False
        self.has_ended = threading.Event()
        self.error: OSError | None = None
        self.thread = threading.Thread(target=self._wait, name="tallystick lock", daemon=True)

    @staticmethod
    def left_at(path: Path) -> "_Waiting | None":
        """One that was left to itself, for whoever asks first."""
        for waiting in list(_left):
            if waiting.path == path and waiting._has_begun:
                with suppress(KeyError):
                    _left.remove(waiting)
                    return waiting
        return None

    def take_up(self) -> bool:
        """Its locks are wanted again, and the files not the thread's; false where it has ended already."""
        with self._guard:
            if not self.has_ended.is_set():
                self._is_left = False
        return not self._is_left

    def leave_to_itself(self) -> bool:
        """Nobody wants the locks any more, and the files are the thread's; false where it has ended already."""
        with self._guard:
            if not self.has_ended.is_set():
                self._is_left = True
                _left.add(self)
        return self._is_left

    def _wait(self) -> None:
        self._has_begun = True
        try:
            if not self._has_turn:
                flock(self.turn, EXCLUSIVE)
            flock(self.file, EXCLUSIVE)
        except OSError as error:
            self.error = error
        with self._guard:
            self.has_ended.set()
            if self._is_left:
                for file in (self.file, self.turn):
                    flock(file, UNLOCK)  # a child that is being forked has copies of them
                self.close()

    def close(self) -> None:
        """Closes the files that were left to it."""
        _left.discard(self)
        os.close(self.file)
        os.close(self.turn)


def _holder(file: int, turn: int) -> str | None:
    pid = holder_of(file) or holder_of(turn)
    return None if pid is None else f"process {pid}"


_open_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()
_left: set[_Waiting] = set()


def _close_in_child() -> None:
    """A lock lives as long as any copy of its file descriptor: a child's copies would keep it when the parent has died."""
    for lock in list(_open_locks):
        lock.close_in_child()
    for waiting in list(_left):
        waiting.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
