"""Shares of distributions by the past of the cell that got them: what it has more after the commit, less what else came."""

from collections.abc import Iterable, Sequence
from typing import Any

from tallystick.domain.batch.batch import numbered, read_batch
from tallystick.domain.effects import effects
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import BATCHES, Distributed
from tallystick.infrastructure.journal.format import decode_events
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.reading.lines.cell_past import CellPast
from tallystick.infrastructure.ledger.reading.lines.shares import Shares


class SharesInPast:
    """The shares of the account `name` of a token, which batches give this number. `otherwise` works them out by replay."""

    def __init__(
        self,
        journal: Journal,
        token: str,
        name: str,
        number: int | None,
        names: Sequence[str],
        past: CellPast,
        otherwise: Shares,
    ) -> None:
        self._journal = journal
        self._token = token
        self._name = name
        self._number = number
        self._names = names
        self._past = past
        self._otherwise = otherwise

    def change_at(self, position: int) -> int:
        """What the distribution at `position` added to what the account has; below zero where it gave.

        Where a commit has several distributions of the token, they are replayed. Raises `CorruptJournal` and `NoIndex`.
        """
        row = self._journal.row_at(position)
        if row is None:
            raise CorruptJournal("no row holds it", position=position)
        events = [event for event in decode_events(row) if getattr(event, "token", None) == self._token]
        if sum(isinstance(event, Distributed) for event in events) > 1:
            return self._otherwise.change_at(position)
        added = self._past.at(row.last_position).available - self._past.at(row.first_position - 1).available
        return added - sum(self._added(events))

    def _added(self, events: Sequence[Any]) -> Iterable[int]:
        """What the other events added."""
        for _, event in numbered(events, 0):
            if isinstance(event, BATCHES):
                batch = read_batch(event, self._names)
                moved: Iterable[Any] = map(batch.event, batch.rows_of(self._number))
            else:
                moved = () if isinstance(event, Distributed) else (event,)
            for each in moved:
                yield sum(available for cell, available, _ in effects(each) if cell == self._name)
