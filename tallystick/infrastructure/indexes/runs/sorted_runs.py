"""A set of pairs of 64-bit words that only grows: sorted runs, searched by halves, in files once they are long.

Pairs are kept as they come until somebody searches, or until there are many; then they are sorted into a run. Four runs of
about one size are merged into one of the next, so there are few to search however many pairs came, and each was written a few
times only. Long runs are sorted and merged by threads in the background; what they merge is searched meanwhile as it was, and
where a full disk takes no merged run it stays as it was.

What is frozen can be saved into a folder while more is added, and a set loaded from there again, without reading it. Files
that turn out to be missing or damaged are a `DamagedRun`, sooner or later: whoever asked forgets the set, and makes it anew
from what it is derived from. Adding never raises that, so what was recorded can be added whatever the files are like.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np

from tallystick.domain.arithmetic.columns import Rows
from tallystick.domain.batch.transfer_ids import Words
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.runs.file import Run
from tallystick.infrastructure.indexes.runs.filter import MASKS, PICK
from tallystick.infrastructure.indexes.runs.frozen import FrozenRuns, load_runs
from tallystick.infrastructure.indexes.runs.pairs import Pairs, sorted_pairs
from tallystick.infrastructure.indexes.runs.writer import WorkingFiles, write_in_memory

LONG = 1 << 20
"""So many pairs are a run."""

MERGED_AT_ONCE = 4
MERGED_PAIRS = 1 << 17
"""So many are merged in memory at a time."""

WAITING_MAX = 4
"""So many runs may wait to be sorted before who adds has to wait for them."""


class Making:
    """A run that is being made. Until it is `is_taken_over`, its pairs are found in those sorted `before`, or nowhere."""

    def __init__(self, make: Callable[[], Pairs], before: Sequence[Pairs] = ()) -> None:
        self.make = make
        self.before = before
        self.is_taken_over = False
        self.future: Future[None]


class SortedRuns:
    """The set. With a `folder` its long runs lie on disk there, else in memory. `long` pairs are a run.

    All is called under its owner's lock.
    """

    def __init__(self, folder: Path | None = None, long: int | None = None) -> None:
        self._files = None if folder is None else WorkingFiles(folder)
        self._long = LONG if long is None else long
        self._newest: list[Pairs] = []
        self._short: list[Pairs] = []
        self._size = 0
        self._runs: list[Run] = []
        self._probes: list[tuple[memoryview, int, Run]] = []
        self._unchecked: list[Run] = []
        self._making: list[Making] = []
        self._own: list[Making] = []
        self._merging = False
        self._unmerged = 0
        self._made: deque[tuple[Making | Sequence[Run], Run | BaseException | None]] = deque()
        self._failure: BaseException | None = None
        self._closed = threading.Event()
        self._workers: ThreadPoolExecutor | None = None

    @classmethod
    def load(cls, saved: Path, description: Any, folder: Path | None = None, long: int | None = None) -> Self:
        """The set that `FrozenRuns.save` wrote into the folder `saved`, which may be deleted afterwards.

        Raises `DamagedRun` where a file is missing or its beginning is damaged, or the description is none.
        """
        runs = cls(folder, long)
        runs._runs = load_runs(saved, description)
        runs._changed()
        runs._merge()
        return runs

    def add(self, keys: Words, values: Words) -> None:
        """Adds pairs."""
        self._newest.append(Pairs(keys, values))
        self._size += len(keys)
        if self._size >= self._long:
            self._make_long()

    def add_later(self, make: Callable[[], Pairs]) -> Making:
        """Adds sorted pairs, at least one, that are made in the background; nothing finds them until they are is_taken_over."""
        self._wait_for_space()
        return self._begin(Making(make))

    def has(self, keys: Words, values: Words) -> Rows:
        """Which of these pairs were added. Raises `DamagedRun`."""
        self._prepare()
        found = np.zeros(len(keys), dtype=np.bool_)
        for run in (*self._in_memory(), *self._runs):
            found |= run.has(keys, values)
        return found

    def has_keys(self, keys: Words) -> Rows:
        """Which of these keys were added with any value. Raises `DamagedRun`."""
        self._prepare()
        found = np.zeros(len(keys), dtype=np.bool_)
        for run in (*self._in_memory(), *self._runs):
            found |= run.has_keys(keys)
        return found

    def values_of(self, key: int) -> list[int]:
        """All values that were added with the key. Raises `DamagedRun`."""
        if self._newest or self._made or self._own or self._failure:
            self._prepare()
        values = [value for pairs in self._in_memory() for value in pairs.values_of(key)] if self._short or self._own else []
        mask = MASKS[key & PICK]
        for words, shift, run in self._probes:  # a loop without calls, for every keyed transaction comes here
            if words[key >> shift] & mask == mask:
                values += run.values_of(key)
        for run in self._unchecked:
            if run.may_have(key, mask):
                values += run.values_of(key)
            if run.filter.is_checked():
                self._changed()
        return values

    def freeze(self) -> FrozenRuns:
        """What was added up to now, at the cost of what was added lately. Raises `DamagedRun`."""
        self.take_over()
        self._check()
        pairs = [*self._short, *self._newest]
        rest = [making.make for making in self._own]
        return FrozenRuns(tuple(self._runs), [*rest, lambda: sorted_pairs(pairs)] if pairs else rest)

    def take_over(self) -> None:
        """Has the runs that were made in the meantime searched from now on."""
        if not self._made:
            return
        while self._made:
            what, made = self._made[0]
            self._take(what, made)  # may be done twice where somebody interrupts, and may not be left out
            self._changed()
            self._made.popleft()
        self._own = [making for making in self._own if not making.is_taken_over]
        self._merge()

    def is_busy(self) -> bool:
        """Whether runs are being made or merged."""
        return bool(self._making) or self._merging

    def count_of_runs(self) -> int:
        """How many runs there are to search."""
        return len(self._runs)

    def close(self) -> None:
        """Gives up what lies on disk. Nothing is to be asked afterwards."""
        self._closed.set()
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)
        for run in (*self._runs, *(made for _, made in self._made if isinstance(made, Run))):
            self._remove(run)
        self._runs, self._probes, self._unchecked = [], [], []
        self._made.clear()

    def _make_long(self) -> None:
        """Turns what is in memory into a run. Where somebody searches it, it is sorted already but for the newest."""
        self._wait_for_space()
        searched = bool(self._short)
        if searched:
            self._sort_newest()
        sources = [*self._short, *self._newest]
        making = Making(lambda: sorted_pairs(sources, are_sorted=searched), self._short)
        self._own.append(self._begin(making))
        self._newest, self._short, self._size = [], [], 0

    def _wait_for_space(self) -> None:
        waiting = [making for making in self._making if not making.future.done()]
        if len(waiting) >= WAITING_MAX:
            waiting[0].future.result()
        self.take_over()

    def _begin(self, making: Making) -> Making:
        making.future = self._submit(self._sort, making)
        self._making.append(making)
        return making

    def _prepare(self) -> None:
        """Has all that was added where it can be searched."""
        for making in self._own:
            if not making.before:
                making.future.result()
        self.take_over()
        self._check()
        self._sort_newest()

    def _in_memory(self) -> list[Pairs]:
        """The pairs that can be searched and are not in runs yet."""
        return [*self._short, *(pairs for making in self._own for pairs in making.before)]

    def _sort_newest(self) -> None:
        if self._newest:
            self._short.append(sorted_pairs(self._newest))
            self._newest = []
            while len(self._short) > 1 and len(self._short[-2].keys) < 8 * len(self._short[-1].keys):
                self._short[-2:] = [sorted_pairs(self._short[-2:], are_sorted=True)]

    def _take(self, what: Making | Sequence[Run], made: Run | BaseException | None) -> None:
        sources = () if isinstance(what, Making) else what
        if isinstance(made, BaseException):
            self._failure = made
        elif made is not None:
            self._runs = [*(run for run in self._runs if run not in sources and run is not made), made]
        if isinstance(what, Making):
            what.is_taken_over = True
            self._making = [making for making in self._making if making is not what]
        else:
            self._merging = False
            self._unmerged = len(self._runs) if made is None else 0

    def _check(self) -> None:
        if self._failure is not None:
            raise DamagedRun(f"a run could not be made: {self._failure}") from self._failure

    def _changed(self) -> None:
        self._probes = [(run.filter.words, run.filter_shift, run) for run in self._runs if run.filter.is_checked()]
        self._unchecked = [run for run in self._runs if not run.filter.is_checked()]

    def _merge(self) -> None:
        """Begins to merge the smallest runs of which there are enough; after one that came to nothing, once there are more."""
        if self._merging or self._failure is not None or len(self._runs) == self._unmerged:
            return
        levels: dict[int, list[Run]] = {}
        for run in self._runs:
            levels.setdefault(((len(run) // self._long).bit_length() + 1) // 2, []).append(run)
        for _, sources in sorted(levels.items()):
            if len(sources) >= MERGED_AT_ONCE:
                self._merging = True
                self._submit(self._merge_runs, sources)
                return

    # In the background.

    def _submit(self, work: Callable[[Any], None], subject: Making | Sequence[Run]) -> Future[None]:
        if self._workers is None:
            self._workers = ThreadPoolExecutor(2, thread_name_prefix="sorted-runs")  # one merge may be long, and one sorts
        return self._workers.submit(work, subject)

    def _sort(self, making: Making) -> None:
        try:
            pairs = making.make()
            run = self._written((pairs,), len(pairs.keys)) or write_in_memory((pairs,), len(pairs.keys))
        except BaseException as error:
            self._made.append((making, error))
        else:
            self._made.append((making, run))

    def _merge_runs(self, sources: Sequence[Run]) -> None:
        size = sum(map(len, sources))
        try:
            if self._files is None:
                run = write_in_memory(_merged(sources, size, self._closed), size)
            else:
                run = self._written(_merged(sources, size, self._closed), size)
        except BaseException as error:
            self._made.append((sources, error))
            return
        if run is not None:
            for source in sources:
                self._remove(source)
        self._made.append((sources, run))
        for source in sources:
            source.release()

    def _written(self, parts: Any, size: int) -> Run | None:
        """None where no file can be had."""
        if self._files is not None:
            with contextlib.suppress(OSError):
                return self._files.write(parts, size)
        return None

    def _remove(self, run: Run) -> None:
        """Removes the run's file, if it is one of ours."""
        if run.path is not None and self._files is not None and self._files.has(run.path):
            with contextlib.suppress(OSError):
                run.path.unlink()


def _merged(sources: Sequence[Run], size: int, closed: threading.Event) -> Iterator[Pairs]:
    """The pairs of all sources, range after range of their keys, which are spread evenly."""
    parts = -(-size // MERGED_PAIRS)
    starts = [0] * len(sources)
    for part in range(1, parts + 1):
        if closed.is_set():
            raise CancelledError
        stops = [run.place_of(part * 2**64 // parts) if part < parts else len(run) for run in sources]
        pairs = [run.between(start, stop) for run, start, stop in zip(sources, starts, stops, strict=True)]
        if stops != starts:
            yield sorted_pairs(pairs, are_sorted=True)
        for run in sources:
            run.release()
        starts = stops
