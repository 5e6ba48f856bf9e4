"""Files and folders that are there whole or not at all: they are made beside their place, and take it with one renaming."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tallystick.domain.errors import InvalidRequest, StorageFull, StorageUnavailable

_SQLITE = b"SQLite format 3\0"


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Gives the path at which to write. It takes the place of what is at `path` when nothing was raised.

    Raises `InvalidRequest` where there is no such folder, or `path` is one; `StorageFull`, `StorageUnavailable`.
    """
    path = checked(path)
    if path.is_dir():
        raise InvalidRequest(f"{path} is a folder, and a file is to be written")
    if _is_ledger(path):
        raise InvalidRequest(f"{path} is an SQLite database, as ledgers are, and is not written over: name another file")
    beside = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    with storage_errors(path):
        try:
            beside.unlink(missing_ok=True)
            yield beside
            sync(beside)
            os.replace(beside, path)
            sync(path.parent)
        finally:
            beside.unlink(missing_ok=True)
            for left in (".wal", ".tmp"):  # what a database has beside it that was not closed
                _remove(beside.with_name(beside.name + left))


@contextmanager
def whole_folder(path: Path) -> Generator[Path]:
    """The same of a folder, which must not be there yet, or be empty."""
    path = checked(path)
    with storage_errors(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InvalidRequest(f"{path} is there already: name a new folder")
        beside = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            yield beside
            for file in beside.iterdir():
                sync(file)
            sync(beside)
            os.replace(beside, path)
            sync(path.parent)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """What the system refuses within, as `StorageFull` or `StorageUnavailable`."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in (28, 122) else StorageUnavailable
        raise kind(f"{path} cannot be written: {error.strerror or error}") from error


def checked(path: Path) -> Path:
    """The path, links resolved; `InvalidRequest` where there is no folder to write it into."""
    resolved = Path(os.path.realpath(path))
    if not resolved.parent.is_dir():
        raise InvalidRequest(f"there is no folder {str(resolved.parent)!r} to write {path.name!r} into")
    return resolved


def _is_ledger(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Has the system keep what it was told of a file or a folder."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
