"""The receipt of a committed transaction: what its caller gets, and gets again for a repeated idempotency key."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallystick.domain.events import RECORDED, Reserved
from tallystick.domain.instant import from_microseconds
from tallystick.infrastructure.codec import JournalEvent, Row, decode_counts, decode_events


class Receipt(msgspec.Struct, frozen=True):
    """Where a transaction stands: the last position of its commit, the ids of the movements it recorded and of the holds
    it opened, in the order of its calls, and when.
    """

    position: int
    transaction_ids: tuple[int, ...]
    hold_ids: tuple[str, ...]
    recorded_at: datetime


def make_receipt(row: Row, events: Sequence[JournalEvent], first_position: int) -> Receipt:
    """The receipt of the transaction of `row` whose `events` begin at `first_position`."""
    return Receipt(
        position=row.last_position,
        transaction_ids=tuple(p for p, event in enumerate(events, first_position) if isinstance(event, RECORDED)),
        hold_ids=tuple(event.hold for event in events if isinstance(event, Reserved)),
        recorded_at=from_microseconds(row.recorded_at),
    )


def receipt_from(row: Row, index: int) -> Receipt:
    """The receipt of the transaction number `index` of a row."""
    counts = decode_counts(row)
    skipped = sum(counts[:index])
    events = decode_events(row)[skipped : skipped + counts[index]]
    return make_receipt(row, events, row.first_position + skipped)
