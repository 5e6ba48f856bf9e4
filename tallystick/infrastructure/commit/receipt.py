"""The receipt of a committed transaction: what its caller gets, and gets again for a repeated idempotency key."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from tallystick.domain.batch.batch import numbered
from tallystick.domain.events import BATCHES, RECORDED, Moved, Reserved
from tallystick.domain.values.instant import from_microseconds
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow, decode_counts, decode_events

_RECORDED = frozenset(RECORDED)
_time = lru_cache(16)(from_microseconds)  # a group's receipts have the same


class Receipt(msgspec.Struct, frozen=True):
    """Where a transaction stands: the last `position` of its commit, the `transaction_ids` of the movements it recorded and
    the `hold_ids` of the holds it opened, in the order of its calls, and when: `recorded_at`.
    """

    position: int
    transaction_ids: tuple[int, ...]
    hold_ids: tuple[str, ...]
    recorded_at: datetime

    @property
    def hold_id(self) -> str | None:
        """The hold that it opened, where it opened one and not several; else None."""
        return self.hold_ids[0] if len(self.hold_ids) == 1 else None


def make_receipt(row: JournalRow, first_position: int, events: Sequence[JournalEvent]) -> Receipt:
    """The receipt of the transaction of `row` whose events, from `first_position` on, are these."""
    if len(events) == 1 and type(events[0]) is Moved:  # as most are
        return Receipt(row.last_position, (first_position,), (), _time(row.recorded_at))
    transactions: list[int] = []
    holds: list[str] = []
    for position, event in numbered(events, first_position):
        if type(event) in _RECORDED:
            transactions.append(position)
            if type(event) is Reserved:
                holds.append(event.hold)
        elif isinstance(event, BATCHES):
            transactions += range(position, position + event.count)
    return Receipt(row.last_position, tuple(transactions), tuple(holds), _time(row.recorded_at))


def receipt_from(row: JournalRow, index: int) -> Receipt:
    """The receipt of the transaction number `index` of a row."""
    counts = decode_counts(row)
    first = row.first_position + sum(counts[:index])
    positions = range(first, first + counts[index])
    events = [event for position, event in numbered(decode_events(row), row.first_position) if position in positions]
    return make_receipt(row, first, events)
