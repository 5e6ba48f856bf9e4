"""What must be added to a ledger as it stood at a time, to have it by the time at which things occurred.

A row that says nothing of time occurred when it was recorded: it is in both, or in neither. Of the others each entry, and each
row of a batch that has times, is compared: what was recorded and had not occurred is taken out, what had occurred and was
recorded later is added.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column, Numbers, listed, total
from tallystick.domain.arithmetic.shares import shares_among
from tallystick.domain.batch.batch import Batch, numbered, read_batch
from tallystick.domain.effects import effects, shared
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import BATCHES, Distributed, ForeignEvent, TokenRegistered
from tallystick.domain.rounding import sharing_of
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.ledger.reading.lines.entries import EntryEvents, entries_of

NamesOf = Callable[[str], Sequence[str]]
"""The accounts of a token, by the numbers that batches gave them."""
AvailableBefore = Callable[[int, str], Mapping[str, int]]
"""What every account of a token could spend before a position."""


class Added(NamedTuple):
    """What is added to a cell of a token."""

    token: str
    cell: str
    available: int
    held: int


class EffectsByTime:
    """Compares rows with the time `at`, in microseconds. The ledger as it stood then had the rows up to position `recorded`."""

    def __init__(self, at: int, recorded: int, names_of: NamesOf, available_before: AvailableBefore) -> None:
        self._at = at
        self._recorded = recorded
        self._names_of = names_of
        self._available_before = available_before

    def of(self, row: JournalRow) -> Iterator[Added]:
        """What is to be added for a row. Raises `CorruptJournal`."""
        if row.details is None:
            return
        was_recorded = row.last_position <= self._recorded
        for entry in entries_of(row):
            yield from self._of_entry(entry, was_recorded)

    def _of_entry(self, entry: EntryEvents, was_recorded: bool) -> Iterator[Added]:
        occurred = entry.details.occurred_at <= self._at
        for position, event in numbered(entry.events, entry.first_position):
            try:
                if isinstance(event, BATCHES):
                    yield from self._of_batch(read_batch(event, self._names_of(event.token)), occurred, was_recorded)
                elif occurred != was_recorded:
                    yield from self._of_event(position, event, 1 if occurred else -1)
            except (ValueError, ArithmeticError) as error:
                raise CorruptJournal(f"it cannot be read: {error}", position=position) from error

    def _of_event(self, position: int, event: Any, sign: int) -> Iterator[Added]:
        if type(event) is TokenRegistered:
            return  # what can be minted of a token can be from the first on, whenever it is said to have been registered
        for cell, available, held in self._effects(position, event):
            yield Added(event.token, cell, sign * available, sign * held)

    def _effects(self, position: int, event: Any) -> Iterable[tuple[str, int, int]]:
        if isinstance(event, ForeignEvent):
            return ()
        if not isinstance(event, Distributed):
            return effects(event)
        holdings = self._available_before(position, event.token)
        return shared(event, shares_among(holdings, event.amount, event.excluded, event.turn, sharing_of(event, position)))

    def _of_batch(self, batch: Batch, occurred: bool, was_recorded: bool) -> Iterator[Added]:
        times = batch.notes.times
        happened = np.full(len(batch), occurred) if times is None else np.asarray(times <= self._at)
        rows = np.flatnonzero(happened != was_recorded)
        if not len(rows):
            return
        sign = -1 if was_recorded else 1
        amounts = _selected(batch.amounts, rows)
        for direction, accounts in ((-sign, batch.senders), (sign, batch.receivers)):
            if accounts is None:
                yield Added(batch.token, TOTAL_SUPPLY_RESERVE, direction * total(amounts), 0)
            else:
                for account, amount in _sums(np.asarray(accounts)[rows], amounts):
                    yield Added(batch.token, batch.names[account], direction * amount, 0)


def _selected(amounts: Numbers, rows: Column) -> Numbers:
    return [amounts[row] for row in listed(rows)] if isinstance(amounts, list) else amounts[rows]


def _sums(accounts: Column, amounts: Numbers) -> Iterable[tuple[int, int]]:
    """The sum of each account's amounts."""
    if total(amounts) > MACHINE_MAX or isinstance(amounts, list):
        sums: dict[int, int] = {}
        for account, amount in zip(listed(accounts), listed(amounts), strict=True):
            sums[account] = sums.get(account, 0) + amount
        return sums.items()
    named, places = np.unique(accounts, return_inverse=True)
    column = np.zeros(len(named), dtype=np.int64)
    np.add.at(column, places, amounts)
    return zip(listed(named), listed(column), strict=True)
