"""The value objects there are: `state[id]` is [token, owner, amount, hold], the hold None while the fragment is live.

Burned fragments are gone from it; where they went stands in the journal.
"""

from typing import Any

from tallystick.domain.events import FragmentsBurned, FragmentsMinted, FragmentsReleased, FragmentsReserved


class Fragments:
    """Every live or reserved fragment by its id: `state[id]` is a list of its token, owner, amount, and hold or None."""

    name = "fragments"
    version = 1

    def __init__(self) -> None:
        self.state: dict[int, list[Any]] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        kind = event.__class__
        if kind is FragmentsMinted:
            for id, amount in enumerate(event.amounts, event.first_id):
                self.state[id] = [event.token, event.owner, amount, None]
        elif kind is FragmentsBurned:
            for id in event.ids:
                del self.state[id]
        elif kind is FragmentsReserved:
            for id in event.ids:
                self.state[id][3] = event.hold
        elif kind is FragmentsReleased:
            for id in event.ids:
                self.state[id][3] = None

    def apply_columns(self, position: int, recorded_at: int, batch: object, /) -> None:
        """Adds nothing: how fragments carried a batch is said by the events after it."""
