"""An exclusive lock that processes take in turn, on a file beside the ledger; it falls with the process that holds it."""

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # no flock on this platform: SQLite's own lock remains
    fcntl = None


class FileLock:
    """The lock on `path`, which is made where it is missing. Entering again while it is held only counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._depth = 0

    def acquire(self) -> None:
        """Waits until nobody else holds it. `OSError` where the file system cannot lock."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if self._depth == 0 and fcntl is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        self._depth += 1

    def release(self) -> None:
        """Lets the next one have it; where it is not held, nothing."""
        if self._depth == 0:
            return
        self._depth -= 1
        if self._depth == 0 and fcntl is not None and self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._depth = 0
