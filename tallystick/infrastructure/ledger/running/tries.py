"""How often, and when, one caller of `run` has its function called: the rules, without any waiting.

A first call is made at once, but for a lease under way. After a conflict it has a turn. A conflict that it meets although it
has one comes of those who ask for none: another process, or blocks without `run`. There is no order with them, so it waits for
a random time, which grows.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token
from random import Random

from tallystick.domain.errors import Conflict, InvalidRequest
from tallystick.domain.integers import as_int
from tallystick.infrastructure.ledger.running.turns import Ticket, Turns

PAUSE_SECONDS = 0.001
"""The longest pause after the second conflict in one's turn; it doubles with each."""
PAUSE_DOUBLINGS = 6

TIMEOUT = 30.0

_turn: ContextVar["Tries | None"] = ContextVar("turn", default=None)
"""The turn within which this code is called. What it runs itself never waits for that."""
_random = Random()


class Tries:
    """The calls for one caller, who makes one whenever `pause` is 0, and no more once the clock of `turns` is at `ends_at`.
    `wake` ends its waiting, from any thread.
    """

    __slots__ = (
        "_ends_at",
        "_is_nested",
        "_left",
        "_passed",
        "_pause",
        "_ticket",
        "_token",
        "_turns",
        "_wake",
        "attempts",
        "error",
        "is_over",
    )

    def __init__(self, turns: Turns, ends_at: float, attempts: int | None, wake: Callable[[], None]) -> None:
        self._turns = turns
        self._left = attempts
        self._ends_at = ends_at
        self._wake = wake
        self._ticket: Ticket | None = None
        self._token: Token[Tries | None] | None = None
        self._passed = self._is_nested = is_within_a_turn()
        self._pause = 0.0
        self.attempts = 0
        self.error: Conflict | None = None
        self.is_over = False

    def pause(self) -> float:
        """How long to wait, unless woken, before asking again; 0: call now. Raises the last conflict where the time is over."""
        left = self._ends_at - self._turns.clock()
        if self.error is not None and left <= 0:
            raise self._given_up(self.error)
        seconds = self._seconds()
        return seconds if self.error is None else min(seconds, left)

    def _seconds(self) -> float:
        """As `pause`, whatever is left of the time."""
        if self._pause:
            pause, self._pause = self._pause, 0.0
            return pause
        if self._ticket is not None:
            return self._turns.seconds_to_turn(self._ticket)
        if self._turns.holder is None or self._passed:
            return 0.0
        self._passed = True
        return self._turns.seconds_to_pass(self._wake)

    def begin(self) -> None:
        """The function is called now."""
        self.attempts += 1
        if self._ticket is not None:
            self._token = _turn.set(self)

    def began_with(self, error: Conflict) -> None:
        """The first call was made before, and met this. Raises it where there are to be no more."""
        self.attempts = 1
        self.met(error)

    def end(self) -> None:
        """The call is over, and what it committed."""
        if self._token is not None:
            _turn.reset(self._token)
            self._token = None

    def met(self, error: Conflict) -> None:
        """The call met a conflict: raises it where there are to be no more."""
        if self._left is not None and self.attempts >= self._left:
            raise self._given_up(error)
        self.error = error
        had_turn = self._ticket is not None and self._turns.has_turn(self._ticket)
        if self._ticket is None and not self._is_nested:
            self._ticket = self._turns.ticket(self._wake)
        elif (had_turn or self._ticket is None) and self.attempts > 2:
            self._pause = _random.random() * PAUSE_SECONDS * 2.0 ** min(self.attempts - 3, PAUSE_DOUBLINGS)

    def leave(self) -> None:
        """There will be no more calls, whatever became of the last."""
        self.is_over = True
        self.error = None  # it holds the frames that hold this
        if self._ticket is not None:
            self._turns.leave(self._ticket)

    def _given_up(self, error: Conflict) -> Conflict:
        error.attempts = error.fields["attempts"] = self.attempts
        return error


def is_within_a_turn() -> bool:
    """Whether this code was called by a function that has a turn, in its thread or a task that it made."""
    tries = _turn.get()
    return tries is not None and not tries.is_over


def check_limits(timeout: object, attempts: object) -> tuple[float, int | None]:
    """Both, as Python's own numbers; `InvalidRequest` where these are no time and no number of attempts."""
    seconds = float.__float__(timeout) if isinstance(timeout, float) else as_int(timeout)
    if seconds is None or not seconds >= 0:
        raise InvalidRequest(f"a timeout is a number of seconds, 0 or more, not {timeout!r}")
    count = None if attempts is None else as_int(attempts)
    if attempts is not None and (count is None or count < 1):
        raise InvalidRequest(f"a function is run in 1 attempt or more, not {attempts!r}")
    return seconds, count
