"""A lock that threads get in the order in which they asked for it; the one that holds it may enter it again."""

import threading
from collections import deque

from tallystick.domain.errors import StorageUnavailable


class FairLock:
    """Exclusive among the threads of a process. Entering again while it is held only counts.

    Who has waited for it `patience_s` does not get it, and is told `StorageUnavailable`.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._holder == me:
            self._depth += 1
            return
        with self._guard:
            turn = threading.Lock()
            turn.acquire()
            if self._depth == 0:
                turn.release()
                self._depth = 1
            else:
                self._waiting.append(turn)
        self._wait(turn)
        self._holder = me

    def __exit__(self, *error: object) -> None:
        with self._guard:
            if self._depth > 1:
                self._depth -= 1
                return
            self._pass_on()

    def _wait(self, turn: threading.Lock) -> None:
        try:
            if not turn.acquire(timeout=self._patience_s):
                reason = "another thread of this process has kept the turn to write"
                raise StorageUnavailable(f"{reason} for {self._patience_s:g} s; nothing was recorded")
        except BaseException:  # interrupted, or out of patience: whoever waits after this thread must not wait for it
            with self._guard:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._pass_on()
            raise

    def _pass_on(self) -> None:
        self._holder = None
        if self._waiting:
            self._waiting.popleft().release()  # the depth stays 1: nobody else can come in between
        else:
            self._depth = 0
