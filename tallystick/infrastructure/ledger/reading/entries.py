"""Reads entries: what a ledger answers about what its blocks recorded, by id, by idempotency key and by reference."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from tallystick.domain.batch.batch import numbered
from tallystick.domain.entry.erasing import EraseMetadata
from tallystick.domain.errors import CorruptJournal, EntryNotFound, InvalidRequest
from tallystick.domain.events import NOTED_BATCHES
from tallystick.domain.values.entry_details import check_reference, metadata_of
from tallystick.domain.values.ids import check_id, check_limit
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.memo import check_memo
from tallystick.infrastructure.commit.idempotency import check_key
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.journal.details import Details, Place, decode_details, first_positions, metadata_digest, place_in
from tallystick.infrastructure.journal.format import JournalRow, decode_events, decode_keys, may_hold_batches
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.entry import Entry
from tallystick.infrastructure.ledger.reading.lines.entries import entries_of
from tallystick.infrastructure.ledger.reading.lines.transactions import transactions_of
from tallystick.projections.transactions import Transaction


class Entries:
    """The answers."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._journal = core.journal
        self._books = core.books

    def entry(self, id: int) -> Entry:
        """The entry that begins at this position; else `EntryNotFound`."""
        self._core.check_open()
        return self._read(self.place_of(id))

    def receipt(self, key: str) -> Receipt | None:
        """The receipt of the entry that used the idempotency key; None where none did."""
        check_key(key)
        self._core.check_open()
        return self._core.receipt_of(key)

    def find(self, reference: str, limit: int | None = None) -> list[Entry]:
        """The entries with this reference, or with rows of batches that have it, newest first: all, or the newest `limit`."""
        check_reference(reference)
        count = check_limit(limit)
        positions = self._core.positions_of_reference(reference)
        return [self._read(place) for place in islice(self._places_of(reference, positions), count)]

    def _places_of(self, reference: str, positions: Sequence[int]) -> Iterator[Place]:
        """Where the entries with the reference lie, newest first, of the commits that may have some."""
        for position in reversed(positions):
            row = self._journal.row_at(position)
            if row is None:
                continue
            numbers = _entries_with(row, reference)
            for number in reversed(numbers):
                yield place_in(row, first_positions(row)[number])

    def erase(self, entry: int, reason: str) -> None:
        """Erases the metadata of the entry, and records that; as `Ledger.erase`."""
        check_memo(reason, "a reason")
        self._core.check_writable()
        place = self.place_of(entry)
        entry = place.positions.start
        if place.details.meta is None:
            raise InvalidRequest(f"entry {entry} was recorded without metadata")
        if not self._journal.metadata([entry]):
            raise InvalidRequest(f"the metadata of entry {entry} was erased before")
        self._core.commit([EraseMetadata(entry, reason)])

    def place_of(self, id: int) -> Place:
        """Where the entry lies that begins at this position; else `EntryNotFound`."""
        position = check_id(id, "an entry")
        row = self._journal.row_at(position) if position else None
        if row is None:
            raise EntryNotFound(id=id)
        place = place_in(row, position)
        if place.positions.start != position:
            raise EntryNotFound(f": that is within entry {place.positions.start}", id=id)
        return place

    def _read(self, place: Place) -> Entry:
        row, positions, details = place.row, place.positions, place.details
        key = next((key.key for key in decode_keys(row) if key.index == place.number), None)
        recorded_at = from_microseconds(row.recorded_at)
        return Entry(
            positions.start,
            positions.start,
            positions.stop - 1,
            recorded_at,
            recorded_at if details.at is None else from_microseconds(details.at),
            key,
            details.ref,
            self._metadata(positions.start, details),
            tuple(sorted(id for _, id in details.reverses)),
            self._reversed_by(positions),
            self._transactions(place),
        )

    def _metadata(self, entry: int, details: Details) -> dict[str, Any] | None:
        if details.meta is None:
            return None
        stored = self._journal.metadata([entry]).get(entry)
        if stored is None:
            return None
        if metadata_digest(stored.salt, stored.content) != details.meta:
            raise CorruptJournal("the metadata of the entry is not what was recorded", position=entry)
        return metadata_of(stored.content)

    def _reversed_by(self, positions: range) -> tuple[int, ...]:
        with self._core.locked():
            self._core.reach_head()
            taking = sorted(reversal.position for id in positions for reversal in self._books.reversals.of(id))
        return tuple(dict.fromkeys(self._entry_of(position) for position in taking))

    def _entry_of(self, position: int) -> int:
        row = self._journal.row_at(position)
        return position if row is None else place_in(row, position).positions.start

    def _transactions(self, place: Place) -> tuple[Transaction, ...]:
        entry = next(islice(entries_of(place.row), place.number, None))
        return tuple(transactions_of(self._core, entry))


def _entries_with(row: JournalRow, reference: str) -> list[int]:
    """The numbers of the row's entries that have the reference, or a row of a batch that has it, in order."""
    found = {number for number, each in decode_details(row).items() if each.ref == reference}
    if may_hold_batches(row.body):
        firsts = first_positions(row)
        for position, event in numbered(decode_events(row), row.first_position):
            if isinstance(event, NOTED_BATCHES) and reference in event.notes.refs:
                found.add(firsts.index(position))  # a batch is its entry's first event
    return sorted(found)
