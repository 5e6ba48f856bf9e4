"""A folder of our own: what lies there is believed only where no other user may have written it.

What is kept beside a journal saves reading it, and its checksums tell damage and not intent, for whoever may write there can
make them too. So a folder that another user owns, or may write, is passed over, and that is said in the log, once for each
time it is opened. What is made here can be read and written by its owner alone.
"""

import logging
import os
import stat
from pathlib import Path

_log = logging.getLogger("tallystick.cache")
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def fault_of(folder: Path) -> str | None:
    """Why what lies in the folder is not believed; None where it is, where nothing lies there, and where nobody can know."""
    if not hasattr(os, "geteuid"):
        return None
    try:
        status = folder.stat()
    except OSError:
        return None
    if status.st_uid != os.geteuid():
        return f"the user {status.st_uid} owns it, and not {os.geteuid()}"
    if stat.S_ISDIR(status.st_mode) and status.st_mode & _OTHERS_MAY_WRITE:
        return f"others than its owner may write there (mode {stat.S_IMODE(status.st_mode):o})"
    return None


def make_own_folder(folder: Path) -> None:
    """Makes the folder and the one in which it lies, for their owner alone.

    Raises `OSError`, also where they are not ours, or would lie beside a file of another user: that one could not use them.
    """
    beside = folder.parent.with_suffix("")
    fault = fault_of(beside) if folder.parent.suffix == ".cache" and beside.is_file() else None
    if fault is not None:
        raise PermissionError(f"no {folder.parent} is made, beside a file of another user: {fault}")
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
        fault = fault_of(each)
        if fault is not None:
            raise PermissionError(f"{each} is not used: {fault}")


class CacheFolder:
    """The folder `path` for what is derived from a journal, and the folders in it named `parts`."""

    def __init__(
        self, path: Path | None, parts: tuple[str, ...] = ("snapshots", "contracts", "runs", "past", "past/books")
    ) -> None:
        self._path = path
        self._parts = parts
        self._said = ""

    def used(self) -> Path | None:
        """The folder, which may be missing yet; None where there is to be none, or what lies there is not believed."""
        if self._path is None:
            return None
        for folder in (self._path, *(self._path / part for part in self._parts)):
            fault = fault_of(folder)
            if fault is not None:
                self._say(f"the cache {folder} is not used: {fault}; remove it, and it is made anew from the journal")
                return None
        return self._path

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            _log.warning(what)
