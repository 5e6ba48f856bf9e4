"""The receipt of a committed transaction: what its caller gets, and gets again for a repeated idempotency key."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from tallystick.domain.batch.batch import numbered
from tallystick.domain.entry.kinds import IsApp, movements
from tallystick.domain.entry.trades import Trade, trades
from tallystick.domain.events import BATCHES, RECORDED, Burned, Minted, Moved, Reserved
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Result
from tallystick.infrastructure.journal.details import decode_details, first_positions
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow, decode_counts, decode_events

_RECORDED = frozenset(RECORDED)
_time = lru_cache(16)(from_microseconds)  # a group's receipts have the same


class Receipt(Result, frozen=True):
    """Where a transaction stands: `entry_id`, the position of its first event, and `position`, the last one of its commit.

    `transaction_ids` are those of the movements that it recorded and `hold_ids` of the holds that it opened, in the order of
    its calls. `trades` are those that it executed on curves. It was recorded at `recorded_at` and happened at `occurred_at`.
    `repeated`: it was recorded before, under the same key.
    """

    entry_id: int
    position: int
    transaction_ids: tuple[int, ...]
    hold_ids: tuple[str, ...]
    recorded_at: datetime
    occurred_at: datetime
    trades: tuple[Trade, ...] = ()
    repeated: bool = False

    def again(self) -> "Receipt":
        """The receipt as it is given to whoever repeats the transaction."""
        return msgspec.structs.replace(self, repeated=True)

    @property
    def hold_id(self) -> str | None:
        """The id of the hold that it opened, if it opened one and no more."""
        return self.hold_ids[0] if len(self.hold_ids) == 1 else None


def make_receipt(
    row: JournalRow,
    first_position: int,
    events: Sequence[JournalEvent],
    occurred_at: int | None,
    is_app: IsApp,
) -> Receipt:
    """The receipt of the transaction of `row` whose events, from `first_position` on, are these."""
    recorded_at = _time(row.recorded_at)
    happened_at = recorded_at if occurred_at is None else _time(occurred_at)
    if len(events) == 1 and type(events[0]) is Moved:  # as most are
        return Receipt(first_position, row.last_position, (first_position,), (), recorded_at, happened_at)
    transactions: list[int] = []
    holds: list[str] = []
    for position, event in numbered(events, first_position):
        if type(event) in _RECORDED:
            transactions.append(position)
            if type(event) is Reserved:
                holds.append(event.hold)
        elif isinstance(event, BATCHES):
            transactions += range(position, position + event.count)
    ids = tuple(transactions)
    traded = _trades(events, first_position, is_app)
    return Receipt(first_position, row.last_position, ids, tuple(holds), recorded_at, happened_at, traded)


def receipt_from(row: JournalRow, index: int, is_app: IsApp) -> Receipt:
    """The receipt of the transaction number `index` of a row."""
    first = first_positions(row)[index]
    positions = range(first, first + decode_counts(row)[index])
    events = [event for position, event in numbered(decode_events(row), row.first_position) if position in positions]
    details = decode_details(row).get(index)
    return make_receipt(row, first, events, None if details is None else details.at, is_app)


def _trades(events: Sequence[JournalEvent], first_position: int, is_app: IsApp) -> tuple[Trade, ...]:
    if any(isinstance(event, (Minted, Burned)) and is_app(event.token) for event in events):
        return tuple(trades(movements(events, first_position, is_app)))
    return ()
