"""A holding: the fragments of one owner, or of one hold, in the order in which they are chosen.

There may be millions of fragments, so one is a single integer here: its amount, its id and its owner's index side by side,
so that the smallest integer is the fragment to spend first. A holding is a heap of them. A dictionary says which of them
still stand; an entry of the heap that it does not confirm is stale, and is passed over when it comes up.
"""

from heapq import heappop, heappush

OWNER_BITS = 32
OWNER_MASK = 2**OWNER_BITS - 1
ID_MASK = 2**64 - 1
AMOUNT_SHIFT = 64 + OWNER_BITS


class Holding:
    """The heap of one owner's live fragments, or of one hold's, how many of it are stale, and the ones that are not."""

    __slots__ = ("confirmed", "heap", "index", "stale")

    def __init__(self, confirmed: dict[int, int], index: int = 0) -> None:
        self.confirmed = confirmed
        self.index = index
        self.heap: list[int] = []
        self.stale = 0

    def take(self) -> int:
        """Takes the smallest confirmed fragment out of the heap, and with it what is stale and in its way."""
        while True:
            fragment = heappop(self.heap)
            if self.confirmed.get(fragment >> OWNER_BITS & ID_MASK) is fragment:
                while self.heap and self.heap[0] is fragment:  # its like, from before it was reserved and released
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

    def choose(self, amount: int) -> list[int]:
        """The smallest fragments that cover `amount`; they stay in the heap until an event says what became of them."""
        chosen: list[int] = []
        while amount > 0:
            chosen.append(self.take())
            amount -= chosen[-1] >> AMOUNT_SHIFT
        self._give_back(chosen)
        return chosen

    def two_smallest(self) -> int:
        """The sum of the two smallest fragments."""
        chosen = [self.take(), self.take()]
        self._give_back(chosen)
        return sum(fragment >> AMOUNT_SHIFT for fragment in chosen)

    def _give_back(self, fragments: list[int]) -> None:
        for fragment in fragments:
            heappush(self.heap, fragment)
