"""A commit as the journal stores it: one row of integers, JSON text and a digest that chains it to the row before.

`JOURNAL.md` beside this file gives the format to whoever wants to read a journal without this code. The body is a JSON array
of events, each an array that begins with its type's tag. The digest covers the previous digest and every other column, each
with its length before it, so no byte can change and none can pass from one column into the next unnoticed. Details, the eighth
column, are digested where a row has them, so rows of format 1 have the digests that they always had.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from struct import Struct
from typing import NamedTuple, TypeVar

import msgspec

from tallystick.domain.batch.batch import positions_of
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import DomainEvent, ForeignEvent

GENESIS_DIGEST = bytes(32)

Decoded = TypeVar("Decoded")


class Foreign(ForeignEvent, frozen=True, array_like=True, tag=True, gc=False):
    """An event of somebody else's aggregate, kept as its mapper wrote it."""

    stream: str
    version: int
    topic: str
    state: bytes


JournalEvent = DomainEvent | Foreign


class Key(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An idempotency key used in a commit: by its transaction number `index`, with the digest of the request in hex."""

    key: str
    request: str | None
    index: int


class Head(NamedTuple):
    """Where a journal ends: the last position, that row's digest and its time."""

    position: int
    digest: bytes
    recorded_at: int


EMPTY = Head(0, GENESIS_DIGEST, 0)


class JournalRow(NamedTuple):
    """One commit. `recorded_at` is in microseconds in UTC; the other columns are the bytes that are stored.

    `details` is None in rows of format 1, and in those of format 2 that have nothing of it.
    """

    first_position: int
    last_position: int
    recorded_at: int
    keys: bytes
    transactions: bytes
    body: bytes
    digest: bytes
    details: bytes | None = None

    def head(self) -> Head:
        """Where a journal ends whose last row is this one."""
        return Head(self.last_position, self.digest, self.recorded_at)


class Body(NamedTuple):
    """The events of one commit as they are stored, and the positions that they take."""

    first_position: int
    last_position: int
    body: bytes


_BATCH_MARK = b'Many"'  # stands in the tags of all batches, and at most by chance elsewhere
_FOREIGN_MARK = b'"Foreign"'
_ESCAPE = rb"\u"  # as which another writer might have written a letter of a tag
_length = Struct(">Q").pack
_SHORT = tuple(map(_length, range(64)))
"""The lengths of numbers, which are looked up faster than made."""
_encode = msgspec.json.Encoder().encode
_decode_events = msgspec.json.Decoder(list[JournalEvent]).decode
_decode_keys = msgspec.json.Decoder(list[Key]).decode
_decode_counts = msgspec.json.Decoder(list[int]).decode


def encode_events(events: Sequence[JournalEvent]) -> bytes:
    """The body of a row."""
    return _encode(events)


def join_bodies(bodies: Sequence[bytes]) -> bytes:
    """The body of a row that has the events of all these bodies, none of which is empty."""
    return bodies[0] if len(bodies) == 1 else b"[" + b",".join([body[1:-1] for body in bodies]) + b"]"


def may_hold_batches(body: bytes) -> bool:
    """False where no batch is among a row's events; true where one is, or a text looks like its tag."""
    return _BATCH_MARK in body or _has_escapes(body)


def may_hold_foreign(body: bytes) -> bool:
    """The same for somebody else's events."""
    return _FOREIGN_MARK in body or _has_escapes(body)


def _has_escapes(body: bytes) -> bool:
    return b"\\" in body and _ESCAPE in body  # a single byte is found sixty times as fast as two


def count_positions(events: Sequence[JournalEvent], body: bytes) -> int:
    """How many positions the events take that stand in `body`."""
    return sum(map(positions_of, events)) if may_hold_batches(body) else len(events)


def make_row(
    previous: bytes,
    first_position: int,
    recorded_at: int,
    keys: Sequence[Key],
    counts: Sequence[int],
    body: bytes,
    details: bytes | None = None,
) -> JournalRow:
    """The row after the one whose digest is `previous`; `counts` says how many positions each transaction takes."""
    last_position = first_position + sum(counts) - 1
    encoded_keys, transactions = _encode(keys), _encode(counts)
    digest = _digest(previous, first_position, last_position, recorded_at, encoded_keys, transactions, body, details)
    return JournalRow(first_position, last_position, recorded_at, encoded_keys, transactions, body, digest, details)


def digest_of(previous: bytes, row: JournalRow) -> bytes:
    """SHA-256 over `previous` and the row's other columns, integers as decimal text, each after its 8-byte length."""
    return _digest(previous, *row[:6], row.details)


def _digest(
    previous: bytes,
    first_position: int,
    last_position: int,
    recorded_at: int,
    keys: bytes,
    transactions: bytes,
    body: bytes,
    details: bytes | None,
) -> bytes:
    first, last, recorded = b"%d" % first_position, b"%d" % last_position, b"%d" % recorded_at
    columns = (
        *(_length(len(previous)), previous),
        *(_SHORT[len(first)], first),
        *(_SHORT[len(last)], last),
        *(_SHORT[len(recorded)], recorded),
        *(_length(len(keys)), keys),
        *(_length(len(transactions)), transactions),
        *(_length(len(body)), body),
    )
    if details is not None:
        columns = (*columns, _length(len(details)), details)
    return sha256(b"".join(columns)).digest()


def decode_events(row: JournalRow | Body) -> list[JournalEvent]:
    """The events of a row; `CorruptJournal` where they cannot be read or do not take as many positions as the row."""
    events = decoded(row, "body", _decode_events, row.body)
    positions = count_positions(events, row.body)
    if positions != row.last_position - row.first_position + 1:
        raise CorruptJournal(
            f"events of {positions} positions stand in a row that ends at position {row.last_position}",
            position=row.first_position,
        )
    return events


def decode_keys(row: JournalRow) -> list[Key]:
    """The idempotency keys of a row; `CorruptJournal` where they cannot be read."""
    return decoded(row, "keys", _decode_keys, row.keys) if row.keys != b"[]" else []


def decode_counts(row: JournalRow) -> list[int]:
    """How many positions each transaction of a row takes; `CorruptJournal` where that does not sum to the row."""
    counts = decoded(row, "transactions", _decode_counts, row.transactions)
    if sum(counts) != row.last_position - row.first_position + 1 or min(counts, default=1) < 1:
        raise CorruptJournal("its transactions do not sum to its events", position=row.first_position)
    return counts


def stream_of(event: JournalEvent) -> str:
    """The stream that an event belongs to: its token, its contract, the book as a whole, or somebody else's aggregate."""
    return event.stream


def decoded(row: JournalRow | Body, column: str, decode: Callable[[bytes], Decoded], content: bytes) -> Decoded:
    """What `decode` makes of a column's content; `CorruptJournal` where it cannot be read."""
    try:
        return decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise CorruptJournal(f"its {column} cannot be read: {error}", position=row.first_position) from error
