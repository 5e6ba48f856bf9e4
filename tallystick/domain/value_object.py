"""Money in fragments: the value objects that a fragmented token's balances are made of.

A movement of such a token says what changed hands, and its fragments say which pieces of money did. Spending begins with the
owner's smallest, so each holding is a heap. The dictionaries of live and reserved fragments are the truth: an entry of a heap
that they do not confirm is passed over, and the heaps are only built, all in one sweep, when something is first chosen,
so that reading a journal does not pay for them. What was burned is remembered by the books until it is durable, so that a
commit which fails can be taken back.
"""

import enum
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any

import msgspec

from tallystick.domain.events import (
    FragmentEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
)

SPARE_FRAGMENTS = 1000


class FragmentState(enum.Enum):
    """Alive -> Reserved -> Alive, Alive -> Burned, Reserved -> Burned; Burned is final."""

    ALIVE = "alive"
    RESERVED = "reserved"
    BURNED = "burned"


class ValueObject(msgspec.Struct, frozen=True):
    """One fragment: `amount` smallest units of `token`. A reserved one names the hold it lies under and keeps its payer."""

    id: int
    token: str
    owner: str
    amount: int
    state: FragmentState
    hold: str | None = None


Entry = tuple[int, int, str, str | None]
"""A fragment as dictionaries and heaps share it, in the order of choice: amount, id, owner, hold."""


class _Holding:
    """The heap of one owner's live fragments, or of one hold's, some of them stale, and how many are not."""

    __slots__ = ("count", "heap")

    def __init__(self) -> None:
        self.heap: list[Entry] = []
        self.count = 0


