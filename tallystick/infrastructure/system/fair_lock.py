"""A lock that threads get in the order in which they asked for it; the one that holds it may enter it again."""

import threading
from collections import deque


class FairLock:
    """Exclusive among the threads of a process. Entering again while it is held only counts."""

    def __init__(self) -> None:
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
            turn.acquire()
        except BaseException:  # interrupted: whoever waits after this thread must not wait for it
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
