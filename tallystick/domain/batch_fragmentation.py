"""How fragments carry a batch: as they would carry its rows one after another, said in two events instead of several a row.

The first names all fragments that were minted on the way and the second all that were burned, among them such that were
minted for one row and spent by a later one.
"""

from collections.abc import Iterator
from itertools import repeat

import numpy as np

from tallystick.domain.batch_request import BatchRequest
from tallystick.domain.columns import as_numbers, listed, pack
from tallystick.domain.events import DomainEvent, FragmentsBurned, FragmentsMintedMany
from tallystick.domain.fragmentation import IDS_PER_EVENT, change_of, chunks
from tallystick.domain.token_state import TokenState
from tallystick.domain.value_object import ValueObjects


def carry_batch(funds: TokenState, fragments: ValueObjects, request: BatchRequest, position: int) -> Iterator[DomainEvent]:
    """Makes the cells and the fragments carry `request`, whose rows begin at `position`; gives the fragments' events."""
    carrier = _Carrier(funds, fragments, position * IDS_PER_EVENT)
    for giver, taker, amount in _rows(request):
        funds.move(giver, taker, amount)
        if giver is None:
            if taker is not None:
                carrier.credit(taker, amount)
        elif taker is None:
            carrier.spend(giver, amount)
        elif giver != taker:
            carrier.move(giver, taker, amount)
    return carrier.events(len(request))


def _rows(request: BatchRequest) -> Iterator[tuple[int | None, int | None, int]]:
    nobody = repeat(None, len(request))
    givers = nobody if request.givers is None else listed(request.givers)
    takers = nobody if request.takers is None else listed(request.takers)
    return zip(givers, takers, listed(request.amounts), strict=True)


class _Carrier:
    """What was minted and burned so far."""

    def __init__(self, funds: TokenState, fragments: ValueObjects, first_id: int) -> None:
        self._funds = funds
        self._names = funds.names
        self._fragments = fragments
        self._unit = fragments.unit
        self._first_id = self._next_id = first_id
        self._owners: list[int] = []
        self._amounts: list[int] = []
        self._burned: list[int] = []
        fragments.build_heaps()

    def move(self, giver: int, taker: int, amount: int) -> None:
        names, before = self._names, len(self._burned)
        if amount <= self._unit:
            change = self._fragments.pay(names[giver], names[taker], amount, self._next_id, self._burned)
            if change is not None:
                self._note(taker, amount)
                if 0 < change <= self._unit:
                    self._note(giver, change)
                elif change:
                    self._mint(giver, change_of(change, self._unit, len(self._burned) - before))
                return
        pieces = self._take(giver, amount)
        self.credit(taker, amount)
        self._mint(giver, pieces)

    def credit(self, taker: int, amount: int) -> None:
        owner, fragments = self._names[taker], self._fragments
        merged = fragments.mergeable(owner) if fragments.is_crowded(owner) else 0
        if merged:
            ids, _ = fragments.spend(owner, merged)
            self._burned += ids
            self._mint(taker, [merged])
        self._mint(taker, chunks(amount, self._unit))

    def spend(self, giver: int, amount: int) -> None:
        self._mint(giver, self._take(giver, amount))

    def _take(self, giver: int, amount: int) -> list[int]:
        ids, rest = self._fragments.spend(self._names[giver], amount)
        self._burned += ids
        return change_of(rest, self._unit, len(ids)) if rest else []

    def _mint(self, owner: int, amounts: list[int]) -> None:
        if amounts:
            self._fragments.add(self._names[owner], self._next_id, amounts)
            for amount in amounts:
                self._note(owner, amount)

    def _note(self, owner: int, amount: int) -> None:
        self._owners.append(owner)
        self._amounts.append(amount)
        self._next_id += 1

    def events(self, rows: int) -> Iterator[DomainEvent]:
        """The events; so many that the ids stay below those of the position after them."""
        token, count = self._fragments.token, len(self._amounts)
        parts = max(1, -(-count // IDS_PER_EVENT) - rows - 1)
        size = -(-count // parts) or 1
        for start in range(0, count, size):
            amounts = self._amounts[start : start + size]
            owners = self._numbers(self._owners[start : start + size])
            yield FragmentsMintedMany(token, len(amounts), self._first_id + start, owners, pack(as_numbers(amounts)))
        if self._burned:
            yield FragmentsBurned(token, self._burned)

    def _numbers(self, handles: list[int]) -> bytes:
        numbers, _ = self._funds.numbering.number(np.array(handles, dtype=np.int64), len(self._funds.names))
        return pack(numbers)
