"""The locks on whole files that POSIX systems have. Elsewhere this can be imported all the same, and no file can be locked."""

import errno
import os
from typing import IO, Any

try:
    import fcntl
except ImportError:
    fcntl = None

ARE_THERE = fcntl is not None


def _no_lock(file: int | IO[Any], operation: int, /) -> None:
    raise OSError(errno.ENOSYS, "this platform has no POSIX locks on files")


flock = _no_lock if fcntl is None else fcntl.flock
"""Does `SHARED`, `EXCLUSIVE` or `UNLOCK`; with `AT_ONCE` it does not wait. `OSError` where the file cannot be locked."""

SHARED, EXCLUSIVE, AT_ONCE, UNLOCK = (
    (1, 2, 4, 8) if fcntl is None else (fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_NB, fcntl.LOCK_UN)
)


def holder_of(file: int) -> int | None:
    """The number of the process that holds the lock on an open file; None where nobody does, or the system does not say so."""
    status = os.fstat(file)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    found: dict[str, int] = {}
    try:
        with open("/proc/locks") as locks:
            for line in locks:
                _, kind, _, _, pid, place, *_ = line.split()  # of one that waits, the kind is an arrow
                where, _, inode = place.rpartition(":")
                if kind == "FLOCK" and inode == str(status.st_ino) and int(pid) > 0:
                    found[where] = int(pid)
    except (OSError, ValueError):
        return None
    return found.get(device, next(iter(found.values())) if len(found) == 1 else None)  # some file systems have two numbers
