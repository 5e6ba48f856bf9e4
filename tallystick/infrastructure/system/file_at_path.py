"""Which file lies at a path, and whether it is still the one that was opened.

A file may be replaced while a ledger is open on it, by a restored backup for example. What is written after that into the
file that was opened is lost, so the journal asks here before each use. Beside a database lies its write-ahead log; SQLite
would take a log left behind by the replaced file for the new one's, and mix the two, so such a log is put aside.

SQLite finds that log, and processes their lock, by the file's name. A file that has two names has two logs, of which neither
knows what the other has: so it is used under none while it has them. A path is resolved once, when it is opened, so that the
name stays what it is wherever the process goes, and links that are symbolic lead to it.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from tallystick.domain.errors import StorageUnavailable

UNSETTLED_NS = 100_000_000
"""A file that was written so short a time ago may have been written once more since, and its time is still the same."""


_MOUNTS = "/proc/self/mountinfo"
_MOUNT_POINT = 4


class FileIdentity(NamedTuple):
    """What tells one file from another while both exist."""

    device: int
    inode: int


class FileAtPath:
    """The file that was at `path` when it was last remembered."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)  # a Path costs as much again as the look itself
        self._identity: FileIdentity | None = None
        self._companions: list[tuple[Path, FileIdentity | None]] = []
        self._size_bytes = 0
        self.links = 1
        """How many names the file had when it was last looked at."""
        self._written: tuple[int, int] | None = None
        self._is_unsettled = True

    def remember_time(self) -> None:
        """Takes the file as it is now for what is going to be read, before it is opened."""
        self._written = self._time_and_size()
        self._is_unsettled = self._written is None or time.time_ns() - self._written[0] < UNSETTLED_NS

    def was_written(self, *, surely: bool = False) -> bool:
        """Whether the file was written since its time was remembered, or may have been, if not `surely`."""
        return (self._is_unsettled and not surely) or self._time_and_size() != self._written

    def _time_and_size(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def remember(self) -> None:
        """Takes the file that lies there now, and what SQLite keeps beside it, for the ones that are in use."""
        self._identity = identity_of(Path(self._path))
        self._size_bytes = 0
        companions = [Path(f"{self._path}{suffix}") for suffix in ("-wal", "-shm")]
        self._companions = [(companion, identity_of(companion)) for companion in companions]

    def was_replaced(self) -> bool:
        """Whether another file lies there now; costs one look at the file system.

        Raises `StorageUnavailable` where none does, or where it has become smaller: a journal never does.
        """
        size_bytes = self._size_bytes  # before the look, since other threads may look meanwhile
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise StorageUnavailable(f"{self._path}: the file is gone: {error.strerror}") from error
        identity = self._identity
        if identity is None or status.st_ino != identity.inode or status.st_dev != identity.device:
            return True
        if status.st_size < size_bytes:
            raise StorageUnavailable(
                f"{self._path} has shrunk from {size_bytes} to {status.st_size} bytes: another file was written over it;"
                " close the ledger, remove the -wal and -shm files beside it, and open it again"
            )
        self._size_bytes = status.st_size
        self.links = status.st_nlink
        return False

    def has_more_names(self) -> StorageUnavailable:
        """What is raised where the file has more `links` than one."""
        return _has_more_names(self._path, self.links)

    def has_old_log(self) -> bool:
        """Whether another file lies there than was remembered, and the log of that one still beside it."""
        if self._identity is None or self._identity == identity_of(Path(self._path)):
            return False
        logs = [(path, identity) for path, identity in self._companions if path.name.endswith("-wal")]
        return any(identity is not None and identity == identity_of(path) for path, identity in logs)

    def put_aside_companions(self) -> None:
        """Renames the log of the file that was replaced, and removes its index, where they are the ones remembered."""
        for companion, identity in self._companions:
            if identity is not None and identity == identity_of(companion):
                with contextlib.suppress(FileNotFoundError):
                    if companion.name.endswith("-shm"):
                        companion.unlink()
                    else:
                        companion.replace(f"{companion}.replaced")


def resolved(path: Path) -> Path:
    """The path from the root on, through all symbolic links; `StorageUnavailable` where the process is in no folder."""
    try:
        return Path(os.path.realpath(path))
    except OSError as error:
        raise StorageUnavailable(f"{path} is of a folder that is gone: {error.strerror}") from error


def check_has_one_name(path: Path) -> None:
    """Raises `StorageUnavailable` where the file at a resolved path has other names too: hard links, or where it is mounted."""
    try:
        links = os.stat(path).st_nlink
    except OSError:
        return
    if links > 1:
        raise _has_more_names(str(path), links)
    escaped = os.fsencode(path)
    for character in b"\\ \t\n":
        escaped = escaped.replace(b"%c" % character, b"\\%03o" % character)
    try:
        with open(_MOUNTS, "rb") as mounts:
            is_mounted = any(line.split()[_MOUNT_POINT] == escaped for line in mounts)
    except OSError:
        return
    if is_mounted:
        reason = "its log would lie outside, under another name than where it comes from"
        raise StorageUnavailable(f"{path} is itself a mount point, and {reason}: mount the folder that it lies in")


def _has_more_names(path: str, links: int) -> StorageUnavailable:
    reason = "what is written under one of them would be lost under another"
    return StorageUnavailable(f"{path} has {links} names (hard links), and {reason}: remove the others, or copy the file")


def identity_of(path: Path) -> FileIdentity | None:
    """The identity of the file at `path`; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileIdentity(status.st_dev, status.st_ino)
