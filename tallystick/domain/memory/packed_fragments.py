"""The fragments of one token as they lie in memory: each is one packed integer, and a heap of them a holding.

The owners' heaps are only built, all in one sweep, when something is first chosen, so that reading a journal does not pay for
them. Fragments that a snapshot brought stay in its table until their owner is first touched. What was burned is remembered
until it is durable, so that a commit which fails can be taken back.

Of fragments of one amount whose ids follow on each other the first alone is there, with how many there are: a run. They are
spent in that order, so a run is taken as a whole, or cut in two where it is too much.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappush
from typing import Any, Protocol, cast

from tallystick.domain.memory.account_names import AccountNames
from tallystick.domain.memory.burnt import Burnt
from tallystick.domain.memory.frozen_books import FrozenFragments, ReservedRun
from tallystick.domain.memory.holding import AMOUNT_SHIFT, ID_MASK, OWNER_BITS, OWNER_MASK, RUN_MAX, Holding, packed
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
        self._counts: dict[int, int] = {}  # by the first id of each run, live or reserved
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
            self._counts.copy(),
        )

    def restore(self, table: FragmentTable, reserved: Iterable[tuple[str, Iterable[ReservedRun]]]) -> None:
        """Takes over what was frozen, where nothing is yet."""
        if len(table):
            self._table = table
            self._taken = bytearray(table.owners)
            self._holdings = _Holdings(self._from_table)
        for hold, runs in reserved:
            for fragment, count in runs:
                if count > 1:
                    self._counts[fragment.id] = count
                self._join_hold(fragment.id, packed(*fragment), hold)

    def add(self, owner: str, first_id: int, amounts: Sequence[int]) -> None:
        """Makes live fragments of `amounts` for `owner`, with ids from `first_id` on."""
        holdings = self._holdings if self._heaped else self._heaps()
        holding = holdings.get(owner) or self._open(owner)
        heap, live, id = holding.heap, self._live, first_id
        for amount in amounts:
            fragment = live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | holding.index
            heappush(heap, fragment)
            id += 1

    def add_runs(self, owner: str, first_id: int, amounts: Sequence[int], counts: Sequence[int]) -> None:
        """The same, so many in a row of each amount."""
        holding = self._holdings.get(owner) or self._open(owner)
        id = first_id
        for amount, count in zip(amounts, counts, strict=True):
            fragment = self._live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | holding.index
            if count > 1:
                self._counts[id] = count
            if self._heaped:
                heappush(holding.heap, fragment)
                holding.following += count - 1
            id += count

    def remove(self, first_id: int, count: int) -> None:
        """Takes back the making of `count` fragments."""
        for id in self._entries(first_id, count):
            self._leave_owner(self._live.pop(id), self._counts.pop(id, 1))

    def _open(self, owner: str) -> Holding:
        """The holding of an owner who has none yet, with what the table has of it."""
        holding = Holding(self._live, self._owners.handle(owner))
        if self._table is not None and self._has_in_table(holding.index):
            live, taken, all_counts, index = self._live, self._taken, self._counts, holding.index
            runs = list(self._table.of(index))
            fragments = [amount << AMOUNT_SHIFT | id << OWNER_BITS | index for amount, id, _ in runs]
            counts = {id: count for _, id, count in runs if count > 1}
            if self._heaped:
                holding.heap = fragments  # in order, and so a heap
                holding.following = sum(counts.values()) - len(counts)
            loaded = {fragment >> OWNER_BITS & ID_MASK: fragment for fragment in fragments}
            all_counts |= counts  # no call from here to the end, so an interruption finds all of it done or nothing
            live |= loaded
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

    # Runs.

    def _entries(self, first_id: int, count: int) -> Iterator[int]:
        """What is there of these fragments, by its first ids, cut so that it is of them alone.

        Raises `KeyError` where one is neither live nor reserved.
        """
        id, end = first_id, first_id + count
        while id < end:
            if id not in self._live and id not in self._hold_of:
                self._begin_at(id)
            size = self._counts.get(id, 1)
            if size > end - id:
                size = end - id
                self._cut(id, size)
            yield id
            id += size

    def _begin_at(self, id: int) -> None:
        """Has something begin with a fragment that lies in the table, or in the middle of a run."""
        table = self._table
        if table is not None:
            owner = table.owner_of(id)
            if owner is not None and not self._taken[owner]:
                self._open(self._owners.names[owner])
                if id in self._live:
                    return
        for first_id in range(id - 1, max(id - RUN_MAX, -1), -1):
            if first_id in self._live or first_id in self._hold_of:
                if first_id + self._counts.get(first_id, 1) > id:
                    self._cut(first_id, id - first_id)
                    return
                break
        raise KeyError(id)

    def _cut(self, id: int, count: int) -> None:
        """Makes two runs of one, the first of them of `count`."""
        hold, rest_id, rest = self._hold_of.get(id), id + count, self._counts[id] - count
        if hold is None:
            fragment = self._live[id] + (count << OWNER_BITS)
            self._live[rest_id] = fragment
            if self._heaped:
                holding = self._holdings[self._names[fragment & OWNER_MASK]]
                heappush(holding.heap, fragment)
                holding.following -= 1
        else:
            holding = self._holds[hold]
            fragment = holding.confirmed[rest_id] = holding.confirmed[id] + (count << OWNER_BITS)
            self._hold_of[rest_id] = hold
            heappush(holding.heap, fragment)
        self._count(id, count)
        self._count(rest_id, rest)

    def _count(self, id: int, count: int) -> None:
        """It is the first of so many."""
        if count > 1:
            self._counts[id] = count
        else:
            self._counts.pop(id, None)

    # Heaps.

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
                holding.following = 0
            for id, count in self._counts.items():
                if id in self._live:
                    self._holdings[self._names[self._live[id] & OWNER_MASK]].following += count - 1
            self._heaped = True
        return self._holdings

    def _join_owner(self, id: int, fragment: int) -> None:
        self._live[id] = fragment
        if self._heaped:
            holding = self._holdings[self._names[fragment & OWNER_MASK]]
            heappush(holding.heap, fragment)
            holding.following += self._counts.get(id, 1) - 1

    def _leave_owner(self, fragment: int, count: int) -> None:
        if self._heaped:
            holding = self._holdings[self._names[fragment & OWNER_MASK]]
            holding.leave()
            holding.following -= count - 1

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
