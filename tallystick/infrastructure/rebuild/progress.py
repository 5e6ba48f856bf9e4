"""How far a run is, in positions of the journal.

A run goes through the journal several times: to work tables out, and to check them. All rounds count the same, and together
they are the positions that there are.
"""

from collections.abc import Callable, Iterable, Iterator
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
