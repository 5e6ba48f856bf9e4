"""Holds and fragments as they stood, out of the changes that the past index has of cells.

What is left in a hold is the sum of what came into it and left it. Which fragments were in a cell is found along their ids:
each change adds a run of them or takes one away, and those are there that came once more than they left.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Numbers, listed
from tallystick.domain.batch.batch import numbered
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import Reserved
from tallystick.domain.values.hold import OpenHold
from tallystick.infrastructure.journal.format import JournalRow, decode_events

RowAt = Callable[[int], JournalRow]
Parts = Sequence[Sequence[Numbers]]
"""Columns in parts that follow one another."""


class Opened:
    """The events that opened holds, by position; of rows that follow one another each is read once."""

    def __init__(self, row_at: RowAt) -> None:
        self._row_at = row_at
        self._found: dict[int, Reserved] = {}

    def at(self, position: int) -> Reserved:
        """The event at a position. Raises `CorruptJournal` where it opened no hold."""
        if position not in self._found:
            row = self._row_at(position)
            self._found = {
                at: event for at, event in numbered(decode_events(row), row.first_position) if type(event) is Reserved
            }
        if position not in self._found:
            raise CorruptJournal("no hold was opened there", position=position)
        return self._found[position]


def open_holds(parts: Parts, opened: Opened) -> Iterator[OpenHold]:
    """The holds in which something is left after these changes, the oldest first."""
    left: dict[int, int] = {}
    for positions, amounts in parts:
        for position, amount in _sums(positions, amounts):
            left[position] = left.get(position, 0) + amount
    for position in sorted(position for position, amount in left.items() if amount):
        event = opened.at(position)
        yield OpenHold(event.hold, event.token, event.payer, event.authority, left[position], event.expires_at, position)


def _sums(positions: Numbers, amounts: Numbers) -> Iterable[tuple[int, int]]:
    """The sum of the amounts of each position, or the amounts themselves where they may be too wide for columns."""
    if isinstance(amounts, list) or isinstance(positions, list) or not len(amounts):
        return zip(listed(positions), listed(amounts), strict=True)
    if int(np.abs(amounts).max()) * len(amounts) >= 2**62:
        return zip(listed(positions), listed(amounts), strict=True)
    distinct, places = np.unique(positions, return_inverse=True)
    sums = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(sums, places, amounts)
    return zip(listed(distinct), listed(sums), strict=True)


class FragmentRun(NamedTuple):
    """`size` fragments with ids from `first` on, each of `amount`; of those under a hold, whose they are and where it began."""

    first: int
    size: int
    amount: int
    owner: int
    opened: int


def fragment_runs(parts: Parts) -> Iterator[FragmentRun]:
    """The fragments that are there after these changes: hold by hold, and of each in the order of their ids."""
    columns = [_joined(column) for column in zip(*parts, strict=True)]
    if not columns:
        return
    firsts, sizes = (np.array(listed(column), dtype=np.int64) for column in columns[:2])
    _, _, amounts, owners, opened = columns
    lengths, signs, rows = np.abs(sizes), np.sign(sizes), np.arange(len(firsts))
    holds, hold_of = np.unique(np.array(listed(opened), dtype=np.int64), return_inverse=True)
    ids, id_of = np.unique(np.concatenate((firsts, firsts + lengths)), return_inverse=True)
    keys, place_of = np.unique(np.tile(hold_of, 2) * len(ids) + id_of, return_inverse=True)
    steps = np.zeros(len(keys), dtype=np.int64)
    np.add.at(steps, place_of, np.concatenate((signs, -signs)))
    there = np.cumsum(steps) > 0
    came = np.full(len(keys), -1, dtype=np.int64)  # the row by which some came whose ids begin there
    np.maximum.at(came, place_of[: len(rows)], np.where(signs > 0, rows, -1))
    points = ids[keys % len(ids)]
    row = -1
    for place in np.flatnonzero(there | (came >= 0)).tolist():
        if came[place] >= 0:
            row = int(came[place])
        if there[place]:
            first, end = int(points[place]), int(points[place + 1])
            yield FragmentRun(first, end - first, int(amounts[row]), int(owners[row]), int(holds[keys[place] // len(ids)]))


def _joined(columns: Sequence[Numbers]) -> Numbers:
    if any(isinstance(column, list) for column in columns):
        return [value for column in columns for value in listed(column)]
    return np.concatenate([np.asarray(column) for column in columns])
