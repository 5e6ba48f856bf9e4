"""A member of a group commit: what one caller wants made durable, and what became of it."""

import contextlib
import threading
from copy import copy

from tallystick.domain.errors import LedgerError


class Member:
    """Something to be made durable; subclasses say what, and keep what its caller gets."""

    is_done = False
    error: BaseException | None = None
    attempts = 0
    turn: "threading.Lock | None" = None
    """What the thread that waits for it waits on, where one does and does not lead at once."""

    def fail(self, error: BaseException) -> None:
        """It will be told this; an error that several share is copied, for each raises its own."""
        if isinstance(error, LedgerError):
            cause, error = error.__cause__, copy(error)
            error.__cause__ = cause
        self.error = error

    def finish(self) -> None:
        """It is done, and whoever waits for it is told so; also if that was interrupted before and is done again."""
        self.is_done = True
        if self.turn is not None:
            self.wake()

    def wake(self) -> None:
        """Has the thread that waits for it, if one does, look again what it is to do."""
        if self.turn is not None:
            with contextlib.suppress(RuntimeError):  # it is about to look anyway
                self.turn.release()
