"""Temporary folders in memory, so that no test waits for a disk that is busy with something else.

What a disk does to a journal is tested on disks that fill up, fail and lose power on purpose.
"""

import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path("/dev/shm")
DISK = tempfile.gettempdir()
"""Where temporary folders are else, on a disk as a rule: for tests of what file systems in memory do not do."""
ROOM_BYTES = 2 * 2**30
CHOSEN_BY = ("TMPDIR", "PYTEST_DEBUG_TEMPROOT")


def keep_folders_in_memory() -> None:
    """Puts what pytest, `tempfile` and child processes make into memory, if the system allows it and nobody chose a place."""
    if has_room() and not any(os.environ.get(name) for name in CHOSEN_BY):
        tempfile.tempdir = os.environ["TMPDIR"] = str(FOLDER)


def has_room() -> bool:
    """Whether there is such a folder for everybody's files and programs, with room enough."""
    if not os.access(FOLDER, os.W_OK | os.X_OK) or os.statvfs(FOLDER).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(FOLDER).free >= ROOM_BYTES
