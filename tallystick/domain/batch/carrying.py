"""How fragments carry a batch: as they would carry its rows one after another, said in two events instead of several a row.

The first names all fragments that were minted on the way and the second all that were burned, among them such that were
minted for one row and spent by a later one.
"""

from collections.abc import Iterator

import numpy as np

from tallystick.domain.arithmetic.columns import Column, as_numbers, listed
from tallystick.domain.batch.columns import pack
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.errors import PlanTooLarge
from tallystick.domain.events import DomainEvent, FragmentsMintedMany
from tallystick.domain.limits import FRAGMENTS_MAX, check_fragments
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.value_object.carrying import IDS_PER_EVENT, change_of, chunks
from tallystick.domain.value_object.fragments import ValueObjects
from tallystick.domain.value_object.runs import amounts_of


def carry_batch(state: TokenState, fragments: ValueObjects, request: BatchRequest, position: int) -> Iterator[DomainEvent]:
    """Makes the cells and the fragments carry `request`, whose rows begin at `position`; gives the fragments' events.

    Raises `PlanTooLarge`, and then it changes nothing.
    """
    carrier = _Carrier(state, fragments, request, position * IDS_PER_EVENT)
    try:
        if request.givers is None:
            carrier.mint()
        elif request.takers is None:
            carrier.burn()
        else:
            carrier.move()
    except PlanTooLarge:
        carrier.take_back()
        raise
    return carrier.events()


class _Carrier:
    """What was minted and burned so far. The cells follow the rows when their balances matter, and at the end."""

    def __init__(self, state: TokenState, fragments: ValueObjects, request: BatchRequest, first_id: int) -> None:
        self._token_state = state
        self._names = state.names
        self._listed = state.names.listed
        self._fragments = fragments
        self._unit = fragments.unit
        self._request = request
        self._moved = 0
        self._first_id = first_id
        self._owners: list[int] = []
        self._amounts: list[int] = []
        self._burned: list[int] = []
        fragments.build_heaps()

    def mint(self) -> None:
        """Carries rows that are mints."""
        for row, (taker, amount) in enumerate(zip(_column(self._request.takers), listed(self._request.amounts), strict=True)):
            self._credit(row, taker, amount)
        self._move_cells(len(self._request))

    def burn(self) -> None:
        """Carries rows that are burns."""
        for giver, amount in zip(_column(self._request.givers), listed(self._request.amounts), strict=True):
            self._mint(giver, self._take(giver, amount))
        self._move_cells(len(self._request))

    def move(self) -> None:
        """Carries rows that are moves, in one go where nothing has to be cut or merged."""
        names, listed_names, unit, pay = self._names, self._listed, self._unit, self._fragments.pay
        owners, amounts, burned = self._owners, self._amounts, self._burned
        givers, takers = _column(self._request.givers), _column(self._request.takers)
        for row, (giver, taker, amount) in enumerate(zip(givers, takers, listed(self._request.amounts), strict=True)):
            if giver == taker:
                continue
            before = len(burned)
            if before + len(amounts) > FRAGMENTS_MAX:
                self._check()
            change = None
            if amount <= unit:
                payer, receiver = listed_names[giver] or names[giver], listed_names[taker] or names[taker]
                change = pay(payer, receiver, amount, self._first_id + len(amounts), burned)
            if change is None:
                pieces = self._take(giver, amount)
                self._credit(row, taker, amount)
                self._mint(giver, pieces)
                continue
            owners.append(taker)
            amounts.append(amount)
            if 0 < change <= unit:
                owners.append(giver)
                amounts.append(change)
            elif change:
                self._mint(giver, amounts_of(*change_of(change, unit, self._fragments.number_burned(burned[before:]))))
        self._move_cells(len(self._request))

    def _move_cells(self, rows: int) -> None:
        """The cells as they are after so many rows."""
        done, request = slice(self._moved, rows), self._request
        givers = None if request.givers is None else request.givers[done]
        takers = None if request.takers is None else request.takers[done]
        self._token_state.move_many(givers, takers, request.amounts[done])
        self._moved = rows

    def _credit(self, row: int, taker: int, amount: int) -> None:
        owner, fragments = self._names[taker], self._fragments
        if fragments.may_be_crowded(owner):
            self._move_cells(row + 1)
            merged = fragments.mergeable(owner) if fragments.is_crowded(owner) else 0
            if merged:
                ids, _ = fragments.spend(owner, merged)
                self._burned += ids
                self._mint(taker, [merged])
        self._mint(taker, amounts_of(*chunks(amount, self._unit)))

    def _take(self, giver: int, amount: int) -> list[int]:
        ids, rest = self._fragments.spend(self._names[giver], amount)
        self._burned += ids
        self._check()
        return amounts_of(*change_of(rest, self._unit, self._fragments.number_burned(ids))) if rest else []

    def _mint(self, owner: int, amounts: list[int]) -> None:
        if amounts:
            self._fragments.add(self._names[owner], self._first_id + len(self._amounts), amounts)
            self._owners += [owner] * len(amounts)
            self._amounts += amounts
            self._check()

    def _check(self) -> None:
        """Raises `PlanTooLarge`, where all that was done is noted."""
        check_fragments(len(self._amounts) + len(self._burned))

    def take_back(self) -> None:
        """Undoes what was done."""
        self._fragments.unburn(self._fragments.number_burned(self._burned))
        self._fragments.remove(self._first_id, len(self._amounts))
        done, request = slice(self._moved), self._request
        givers = None if request.givers is None else request.givers[done]
        takers = None if request.takers is None else request.takers[done]
        self._token_state.move_many(takers, givers, request.amounts[done])

    def events(self) -> Iterator[DomainEvent]:
        """The events; so many that the ids stay below those of the position after them."""
        token, count = self._fragments.token, len(self._amounts)
        parts = min(count, max(1, -(-count // IDS_PER_EVENT) - len(self._request)))
        for part in range(parts):
            start, stop = part * count // parts, (part + 1) * count // parts
            amounts, owners = self._amounts[start:stop], self._numbers(self._owners[start:stop])
            yield FragmentsMintedMany(token, len(amounts), self._first_id + start, owners, pack(as_numbers(amounts)))
        if self._burned:
            yield self._fragments.burned(self._burned)

    def _numbers(self, handles: list[int]) -> bytes:
        numbers, _ = self._token_state.numbering.number(np.array(handles, dtype=np.int64), len(self._token_state.names))
        return pack(numbers)


def _column(handles: Column | None) -> list[int]:
    return [] if handles is None else listed(handles)
