"""What an audit derives beside the books: the projections and the invariants, to all of which a commit is given at once.

They are one projection, so that the columns of a batch are read once for them all. Each is given what it has an answer to:
reserves and fragments are not told of moves, which most events are. Where one of them cannot go on, the invariants do.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick.domain.batch.batch import Batch
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import FRAGMENT_EVENTS, Moved
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.invariants.invariants import Invariants
from tallystick.projections.supply import SupplyReserves


class Derived:
    """Balances, reserves, fragments and invariants; `find` is told the position from which on one cannot be derived."""

    name = "derived"
    version = 1

    def __init__(self, find: Callable[[int, str], None]) -> None:
        self._find = find
        self.balances = Balances()
        self.reserves = SupplyReserves()
        self.fragments = Fragments()
        self.invariants = Invariants()
        self.is_broken = False
        """Whether there are no balances, reserves and fragments any more."""

    @property
    def state(self) -> None:
        """Each of them has its own."""

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Gives them one event."""
        self.invariants.apply(position, recorded_at, event)
        if isinstance(event, FRAGMENT_EVENTS):
            self._derive(position, lambda: self.fragments.apply(position, recorded_at, event))
        else:
            self._derive(position, lambda: self._add(position, recorded_at, event))

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        """Gives them the events of a commit without batches."""
        self.invariants.apply_commit(first_position, recorded_at, events)
        self._derive(first_position, lambda: self._add_all(first_position, recorded_at, events))

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        """Gives them the rows of a batch."""
        self.invariants.apply_columns(position, recorded_at, batch)
        self._derive(position, lambda: self._add_columns(position, recorded_at, batch))

    def _add(self, position: int, recorded_at: int, event: Any) -> None:
        self.balances.apply(position, recorded_at, event)
        self.reserves.apply(position, recorded_at, event)

    def _add_all(self, first_position: int, recorded_at: int, events: Sequence[Any]) -> None:
        self.balances.apply_commit(first_position, recorded_at, events)
        for event in events:
            if type(event) is not Moved:
                self.reserves.apply(first_position, recorded_at, event)
                self.fragments.apply(first_position, recorded_at, event)

    def _add_columns(self, position: int, recorded_at: int, batch: Batch) -> None:
        self.balances.apply_columns(position, recorded_at, batch)
        self.reserves.apply_columns(position, recorded_at, batch)

    def _derive(self, position: int, add: Callable[[], None]) -> None:
        if self.is_broken:
            return
        try:
            add()
        except (LookupError, ArithmeticError, ValueError, CorruptJournal) as error:
            self.is_broken = True
            self._find(position, f"nothing can be derived from here on: {error!r}")
