"""What must be true of reversals: what is taken back is a movement before it that has a way back, and no more than all of it.

The original is read from its row, and the movement that takes it back has to be the one that a reversal makes.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tallystick.domain.batch.batch import numbered
from tallystick.domain.books.books import Books
from tallystick.domain.entry.kinds import Kind
from tallystick.domain.entry.reversibility import kind_not_reversible
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import Settled
from tallystick.domain.reversal.original import Original, RecordedEntry, all_movements
from tallystick.domain.review.reversals import takes_back
from tallystick.infrastructure.journal.details import first_positions, reversals_of
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow, decode_events
from tallystick.infrastructure.journal.hold_payers import payers_of
from tallystick.infrastructure.journal.port import Journal
from tallystick.projections.invariants.invariants import Finding

ROWS_KEPT = 8
"""So many rows of which something was taken back are kept, for one entry is taken back by another."""


class ReversalCheck:
    """Checks what rows take back, one after another from the first on; the books keep how much of which movement that is.

    `books` stand at the row that is checked, and say who is an app and which accounts batches numbered.
    """

    def __init__(self, journal: Journal, books: Books) -> None:
        self._journal = journal
        self._books = books
        self._rows: deque[_Originals] = deque(maxlen=ROWS_KEPT)

    def add(self, row: JournalRow, events: Sequence[JournalEvent]) -> Iterator[Finding]:
        """What cannot be of what the next row takes back."""
        if row.details is None or b'"reverses"' not in row.details:
            return
        try:
            found = list(reversals_of(row, events))
        except CorruptJournal as error:
            yield Finding(row.first_position, str(error))
            return
        taking: dict[int, Any] = dict(numbered(events, row.first_position))
        for reversal in found:
            self._books.reversals.add(reversal)
            position, id, _ = reversal
            reason = self._fault(id, self._books.reversals.amount_of(id), taking[position])
            if reason is not None:
                yield Finding(position, reason)

    def _fault(self, id: int, taken: int, taking: Any) -> str | None:
        try:
            event, kind = self._movement(id)
        except (CorruptJournal, LookupError, ValueError):
            return f"it takes back {id}, which is no movement"
        if taken > event.amount:
            return f"more is taken back of movement {id} than it moved"
        reason = kind_not_reversible(kind)
        if reason is not None:
            return f"it takes back movement {id}, which has no way back: {reason}"
        payer = self._payer(id, event.hold) if isinstance(event, Settled) else None
        if not takes_back(Original(id, event, payer), taking):
            return f"it takes back movement {id}, and is not the way back of that: {event}"
        return None

    def _movement(self, id: int) -> tuple[Any, Kind]:
        return self._row_of(id).movement(id)

    def _row_of(self, id: int) -> "_Originals":
        known = next((row for row in self._rows if id in row.positions), None)
        if known is None:
            row = self._journal.row_at(id)
            if row is None:
                raise LookupError(id)
            known = _Originals(self._journal, row, self._books)
            self._rows.append(known)
        return known

    def _payer(self, id: int, hold: str) -> str | None:
        found = self._books.hold(hold)
        return self._row_of(id).payer(hold) if found is None else found.payer


class _Originals:
    """The movements of a row, each entry's put together once, when one of them is asked for; and who paid what it settled."""

    def __init__(self, journal: Journal, row: JournalRow, books: Books) -> None:
        self.positions = range(row.first_position, row.last_position + 1)
        self._journal = journal
        self._books = books
        self._payers: dict[str, str] | None = None
        self._firsts = first_positions(row)
        self._events = list(numbered(decode_events(row), row.first_position))
        self._entries: dict[int, dict[int, tuple[Any, Kind]]] = {}

    def movement(self, id: int) -> tuple[Any, Kind]:
        """The movement of this id, and of what kind it is; `LookupError` where there is none."""
        number = bisect_right(self._firsts, id) - 1
        if number not in self._entries:
            self._entries[number] = self._all(number)
        return self._entries[number][id]

    def payer(self, hold: str) -> str:
        """Who paid into a hold that is closed by now; `CorruptJournal` where it was never opened."""
        if self._payers is None:
            settled = {event.hold for _, event in self._events if isinstance(event, Settled)}
            self._payers = {}
            with suppress(CorruptJournal):  # of another one of them
                self._payers = payers_of(self._journal, self.positions[0], settled)
        if hold not in self._payers:
            self._payers.update(payers_of(self._journal, self.positions[0], [hold]))
        return self._payers[hold]

    def _all(self, number: int) -> dict[int, tuple[Any, Kind]]:
        first = self._firsts[number]
        end = self._firsts[number + 1] if number + 1 < len(self._firsts) else self.positions.stop
        events = [event for at, event in self._events if first <= at < end]
        return all_movements(RecordedEntry(first, events, self._books.is_app, self._books.names_of, _no_payers))


def _no_payers(holds: Collection[str]) -> Mapping[str, str]:
    return {}
