"""What must be true of the details of rows, and of the metadata that lies beside the chain.

Metadata can be erased, so it may be missing where an event says so. What is there must have the digest that its row says, and
no entry has some whose row does not say so. An audit also checks what details say: that it can have happened then, and that
what is taken back is a movement before it, and no more than all of it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from tallystick.domain.arithmetic.columns import Numbers
from tallystick.domain.batch.batch import numbered
from tallystick.domain.batch.columns import unpack
from tallystick.domain.errors import CorruptJournal, InvalidRequest
from tallystick.domain.events import BATCHES, RECORDED, MetadataErased
from tallystick.domain.values.entry_details import check_reference
from tallystick.domain.values.instant import DAY, INSTANT_MAX
from tallystick.infrastructure.journal.details import (
    Details,
    first_positions,
    metadata_digest,
    needs_details,
    read_details,
    reversals_of,
)
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow, decode_events
from tallystick.infrastructure.journal.port import Journal, MetadataRow
from tallystick.projections.invariants.invariants import Finding

FINDINGS_MAX = 100
"""So many entries without their metadata are told."""
ROWS_KEPT = 8
"""So many rows of which something was taken back are kept, for one entry is taken back by another."""
_NOT_SAID = "metadata is there of an entry that was recorded without"


class MetadataCheck:
    """Compares the metadata with what rows say of it, row after row from the first on; keeps the entries whose is missing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._there = journal.metadata_entries()
        self._next: int | None = next(self._there, None)
        self._missing: set[int] = set()
        self._end = 0

    def add(self, row: JournalRow, events: Sequence[JournalEvent]) -> Iterator[Finding]:
        """What is wrong with the metadata of the next row's entries."""
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

    def finish(self) -> Iterator[Finding]:
        """What is left when the last row was read: metadata that nobody erased, and some of entries that are not there."""
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


class DetailsCheck:
    """Checks what details say, row after row from the first on; keeps how much of which movement was taken back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._taken: dict[int, int] = {}
        self._rows: deque[_Amounts] = deque(maxlen=ROWS_KEPT)

    def add(self, row: JournalRow, events: Sequence[JournalEvent]) -> Iterator[Finding]:
        """What cannot be of the details of the next row."""
        if row.details is not None:
            firsts = first_positions(row)
            for number, details in read_details(row):
                position = row.first_position if number is None else firsts[number]
                for reason in _faults(number, details, row.recorded_at):
                    yield Finding(position, reason)
            yield from self._check_reversals(row, events)
        elif needs_details(events):
            yield Finding(row.first_position, "it has what only rows with details have, and has none")

    def _check_reversals(self, row: JournalRow, events: Sequence[JournalEvent]) -> Iterator[Finding]:
        try:
            for position, id, amount in reversals_of(row, events):
                original = self._amount_at(id)
                if original is None:
                    yield Finding(position, f"it takes back {id}, which is no movement")
                    continue
                self._taken[id] = self._taken.get(id, 0) + amount
                if self._taken[id] > original:
                    yield Finding(position, f"more is taken back of movement {id} than it moved")
        except CorruptJournal as error:
            yield Finding(row.first_position, str(error))

    def _amount_at(self, id: int) -> int | None:
        """How much the movement of this id moved; None where there is no movement."""
        known = next((row for row in self._rows if id in row.positions), None)
        if known is None:
            row = self._journal.row_at(id)
            if row is None:
                return None
            known = _Amounts(row)
            self._rows.append(known)
        return known.at(id)


class _Amounts:
    """How much each movement of a row moved. What batches keep packed is unpacked once."""

    def __init__(self, row: JournalRow) -> None:
        self.positions = range(row.first_position, row.last_position + 1)
        found = list(numbered(decode_events(row), row.first_position))
        self._firsts = [position for position, _ in found]
        self._events = [event for _, event in found]
        self._unpacked: dict[int, Numbers] = {}

    def at(self, id: int) -> int | None:
        """Of the movement at a position of the row; None where there is no movement."""
        index = bisect_right(self._firsts, id) - 1
        event = self._events[index]
        if isinstance(event, BATCHES):
            if index not in self._unpacked:
                self._unpacked[index] = unpack(event.amounts, event.count)
            return int(self._unpacked[index][id - self._firsts[index]])
        return event.amount if isinstance(event, RECORDED) else None


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
