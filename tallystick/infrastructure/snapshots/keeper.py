"""When snapshots are taken and which one a ledger goes on from: the hooks for whoever keeps a ledger's state.

A snapshot is due when the journal has grown by the size of the last one, so that all of them together cost no more than
writing the journal did. The state is frozen while nobody changes it, which takes milliseconds, and written by a thread
in the background. That fails silently, for a ledger needs no snapshots; whoever asks for one is told.
"""

import errno
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tallystick.domain.books.books import Books
from tallystick.domain.errors import LedgerError, StorageFull, StorageUnavailable
from tallystick.infrastructure.journal.format import Head
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.snapshots.snapshots import FrozenState, Snapshot, Snapshots

GROWTH_BYTES_MIN = 8 * 2**20
"""No snapshot is due before the bodies of so many bytes were read or committed since the last one."""

Freeze = Callable[[], FrozenState]
"""Gives the state, copied where it may change."""


class Restored(NamedTuple):
    """Where the books stand that were restored, and the last version of each stream.

    `parts`: what each part that was kept, by name, gave to be loaded again out of the folder of its name in `folder`.
    """

    head: Head
    versions: dict[str, int]
    parts: dict[str, Any]
    folder: Path


class SnapshotKeeper:
    """The snapshots of one journal, for one ledger. Where the journal has no folder for a cache there are none, and where its
    cache is only read none are taken.

    `grown_bytes` are of the rows that were read or committed since the last one; from `due_bytes` on `is_due` is worth asking.
    All but `finish` is called by whoever holds the lock of the state.
    """

    def __init__(self, journal: Journal) -> None:
        folder = journal.kept_cache_folder
        self._may_write = journal.cache_folder is not None
        self._snapshots = None if folder is None else Snapshots(folder / "snapshots", journal.row_at)
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[Exception | None] | None = None
        self.grown_bytes = 0
        self.due_bytes = GROWTH_BYTES_MIN
        self._position = 0
        self._known: set[str] = set()
        self._restored: Snapshot | None = None
        self._damaged: set[Path] = set()

    def restore(self, books: Books) -> Restored | None:
        """Fills empty books from the newest snapshot that can be read; None where there is none, and they stay empty.

        Books that were read before only go on from a snapshot that this ledger took or went on from, for in others
        the handles of accounts stand for other accounts. Raises `StorageUnavailable`.
        """
        for snapshot in () if self._snapshots is None else self._snapshots.usable():
            if snapshot.folder in self._damaged:
                continue
            if books.has_former_names and snapshot.manifest.id not in self._known:
                continue
            try:
                read = snapshot.read()
            except (OSError, LookupError, ValueError):
                continue
            try:
                books.restore(read.books)
            except (ArithmeticError, LookupError, ValueError):  # undamaged, and yet no books
                books.reset()
                return None
            self.grown_bytes = 0
            self._note(snapshot)
            self._known.add(snapshot.manifest.id)
            self._restored = snapshot
            return Restored(snapshot.head, read.versions, snapshot.manifest.parts, snapshot.folder)
        return None

    def newest_position(self) -> int | None:
        """The position of the newest one that the journal bears out, whoever took it; None where there is none."""
        try:
            newest = None if self._snapshots is None else next(self._snapshots.usable(), None)
        except LedgerError:
            return None
        return None if newest is None else newest.manifest.position

    @property
    def is_writing(self) -> bool:
        """Whether this ledger is writing one."""
        return self._writing is not None and not self._writing.done()

    def discard(self) -> None:
        """Removes the snapshot that the books last went on from, or passes it over, for a part of it was found damaged."""
        if self._snapshots is not None and self._restored is not None:
            if self._may_write:
                self._snapshots.discard(self._restored)
            else:
                self._damaged.add(self._restored.folder)

    def is_due(self) -> bool:
        """Whether it is time for a snapshot, and none is being written."""
        if self.grown_bytes < self.due_bytes or self._snapshots is None or not self._may_write:
            return False
        if self.is_writing:
            return False
        try:
            newest = next(self._snapshots.usable(), None)
        except LedgerError:
            return False
        if newest is not None and newest.manifest.position > self._position:  # another process took it
            self.grown_bytes = 0
            self._note(newest)
            return False
        return True

    def begin(self, freeze: Freeze) -> "Future[Exception | None] | None":
        """Freezes the state and has it written in the background, after what is being written. Gives what `finish` takes.

        Raises what `freeze` does; that no thread is to be had, `finish` tells.
        """
        if self._snapshots is None or not self._may_write:
            return None
        self.grown_bytes = 0  # whatever comes of it: one that failed is not tried again at once
        state = freeze()
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "books-snapshots")
        try:
            self._writing = self._writer.submit(self._write, self._snapshots, state)
        except RuntimeError as error:  # as where the interpreter is about to end
            self._writing = Future()
            self._writing.set_result(error)
        return self._writing

    @staticmethod
    def finish(begun: "Future[Exception | None] | None") -> None:
        """Returns when that snapshot is durable. Raises `StorageFull` or `StorageUnavailable` where it could not be written."""
        error = None if begun is None else begun.result()
        if isinstance(error, LedgerError):
            raise error
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"no snapshot was taken: {error}") from error
        if error is not None:
            raise StorageUnavailable(f"no snapshot was taken: {error}") from error

    def close(self) -> None:
        """Waits until what was begun is written."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None

    def _write(self, snapshots: Snapshots, state: FrozenState) -> Exception | None:
        try:
            snapshot = snapshots.save(state)
        except Exception as error:  # a ledger goes on without
            return error.with_traceback(None)  # whose frames would keep the state in memory
        self._known.add(snapshot.manifest.id)
        self._note(snapshot)
        return None

    def _note(self, snapshot: Snapshot) -> None:
        self.due_bytes, self._position = max(GROWTH_BYTES_MIN, snapshot.bytes), snapshot.manifest.position
