"""Mintings: which fragments the movements of an entry made, and out of which, told from the entry's events alone.

What carries a movement stands right behind it. It burns what it takes, and mints out of that what is paid and the change; a
mint takes nothing. Where whoever gets money is crowded with small fragments, two of them are merged: they are burned once the
movement has what it takes, and the next that is minted is what they became. A batch says in all what it minted and burned, so
of its fragments it is known only that they came of some of those.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, repeat
from typing import Any, NamedTuple

from tallystick.domain.arithmetic.columns import Column, Numbers
from tallystick.domain.batch.batch import numbered, positions_of
from tallystick.domain.batch.columns import unpack, unpack_places
from tallystick.domain.events import (
    BATCHES,
    RECORDED,
    BatchEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsMintedMany,
    Minted,
    MintedMany,
    MoneyEvent,
    RunsBurnedMany,
    RunsMintedMany,
)
from tallystick.domain.value_object.runs import amounts_of, minted_runs, named_runs

MintEvent = FragmentsMinted | RunsMintedMany | FragmentsMintedMany
_MINTS = (FragmentsMinted, RunsMintedMany, FragmentsMintedMany)
_BURNS = (FragmentsBurned, RunsBurnedMany)
NAMED_MAX = 100
"""So many are named of those of which it is not known whether a fragment was made of them."""


class Parents(NamedTuple):
    """Fragments that another was made of, the newest of so many; `certain`: of all of them, and of nothing else.

    Else it was made of one or more of them, or was minted.
    """

    ids: tuple[int, ...]
    of: int
    certain: bool


_NONE = Parents((), 0, True)


class Burned:
    """The fragments that were burned together, as runs, which may be of very many."""

    def __init__(self, events: Sequence[FragmentsBurned | RunsBurnedMany]) -> None:
        self._events = events
        self._named: dict[tuple[int, int], tuple[int, ...]] = {}

    @cached_property
    def _runs(self) -> tuple[list[int], list[int], list[int]]:
        """The first ids, ascending, how many there are from each on, and how many there are before each."""
        runs: list[tuple[int, int]] = []
        for event in self._events:
            firsts, counts = (event.ids, repeat(1)) if isinstance(event, FragmentsBurned) else named_runs(event)
            runs += zip(firsts, counts, strict=False)
        runs.sort()
        counts = [count for _, count in runs]
        return [first for first, _ in runs], counts, list(accumulate(counts, initial=0))

    def count(self, below: int) -> int:
        """How many have smaller ids than `below`."""
        firsts, counts, before = self._runs
        place = bisect_left(firsts, below) - 1
        return before[place] + min(counts[place], below - firsts[place]) if place >= 0 else 0

    def newest(self, below: int, limit: int) -> tuple[int, ...]:
        """Those with smaller ids than `below`, the newest first and no more than `limit`.

        They are always the same tuple, for the fragments made of them may be many.
        """
        end = self.count(below)
        if (end, limit) not in self._named:
            self._named[end, limit] = self._between(max(end - limit, 0), end)
        return self._named[end, limit]

    def _between(self, start: int, end: int) -> tuple[int, ...]:
        """The ids from the one on that has `start` before it, where `end` are in all, the newest first."""
        firsts, counts, before = self._runs
        ids: list[int] = []
        for place in range(bisect_left(before, end) - 1, -1, -1):
            if before[place] + counts[place] <= start:
                break
            first = firsts[place] + max(start - before[place], 0)
            ids += range(firsts[place] + min(end - before[place], counts[place]) - 1, first - 1, -1)
        return tuple(ids)


_NOTHING = Burned(())


class Minting:
    """What one event minted: `count` fragments from `first_id` on, for the movement at `position`, which of a batch is that of
    its first row.
    """

    __slots__ = ("_columns", "_event", "count", "first_id", "made_of", "movement", "position")

    def __init__(self, position: int, movement: MoneyEvent | BatchEvent, event: MintEvent, made_of: Burned) -> None:
        self.position = position
        self.movement = movement
        self.made_of = made_of
        self.first_id = event.first_id
        self.count = _count_of(event)
        self._event = event
        self._columns: tuple[Column, Numbers] | None = None

    @property
    def token(self) -> str:
        """The token that the fragments are of."""
        return self._event.token

    @property
    def transaction_id(self) -> int | None:
        """The transaction that minted them; None where it is one of several rows of a batch, and not known which."""
        return self.position if positions_of(self.movement) == 1 else None

    def owner_and_amount(self, id: int, names_of: Callable[[str], Sequence[str]]) -> tuple[str, int]:
        """Whose the fragment was that is one of these, and how much; `names_of` a token are its accounts by number."""
        event, index = self._event, id - self.first_id
        if isinstance(event, FragmentsMinted):
            return event.owner, event.amounts[index]
        if isinstance(event, RunsMintedMany):
            return event.owner, amounts_of(*minted_runs(event))[index]
        names = names_of(event.token)
        if self._columns is None:
            self._columns = unpack_places(event.owners, event.count, len(names)), unpack(event.amounts, event.count)
        owners, amounts = self._columns
        return names[int(owners[index])], int(amounts[index])

    def parents_of(self, id: int, limit: int) -> Parents:
        """What the fragment was made of that is one of these: the newest `limit` of it, or fewer where it is not certain."""
        count = self.made_of.count(id)
        if not count:
            return _NONE
        if not isinstance(self.movement, BATCHES):
            return Parents(self.made_of.newest(id, limit), count, True)
        certain = count == 1 and not isinstance(self.movement, MintedMany)
        return Parents(self.made_of.newest(id, min(limit, NAMED_MAX)), count, certain)


def mintings(events: Sequence[Any], first_position: int) -> Iterator[Minting]:
    """What the events of an entry minted, in order, the first of them standing at `first_position`."""
    movement: tuple[int, MoneyEvent | BatchEvent] | None = None
    behind: list[Any] = []
    for position, event in numbered(events, first_position):
        if isinstance(event, (*RECORDED, *BATCHES)):
            if movement is not None:
                yield from _minted_by(*movement, behind)
            movement, behind = (position, event), []
        elif isinstance(event, (*_MINTS, *_BURNS)):
            behind.append(event)
    if movement is not None:
        yield from _minted_by(*movement, behind)


def _minted_by(position: int, movement: MoneyEvent | BatchEvent, events: Sequence[Any]) -> Iterator[Minting]:
    if isinstance(movement, BATCHES):
        burned = Burned([event for event in events if isinstance(event, _BURNS)])
        for event in events:
            if isinstance(event, _MINTS):
                yield Minting(position, movement, event, burned)
        return
    taken = _NOTHING if isinstance(movement, Minted) else None
    merged: Burned | None = None
    for event in events:
        if not isinstance(event, _MINTS):
            burned = Burned([event])
            if taken is None:
                taken = burned
            else:
                merged = burned
        else:
            yield Minting(position, movement, event, merged or taken or _NOTHING)
            merged = None


def _count_of(event: MintEvent) -> int:
    if isinstance(event, FragmentsMinted):
        return len(event.amounts)
    return sum(event.counts) if isinstance(event, RunsMintedMany) else event.count
