"""What is to be taken back: a movement or an entry as the journal has it, and which of its movements can be.

What it was is told from the events of its entry. It is read when a reversal is asked for; how much of it is left is decided
when the reversal is executed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from tallystick.domain.batch.batch import read_batch
from tallystick.domain.entry.kinds import IsApp, Kind, kind_of_row, movements
from tallystick.domain.entry.reversibility import entry_not_reversible, kind_not_reversible
from tallystick.domain.errors import NotReversible, TransactionNotFound
from tallystick.domain.events import BATCHES, BatchEvent, MoneyEvent, Settled

NamesOf = Callable[[str], Sequence[str]]
"""Gives a token's accounts by the numbers that batches gave them."""


class RecordedEntry(NamedTuple):
    """An entry as it was read back: its events, the first of which stands at `id`; and what tells what they were.

    `payers_of` gives who paid into each of the holds from which movements of the entry settled.
    """

    id: int
    events: Sequence[Any]
    is_app: IsApp
    names_of: NamesOf
    payers_of: Callable[[Collection[str]], Mapping[str, str]]


class Original(NamedTuple):
    """A movement that can be taken back: its id, and what happened; of a settlement, the payer of its hold."""

    id: int
    event: MoneyEvent
    payer: str | None = None


def originals_of(entry: RecordedEntry) -> list[Original]:
    """All movements of the entry, newest first; `NotReversible` where one of them, or a step beside them, cannot be taken
    back.
    """
    reason = entry_not_reversible(entry.events, entry.id, entry.is_app, entry.names_of)
    if reason is not None:
        raise NotReversible(reason, id=entry.id)
    return _originals(entry, _rows(entry))[::-1]


def all_movements(entry: RecordedEntry) -> dict[int, tuple[Any, Kind]]:
    """All movements of the entry by id, each row of a batch as the event that it is; and of what kind each is."""
    found: dict[int, tuple[Any, Kind]] = {}
    for position, event, kind in movements(entry.events, entry.id, entry.is_app):
        if isinstance(event, BATCHES):
            found.update((id, (row, kind_of_row(row))) for id, row in _rows_of(entry, position, event))
        else:
            found[position] = event, kind
    return found


def original_of(entry: RecordedEntry, id: int) -> Original:
    """One movement of the entry; `TransactionNotFound` where there is none, `NotReversible` where it cannot be taken back."""
    for position, event, kind in movements(entry.events, entry.id, entry.is_app):
        if isinstance(event, BATCHES):
            if position <= id < position + event.count:
                row = read_batch(event, entry.names_of(event.token)).event(id - position)
                return _checked(entry, id, row, kind_of_row(row))
        elif position == id:
            return _checked(entry, id, event, kind)
    raise TransactionNotFound(id=id)


def _checked(entry: RecordedEntry, id: int, event: Any, kind: Kind) -> Original:
    reason = kind_not_reversible(kind)
    if reason is not None:
        raise NotReversible(reason, id=id)
    return _originals(entry, [(id, event)])[0]


def _rows(entry: RecordedEntry) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for position, event, _ in movements(entry.events, entry.id, entry.is_app):
        found += _rows_of(entry, position, event) if isinstance(event, BATCHES) else [(position, event)]
    return found


def _rows_of(entry: RecordedEntry, position: int, event: BatchEvent) -> list[tuple[int, Any]]:
    return list(enumerate(read_batch(event, entry.names_of(event.token)).events(), position))


def _originals(entry: RecordedEntry, found: Sequence[tuple[int, MoneyEvent]]) -> list[Original]:
    holds = {event.hold for _, event in found if isinstance(event, Settled)}
    payers: Mapping[str, str] = entry.payers_of(holds) if holds else {}
    return [Original(id, event, payers[event.hold] if isinstance(event, Settled) else None) for id, event in found]
