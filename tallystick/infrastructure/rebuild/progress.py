"""How far a run is, in positions of the journal, and how long the rest will take.

A run goes through the journal several times: to work tables out, and to check them. All rounds count the same, and together
they are the positions that there are.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

Progress = Callable[[int, int], object]
"""Is told how many positions are done, and of how many."""

Item = TypeVar("Item")

EVERY = 16_384
"""So many positions, at least, lie between two tellings."""


class Rounds:
    """A run over `upto` positions in so many `rounds`, of which `progress` is told."""

    def __init__(self, upto: int, rounds: int, progress: Progress | None) -> None:
        self._upto = upto
        self._rounds = rounds
        self._progress = progress
        self._done = 0
        self._told = -1

    def following(self, items: Iterable[Item], position_of: Callable[[Item], int]) -> Iterator[Item]:
        """The items of one round, in whose course it is told how far they are."""
        told = 0
        for item in items:
            yield item
            position = position_of(item)
            if position - told >= EVERY:
                told = position
                self.tell(position)
        self.end()

    def tell(self, position: int) -> None:
        """This round has come to a position."""
        done = (self._done * self._upto + min(position, self._upto)) // self._rounds
        if self._progress is not None and done > self._told:
            self._told = done
            self._progress(done, self._upto)

    def end(self) -> None:
        """This round is done."""
        self._done += 1
        self.tell(0)


class TimeLeft:
    """Estimates how long the rest will take, from how long what was done since the first telling took."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begin: tuple[int, float] | None = None

    def at(self, done: int, to_do: int) -> timedelta | None:
        """How long it will take from `done` on; None where nothing is known yet."""
        now = self._clock()
        if self._begin is None:
            self._begin = (done, now)
        first, began = self._begin
        if done <= first:
            return None
        return timedelta(seconds=(now - began) * (to_do - done) / (done - first))
