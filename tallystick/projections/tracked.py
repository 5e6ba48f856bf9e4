"""Projections that know which of their rows changed, for whoever keeps a table of them current.

What a commit changes is little, and what there is may be much; so these do not go through all that there is. A replay that is
only asked for its end is faster without.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from tallystick.domain.arithmetic.columns import listed
from tallystick.domain.batch.batch import Batch
from tallystick.domain.effects import EFFECTS, RESERVE, shared
from tallystick.domain.events import (
    Distributed,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
    Released,
    Reserved,
    Settled,
)
from tallystick.projections.all_holds import Holds
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.tables import Changes

_FEW_ROWS = 4096
"""A batch of so many rows is added row by row: as a column it would have all accounts added up when a few are asked for."""


class TrackedBalances(Balances):
    """`Balances` that know whose changed."""

    def __init__(self) -> None:
        super().__init__()
        self._touched: set[tuple[str, str]] = set()

    def changes(self) -> tuple[Changes]:
        """The balances that were named in movements since it was asked last."""
        touched = self._touched
        self._touched = set()
        return (Changes("balances", self._rows_of(touched)),)

    def _rows_of(self, touched: set[tuple[str, str]]) -> Iterator[Sequence[Any]]:
        state = self.state
        for token, account in touched:
            available, held = (state[token][kind].get(account, 0) for kind in ("available", "reserved"))
            yield token, account, available, held, available + held

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        super().apply(position, recorded_at, event)
        if event.__class__ is not Distributed:
            self._touched.update(
                (event.token, account) for account, *_ in EFFECTS[event.__class__](event) if account != RESERVE
            )

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        """Adds the events of a commit."""
        for position, event in enumerate(events, first_position):
            self.apply(position, recorded_at, event)

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        """Adds the rows of a batch."""
        if len(batch) <= _FEW_ROWS:
            self._apply_rows(batch)
        else:
            super().apply_columns(position, recorded_at, batch)
        for accounts in (batch.senders, batch.receivers):
            if accounts is not None:
                self._touched.update((batch.token, batch.names[number]) for number in listed(accounts))

    def distribute(self, position: int, event: Distributed) -> list[tuple[str, int]]:
        """Adds a distribution, and gives everybody's share of it."""
        shares = super().distribute(position, event)
        self._touched.update((event.token, account) for account, *_ in shared(event, shares) if account != RESERVE)
        return shares


class TrackedFragments(Fragments):
    """`Fragments` that know which changed."""

    def __init__(self) -> None:
        super().__init__()
        self._touched: set[int] = set()

    def changes(self) -> tuple[Changes]:
        """The fragments that were made, reserved or let go since it was asked last, and those that are gone."""
        touched = self._touched
        self._touched = set()
        gone = [(id,) for id in touched if id not in self.state]
        return (Changes("fragments", [(id, *self.state[id]) for id in touched if id in self.state], gone),)

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        super().apply(position, recorded_at, event)
        if isinstance(event, FragmentsMinted):
            self._touched.update(range(event.first_id, event.first_id + len(event.amounts)))
        elif isinstance(event, FragmentsBurned | FragmentsReserved | FragmentsReleased):
            self._touched.update(event.ids)


class TrackedHolds(Holds):
    """`Holds` that know which changed."""

    def __init__(self) -> None:
        super().__init__()
        self._touched: set[str] = set()

    def changes(self) -> tuple[Changes]:
        """The holds that were made or drawn from since it was asked last."""
        touched = self._touched
        self._touched = set()
        return (Changes("holds", [(id, *self.state[id]) for id in touched]),)

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        super().apply(position, recorded_at, event)
        if isinstance(event, Reserved | Settled | Released):
            self._touched.add(event.hold)
