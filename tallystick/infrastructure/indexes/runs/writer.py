"""Writes runs, part after part, into files whose space is reserved first, or into memory where there is no disk to be had.

Files are written and then mapped for reading alone: a write to a map that a full disk cannot take would end the process, and
`write` says so instead. The working files of a process stand in the folder `runs` of the cache, and a process that has one
holds a lock on it, which falls with the process. Whoever comes next removes those on which nobody holds a lock. To remove one
that was not locked yet, or cannot be, does no harm: who has it mapped keeps it.
"""

import contextlib
import mmap
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tallystick.domain.batch.transfer_ids import Words
from tallystick.infrastructure.indexes.runs.checked_words import BLOCK_WORDS, Blocks, DamagedRun
from tallystick.infrastructure.indexes.runs.file import Layout, Run, make_header
from tallystick.infrastructure.indexes.runs.filter import FilterWriter
from tallystick.infrastructure.indexes.runs.pairs import Pairs
from tallystick.infrastructure.system.own_folder import make_own_folder
from tallystick.infrastructure.system.posix_locks import AT_ONCE, EXCLUSIVE, SHARED, flock

WRITE_BYTES = 1 << 20

Write = Callable[[int, bytes], object]
"""Writes at an offset."""


class WorkingFiles:
    """The files of runs in a cache's folder, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "runs"
        self._remove_leftovers()

    def write(self, parts: Iterable[Pairs], pairs: int) -> Run:
        """A run of so many pairs, sorted through all parts, in a file of its own. Raises `OSError` and leaves nothing."""
        make_own_folder(self._folder)
        return write_file(new_path(self._folder), parts, pairs)

    def has(self, path: Path) -> bool:
        """Whether the file is one of these."""
        return path.parent == self._folder

    def _remove_leftovers(self) -> None:
        with contextlib.suppress(OSError):  # there is no such folder, or somebody else was faster
            for path in list(self._folder.glob("*.run")):
                with contextlib.suppress(OSError), path.open("rb") as file:
                    flock(file, EXCLUSIVE | AT_ONCE)
                    path.unlink()


def write_file(path: Path, parts: Iterable[Pairs], pairs: int) -> Run:
    """The same in a new file at `path`."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        _lock(number)
        _reserve(number, Layout.of(pairs).size)
        _write(lambda offset, content: _write_all(number, offset, content), parts, pairs)
        return Run(mmap.mmap(number, 0, access=mmap.ACCESS_READ), path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(number)  # the map keeps a duplicate, and with it the lock


def write_in_memory(parts: Iterable[Pairs], pairs: int) -> Run:
    """The same in memory."""
    memory = mmap.mmap(-1, Layout.of(pairs).size)

    def write(offset: int, content: bytes) -> None:
        memory[offset : offset + len(content)] = content

    _write(write, parts, pairs)
    return Run(memory, None)


def open_file(path: Path) -> Run:
    """The run in a file. Raises `DamagedRun`, also where there is none."""
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # it is missing, or empty
        raise DamagedRun(f"{path} cannot be mapped: {error}") from error
    return Run(content, path)


def keep_in(folder: Path, run: Run) -> str:
    """Has the run in this folder too, on the disk for good, and gives its name there. Raises `OSError`."""
    path = new_path(folder) if run.path is None else folder / run.path.name
    if not _link(run, path):
        with path.open("xb") as file:
            for start in range(0, len(run.content), WRITE_BYTES):
                file.write(run.content[start : start + WRITE_BYTES])
        run.release()
    make_durable(path)
    return path.name


def make_durable(path: Path) -> None:
    """Returns when the file's or folder's content is on the disk. Raises `OSError`."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _link(run: Run, path: Path) -> bool:
    if run.path is None:
        return False
    try:
        os.link(run.path, path)
    except OSError:  # it is merged by now, or on another disk, or this one cannot link
        return False
    return True


def new_path(folder: Path) -> Path:
    """Where in the folder a run may be written that no other is."""
    return folder / f"{os.getpid()}-{secrets.token_hex(8)}.run"


def _lock(number: int) -> None:
    with contextlib.suppress(OSError):  # not every file system can
        flock(number, SHARED | AT_ONCE)


def _reserve(number: int, size: int) -> None:
    """A disk that is too small says so here; the journal needs what is left more than a run does."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(number, 0, size)


def _write_all(number: int, offset: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(number, rest, offset)
        offset += written
        rest = rest[written:]


class _Column:
    """One of the columns of a run, as it is written."""

    def __init__(self, write: Write, offset: int) -> None:
        self._write = write
        self._offset = offset
        self._blocks = Blocks()

    def add(self, words: Words) -> None:
        self._put(self._blocks.add(words))

    def finish(self) -> list[int]:
        """Writes what is left, and gives the checksums of all blocks."""
        self._put(self._blocks.finish())
        return self._blocks.checksums

    def _put(self, content: bytes) -> None:
        self._write(self._offset, content)
        self._offset += len(content)


def _write(write: Write, parts: Iterable[Pairs], pairs: int) -> None:
    layout = Layout.of(pairs)
    keys, values, filter = (_Column(write, offset) for offset in (layout.keys, layout.values, layout.filter))
    filter_words = FilterWriter(layout.filter_exponent)
    fences: list[Words] = []
    done = 0
    for part in parts:
        fences.append(part.keys[-done % BLOCK_WORDS :: BLOCK_WORDS])
        done += len(part.keys)
        keys.add(part.keys)
        values.add(part.values)
        filter.add(filter_words.add(part.keys))
    filter.add(filter_words.finish())
    checksums = [*keys.finish(), *values.finish(), *filter.finish()]
    index = np.concatenate([*fences, np.array(checksums, dtype=np.uint64)]).tobytes()
    write(0, make_header(pairs, index) + index)
