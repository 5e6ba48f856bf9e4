"""The fragments of one token as they lie in memory: each is one packed integer, and a heap of them a holding.

The owners' heaps are only built, all in one sweep, when something is first chosen, so that reading a journal does not pay for
them. Fragments that a snapshot brought stay in its table until their owner is first touched. What was burned is remembered
until it is durable, so that a commit which fails can be taken back.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappush
from typing import Any, Protocol, cast

from tallystick.domain.memory.account_names import AccountNames
from tallystick.domain.memory.burnt import Burnt
from tallystick.domain.memory.frozen_books import FrozenFragments
from tallystick.domain.memory.holding import AMOUNT_SHIFT, ID_MASK, OWNER_BITS, OWNER_MASK, Holding, PlainFragment, packed
from tallystick.domain.memory.tables import FragmentTable


class Owners(Protocol):
    """The cells of the token. An owner is known here by the handle of its cell."""

    @property
    def names(self) -> AccountNames: ...
    def available_of(self, account: str) -> int: ...
    def handle(self, account: str) -> int: ...
    def handle_of(self, account: str) -> int | None: ...


class PackedFragments:
    """Which fragments are live and whose, and which are reserved and under what hold; those that were burned are gone."""

    def __init__(self, owners: Owners, burnt: Burnt) -> None:
        self._owners = owners
        self._names = cast(list[str], owners.names.listed)  # an owner who has a holding is none that is missing there
        self._burnt = burnt
        self._table: FragmentTable | None = None
        self._taken = bytearray()  # by handle, a 1 for an owner whose fragments are no longer looked for in the table
        self._live: dict[int, int] = {}
        self._hold_of: dict[int, str] = {}
        self._holdings: dict[str, Holding] = {}
        self._heaped = False
        self._holds: dict[str, Holding] = {}

    def freeze(self) -> FrozenFragments:
        """The fragments as they are now."""
        return FrozenFragments(
            list(self._live.values()),
            [(hold, list(holding.confirmed.values())) for hold, holding in self._holds.items()],
            self._table,
            bytes(self._taken),
        )

    def restore(self, table: FragmentTable, reserved: Iterable[tuple[str, Iterable[PlainFragment]]]) -> None:
        """Takes over what was frozen, where nothing is yet."""
        if len(table):
            self._table = table
            self._taken = bytearray(table.owners)
            self._holdings = _Holdings(self._from_table)
        for hold, fragments in reserved:
            for fragment in fragments:
                self._join_hold(fragment.id, packed(*fragment), hold)

    def add(self, owner: str, first_id: int, amounts: list[int]) -> None:
        """Makes live fragments of `amounts` for `owner`, with ids from `first_id` on."""
        holdings = self._holdings if self._heaped else self._heaps()
        holding = holdings.get(owner) or self._open(owner)
        heap, live, id = holding.heap, self._live, first_id
        for amount in amounts:
            fragment = live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | holding.index
            heappush(heap, fragment)
            id += 1

    def remove(self, first_id: int, count: int) -> None:
        """Takes back the making of `count` fragments."""
        for id in range(first_id, first_id + count):
            self._leave_owner(self._live.pop(id))

    def _open(self, owner: str) -> Holding:
        """The holding of an owner who has none yet, with what the table has of it."""
        holding = Holding(self._live, self._owners.handle(owner))
        if self._table is not None and self._has_in_table(holding.index):
            live, taken, index = self._live, self._taken, holding.index
            fragments = [amount << AMOUNT_SHIFT | id << OWNER_BITS | index for amount, id in self._table.of(index)]
            if self._heaped:
                holding.heap = fragments  # in order, and so a heap
            loaded = {fragment >> OWNER_BITS & ID_MASK: fragment for fragment in fragments}
            live |= loaded  # no call from here to the end, so an interruption finds all of it done or nothing
            taken[index] = 1
        self._holdings[owner] = holding
        return holding

    def _from_table(self, owner: str) -> Holding | None:
        """The holding of an owner who has none yet, where the table has something of it."""
        if self._table is None:
            return None
        handle = self._owners.handle_of(owner)
        return self._open(owner) if handle is not None and self._has_in_table(handle) else None

    def _has_in_table(self, owner: int) -> bool:
        """Whether the table has something of the owner with this handle that was not taken out yet."""
        table, taken = self._table, self._taken
        return table is not None and owner < len(taken) and not taken[owner] and table.has(owner)

    def _take_live(self, id: int) -> int:
        fragment = self._live.pop(id, None)
        if fragment is None and self._table is not None:
            owner = self._table.owner_of(id)
            if owner is not None and not self._taken[owner]:
                self._open(self._owners.names[owner])
                return self._live.pop(id)
        if fragment is None:
            raise KeyError(id)
        return fragment

    def build_heaps(self) -> None:
        """Makes ready to spend."""
        self._heaps()

    def _heaps(self) -> dict[str, Holding]:
        """The owners' holdings, their heaps built where they are not yet."""
        if not self._heaped:
            heaps: list[Any] = [None] * len(self._names)
            for holding in self._holdings.values():
                heaps[holding.index] = []
            for fragment in self._live.values():
                heaps[fragment & OWNER_MASK].append(fragment)
            for holding in self._holdings.values():
                holding.heap = heaps[holding.index]
                heapify(holding.heap)
            self._heaped = True
        return self._holdings

    def _join_owner(self, id: int, fragment: int) -> None:
        self._live[id] = fragment
        if self._heaped:
            heappush(self._holdings[self._names[fragment & OWNER_MASK]].heap, fragment)

    def _leave_owner(self, fragment: int) -> None:
        if self._heaped:
            self._holdings[self._names[fragment & OWNER_MASK]].leave()

    def _join_hold(self, id: int, fragment: int, hold: str) -> None:
        self._hold_of[id] = hold
        holding = self._holds.get(hold)
        if holding is None:
            holding = self._holds[hold] = Holding({})
        holding.confirmed[id] = fragment
        heappush(holding.heap, fragment)

    def _leave_hold(self, id: int) -> int:
        hold = self._hold_of.pop(id)
        holding = self._holds[hold]
        fragment = holding.confirmed.pop(id)
        holding.leave()
        if not holding.confirmed:
            del self._holds[hold]
        return fragment


class _Holdings(dict[str, Holding]):
    """Holdings by owner, beside a table in which more are found."""

    def __init__(self, find: Callable[[str], Holding | None]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, owner: str) -> Holding:
        holding = self._find(owner)
        if holding is None:
            raise KeyError(owner)
        return holding
