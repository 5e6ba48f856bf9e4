"""A folder of Parquet that grows: each export adds to every table a file with the rows that came since the last one.

`FOLDER/movements/0...01-0...99.parquet` has the rows of positions 1 to 99, and says which digest the journal had there. So an
export knows where to go on, and that the journal is the same one. Files are never changed, and each is there whole or not at
all; those without a dot before their name are, at any time, all rows up to a position, without a gap.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.analytics.export.files import write_parquet
from tallystick.infrastructure.analytics.tables import streams
from tallystick.infrastructure.analytics.whole import checked, storage_errors, whole_file
from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.sinks.run_lock import RunLock
from tallystick.infrastructure.rebuild.source import Source

_PART = re.compile(r"(\d{20})-(\d{20})\.parquet")
_LOCK = ".tallystick-export"


def append_parts(
    source: Source, folder: Path, names: Iterable[str], head: tuple[int, str], progress: Progress | None = None
) -> dict[str, tuple[int, Path | None]]:
    """Adds what came since, and gives of each table how many rows that is and the file that has them, None where none came.

    Raises `InvalidRequest` where what is there is no such folder, or is of another journal.
    """
    folder = checked(folder)
    with storage_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise InvalidRequest(f"{folder} is a file, and what is added to is a folder")
        folder.mkdir(exist_ok=True)
    lock = RunLock(folder / _LOCK)
    try:
        return {name: _append(source, folder / name, name, head, progress) for name in names}
    finally:
        lock.close()


def _append(
    source: Source, folder: Path, name: str, head: tuple[int, str], progress: Progress | None
) -> tuple[int, Path | None]:
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
        after = _reached(source, folder, head[0])
    position, digest = head
    if after == position:
        return 0, None
    path = folder / f"{after + 1:020d}-{position:020d}.parquet"
    (stream,) = streams(source, [name], position, progress, after)
    with whole_file(path) as beside:
        rows = write_parquet(stream, beside, {"position": str(position), "digest": digest})
    return rows, path


def _reached(source: Source, folder: Path, upto: int) -> int:
    """Up to which position the table is there. Raises `InvalidRequest`."""
    reached, newest = 0, None
    for path in sorted(folder.glob("[!.]*")):
        found = _PART.fullmatch(path.name)
        if found is None or int(found[1]) != reached + 1:
            raise InvalidRequest(f"{path} is not what an export added behind position {reached}: name another folder")
        reached, newest = int(found[2]), path
    if reached > upto:
        raise InvalidRequest(f"{folder} has rows up to position {reached}, and position {upto} is before that")
    if newest is not None:
        noted: dict[bytes, bytes] = pyarrow("parquet").read_schema(newest).metadata or {}
        if not source.has(reached, noted.get(b"tallystick.digest", b"").decode()):
            raise InvalidRequest(f"{newest} is of another journal than this one: name another folder")
    return reached
