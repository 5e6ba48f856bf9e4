"""Snapshots of the books: a cache that saves reading a long journal from its beginning, and may be deleted at any time.

A snapshot is a folder: a file of columns, a manifest that names the position and digest of the commit at which it was taken,
and what others keep in it for the same position. It is written under another name and renamed when all of it is durable. The
two newest are kept. One that is damaged, of another journal or ahead of the store costs time and nothing else: every byte
is covered by a checksum, and what a manifest says is believed only where the journal has that very commit. Several processes
may write and delete in one folder.
"""

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from tallystick.domain.memory.frozen_books import FrozenBooks, KeptBooks
from tallystick.infrastructure.journal.format import Head, JournalRow
from tallystick.infrastructure.snapshots.format import BooksFacts, books_of, columns_of, facts_of
from tallystick.infrastructure.system.column_file import ColumnDescription, read_columns, write_columns
from tallystick.infrastructure.system.file_lock import FileLock
from tallystick.infrastructure.system.own_folder import fault_of, make_own_folder
from tallystick.infrastructure.system.posix_locks import AT_ONCE, EXCLUSIVE, flock

FORMAT = 3
KEPT = 2

KEYS, IDS, REFERENCES = "keys", "transfer_ids", "references"
"""The names of the parts that are kept beside the books."""

_MANIFEST = "manifest.json"
_COLUMNS = "columns"
_UNFINISHED = ".unfinished"
_SEAL = b',"sha256":"%s"}'
_SEAL_LENGTH = len(_SEAL % (64 * b"0"))

FindRow = Callable[[int], JournalRow | None]
"""Gives the row of the journal in which a position lies."""


class Part(Protocol):
    """What somebody else keeps in a snapshot, frozen when the books were."""

    def save(self, folder: Path) -> Any:
        """Writes durable files into a folder of its own; gives what is needed to load them, as anything that JSON can write."""
        ...


class FrozenState(NamedTuple):
    """A ledger's state at one time: where the journal ended, the books, the last version of each stream, and others' parts."""

    head: Head
    books: FrozenBooks
    versions: Mapping[str, int]
    parts: Mapping[str, Part]


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot says of itself. `id` is drawn by who wrote it; `recorded_at` is the commit's time."""

    format: int
    id: str
    position: int
    digest: str
    recorded_at: int
    parts: dict[str, Any]
    columns: dict[str, ColumnDescription]


class Snapshot(NamedTuple):
    """A snapshot on disk whose manifest is undamaged. The rest is checked when it is read."""

    folder: Path
    manifest: Manifest

    @property
    def head(self) -> Head:
        """Where the journal ended."""
        return Head(self.manifest.position, bytes.fromhex(self.manifest.digest), self.manifest.recorded_at)

    @property
    def bytes(self) -> int:
        """How long the columns are together."""
        return sum(each.count * np.dtype(each.type).itemsize for each in self.manifest.columns.values())

    def fits(self, row_at: FindRow) -> bool:
        """Whether the journal has the commit at which it was taken."""
        row = row_at(self.manifest.position)
        return row is not None and row.head() == self.head

    def read(self) -> "ReadSnapshot":
        """All of it. Raises `OSError`, and `LookupError` or `ValueError` where something is not what was written."""
        columns = read_columns(self.folder / _COLUMNS, self.manifest.columns)
        facts = msgspec.json.decode(columns.pop("books").data, type=BooksFacts)
        versions = msgspec.json.decode(columns.pop("versions").data, type=dict[str, int])
        return ReadSnapshot(books_of(facts, columns), versions)


class ReadSnapshot(NamedTuple):
    """What `Books.restore` takes, and the last version of each stream."""

    books: KeptBooks
    versions: dict[str, int]


