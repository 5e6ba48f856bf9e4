"""What every account has: `state[token]["available" or "reserved"][account]`, in smallest units."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tallystick.domain.events import (
    Burned,
    Distributed,
    Minted,
    Moved,
    Released,
    Reserved,
    Settled,
    TokenRegistered,
)
from tallystick.domain.shares import shares_among


class Balances:
    """Every account that was ever named in a movement, emptied ones with 0."""

    name = "balances"
    version = 1

    def __init__(self) -> None:
        self.state: dict[str, dict[str, defaultdict[str, int]]] = {}

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        """Adds the events of a commit; most are moves within one token, so that token's cells are looked up once."""
        token: str | None = None
        available: defaultdict[str, int] = defaultdict(int)
        for position, event in enumerate(events, first_position):
            if type(event) is Moved:
                if event.token != token:
                    token = event.token
                    available = self.state[token]["available"]
                amount = event.amount
                available[event.sender] -= amount
                available[event.receiver] += amount
            else:
                self.apply(position, recorded_at, event)

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        kind = event.__class__
        if kind is Moved:
            available = self.state[event.token]["available"]
            amount = event.amount
            available[event.sender] -= amount
            available[event.receiver] += amount
        elif kind is Minted:
            self.state[event.token]["available"][event.account] += event.amount
        elif kind is Burned:
            self.state[event.token]["available"][event.account] -= event.amount
        elif kind is Reserved:
            self._hold(event.token, event.payer, event.authority, event.amount)
        elif kind is Settled:
            self._hold(event.token, event.receiver, event.authority, -event.amount)
        elif kind is Released:
            self._hold(event.token, event.payer, event.authority, -event.amount)
        elif kind is Distributed:
            self._distribute(event)
        elif kind is TokenRegistered:
            self.state[event.token] = {"available": defaultdict(int), "reserved": defaultdict(int)}

    def _distribute(self, event: Distributed) -> None:
        available = self.state[event.token]["available"]
        shares = list(shares_among(available, event.amount, event.excluded, event.turn))
        if event.source is not None:
            available[event.source] -= event.amount
        for account, share in shares:
            available[account] += share

    def _hold(self, token: str, payer: str, authority: str, amount: int) -> None:
        cells = self.state[token]
        cells["available"][payer] -= amount
        cells["reserved"][authority] += amount
