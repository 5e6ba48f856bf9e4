"""The cell whose lines are read: which rows of the journal may touch it, and what the entries in them do to it.

Most rows do not, and are passed over without being taken apart: a row touches a cell only if the cell's name stands in its
bytes, or if it holds a batch, which names accounts by numbers, or a distribution, which names nobody.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from tallystick.domain.batch.batch import RowEvent, numbered, read_batch
from tallystick.domain.effects import effects
from tallystick.domain.entry.kinds import IsApp, Kind, kind_of_row, movements
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import BATCHES, FRAGMENT_EVENTS, BatchEvent, Distributed, Moved, TokenRegistered
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE
from tallystick.infrastructure.journal.format import may_hold_batches
from tallystick.infrastructure.ledger.reading.lines.entries import EntryEvents
from tallystick.projections.lines import Change

WasApp = Callable[[str, int], bool]
"""Whether a name was an app's when the entry was made that begins at a position."""

_DISTRIBUTION_MARK = b'"Distributed"'
_PASSED_OVER = frozenset(FRAGMENT_EVENTS)
_TOLD_LATER = (*BATCHES, Distributed)


class ChangesAt(Protocol):
    """Who knows what distributions added to an account."""

    def change_at(self, position: int) -> int:
        """What the distribution at `position` added to what the account has; below zero where it gave."""
        ...


class LinedCell:
    """The cell `name` of a token; `number` is the one that batches gave it, if one did, and `names` are all that have one."""

    def __init__(
        self, token: str, name: str, number: int | None, names: Sequence[str], shares: ChangesAt, was_app: WasApp
    ) -> None:
        self._token = token
        self._name = name
        self._number = number
        self._names = names
        self._shares = shares
        self._was_app = was_app
        self._is_reserve = name == TOTAL_SUPPLY_RESERVE
        self._token_text = f'"{token}"'.encode()
        self._name_text = f'"{name}"'.encode()

    def may_be_in(self, body: bytes) -> bool:
        """False where nothing in a row with this body touches the cell."""
        if b"\\" in body:  # names may be written in more than one way
            return True
        if self._token_text not in body:
            return False
        if self._is_reserve or self._name_text in body or _DISTRIBUTION_MARK in body:
            return True
        return self._number is not None and may_hold_batches(body)

    def changes(self, entry: EntryEvents) -> list[Change]:
        """What an entry does to the cell, movement by movement, in order; `CorruptJournal` where it cannot be read."""
        touching = list(self._touching(entry))
        if not touching:
            return []
        was_app = self._apps_before(entry.first_position)
        kinds: dict[int, Kind] = {
            found.position: found.kind for found in movements(entry.events, entry.first_position, was_app)
        }
        found: list[Change] = []
        for position, event in touching:
            if isinstance(event, BATCHES):
                found += self._of_rows(position, event)
            elif isinstance(event, Distributed):
                found += self._of_share(position, event)
            else:
                found += self._of_effects(position, event, kinds.get(position, "opening"))
        return found

    def _apps_before(self, position: int) -> IsApp:
        return lambda name: self._was_app(name, position)

    def _touching(self, entry: EntryEvents) -> Iterator[tuple[int, Any]]:
        """The events of an entry that may touch the cell, with their positions."""
        token, name = self._token, self._name
        for position, event in numbered(entry.events, entry.first_position):
            if type(event) is Moved:  # as most are
                if (event.receiver == name or event.sender == name) and event.token == token:
                    yield position, event
            elif getattr(event, "token", None) == token and self._may_touch(event):
                yield position, event

    def _may_touch(self, event: Any) -> bool:
        if type(event) in _PASSED_OVER:
            return False
        return isinstance(event, _TOLD_LATER) or any(cell == self._name for cell, _, _ in effects(event))

    def _of_effects(self, position: int, event: Any, kind: Kind) -> Iterable[Change]:
        name = self._name
        touched = effects(event)
        available = sum(added for cell, added, _ in touched if cell == name)
        held = sum(added for cell, _, added in touched if cell == name)
        other = next((cell for cell, _, _ in touched if cell != name), name)
        if isinstance(event, TokenRegistered):
            return (Change(position, None, kind, None, available, held, "", None),)
        hold = getattr(event, "hold", None)
        return (Change(position, position, kind, other, available, held, event.memo, hold),)

    def _of_rows(self, position: int, event: BatchEvent) -> Iterator[Change]:
        with _readable(position):
            batch = read_batch(event, self._names)
            if self._is_reserve:
                rows: Iterable[int] = range(len(batch)) if batch.senders is None or batch.receivers is None else ()
            else:
                rows = batch.rows_of(self._number)
            for row in rows:
                moved: RowEvent = batch.event(row)
                occurred_at, reference = batch.occurred_at(row), batch.reference(row)
                for change in self._of_effects(position + row, moved, kind_of_row(moved)):
                    yield change._replace(occurred_at=occurred_at, reference=reference)

    def _of_share(self, position: int, event: Distributed) -> Iterable[Change]:
        if self._is_reserve:
            change = 0 if event.source is not None else -event.amount
        elif self._name in event.excluded and self._name != event.source:
            change = 0
        else:
            change = self._shares.change_at(position)
        if not change:
            return ()
        other = None if self._name == event.source else event.source
        return (Change(position, None, "distribution", other, change, 0, event.memo, None),)


@contextmanager
def _readable(position: int) -> Generator[None]:
    try:
        yield
    except (ValueError, ArithmeticError) as error:
        raise CorruptJournal(f"a batch cannot be read: {error}", position=position) from error
