"""What must be true of the details of rows, and of the metadata that lies beside the chain.

Metadata can be erased, so it may be missing where an event says so. What is there must have the digest that its row says, and
no entry has some whose row does not say so. An audit also checks what details say, such as that it can have happened then.
"""

from collections.abc import Iterator, Mapping, Sequence

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.events import MetadataErased
from tallystick.domain.values.entry_details import check_reference
from tallystick.domain.values.instant import DAY, INSTANT_MAX
from tallystick.infrastructure.journal.details import (
    Details,
    first_positions,
    metadata_digest,
    needs_details,
    read_details,
)
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow
from tallystick.infrastructure.journal.port import Journal, MetadataRow
from tallystick.projections.invariants.invariants import Finding

FINDINGS_MAX = 100
"""So many entries without their metadata are told."""
_NOT_SAID = "metadata is there of an entry that was recorded without"


class MetadataCheck:
    """Compares the metadata with what rows say of it, row after row from the first on; keeps the entries whose is missing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._there = journal.metadata_entries()
        self._next: int | None = None
        self._has_begun = False
        self._missing: set[int] = set()
        self._end = 0

    def add(self, row: JournalRow, events: Sequence[JournalEvent]) -> Iterator[Finding]:
        """What is wrong with the metadata of the next row's entries."""
        if not self._has_begun:
            self._begin()
        said: dict[int, str] = dict(metadata_digests(row))
        found: Mapping[int, MetadataRow] = self._journal.metadata(said) if said else {}
        for entry, digest in said.items():
            if entry not in found:
                self._missing.add(entry)
            elif metadata_digest(found[entry].salt, found[entry].content) != digest:
                yield Finding(entry, "the metadata is not what was recorded")
        while self._next is not None and self._next <= row.last_position:
            if self._next not in said:
                yield Finding(max(self._next, 0), _NOT_SAID)
            self._next = next(self._there, None)
        self._end = row.last_position
        if self._missing:
            self._missing.difference_update([event.entry for event in events if isinstance(event, MetadataErased)])

    def _begin(self) -> None:
        self._has_begun = True
        self._next = next(self._there, None)

    def finish(self) -> Iterator[Finding]:
        """What is left when the last row was read: metadata that nobody erased, and some of entries that are not there."""
        if not self._has_begun:
            self._begin()
        if self._missing:
            self._missing.difference_update(self._journal.erased_beyond())
        for entry in sorted(self._missing)[:FINDINGS_MAX]:
            yield Finding(entry, "the metadata is missing, and no event says that it was erased")
        while self._next is not None:
            if self._next > self._end and self._journal.row_at(self._next) is None:  # else it came while this was read
                yield Finding(self._next, _NOT_SAID)
                return
            self._next = next(self._there, None)


def metadata_digests(row: JournalRow) -> Iterator[tuple[int, str]]:
    """The entries of a row that were recorded with metadata, with its digest."""
    if row.details is not None and b'"meta"' in row.details:
        firsts = first_positions(row)
        for number, details in read_details(row):
            if details.meta is not None and number is not None:
                yield firsts[number], details.meta


def impossible_details(row: JournalRow, events: Sequence[JournalEvent]) -> Iterator[Finding]:
    """What cannot be of the details of a row, but for what it takes back."""
    if row.details is not None:
        firsts = first_positions(row)
        for number, details in read_details(row):
            position = row.first_position if number is None else firsts[number]
            for reason in _faults(number, details, row.recorded_at):
                yield Finding(position, reason)
    elif needs_details(events):
        yield Finding(row.first_position, "it has what only rows with details have, and has none")


def _faults(number: int | None, details: Details, recorded_at: int) -> Iterator[str]:
    if number is None and details != Details(seal=details.seal):
        yield "its details say of no entry what only entries have"
    if number is not None and details.seal is not None:
        yield "its details seal an entry, and only rows are sealed"
    if details.at is not None and not 0 <= details.at <= min(INSTANT_MAX, recorded_at + DAY):
        yield "it cannot have happened when its details say"
    if details.meta is not None and not _is_digest(details.meta):
        yield "its details have no digest of its metadata"
    if details.ref is not None:
        try:
            check_reference(details.ref)
        except InvalidRequest as error:
            yield f"its details have no reference: {error}"


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")
