"""Turns: who of the callers of `run` plans next, where some of them met a conflict.

Whoever met one has a turn, in the order in which they first did, and the others of this ledger let it plan alone. A turn is a
lease and no lock: it ends when it is given back or, at the latest, when its time is up, and whatever is done without asking
for a turn goes on beside it. So a function that is slow, or that waits for somebody who waits for a turn, holds nobody up for
longer than a lease.
"""

import threading
from bisect import insort
from collections.abc import Callable
from itertools import count

LEASE_SECONDS = 0.1


class Ticket:
    """A caller's place in the order. `wake` has it ask again, and may be called in vain and from any thread."""

    __slots__ = ("number", "wake")

    def __init__(self, number: int, wake: Callable[[], None]) -> None:
        self.number = number
        self.wake = wake

    def __lt__(self, other: "Ticket") -> bool:
        return self.number < other.number


class Turns:
    """The turns of one ledger in this process. `clock` gives seconds that only rise."""

    def __init__(self, clock: Callable[[], float], lease: float = LEASE_SECONDS) -> None:
        self.clock = clock
        self.lease = lease
        self.holder: Ticket | None = None
        """Who has the turn, though its lease may be over; looked at without the lock by those who only want to pass."""
        self._ends_at = 0.0
        self._mutex = threading.RLock()  # a signal's handler may come back here
        self._waiting: list[Ticket] = []
        self._passing: list[Callable[[], None]] = []
        self._numbers = count()

    def ticket(self, wake: Callable[[], None]) -> Ticket:
        """The next place in the order."""
        return Ticket(next(self._numbers), wake)

    def seconds_to_turn(self, ticket: Ticket) -> float:
        """0 where the caller has the turn now, which it keeps for a lease; else after how long to ask again, unless woken."""
        with self._mutex:
            if self.holder is not ticket or self._is_over():
                if ticket not in self._waiting:
                    insort(self._waiting, ticket)
                if self._is_over():
                    self._pass_on()
            if self.holder is not ticket:
                return max(self._ends_at - self.clock(), 0.001)
            return 0.0

    def seconds_to_pass(self, wake: Callable[[], None]) -> float:
        """How long somebody who met no conflict waits for the lease under way, unless woken: 0 where there is none."""
        with self._mutex:
            if self._is_over():
                return 0.0
            self._passing.append(wake)
            return max(self._ends_at - self.clock(), 0.001)

    def has_turn(self, ticket: Ticket) -> bool:
        """Whether the caller still has the turn."""
        with self._mutex:
            return self.holder is ticket and not self._is_over()

    def leave(self, ticket: Ticket) -> None:
        """The caller wants no turn any more, and gives back the one that it has."""
        with self._mutex:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if self.holder is ticket:
                self._pass_on()

    def _is_over(self) -> bool:
        return self.holder is None or self.clock() >= self._ends_at

    def _pass_on(self) -> None:
        """The first who waits has the turn; a caller that does not come any more loses it after a lease, as any other."""
        self.holder = self._waiting.pop(0) if self._waiting else None
        self._ends_at = self.clock() + self.lease
        passing, self._passing = self._passing, []
        if self.holder is not None:
            self.holder.wake()
        for wake in passing:
            wake()
