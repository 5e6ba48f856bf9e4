"""An entry as it is read back: one atomic block, with the movements that it recorded."""

from datetime import datetime
from typing import Any

from tallystick.domain.values.result import Result
from tallystick.projections.transactions import Transaction


class Entry(Result, frozen=True):
    """What one block recorded, all or nothing. Its `id` is the `position` of its first event, `last_position` that of its last.

    It was recorded at `recorded_at`, happened at `occurred_at`, used the idempotency `key` and has the `reference` and the
    `metadata` that its caller gave; each is None where there is none, metadata also where it was erased. `transactions` are
    its movements. `reverses` are the ids of the movements that it takes back, `reversed_by` the ids of the entries that take
    some of its own back.
    """

    id: int
    position: int
    last_position: int
    recorded_at: datetime
    occurred_at: datetime
    key: str | None
    reference: str | None
    metadata: dict[str, Any] | None
    reverses: tuple[int, ...]
    reversed_by: tuple[int, ...]
    transactions: tuple[Transaction, ...]

    def __hash__(self) -> int:
        return hash(self.id)  # metadata is a dict, which has no hash
