"""Who builds the index in the background gives way to who commits.

Python runs one thread at a time, and one that has work goes on for 5 ms before another gets its turn; a commit needs several
turns. So while commits come, whoever builds rests after each fraction of a millisecond, for longer than it worked. It does not
rest where nobody has committed lately, or somebody waits for the index.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

WORK_SECONDS = 0.0005
"""So long it works before it rests."""
REST = 3
"""So many times as long as it worked it rests."""
REST_MAX_SECONDS = 0.02
COMMITS_SECONDS = 0.1
"""So long after a commit another one is expected."""


class GivingWay:
    """The rests of one thread. Who commits sets `position`, to up to where the journal is."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], object] = time.sleep) -> None:
        self.position: int = 0
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()  # who has it changes how many wait
        self._waiting = 0
        self._seen: int = 0
        self._since = self._until = 0.0

    @contextmanager
    def awaited(self) -> Generator[None]:
        """Somebody waits for the index, or builds it."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def begin(self) -> None:
        """Work begins."""
        self._since = self._clock()

    def rest(self) -> None:
        """To be called after each piece of work: rests where it is time to."""
        now = self._clock()
        worked = now - self._since
        if worked < WORK_SECONDS:
            return
        if self.position != self._seen:
            self._seen = self.position
            self._until = now + COMMITS_SECONDS
        if now < self._until and not self._waiting:
            self._sleep(min(REST * worked, REST_MAX_SECONDS))
            now = self._clock()
        self._since = now
