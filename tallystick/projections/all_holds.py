"""Every hold that there ever was, open or not.

`state[id]` is [token, payer, authority, amount, remaining, expires_at, reserved_at, position, memo]. Amounts are in smallest
units, times in microseconds since 1970 in UTC, `expires_at` None for never. What remains of a hold that was drawn to nothing
is 0.
"""

from typing import Any

from tallystick.domain.events import Released, Reserved, Settled
from tallystick.projections.tables import Kind, Table

_REMAINING = 4


class Holds:
    """Every hold by its id, open or not."""

    name = "holds"
    version = 1

    def __init__(self) -> None:
        self.state: dict[str, list[Any]] = {}

    def tables(self) -> tuple[Table]:
        """`holds`: every hold, with what remains of it."""
        columns: dict[str, Kind] = {
            "id": "text",
            "token": "text",
            "payer": "text",
            "authority": "text",
            "amount": "amount",
            "remaining": "amount",
            "expires_at": "time",
            "reserved_at": "time",
            "position": "int",
            "memo": "text",
        }
        return (Table("holds", columns, ((id, *hold) for id, hold in self.state.items()), ("id",)),)

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        kind = event.__class__
        if kind is Reserved:
            told = (event.token, event.payer, event.authority, event.amount, event.amount)
            self.state[event.hold] = [*told, event.expires_at, recorded_at, position, event.memo]
        elif kind is Settled or kind is Released:
            self.state[event.hold][_REMAINING] -= event.amount

    def apply_columns(self, position: int, recorded_at: int, batch: object, /) -> None:
        """Adds nothing: a batch's rows move what is available."""
