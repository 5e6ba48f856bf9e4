"""A set of pairs of 64-bit words that only grows: sorted runs, searched by halves, on disk once they are long.

Pairs are kept as they come until somebody searches, or until there are many; then they are sorted into a run. Eight runs of
one size are merged into one of the next, so there are few to search however many pairs came, and each was sorted a few times
only. Long runs are sorted and merged by a thread in the background, into files that have no name and end with the process;
what it works on is searched meanwhile as it was.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tallystick.domain.columns import Rows
from tallystick.domain.transfer_ids import Words

LONG = 1 << 20
MERGED_AT_ONCE = 8


class Run(NamedTuple):
    """Pairs in the order of their keys; several may have the same one."""

    keys: Words
    values: Words

    def has(self, keys: Words, values: Words) -> Rows:
        """Which of these pairs are in the run."""
        places = np.searchsorted(self.keys, keys)
        found = np.zeros(len(keys), dtype=np.bool_)
        rows = np.arange(len(keys))
        while len(rows):
            rows = rows[places[rows] < len(self.keys)]
            rows = rows[self.keys[places[rows]] == keys[rows]]
            same = self.values[places[rows]] == values[rows]
            found[rows[same]] = True
            rows = rows[~same]
            places[rows] += 1
        return found


class _Long:
    """A run that the background thread makes out of others."""

    def __init__(self, made: Future[Run], sources: Sequence[Run] | None) -> None:
        self._made = made
        self._sources = sources

    def runs(self) -> Sequence[Run]:
        """What can be searched: the run, or while it is being made what it is made of, where that is sorted."""
        if self._made.done() or self._sources is None:
            self._sources = None
            return (self._made.result(),)
        return self._sources


class SortedRuns:
    """The set. With a `folder` its long runs lie on disk there, else in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._newest: list[Run] = []
        self._short: list[Run] = []
        self._size = 0
        self._levels: list[list[_Long]] = []
        self._worker: ThreadPoolExecutor | None = None

    def add(self, keys: Words, values: Words) -> None:
        """Adds pairs."""
        self._newest.append(Run(keys, values))
        self._size += len(keys)
        if self._size >= LONG:
            self._make_long(0, [*self._short, *self._newest], are_sorted=False)
            self._newest, self._short, self._size = [], [], 0

    def has(self, keys: Words, values: Words) -> Rows:
        """Which of these pairs were added."""
        if self._newest:
            self._short.append(_sorted(self._newest))
            self._newest = []
            while len(self._short) > 1 and len(self._short[-2].keys) < MERGED_AT_ONCE * len(self._short[-1].keys):
                self._short[-2:] = [_sorted(self._short[-2:])]
        found = np.zeros(len(keys), dtype=np.bool_)
        for run in (*self._short, *(run for level in self._levels for long in level for run in long.runs())):
            found |= run.has(keys, values)
        return found

    def close(self) -> None:
        """Waits for what is being made, and gives up what lies on disk."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
        self._levels = []

    def _make_long(self, level: int, sources: Sequence[Run], *, are_sorted: bool) -> None:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="sorted-runs")
        if level == len(self._levels):
            self._levels.append([])
        made = self._worker.submit(self._merged, sources, are_sorted)
        longs = self._levels[level]
        longs.append(_Long(made, sources if are_sorted else None))
        if len(longs) == MERGED_AT_ONCE:
            self._levels[level] = []
            self._make_long(level + 1, [run for long in longs for run in long.runs()], are_sorted=True)

    def _merged(self, sources: Sequence[Run], are_sorted: bool) -> Run:
        """One run of all pairs, made range after range of the keys, so that little of it is worked on at once."""
        size = sum(len(run.keys) for run in sources)
        merged = Run(self._column(size), self._column(size))
        start = 0
        for part in _ranges(sources, size) if are_sorted else iter((sources,)):
            run = _sorted(part)
            stop = start + len(run.keys)
            merged.keys[start:stop], merged.values[start:stop] = run
            start = stop
        return merged

    def _column(self, size: int) -> Words:
        """An empty column, on disk if it can be had there: reserved, for a full disk would end the process at a write."""
        if self._folder is not None:
            with contextlib.suppress(OSError, AttributeError):  # not every system can reserve
                self._folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self._folder) as file:
                    os.posix_fallocate(file.fileno(), 0, 8 * size)
                    return np.memmap(file, dtype=np.uint64, shape=(size,))
        return np.empty(size, dtype=np.uint64)


def _ranges(sources: Sequence[Run], size: int) -> Iterator[list[Run]]:
    """The parts of sorted runs in which keys of one range lie, of about `LONG` pairs each, for keys are spread evenly."""
    parts = -(-size // LONG)
    starts = [0] * len(sources)
    for part in range(1, parts + 1):
        stops = [len(run.keys) for run in sources]
        if part < parts:
            stops = [int(np.searchsorted(run.keys, np.uint64(part * 2**64 // parts))) for run in sources]
        yield [
            Run(run.keys[start:stop], run.values[start:stop]) for run, start, stop in zip(sources, starts, stops, strict=True)
        ]
        starts = stops


def _sorted(runs: Sequence[Run]) -> Run:
    keys = np.concatenate([run.keys for run in runs])
    order = np.argsort(keys, kind="stable")
    return Run(keys[order], np.concatenate([run.values for run in runs])[order])
