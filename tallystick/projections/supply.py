"""Total-supply reserves: `state[token]` is what is left to mint, `max_supply` less what is in circulation."""

from typing import Any

from tallystick.domain.arithmetic.columns import total
from tallystick.domain.batch.batch import Batch
from tallystick.domain.effects import EFFECTS, RESERVE, shared
from tallystick.domain.events import Distributed, Moved


class SupplyReserves:
    """The reserve of every token, in smallest units: `state[token]`."""

    name = "supply_reserves"
    version = 1

    def __init__(self) -> None:
        self.state: dict[str, int] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        kind = event.__class__
        if kind is Moved:  # as most are: from account to account
            return
        for cell, available, _ in shared(event, ()) if isinstance(event, Distributed) else EFFECTS[kind](event):
            if cell == RESERVE:
                self.state[event.token] = self.state.get(event.token, 0) + available

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        """Adds the rows of a batch."""
        if batch.senders is None:
            self.state[batch.token] -= total(batch.amounts)
        elif batch.receivers is None:
            self.state[batch.token] += total(batch.amounts)