class ValueObjects:
    """The fragments of one token: which are live and whose, which are reserved and under what hold."""

    def __init__(self, token: str, unit: int, balance_of: Callable[[str], int], burned: dict[int, Entry]) -> None:
        self.token = token
        self.unit = unit
        self._balance_of = balance_of
        self._live: dict[int, Entry] = {}
        self._reserved: dict[int, Entry] = {}
        self._burned = burned
        self._owners: dict[str, _Holding] | None = None
        self._holds: dict[str, _Holding] = {}
        self._apply: dict[type, Callable[[Any], None]] = {
            FragmentsMinted: self._mint,
            FragmentsBurned: self._burn,
            FragmentsReserved: self._reserve,
            FragmentsReleased: self._release,
        }
        self._revert: dict[type, Callable[[Any], None]] = {
            FragmentsMinted: self._unmint,
            FragmentsBurned: self._unburn,
            FragmentsReserved: self._release,
            FragmentsReleased: self._reserve,
        }

    def of(self, account: str, holds: Iterable[str]) -> list[ValueObject]:
        """The account's live fragments and those reserved under `holds`, smallest first."""
        live, reserved = self._live, self._reserved
        found = {entry for entry in self._heap_of_owner(account) if live.get(entry[1]) is entry}
        for hold in holds:
            found.update(entry for entry in self._heap_of_hold(hold) if reserved.get(entry[1]) is entry)
        return [
            ValueObject(id, self.token, owner, amount, FragmentState.RESERVED if hold else FragmentState.ALIVE, hold)
            for amount, id, owner, hold in sorted(found, key=lambda entry: entry[:2])
        ]

    # Spending and crediting: decided and applied at once, for this is where a ledger spends its time.

    def spend(self, owner: str, amount: int) -> tuple[list[int], int]:
        """Burns the owner's smallest live fragments until they cover `amount`; gives their ids and their sum."""
        holding = (self._owners or self._heaps())[owner]
        heap, live, burned = holding.heap, self._live, self._burned
        ids: list[int] = []
        total = 0
        while total < amount:
            entry = heappop(heap)
            id = entry[1]
            if live.get(id) is entry:
                del live[id]
                burned[id] = entry
                ids.append(id)
                total += entry[0]
        holding.count -= len(ids)
        return ids, total

    def credit(self, owner: str, first_id: int, amounts: list[int]) -> FragmentsMinted:
        """Makes live fragments of `amounts` for `owner`, with ids from `first_id` on; gives the event that says so."""
        event = FragmentsMinted(self.token, owner, first_id, amounts)
        self._mint(event)
        return event

    def is_crowded(self, owner: str) -> bool:
        """Whether the owner has more fragments than a balance of that size should take."""
        holding = (self._owners or self._heaps()).get(owner)
        return (
            holding is not None
            and holding.count > SPARE_FRAGMENTS
            and holding.count > -(-self._balance_of(owner) // self.unit) + SPARE_FRAGMENTS
        )

    def mergeable(self, owner: str) -> int:
        """The sum of the owner's two smallest fragments, where it fits the unit; else 0."""
        heap = self._heaps()[owner].heap
        smallest = [self._smallest(heap, self._live) for _ in range(2)]
        for entry in smallest:
            heappush(heap, entry)
        merged = smallest[0][0] + smallest[1][0]
        return merged if merged <= self.unit else 0

    # Choosing for escrow, smallest first. The heap entries of what is chosen are used up: an event must say what became of it.

    def choose_live(self, owner: str, amount: int) -> tuple[list[int], int, int]:
        """The ids of the owner's smallest live fragments that cover `amount`, their sum, and the amount of the last."""
        return self._choose((self._owners or self._heaps())[owner].heap, self._live, amount)

    def choose_held(self, hold: str, amount: int) -> tuple[list[int], int, int]:
        """The same of the fragments reserved under `hold`."""
        return self._choose(self._holds[hold].heap, self._reserved, amount)

    def _choose(self, heap: list[Entry], entries: dict[int, Entry], amount: int) -> tuple[list[int], int, int]:
        ids: list[int] = []
        total = last = 0
        while total < amount:
            last, id, _, _ = self._smallest(heap, entries)
            ids.append(id)
            total += last
        return ids, total, last

    def _smallest(self, heap: list[Entry], entries: dict[int, Entry]) -> Entry:
        """Takes the smallest confirmed entry out of a heap, and its like if it is there twice."""
        while True:
            entry = heappop(heap)
            if entries.get(entry[1]) is entry:
                while heap and heap[0] is entry:
                    heappop(heap)
                return entry

    def payer_of(self, id: int) -> str:
        """Who gets a reserved fragment back."""
        return self._reserved[id][2]

    # Applying: what happened to fragments.

    def apply(self, event: FragmentEvent) -> None:
        """Makes the event's change."""
        self._apply[type(event)](event)

    def revert(self, event: FragmentEvent) -> None:
        """Takes back the last event applied, while `burned` still remembers what it ended."""
        self._revert[type(event)](event)

    def _mint(self, event: FragmentsMinted) -> None:
        live = self._live
        owner = event.owner
        id = event.first_id
        if self._owners is None:
            for amount in event.amounts:
                live[id] = (amount, id, owner, None)
                id += 1
            return
        holding = self._owners.get(owner)
        if holding is None:
            holding = self._owners[owner] = _Holding()
        for amount in event.amounts:
            entry = live[id] = (amount, id, owner, None)
            heappush(holding.heap, entry)
            id += 1
        holding.count += len(event.amounts)

    def _unmint(self, event: FragmentsMinted) -> None:
        for id in range(event.first_id, event.first_id + len(event.amounts)):
            self._leave(self._owners, self._live.pop(id)[2], self._live)

    def _burn(self, event: FragmentsBurned) -> None:
        live = self._live
        burned = self._burned
        owners = self._owners
        for id in event.ids:
            entry = live.pop(id, None)
            if entry is None:
                entry = self._reserved.pop(id)
                self._leave(self._holds, str(entry[3]), self._reserved)
            elif owners is not None:
                self._leave(owners, entry[2], live)
            burned[id] = entry

    def _unburn(self, event: FragmentsBurned) -> None:
        for id in event.ids:
            entry = self._burned.pop(id)
            if entry[3] is None:
                self._live[id] = entry
                self._join(self._owners, entry[2], entry)
            else:
                self._reserved[id] = entry
                self._join(self._holds, entry[3], entry)

    def _reserve(self, event: FragmentsReserved | FragmentsReleased) -> None:
        for id in event.ids:
            entry = self._live.pop(id)
            self._leave(self._owners, entry[2], self._live)
            entry = self._reserved[id] = (*entry[:3], event.hold)
            self._join(self._holds, event.hold, entry)

    def _release(self, event: FragmentsReserved | FragmentsReleased) -> None:
        for id in event.ids:
            entry = self._reserved.pop(id)
            self._leave(self._holds, event.hold, self._reserved)
            entry = self._live[id] = (*entry[:3], None)
            self._join(self._owners, entry[2], entry)

    # The heaps.

    def _heaps(self) -> dict[str, _Holding]:
        """The owners' heaps, built where they are not yet."""
        if self._owners is None:
            owners: dict[str, _Holding] = {}
            for entry in self._live.values():
                holding = owners.get(entry[2])
                if holding is None:
                    holding = owners[entry[2]] = _Holding()
                holding.heap.append(entry)
            for holding in owners.values():
                holding.count = len(holding.heap)
                heapify(holding.heap)
            self._owners = owners
        return self._owners

    def _heap_of_owner(self, owner: str) -> list[Entry]:
        holding = (self._owners or self._heaps()).get(owner)
        return holding.heap if holding else []

    def _heap_of_hold(self, hold: str) -> list[Entry]:
        holding = self._holds.get(hold)
        return holding.heap if holding else []

    def _join(self, holdings: dict[str, _Holding] | None, key: str, entry: Entry) -> None:
        if holdings is None:
            return
        holding = holdings.get(key)
        if holding is None:
            holding = holdings[key] = _Holding()
        holding.count += 1
        heappush(holding.heap, entry)

    def _leave(self, holdings: dict[str, _Holding] | None, key: str, entries: dict[int, Entry]) -> None:
        """One fragment less; a heap that is mostly stale is swept."""
        if holdings is None:
            return
        holding = holdings[key]
        holding.count -= 1
        if not holding.count:
            del holdings[key]
        elif len(holding.heap) > 2 * holding.count + 64:
            fresh = {entry[1]: entry for entry in holding.heap if entries.get(entry[1]) is entry}
            holding.heap = sorted(fresh.values())
