"""A projection of one's own: how much of each token changed hands on each day, and in how many transfers."""

from datetime import UTC, datetime
from typing import Any

from tallystick import Kind, Table
from tallystick.events import Moved


class DailyVolumes:
    """`state[token][day]` is a list: how many transfers, and what they moved in smallest units. Days are of UTC."""

    name, version = "daily_volumes", 1

    def __init__(self) -> None:
        self.state: dict[str, dict[str, list[int]]] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event; `recorded_at` is in microseconds since 1970."""
        if isinstance(event, Moved):
            self._add(event.token, recorded_at, 1, event.amount)

    def apply_columns(self, position: int, recorded_at: int, batch: Any, /) -> None:
        """The same for the rows of a batch at once; mints have no senders, and burns no receivers."""
        if batch.senders is not None and batch.receivers is not None:
            self._add(batch.token, recorded_at, len(batch), sum(map(int, batch.amounts)))

    def _add(self, token: str, recorded_at: int, transfers: int, amount: int) -> None:
        day = datetime.fromtimestamp(recorded_at // 1_000_000, UTC).date().isoformat()
        found = self.state.setdefault(token, {}).setdefault(day, [0, 0])
        found[0] += transfers
        found[1] += amount

    def tables(self) -> list[Table]:
        """One table, which has a row for each token and day."""
        rows = [(token, day, *found) for token, days in self.state.items() for day, found in days.items()]
        columns: dict[str, Kind] = {"token": "text", "day": "text", "transfers": "int", "amount": "amount"}
        return [Table("daily_volumes", columns, rows, ("token", "day"))]
