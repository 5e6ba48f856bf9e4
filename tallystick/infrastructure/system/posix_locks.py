"""The locks on whole files that POSIX systems have. Elsewhere this can be imported all the same, and no file can be locked."""

import errno
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
