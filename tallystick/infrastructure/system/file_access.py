"""Who may open what lies beside a file: whoever made it, it is for those whom the file is for.

A ledger's lock files belong to whom the ledger belongs, though an administrator's command made them. A lock on a file can be
held by whoever may open it, if only for reading: who may not write the ledger must not be able to keep those waiting who may.
So a lock file is open to those classes of users alone that may write the file beside it. A cache is its owner's alone
(`own_folder.py`).
"""

import contextlib
import os
import stat
from pathlib import Path

_CLASSES = ((stat.S_IWUSR, stat.S_IRWXU), (stat.S_IWGRP, stat.S_IRWXG), (stat.S_IWOTH, stat.S_IRWXO))
_FILE = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


def open_beside(path: Path, file: Path | None) -> int:
    """The file at `path`, opened for reading and writing and made where it is missing, for those who may write `file`.

    Where there is no `file`, as the process makes its files. Raises `OSError`.
    """
    access = _access(file)
    mode = 0o666 if access is None else _mode(access) & _FILE
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    if access is not None:
        _give(opened, access, mode)
    return opened


def _access(file: Path | None) -> os.stat_result | None:
    try:
        return None if file is None else os.stat(file)
    except OSError:
        return None


def _mode(access: os.stat_result) -> int:
    """All that those may who may write it."""
    return sum(all_of_it for may_write, all_of_it in _CLASSES if access.st_mode & may_write) | stat.S_IRWXU


def _give(opened: int, access: os.stat_result, mode: int) -> None:
    """Gives it that owner, group and mode, as far as this process may: what others made is theirs to change."""
    found = os.fstat(opened)
    if (found.st_uid, found.st_gid) != (access.st_uid, access.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(opened, access.st_uid if os.geteuid() == 0 else -1, access.st_gid)
    if stat.S_IMODE(found.st_mode) != mode:
        with contextlib.suppress(OSError):
            os.fchmod(opened, mode)
