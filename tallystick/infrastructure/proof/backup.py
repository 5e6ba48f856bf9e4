"""A backup: the journal copied row by row into an SQLite file, while others write on, and checked before it has its name.

Rows are read in pages, each for itself, so nobody waits for a backup, and no log grows by it. What is copied is held against
the chain as it is read, and once more when it was written. Metadata lies outside the chain and may be erased meanwhile: then
the rows are read on up to the one that says so.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

from tallystick.domain.errors import CorruptJournal, InvalidRequest
from tallystick.domain.events import MetadataErased
from tallystick.domain.values.result import Result
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow, decode_events
from tallystick.infrastructure.journal.port import PAGE_BYTES, PAGE_ROWS, Journal, MetadataRow
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.journal.stores.sqlite.new_file import NewFile
from tallystick.infrastructure.proof.audit import verify
from tallystick.infrastructure.proof.details_check import metadata_digests

Item = TypeVar("Item")

_OWN = 0o600
_ALL_MAY = 0o666
_ERASES = b'"MetadataErased"'


class Backup(Result, frozen=True):
    """A backup that was taken: the file's `path`, and the `position` and `digest` (hex) at which its journal ends."""

    path: str
    position: int
    digest: str


def back_up(journal: Journal, path: str | Path) -> Backup:
    """Copies the journal into a new file at `path`, and gives it its name when all of it was checked.

    Raises `InvalidRequest` where something lies there, `CorruptJournal`, `StorageFull` and `StorageUnavailable`.
    """
    if not isinstance(path, (str, Path)) or not str(path) or "\0" in str(path) or "://" in str(path):
        raise InvalidRequest(f"a backup goes into a file, named by its path, and not to {path!r}")
    with NewFile(Path(path), _mode_of(journal)) as file:
        head = _copy(journal, file)
        file.finish()
        _check(file.unfinished, head)
        file.put_in_place()
    return Backup(str(file.path), head.position, head.digest.hex())


def _mode_of(journal: Journal) -> int:
    """Who may open the file, may open its copy; of another store it is the copier's alone."""
    if isinstance(journal, SQLiteJournal):
        with suppress(OSError):
            return os.stat(journal.path).st_mode & _ALL_MAY
    return _OWN


def _copy(journal: Journal, file: NewFile) -> Head:
    """Copies all that there is when it begins, and what is needed of what comes then; gives where the copy ends."""
    missing: set[int] = set()
    head = EMPTY
    while True:
        before = head
        for page in _pages(_rows_up_to(journal, head, journal.head().position)):
            _copy_page(journal, file, page, missing)
            head = page[-1].head()
        if not missing or head == before:  # what is missing still, nobody has erased
            break
    entries = (entry for entry in journal.streams() if entry.first_position <= head.position)
    while page_of_entries := list(islice(entries, PAGE_ROWS)):
        file.add_entries(page_of_entries)
    return head


def _copy_page(journal: Journal, file: NewFile, page: list[JournalRow], missing: set[int]) -> None:
    said = [entry for row in page for entry, _ in metadata_digests(row)]
    found: Mapping[int, MetadataRow] = journal.metadata(said) if said else {}
    missing.update(entry for entry in said if entry not in found)
    erased = [entry for row in page for entry in _erased_by(row)]
    missing.difference_update(erased)
    file.add(page, found.values(), erased)


def _erased_by(row: JournalRow) -> Iterable[int]:
    if _ERASES not in row.body:
        return ()
    return [event.entry for event in decode_events(row) if isinstance(event, MetadataErased)]


def _rows_up_to(journal: Journal, head: Head, position: int) -> Iterator[JournalRow]:
    for row in rows_after(journal, head) if head.position < position else ():
        yield row
        if row.last_position >= position:
            return


def _pages(rows: Iterable[JournalRow]) -> Iterator[list[JournalRow]]:
    page: list[JournalRow] = []
    size = 0
    for row in rows:
        page.append(row)
        size += len(row.body)
        if len(page) == PAGE_ROWS or size >= PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


def _check(path: Path, head: Head) -> None:
    with closing(SQLiteJournal(path, create=False, read_only=True)) as copy:
        found = verify(copy)
    if not found.ok:
        raise CorruptJournal(f"it was not copied: {found.findings[0].reason}", position=found.findings[0].position)
    if (found.position, found.digest) != (head.position, head.digest.hex()):
        raise CorruptJournal("what was written is not what was read", position=found.position)
