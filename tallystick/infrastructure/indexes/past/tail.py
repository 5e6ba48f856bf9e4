"""The tail: what was touched since the last full bucket, in memory, sorted in small runs for whoever asks in between.

Each time somebody asks, what came since is one more run, and runs of about one size are made one. So asking costs what is new,
and there are few runs to search.
"""

from typing import NamedTuple

from tallystick.infrastructure.indexes.past.bucket import Bucket, OccurredSpan
from tallystick.infrastructure.indexes.past.touches import Gathering
from tallystick.infrastructure.journal.format import Head


class _Mark(NamedTuple):
    """Up to where something was gathered: touches, how many those are, times, and the journal."""

    touches: tuple[int, int]
    number: int
    times: int
    head: Head


class Tail:
    """The runs of what is gathered behind the head `before`."""

    def __init__(self, before: Head) -> None:
        self._marks = [_Mark((0, 0), 0, 0, before)]
        self._runs: list[Bucket] = []

    def runs(self, touches: Gathering, occurred: list[OccurredSpan], head: Head) -> tuple[Bucket, ...]:
        """The runs, in the order of time, of all that was gathered up to `head`."""
        if head.position > self._marks[-1].head.position:
            self._marks.append(_Mark(touches.mark(), touches.count, len(occurred), head))
            while len(self._runs) and self._size(-1) * 2 >= self._size(-2):
                self._runs.pop()
                del self._marks[-2]
            self._runs.append(self._run(self._marks[-2], self._marks[-1], touches, occurred, with_table=False))
        return tuple(self._runs)

    def full(self, touches: Gathering, occurred: list[OccurredSpan], head: Head) -> Bucket:
        """All of it as one bucket."""
        end = _Mark(touches.mark(), touches.count, len(occurred), head)
        return self._run(self._marks[0], end, touches, occurred, with_table=True)

    def _size(self, place: int) -> int:
        """How many touches are between two marks, counted from the newest."""
        return self._marks[place].number - self._marks[place - 1].number

    @staticmethod
    def _run(begin: _Mark, end: _Mark, touches: Gathering, occurred: list[OccurredSpan], *, with_table: bool) -> Bucket:
        columns, wide = touches.between(begin.touches, end.touches)
        times = occurred[begin.times : end.times]
        return Bucket.of(begin.head, end.head, columns, wide, times, with_table=with_table)
