"""Total-supply reserves: `state[token]` is what is left to mint, `max_supply` less what is in circulation."""

from typing import Any

from tallystick.domain.arithmetic.columns import total
from tallystick.domain.batch.batch import Batch
from tallystick.domain.events import Burned, Distributed, Minted, TokenRegistered


class SupplyReserves:
    """The reserve of every token, in smallest units."""

    name = "supply_reserves"
    version = 1

    def __init__(self) -> None:
        self.state: dict[str, int] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        kind = event.__class__
        if kind is Minted:
            self.state[event.token] -= event.amount
        elif kind is Burned:
            self.state[event.token] += event.amount
        elif kind is Distributed and event.source is None:
            self.state[event.token] -= event.amount
        elif kind is TokenRegistered:
            self.state[event.token] = event.max_supply

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        """Adds the rows of a batch."""
        if batch.senders is None:
            self.state[batch.token] -= total(batch.amounts)
        elif batch.receivers is None:
            self.state[batch.token] += total(batch.amounts)
