"""Money in fragments: the value objects that a fragmented token's balances are made of.

A movement of such a token says what changed hands, and the fragments say which pieces of money did: spending burns the
owner's smallest live ones until they cover the amount, gives the receiver new ones, and gives the change back in pieces no
larger than the token's unit. Choosing needs the smallest, so each holding is a heap; the dictionaries of live and reserved
fragments are the truth, and an entry of a heap that they do not confirm is passed over. What was burned is remembered by the books
until it is durable, so that a commit which fails can be taken back.
"""

import enum
import heapq
from collections.abc import Callable, Iterable

import msgspec

from tallystick.domain.events import (
    FragmentEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
)

SPARE_FRAGMENTS = 1000

BurnedEntry = tuple[str, int] | tuple[str, int, str]


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


class _Holding:
    """A heap of (amount, id), some of them stale, and how many are not."""

    __slots__ = ("count", "heap")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int]] = []
        self.count = 0


class ValueObjects:
    """The fragments of one token: which are live and whose, which are reserved and under what hold."""

    def __init__(self, token: str, unit: int, balance_of: Callable[[str], int], burned: dict[int, BurnedEntry]) -> None:
        self.token = token
        self.unit = unit
        self._balance_of = balance_of
        self._live: dict[int, tuple[str, int]] = {}
        self._reserved: dict[int, tuple[str, int, str]] = {}
        self._holdings: dict[str, _Holding] = {}
        self._held: dict[str, _Holding] = {}
        self._burned = burned

    def of(self, account: str, holds: Iterable[str]) -> list[ValueObject]:
        """The account's live fragments and those reserved under `holds`, smallest first."""
        mine = self._holdings.get(account)
        live = {id for _, id in mine.heap} if mine else set[int]()
        found = [
            ValueObject(id, self.token, account, self._live[id][1], FragmentState.ALIVE)
            for id in live
            if self._live.get(id, ("",))[0] == account
        ]
        for hold in holds:
            for id in {id for _, id in self._held[hold].heap} if hold in self._held else ():
                entry = self._reserved.get(id)
                if entry is not None and entry[2] == hold:
                    found.append(ValueObject(id, self.token, entry[0], entry[1], FragmentState.RESERVED, hold))
        return sorted(found, key=lambda fragment: (fragment.amount, fragment.id))

    # Choosing, smallest first. The heap entries of what is chosen are used up: an event must say what became of it.

    def choose_live(self, owner: str, amount: int) -> tuple[list[int], int, int]:
        """The ids of the owner's smallest live fragments that cover `amount`, their sum, and the amount of the last."""
        live = self._live
        heap = self._holdings[owner].heap
        ids: list[int] = []
        total = last = 0
        while total < amount:
            last, id = heapq.heappop(heap)
            if live.get(id) == (owner, last) and not (ids and ids[-1] == id):
                ids.append(id)
                total += last
        return ids, total, last

    def choose_held(self, hold: str, amount: int) -> tuple[list[int], int, int]:
        """The same of the fragments reserved under `hold`."""
        reserved = self._reserved
        heap = self._held[hold].heap
        ids: list[int] = []
        total = last = 0
        while total < amount:
            last, id = heapq.heappop(heap)
            entry = reserved.get(id)
            if entry is not None and entry[1:] == (last, hold) and not (ids and ids[-1] == id):
                ids.append(id)
                total += last
        return ids, total, last

    def choose_crowding(self, owner: str) -> tuple[list[int], int]:
        """The owner's two smallest fragments and their sum, where there are more than the balance should take; else none."""
        holding = self._holdings.get(owner)
        if holding is None or holding.count <= SPARE_FRAGMENTS:
            return [], 0
        if holding.count <= -(-self._balance_of(owner) // self.unit) + SPARE_FRAGMENTS:
            return [], 0
        first, first_sum, _ = self.choose_live(owner, 1)
        second, second_sum, _ = self.choose_live(owner, 1)
        if first_sum + second_sum <= self.unit:
            return first + second, first_sum + second_sum
        heapq.heappush(holding.heap, (first_sum, first[0]))
        heapq.heappush(holding.heap, (second_sum, second[0]))
        return [], 0

    def payer_of(self, id: int) -> str:
        """Who gets a reserved fragment back."""
        return self._reserved[id][0]

    # Applying: what happened to fragments.

    def apply(self, event: FragmentEvent) -> None:
        """Makes the event's change."""
        if isinstance(event, FragmentsMinted):
            self._mint(event.owner, event.first_id, event.amounts)
        elif isinstance(event, FragmentsBurned):
            self._burn(event.ids)
        elif isinstance(event, FragmentsReserved):
            self._reserve(event.hold, event.ids)
        else:
            self._release(event.ids)

    def revert(self, event: FragmentEvent) -> None:
        """Takes back the last event applied, while `burned` still remembers what it ended."""
        if isinstance(event, FragmentsMinted):
            for id in range(event.first_id, event.first_id + len(event.amounts)):
                self._leave(self._holdings, self._live.pop(id)[0])
        elif isinstance(event, FragmentsBurned):
            for id in event.ids:
                entry = self._burned.pop(id)
                if len(entry) == 2:
                    self._live[id] = entry
                    self._join(self._holdings, entry[0], entry[1], id)
                else:
                    self._reserved[id] = entry
                    self._join(self._held, entry[2], entry[1], id)
        elif isinstance(event, FragmentsReserved):
            self._release(event.ids)
        else:
            self._reserve(event.hold, event.ids)

    def _mint(self, owner: str, first_id: int, amounts: list[int]) -> None:
        live = self._live
        holding = self._holdings.get(owner)
        if holding is None:
            holding = self._holdings[owner] = _Holding()
        heap = holding.heap
        for id, amount in enumerate(amounts, first_id):
            live[id] = (owner, amount)
            heapq.heappush(heap, (amount, id))
        holding.count += len(amounts)

    def _burn(self, ids: list[int]) -> None:
        for id in ids:
            entry = self._live.pop(id, None)
            if entry is not None:
                self._burned[id] = entry
                self._leave(self._holdings, entry[0])
            else:
                entry = self._burned[id] = self._reserved.pop(id)
                self._leave(self._held, entry[2])

    def _reserve(self, hold: str, ids: list[int]) -> None:
        for id in ids:
            owner, amount = self._live.pop(id)
            self._leave(self._holdings, owner)
            self._reserved[id] = (owner, amount, hold)
            self._join(self._held, hold, amount, id)

    def _release(self, ids: list[int]) -> None:
        for id in ids:
            owner, amount, hold = self._reserved.pop(id)
            self._leave(self._held, hold)
            self._live[id] = (owner, amount)
            self._join(self._holdings, owner, amount, id)

    def _join(self, holdings: dict[str, _Holding], key: str, amount: int, id: int) -> None:
        holding = holdings.setdefault(key, _Holding())
        holding.count += 1
        heapq.heappush(holding.heap, (amount, id))

    def _leave(self, holdings: dict[str, _Holding], key: str) -> None:
        holding = holdings[key]
        holding.count -= 1
        if not holding.count:
            del holdings[key]
        elif len(holding.heap) > 2 * holding.count + 64:
            holding.heap = list({entry for entry in holding.heap if self._confirms(holdings, key, entry)})
            heapq.heapify(holding.heap)

    def _confirms(self, holdings: dict[str, _Holding], key: str, entry: tuple[int, int]) -> bool:
        if holdings is self._holdings:
            return self._live.get(entry[1]) == (key, entry[0])
        return self._reserved.get(entry[1], ("",))[1:] == (entry[0], key)
