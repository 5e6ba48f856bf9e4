"""Extends the past index in the background, on a thread, as the journal grows: so that who asks has not much to wait for.

Who commits says how far the journal has come, which costs a comparison. What fails is logged, and tried again the next time.
"""

import logging
import threading
from collections.abc import Callable

from tallystick.domain.errors import LedgerError

STOP_SECONDS = 10.0
"""So long the end of what is under way is waited for."""

NEVER = 2**63
"""No position: it is under way."""

logger = logging.getLogger("tallystick.past")


class Extending:
    """The thread of one index. `extend` brings it to the journal's head, and gives from which position on it is due again."""

    def __init__(self, extend: Callable[[], int]) -> None:
        self._extend = extend
        self._wanted = threading.Event()
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self.due_at = 0
        """From this position on it is worth being woken."""

    @property
    def is_running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def start(self) -> None:
        """Has the index extended now, and whenever it is due."""
        if self._thread is None and not self._is_stopped:
            self._wanted.set()
            self._thread = threading.Thread(target=self._run, name="tallystick past", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """It is due."""
        self.due_at = NEVER
        self._wanted.set()

    def stop(self) -> None:
        """No more; returns when what is under way has ended."""
        self._is_stopped = True
        self._wanted.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._is_stopped:
                return
            try:
                self.due_at = self._extend()
            except LedgerError as error:
                logger.warning("the past index was not extended: %s", error)
            except Exception:
                if self._is_stopped:
                    return
                logger.exception("the past index was not extended")
