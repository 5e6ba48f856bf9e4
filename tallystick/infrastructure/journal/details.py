"""Details: what a row says of its entries beside their events, in a column of its own.

An entry is one transaction of a row. Its details are when it happened, where that is not when it was recorded, the caller's
reference, the digest of its metadata, and which movements before it takes back. An entry that has none of them is not named,
and a row in which nothing is of format 2 has no details at all. A name that is not known was written by a newer version.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from tallystick.domain.batch.batch import numbered
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import FORMAT_2_EVENTS, Distributed, Moved, TokenRegistered
from tallystick.domain.rounding import SYSTEMATIC
from tallystick.domain.values.curve import scale_of
from tallystick.domain.values.reversal import Reversal
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow, decode_counts, decoded

NO_DETAILS = b"[]"
"""Of a row that has something of format 2, and no details."""


class Details(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The details of one entry: `at`, when it happened, in microseconds since 1970 in UTC; `ref`, its reference; `meta`, the
    SHA-256 of its metadata in hex; `reverses`, pairs (n, id): the movement at the entry's first position + n takes back that
    much of the movement `id`. `seal`, of a row as a whole, is kept free for a position and the digest of what stood there.
    """

    at: int | None = None
    ref: str | None = None
    meta: str | None = None
    reverses: tuple[tuple[int, int], ...] = ()
    seal: tuple[int, str] | None = None


_NOTHING = Details()
_FORMAT_2: frozenset[type] = frozenset(FORMAT_2_EVENTS)
_CHANGED: frozenset[type] = frozenset((TokenRegistered, Distributed))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[int | None, Details]]).decode


def encode_details(details: Sequence[tuple[int, Details]]) -> bytes:
    """The column of a row whose entries with these numbers have these details."""
    return _encode(details)


def decode_details(row: JournalRow) -> Mapping[int, Details]:
    """The details of a row by the number of the entry; none where the row has no such column.

    Raises `CorruptJournal` where they cannot be read, or are of entries that the row does not have.
    """
    return {number: details for number, details in read_details(row) if number is not None}


def read_details(row: JournalRow) -> Sequence[tuple[int | None, Details]]:
    """The same with what is said of the row as a whole, under None."""
    if row.details is None or row.details == NO_DETAILS:
        return []
    found = decoded(row, "details (or they were written by a newer version)", _decode, row.details)
    numbers = [number for number, _ in found if number is not None]
    if numbers != sorted(set(numbers)) or (numbers and not 0 <= numbers[0] <= numbers[-1] < len(decode_counts(row))):
        raise CorruptJournal("its details are of entries that it does not have", position=row.first_position)
    return found


def reversals_of(row: JournalRow, events: Sequence[JournalEvent]) -> Iterator[Reversal]:
    """Which movements the row takes back, which has these events; `CorruptJournal` where no movement stands where it says."""
    details = decode_details(row)
    taking = {number: each.reverses for number, each in details.items() if each.reverses}
    if not taking:
        return
    amounts = {position: getattr(event, "amount", 0) for position, event in numbered(events, row.first_position)}
    firsts = first_positions(row)
    for number, pairs in taking.items():
        for n, id in pairs:
            amount = amounts.get(firsts[number] + n, 0)
            if not 0 < id < row.first_position or n < 0 or not amount:
                raise CorruptJournal("its details take back what is no movement before it", position=row.first_position)
            yield Reversal(firsts[number] + n, id, amount)


class Place(NamedTuple):
    """Where an entry lies: its row, its number among the row's entries, and its positions."""

    row: JournalRow
    number: int
    positions: range

    @property
    def details(self) -> Details:
        """The details of the entry."""
        return decode_details(self.row).get(self.number, _NOTHING)


def place_in(row: JournalRow, position: int) -> Place:
    """Where the entry lies to which a position of the row belongs."""
    firsts = first_positions(row)
    number = bisect_right(firsts, position) - 1
    end = firsts[number + 1] if number + 1 < len(firsts) else row.last_position + 1
    return Place(row, number, range(firsts[number], end))


def first_positions(row: JournalRow) -> Sequence[int]:
    """The first position of each of the row's entries, in order."""
    return list(accumulate(decode_counts(row)[:-1], initial=row.first_position))


def metadata_digest(salt: bytes, content: str) -> str:
    """The digest of metadata that stays in the row, in hex: SHA-256 of the salt and the text."""
    return hashlib.sha256(salt + content.encode()).hexdigest()


def needs_details(events: Sequence[JournalEvent]) -> bool:
    """Whether one of the events is of format 2. Most transactions are one movement, and that is told at once."""
    if len(events) == 1 and type(events[0]) is Moved:
        return False
    types = set(map(type, events))
    if not _FORMAT_2.isdisjoint(types):
        return True
    return not _CHANGED.isdisjoint(types) and any(map(_has_rule_of_format_2, events))


def _has_rule_of_format_2(event: JournalEvent) -> bool:
    """Whether an event that format 1 knows says something that only format 2 has: how it is shared, or a curve's decimals."""
    if isinstance(event, TokenRegistered):
        return scale_of(event.curve, event.parameters) is not None
    return isinstance(event, Distributed) and event.rounding == SYSTEMATIC
