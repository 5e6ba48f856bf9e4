"""Buckets and dense columns that lie in files: only so many are mapped at once, those that were used last.

A file that is mapped takes one of the few that a process may have open, and a long journal has many buckets.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from tallystick.infrastructure.indexes.past.buckets.bucket import Bucket
from tallystick.infrastructure.indexes.past.buckets.dense import DenseColumns
from tallystick.infrastructure.journal.format import Head

OPEN_MAX = 64
"""So many files are mapped."""

Opened = TypeVar("Opened", Bucket, DenseColumns)


class OpenFiles:
    """What was opened last, by path."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened: OrderedDict[Path, Bucket | DenseColumns] = OrderedDict()

    def get(self, path: Path, open_it: Callable[[Path], Opened], kind: type[Opened]) -> Opened:
        """What is in the file, opened where it is not. Raises `DamagedRun`."""
        with self._lock:
            found = self._opened.get(path)
            if isinstance(found, kind):
                self._opened.move_to_end(path)
                return found
        opened = open_it(path)
        with self._lock:
            self._opened[path] = opened
            while len(self._opened) > OPEN_MAX:
                self._opened.popitem(last=False)
        return opened


class KeptBucket(NamedTuple):
    """A bucket in a file: where it begins and ends, and how many touches and changes it has."""

    before: Head
    end: Head
    size: int
    path: Path
    files: OpenFiles

    def opened(self) -> Bucket:
        """The bucket. Raises `DamagedRun`."""
        bucket = self.files.get(self.path, Bucket.load, Bucket)
        bucket.check_is(self.before, self.end)
        return bucket


class KeptDense(NamedTuple):
    """Dense columns in a file: at which head they were taken."""

    head: Head
    path: Path
    files: OpenFiles

    def opened(self) -> DenseColumns:
        """The columns. Raises `DamagedRun`."""
        return self.files.get(self.path, DenseColumns, DenseColumns)
