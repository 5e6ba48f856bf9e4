"""Holds: money in escrow, taken from a payer and in the keeping of an authority.

Only open holds are kept, oldest first under each authority, and a heap orders those that fall due. What a change since the
last `forget` replaced is remembered, so that a commit which fails can be taken back.
"""

import heapq
from collections import Counter
from collections.abc import Iterator

import msgspec

from tallystick.domain.values.hold import Hold


class Holds:
    """All open holds."""

    def __init__(self) -> None:
        self._open: dict[str, Hold] = {}
        self._queues: dict[tuple[str, str], dict[str, None]] = {}
        self._due: list[tuple[int, int, str]] = []
        self.drawn: dict[str, Hold] = {}
        """What the holds were before they were drawn from since the last `forget`."""
        self._payers: Counter[str] = Counter()

    def freeze(self) -> list[Hold]:
        """All open holds, in no certain order."""
        return list(self._open.values())

    def get(self, hold: str) -> Hold | None:
        """The open hold of this id."""
        return self._open.get(hold)

    def of(self, token: str, authority: str) -> Iterator[Hold]:
        """The authority's open holds, oldest first."""
        for hold in self._queues.get((token, authority), ()):
            yield self._open[hold]

    def due(self, now: int, limit: int) -> list[Hold]:
        """Up to `limit` holds that are due, the longest due first."""
        found: list[tuple[int, int, str]] = []
        while self._due and self._due[0][0] <= now and len(found) < limit:
            entry = heapq.heappop(self._due)
            if entry[2] in self._open and (not found or found[-1] != entry):
                found.append(entry)
        for entry in found:
            heapq.heappush(self._due, entry)
        return [self._open[hold] for _, _, hold in found]

    def open(self, hold: Hold) -> None:
        """A new hold, the youngest of its authority."""
        self._open[hold.id] = hold
        self._payers[hold.payer] += 1
        self._queues.setdefault((hold.token, hold.authority), {})[hold.id] = None
        if hold.expires_at is not None:
            if len(self._due) > 2 * len(self._open) + 64:
                self._due = [entry for entry in self._due if entry[2] in self._open]
                heapq.heapify(self._due)
            heapq.heappush(self._due, (hold.expires_at, hold.position, hold.id))

    def has_payer(self, account: str) -> bool:
        """Whether the account has paid into an open hold."""
        return self._payers[account] > 0

    def draw(self, hold: str, amount: int) -> None:
        """`amount` leaves the hold; at nothing it is closed."""
        old = self._open[hold]
        self.drawn.setdefault(hold, old)
        if old.amount > amount:
            self._open[hold] = msgspec.structs.replace(old, amount=old.amount - amount)
        else:
            self.cancel(hold)

    def refill(self, hold: str, amount: int) -> None:
        """Takes a `draw` since the last `forget` back."""
        current = self._open.get(hold)
        if current is not None:
            self._open[hold] = msgspec.structs.replace(current, amount=current.amount + amount)
            return
        old = self.drawn[hold]
        self.open(msgspec.structs.replace(old, amount=amount))
        queue = self._queues[old.token, old.authority]
        for younger in sorted(queue, key=lambda other: self._open[other].position):
            queue[younger] = queue.pop(younger)

    def cancel(self, hold: str) -> None:
        """The hold is no more."""
        old = self._open.pop(hold)
        self._payers[old.payer] -= 1
        if not self._payers[old.payer]:
            del self._payers[old.payer]
        queue = self._queues[old.token, old.authority]
        del queue[hold]
        if not queue:
            del self._queues[old.token, old.authority]

    def forget(self) -> None:
        """What was applied so far is durable and will not be taken back."""
        self.drawn.clear()
