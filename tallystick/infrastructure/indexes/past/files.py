"""The files of a past index: buckets in a chain, each of which goes on where the one before it ends, and dense columns.

A file gets its name when it is durable, and the name says from where to where of the journal it goes. What another process
wrote is as good as what this one would write. Files that lead nowhere are left alone: they cost space and nothing else, until
the index is begun anew, which removes all.
"""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

from tallystick.infrastructure.indexes.past.buckets.bucket import Bucket
from tallystick.infrastructure.indexes.past.buckets.dense import DenseColumns, TokenColumns, write_dense
from tallystick.infrastructure.indexes.past.column_blocks import UNFINISHED
from tallystick.infrastructure.indexes.past.kept import KeptBucket, KeptDense, OpenFiles
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow
from tallystick.infrastructure.system.own_folder import fault_of, make_own_folder

_BUCKET, _DENSE = ".bucket", ".dense"


class PastFiles:
    """The files in a folder, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = OpenFiles()

    def chain(self, row_at: Callable[[int], JournalRow | None]) -> list[KeptBucket]:
        """The buckets from the beginning of the journal on, as far as it has the commits at which they end.

        Others of the same span may be there too, of another journal, or of this one before it was put back.
        """
        chain: list[KeptBucket] = []
        head = EMPTY
        for path in self._found(_BUCKET):
            after, _, _ = path.stem.partition("-")
            if int(after) != head.position:
                continue
            try:
                bucket = Bucket.load(path)
            except DamagedRun:
                continue
            if bucket.before == head and bucket.end.position > head.position and _is_in(bucket.end, row_at):
                chain.append(KeptBucket(bucket.before, bucket.end, bucket.size, path, self._open))
                head = bucket.end
        return chain

    def dense(self, ends: Iterable[Head]) -> dict[int, KeptDense]:
        """The dense columns that were taken at these heads, by position."""
        found: dict[int, KeptDense] = {}
        wanted = {head.position: head for head in ends}
        for path in self._found(_DENSE):
            position = int(path.stem.partition("-")[0])
            if position in wanted:
                with contextlib.suppress(DamagedRun):
                    head = DenseColumns(path).head
                    if head == wanted[position]:
                        found[position] = KeptDense(head, path, self._open)
        return found

    def add_bucket(self, bucket: Bucket) -> KeptBucket:
        """The bucket in a file in which it is now. Raises `OSError`."""
        end = bucket.end
        path = self._path(f"{bucket.before.position:020d}-{end.position:020d}-{end.digest.hex()[:16]}{_BUCKET}")
        bucket.save(path)
        return KeptBucket(bucket.before, end, bucket.size, path, self._open)

    def add_dense(self, head: Head, tokens: Iterable[TokenColumns], figures: list[int]) -> KeptDense:
        """The dense columns in a file in which they are now. Raises `OSError`."""
        path = self._path(f"{head.position:020d}-{head.digest.hex()[:16]}{_DENSE}")
        write_dense(path, head, tokens, figures)
        return KeptDense(head, path, self._open)

    def remove(self) -> None:
        """Removes all of them, and what is left of files that were begun."""
        self._open = OpenFiles()
        for suffix in (_BUCKET, _DENSE, UNFINISHED):
            for path in self._found(suffix):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, name: str) -> Path:
        make_own_folder(self._folder)
        return self._folder / name

    def _found(self, suffix: str) -> list[Path]:
        """The files of a kind in the order of their names; none where others may have written there."""
        if fault_of(self._folder) is not None:
            return []
        try:
            found = [path for path in self._folder.iterdir() if path.suffix == suffix]
        except OSError:
            return []
        return sorted(path for path in found if suffix == UNFINISHED or path.stem.partition("-")[0].isdecimal())


def _is_in(head: Head, row_at: Callable[[int], JournalRow | None]) -> bool:
    row = row_at(head.position)
    return row is not None and row.head() == head
