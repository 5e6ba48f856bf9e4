"""Expiry: holds that are due given back to their payers from time to time, so that nobody has to ask for it.

A round releases all that is due, in commits of a bounded size; where nothing is, nothing is written. A round that fails is
logged and kept, and the next one tries again. A thread plays the rounds, or a task of an event loop, until it is replaced or
the ledger is closed, which waits for the end of a commit under way and not of the round.
"""

import logging
import threading
from collections.abc import Callable

from tallystick.domain.errors import CommitTooLarge, InvalidRequest, LedgerClosed, PlanTooLarge
from tallystick.domain.integers import as_int

LIMIT = 1000
"""So many holds are released in one commit."""
STOP_SECONDS = 10.0
"""So long a commit under way is waited for. Who stops it may have interrupted what that waits for, in a signal's handler."""

logger = logging.getLogger("tallystick.expiry")


class Expiry:
    """The rounds of one ledger: how many there were, what they released in all, and what the newest that failed met.

    `release` releases up to so many holds that are due, as one commit, and says how many.
    """

    def __init__(self, release: Callable[[int], int]) -> None:
        self._release = release
        self._stopped = threading.Event()
        self._stopped.set()
        self._ended = threading.Condition()
        self._under_way = 0
        self.runs = 0
        self.released = 0
        self.last_error: Exception | None = None

    @property
    def is_running(self) -> bool:
        """Whether more rounds will come."""
        return not self._stopped.is_set()

    def begin(self) -> threading.Event:
        """Lets no more rounds come of those before, and gives what stops those that begin now."""
        self._stopped.set()
        self._stopped = threading.Event()
        return self._stopped

    def start(self, seconds: float, wait: Callable[[float], bool] | None = None) -> threading.Thread:
        """Plays a round now and every so many seconds, on a thread of its own. `wait` says whether it was stopped meanwhile."""
        stopped = self.begin()
        wait_for = stopped.wait if wait is None else wait

        def play() -> None:
            while True:
                self.round(stopped)
                if wait_for(seconds) or stopped.is_set():
                    return

        thread = threading.Thread(target=play, name="tallystick expiry", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """No more rounds; returns when a commit under way has ended."""
        self._stopped.set()
        with self._ended:
            self._ended.wait_for(lambda: not self._under_way, STOP_SECONDS)

    def round(self, stopped: threading.Event) -> None:
        """Releases what is due, unless it is `stopped`; raises nothing."""
        self._count(1)  # before it is asked whether it is stopped: who stops it sees the one or is seen in the other
        try:
            if not stopped.is_set():
                self._release_all(stopped)
                self.runs += 1
        except LedgerClosed:
            pass  # who closes it stops this too
        except Exception as error:
            self.runs += 1
            self.last_error = error
            logger.exception("holds that are due could not be released")
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._ended:
            self._under_way += change
            self._ended.notify_all()

    def _release_all(self, stopped: threading.Event) -> None:
        limit = LIMIT
        while not stopped.is_set():
            try:
                released = self._release(limit)
            except (CommitTooLarge, PlanTooLarge):
                if limit == 1:
                    raise
                limit //= 2
                continue
            self.released += released
            if not released:
                return


def check_seconds(seconds: object) -> float:
    """The span between rounds, as Python's own number; `InvalidRequest` where it is none."""
    span = float.__float__(seconds) if isinstance(seconds, float) else as_int(seconds)
    if span is None or not 0 < span <= threading.TIMEOUT_MAX:
        raise InvalidRequest(f"holds expire every so many seconds, a number above 0, not {seconds!r}")
    return span
