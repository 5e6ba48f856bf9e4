"""Mintings: which fragments the movements of an entry made, and out of which, told from the entry's events alone.

What carries a movement stands right behind it. It burns what it takes, and mints out of that what is paid and the change; a
mint takes nothing. Where whoever gets money is crowded with small fragments, two of them are merged: they are burned once the
movement has what it takes, and the next that is minted is what they became. A batch says in all what it minted and burned, so
of its fragments it is known only that they came of some of those.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
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


class Parents(NamedTuple):
    """Fragments that another was made of, the newest first; `certain`: of all of these, and of nothing else.

    Else it was made of some of them. Where they are not `whole` there are more, and these are the newest.
    """

    ids: tuple[int, ...]
    certain: bool
    whole: bool


_NONE = Parents((), True, True)


class Burned:
    """The fragments that were burned together, as runs, which may be of very many."""

    def __init__(self, events: Sequence[FragmentsBurned | RunsBurnedMany]) -> None:
        runs: list[tuple[int, int]] = []
        for event in events:
            firsts, counts = (event.ids, repeat(1)) if isinstance(event, FragmentsBurned) else named_runs(event)
            runs += zip(firsts, counts, strict=False)
        runs.sort()
        self._firsts = [first for first, _ in runs]
        self._counts = [count for _, count in runs]
        self._told: dict[int, tuple[tuple[int, ...], bool]] = {}

    def newest(self, below: int, limit: int) -> tuple[tuple[int, ...], bool]:
        """Those with smaller ids than `below`, the newest first and no more than `limit`, and whether that is all of them.

        The same ones are told as the same tuple, which many of the fragments made of them then have in common.
        """
        place = bisect_left(self._firsts, below) - 1
        if place < 0:
            return (), True
        last = min(self._firsts[place] + self._counts[place], below) - 1
        if last not in self._told:
            self._told[last] = self._newest(place, last, limit)
        return self._told[last]

    def _newest(self, place: int, last: int, limit: int) -> tuple[tuple[int, ...], bool]:
        ids = [*range(last, max(self._firsts[place], last - limit + 1) - 1, -1)]
        for earlier in range(place - 1, -1, -1):
            if len(ids) >= limit:
                return tuple(ids), False
            first = self._firsts[earlier]
            last = first + self._counts[earlier] - 1
            ids += range(last, max(first, last - limit + len(ids) + 1) - 1, -1)
        return tuple(ids), ids[-1] == self._firsts[0]


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
        """What the fragment was made of that is one of these, the newest `limit` of it."""
        ids, whole = self.made_of.newest(id, limit)
        if not ids:
            return _NONE
        if not isinstance(self.movement, BATCHES):
            return Parents(ids, True, whole)
        return Parents(ids, len(ids) == 1 and whole and not isinstance(self.movement, MintedMany), whole)


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
