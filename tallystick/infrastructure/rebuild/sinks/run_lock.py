"""The lock of a run: one rebuild at a time writes to one place in files. It falls with its process."""

import os
from pathlib import Path

from tallystick.domain.errors import StorageUnavailable
from tallystick.infrastructure.system.posix_locks import AT_ONCE, EXCLUSIVE, flock, holder_of


class RunLock:
    """The lock on the file at `path`, which is made; held until it is closed."""

    def __init__(self, path: Path) -> None:
        """Raises `StorageUnavailable` where another run holds it, or it cannot be locked."""
        file: int | None = None
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            flock(file, EXCLUSIVE | AT_ONCE)
        except BlockingIOError as error:
            holder = None if file is None else holder_of(file)
            _close(file)
            by = "" if holder is None else f" (process {holder})"
            raise StorageUnavailable(f"{path.parent}: another rebuild{by} is writing there: wait for it, or end it") from error
        except OSError as error:
            _close(file)
            raise StorageUnavailable(f"{path} cannot be locked: {error.strerror or error}") from error
        self._file: int | None = file

    def close(self) -> None:
        """Lets another run begin."""
        file, self._file = self._file, None
        _close(file)


def _close(file: int | None) -> None:
    if file is not None:
        os.close(file)
