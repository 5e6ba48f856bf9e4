"""The past index: what every cell was worth at every commit, and which commits touched it, without reading the journal.

It is derived from the journal alone, by whoever asks first and then in the background, and may be deleted at any time. What
was touched is sorted into buckets; the last one, which is not full, lies in memory in small sorted runs. Buckets lie in files
beside the journal, whose blocks are checked when they are first read: an index that is damaged, torn, or of another journal is
begun anew. Books of its own, which nobody plans on, are kept with it, so that it goes on from there.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tallystick.domain.arithmetic.columns import Numbers, listed
from tallystick.infrastructure.indexes.past.buckets.bucket import Bucket
from tallystick.infrastructure.indexes.past.building import Building, NoIndex, Progress
from tallystick.infrastructure.indexes.past.cells import AVAILABLE, CONTRACTS, Cells
from tallystick.infrastructure.indexes.past.column_blocks import AnyColumn
from tallystick.infrastructure.indexes.past.kept import KeptBucket, KeptDense

__all__ = ("NoIndex", "PastIndex", "Progress")


class PastIndex(Building):
    """The index of one journal: answers up to a position that it has reached. All raise `NoIndex`."""

    def value(self, cell: int, at: int) -> int | None:
        """What a cell was worth at a position; None where it was never touched, or its account came later."""
        return self._asked(lambda: self._value(cell, at))

    def _value(self, cell: int, at: int) -> int | None:
        buckets, dense = self._newest_first(at)
        for bucket in buckets:
            value = bucket.opened().value(cell, at)
            if value is not None:
                return value
        return None if dense is None else dense.opened().value(cell)

    def _newest_first(self, at: int) -> tuple[list[Bucket | KeptBucket], KeptDense | None]:
        """What was touched up to a position, the newest first, since dense columns were taken, and these."""
        found: list[Bucket | KeptBucket] = []
        buckets, dense = self._parts(at)
        for bucket in reversed(buckets):
            if bucket.end.position <= at and bucket.end.position in dense:
                return found, dense[bucket.end.position]
            if bucket.before.position < at:
                found.append(bucket)
        return found, None

    def _parts(self, at: int) -> tuple[tuple[Bucket | KeptBucket, ...], Mapping[int, KeptDense]]:
        """The buckets and, where a position is behind them, the runs of the tail; and the dense columns."""
        self._check_is_current()
        built = self._stands()
        if at <= built.end.position:
            return built
        with self._lock:
            following, built = self._followed(), self._stands()
            if at > following.head.position:
                raise NoIndex(f"it was begun anew, and has not reached position {at} again")
            try:
                runs = self._tail.runs(following.gathering, following.head)
            except BaseException:
                self._begin()  # interrupted who knows where
                raise
            return (*built.buckets, *runs), built.dense

    def column(self, token: int, part: int, at: int, length: int) -> Numbers:
        """What the cells of one part of a token were worth at a position, up to this handle."""
        return self._asked(lambda: self._column(Cells.of(token, part), token, part, at, length))

    def _column(self, cells: Cells, token: int, part: int, at: int, length: int) -> Numbers:
        buckets, dense = self._newest_first(at)
        column: Numbers = np.zeros(length, dtype=np.int64)
        if dense is not None:
            kept = dense.opened().column(token, part)[:length]
            if isinstance(kept, list):
                column = [*kept, *[0] * (length - len(kept))]
            else:
                column[: len(kept)] = kept
        for bucket in reversed(buckets):
            column = _with_touches(column, bucket.opened(), cells, at)
        return column

    def touched(self, cells: tuple[int, ...], after: int, upto: int) -> Iterator[int]:
        """The positions above `after` up to `upto` at which commits end that touched one of the cells, in order."""
        for bucket in self._in_order(after, upto):
            yield from self._asked(lambda bucket=bucket: bucket.opened().touched(cells, after, upto))

    def touched_back(self, cells: tuple[int, ...], after: int, upto: int) -> Iterator[int]:
        """The same, the newest first."""
        for bucket in reversed(self._in_order(after, upto)):
            yield from reversed(self._asked(lambda bucket=bucket: bucket.opened().touched(cells, after, upto)))

    def _in_order(self, after: int, upto: int) -> list[Bucket | KeptBucket]:
        buckets, _ = self._parts(upto)
        return [bucket for bucket in buckets if bucket.before.position < upto and bucket.end.position > after]

    def changes(self, kind: str, cell: int, at: int) -> list[list[Numbers]]:
        """The columns of a cell's changes up to a position, in parts that follow one another."""
        return self._asked(
            lambda: [found for bucket in self._in_order(0, at) if (found := bucket.opened().changes(kind, cell, at))]
        )

    def occurred_at(self, position: int) -> tuple[int, int] | None:
        """From when to when what a commit recorded occurred, which ends at a position; None where it says nothing of time."""
        found = (self._asked(lambda bucket=bucket: bucket.opened().occurred_at(position)) for bucket in self._ending(position))
        return next(found, None)

    def _ending(self, position: int) -> Sequence[Bucket | KeptBucket]:
        """The bucket in whose span a commit lies that ends at a position."""
        buckets, _ = self._parts(position)
        place = bisect_left(buckets, position, key=lambda bucket: bucket.end.position)
        return buckets[place : place + 1]

    def occurred(self, upto: int) -> Iterator[tuple[AnyColumn, AnyColumn, AnyColumn]]:
        """Of the commits up to a position that say of time, in parts: where they end, and from when to when that was."""
        for bucket in self._in_order(0, upto):
            columns = self._asked(lambda bucket=bucket: bucket.opened().occurred())
            known = columns[0] <= upto
            yield columns[0][known], columns[1][known], columns[2][known]

    def _figures(self, at: int, count: int) -> list[int]:
        """What contracts were worth, all figures of all of them."""
        return listed(self._column(Cells.of(CONTRACTS), CONTRACTS, AVAILABLE, at, count))


def _with_touches(column: Numbers, bucket: Bucket, cells: Cells, at: int) -> Numbers:
    """The column after what a bucket has of these cells up to a position."""
    newest = np.full(len(column), -1, dtype=np.int64)
    for touched, commits, values in bucket.newest_of_all(cells.first, cells.end, at):
        handles = (touched - np.uint64(cells.first)).astype(np.int64)
        is_newer = commits > newest[handles]
        handles = handles[is_newer]
        newest[handles] = commits[is_newer]
        if isinstance(values, list):
            column = listed(column)
        if isinstance(column, list):
            for handle, value in zip(listed(handles), np.flatnonzero(is_newer).tolist(), strict=True):
                column[handle] = int(values[value])
        else:
            column[handles] = values[is_newer]
    return column
