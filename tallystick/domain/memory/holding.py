"""A holding: the fragments of one owner, or of one hold, in the order in which they are chosen.

There may be millions of fragments, so one is a single integer here: its amount, its id and its owner's handle side by side,
so that the smallest integer is the fragment to spend first. A holding is a heap of them. A dictionary says which of them
still stand; an entry of the heap that it does not confirm is stale, and is passed over when it comes up.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

OWNER_BITS = 32
OWNER_MASK = 2**OWNER_BITS - 1
ID_MASK = 2**64 - 1
AMOUNT_SHIFT = 64 + OWNER_BITS

RUN_MAX = 1000
"""A fragment's id is its event's position times this and a number below it, so a run of them is no longer."""

_BLOCK = 1 << 15
_NARROW = np.dtype([("owner", "<u4"), ("id", "<u8"), ("amount", "<u8")])


class PlainFragment(NamedTuple):
    """A fragment unpacked: its id, its amount in smallest units, and its owner's handle."""

    id: int
    amount: int
    owner: int


class Piece(NamedTuple):
    """`size` fragments with ids from `first` on, each of `amount`, whose owner has this handle, and the hold they lie under."""

    first: int
    size: int
    amount: int
    owner: int
    hold: str | None


class FragmentRows(NamedTuple):
    """Fragments unpacked, as columns; the amounts are a list where one is wider than 64 bits."""

    ids: NDArray[np.uint64]
    amounts: NDArray[np.uint64] | list[int]
    owners: NDArray[np.uint32]


def packed(id: int, amount: int, owner: int) -> int:
    """A fragment as one integer."""
    return amount << AMOUNT_SHIFT | id << OWNER_BITS | owner


def unpacked(fragment: int) -> PlainFragment:
    """The fragment again."""
    return PlainFragment(fragment >> OWNER_BITS & ID_MASK, fragment >> AMOUNT_SHIFT, fragment & OWNER_MASK)


def rows_of(fragments: Sequence[int]) -> FragmentRows:
    """Many of them."""
    try:
        parts = [
            np.frombuffer(b"".join([each.to_bytes(20, "little") for each in fragments[start : start + _BLOCK]]), _NARROW)
            for start in range(0, len(fragments), _BLOCK)
        ]
    except OverflowError:
        ids = np.array([fragment >> OWNER_BITS & ID_MASK for fragment in fragments], dtype=np.uint64)
        owners = np.array([fragment & OWNER_MASK for fragment in fragments], dtype=np.uint32)
        return FragmentRows(ids, [fragment >> AMOUNT_SHIFT for fragment in fragments], owners)
    joined: Any = np.concatenate([np.empty(0, dtype=_NARROW), *parts])
    return FragmentRows(joined["id"], joined["amount"], joined["owner"])


class Holding:
    """The heap of one owner's live fragments, or of one hold's, how many of it are stale, and the ones that are not.

    Of an owner's that are the first of a run, `following` is how many others are in those, all runs together.
    """

    __slots__ = ("confirmed", "following", "heap", "index", "stale")

    def __init__(self, confirmed: dict[int, int], index: int = 0) -> None:
        self.confirmed = confirmed
        self.index = index
        self.heap: list[int] = []
        self.stale = 0
        self.following = 0

    def take(self) -> int:
        """Takes the smallest confirmed fragment out of the heap, and with it what is stale and in its way."""
        while True:
            fragment = heappop(self.heap)
            if self.confirmed.get(fragment >> OWNER_BITS & ID_MASK) is fragment:
                while self.heap and self.heap[0] == fragment:  # its like, from before it was released, or made once more
                    heappop(self.heap)
                    self.stale -= 1
                return fragment
            self.stale -= 1

    def leave(self) -> None:
        """One fragment of the heap is stale from here on; a heap that is mostly stale is swept."""
        self.stale += 1
        if self.stale > len(self.heap) // 2 + 32:
            self.heap = sorted({f for f in self.heap if self.confirmed.get(f >> OWNER_BITS & ID_MASK) is f})
            self.stale = 0

    def give_back(self, fragments: list[int]) -> None:
        """Puts those back that were taken, until an event says what became of them."""
        for fragment in fragments:
            heappush(self.heap, fragment)
