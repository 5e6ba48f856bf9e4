"""The tail: what was touched since the last full bucket, in memory, sorted in small runs for whoever asks in between.

Each time somebody asks, what came since is one more run, and runs of about one size are made one. So asking costs what is new,
and there are few runs to search.
"""

from typing import NamedTuple

from tallystick.infrastructure.indexes.past.buckets.bucket import Bucket
from tallystick.infrastructure.indexes.past.buckets.gathering import NOTHING, Gathering, Mark
from tallystick.infrastructure.journal.format import Head


class _End(NamedTuple):
    """Where a run ends: what was gathered by then, of which size that is, and where the journal was."""

    mark: Mark
    size: int
    head: Head


class Tail:
    """The runs of what is gathered behind the head `before`."""

    def __init__(self, before: Head) -> None:
        self._ends = [_End(NOTHING, 0, before)]
        self._runs: list[Bucket] = []

    def runs(self, gathering: Gathering, head: Head) -> tuple[Bucket, ...]:
        """The runs, in the order of time, of all that was gathered up to `head`."""
        if head.position > self._ends[-1].head.position:
            self._ends.append(_End(gathering.mark(), gathering.size, head))
            while self._runs and self._size(-1) * 2 >= self._size(-2):
                self._runs.pop()
                del self._ends[-2]
            self._runs.append(_bucket(gathering, self._ends[-2], self._ends[-1], with_table=False))
        return tuple(self._runs)

    def full(self, gathering: Gathering, head: Head) -> Bucket:
        """All of it as one bucket."""
        return _bucket(gathering, self._ends[0], _End(gathering.mark(), gathering.size, head), with_table=True)

    def _size(self, place: int) -> int:
        """How much is between two ends, counted from the newest."""
        return self._ends[place].size - self._ends[place - 1].size


def _bucket(gathering: Gathering, begin: _End, end: _End, *, with_table: bool) -> Bucket:
    return Bucket.of(begin.head, end.head, gathering.between(begin.mark, end.mark), with_table=with_table)