class Snapshots:
    """The snapshots in `folder`, which is made when it is needed. `row_at` gives the journal's rows."""

    def __init__(self, folder: Path, row_at: FindRow) -> None:
        self._folder = folder
        self._row_at = row_at

    def usable(self) -> Iterator[Snapshot]:
        """Those whose manifest is undamaged and whose commit the journal has, the newest first. Raises `StorageUnavailable`."""
        for folder in self._finished():
            snapshot = _opened(folder)
            if snapshot is not None and snapshot.fits(self._row_at):
                yield snapshot

    def save(self, state: FrozenState) -> Snapshot:
        """Keeps the state, and returns when it is durable; removes what is older than the two newest.

        Raises `OSError` and `StorageUnavailable`, and `ValueError` where something in the state cannot be kept.
        """
        name = f"{state.head.position:020d}-{state.head.digest.hex()[:16]}"
        make_own_folder(self._folder)
        unfinished = self._folder / f"{name}.{secrets.token_hex(8)}{_UNFINISHED}"
        with contextlib.ExitStack() as writing:
            with self._changing():
                unfinished.mkdir(mode=0o700)
                writing.enter_context(_locked(unfinished))
            try:
                manifest = _write(unfinished, state)
                with self._changing():
                    _rename(unfinished, self._folder / name)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
        with self._changing():
            self._tidy()
        return Snapshot(self._folder / name, manifest)

    def discard(self, snapshot: Snapshot) -> None:
        """Removes a snapshot."""
        shutil.rmtree(snapshot.folder, ignore_errors=True)

    @contextlib.contextmanager
    def _changing(self) -> Generator[None]:
        """While it is entered nobody else makes, renames or removes a snapshot, which takes moments."""
        with contextlib.closing(FileLock(self._folder.with_suffix(".lock"), beside=self._folder)) as lock:
            lock.acquire()
            yield

    def _finished(self) -> list[Path]:
        """The folders of snapshots, the newest first; none where others may have written there."""
        if fault_of(self._folder) is not None:
            return []
        try:
            return sorted((path for path in self._folder.iterdir() if path.suffix != _UNFINISHED), reverse=True)
        except OSError:
            return []

    def _tidy(self) -> None:
        """Removes all snapshots but the newest usable ones, and what nobody is writing any more."""
        kept = {snapshot.folder for snapshot in islice(self.usable(), KEPT)}
        for folder in self._finished():
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)
        for unfinished in self._folder.glob(f"*{_UNFINISHED}"):
            with contextlib.suppress(OSError), _locked(unfinished):
                shutil.rmtree(unfinished, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """While it is entered the unfinished snapshot is this writer's, however a process ends that had it before.

    Where it is another's this raises `OSError`.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flock(descriptor, EXCLUSIVE | AT_ONCE)
        yield
    finally:
        os.close(descriptor)


def _write(folder: Path, state: FrozenState) -> Manifest:
    seed = secrets.randbits(64)
    facts = [("books", _as_column(facts_of(state.books, seed))), ("versions", _as_column(state.versions))]
    columns = write_columns(folder / _COLUMNS, chain(facts, columns_of(state.books, seed)))
    parts = {name: _save_part(folder / name, part) for name, part in state.parts.items()}
    head = state.head
    manifest = Manifest(FORMAT, secrets.token_hex(16), head.position, head.digest.hex(), head.recorded_at, parts, columns)
    with (folder / _MANIFEST).open("xb") as file:
        file.write(_encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    _sync(folder)
    return manifest


def _save_part(folder: Path, part: Part) -> Any:
    folder.mkdir(mode=0o700)
    saved = part.save(folder)
    _sync(folder)
    return saved


def _as_column(fact: Any) -> Any:
    return np.frombuffer(msgspec.json.encode(fact), dtype=np.uint8)


def _rename(unfinished: Path, folder: Path) -> None:
    """Gives the folder its name, which one that is no better may have already."""
    try:
        unfinished.rename(folder)
    except OSError:
        folder.rename(unfinished.with_suffix(f".replaced{_UNFINISHED}"))
        unfinished.rename(folder)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> Snapshot | None:
    """The snapshot in a folder; None where that is none, or is damaged or of another format."""
    if fault_of(folder) is not None:
        return None
    try:
        return Snapshot(folder, _decode((folder / _MANIFEST).read_bytes()))
    except (OSError, ValueError):
        return None


def _encode(manifest: Manifest) -> bytes:
    """JSON that ends with the SHA-256 of what is before that."""
    content = msgspec.json.encode(manifest)[:-1]
    return content + _SEAL % sha256(content).hexdigest().encode()


def _decode(encoded: bytes) -> Manifest:
    content, seal = encoded[:-_SEAL_LENGTH], encoded[-_SEAL_LENGTH:]
    if seal != _SEAL % sha256(content).hexdigest().encode():
        raise ValueError("the manifest is not what was written")
    manifest = msgspec.json.decode(encoded, type=Manifest)
    if manifest.format != FORMAT or sys.byteorder != "little":
        raise ValueError(f"a snapshot of format {manifest.format}")
    return manifest
