"""Holds: money in escrow, taken from a payer and in the keeping of an authority.

Only open holds are kept. They stand oldest first under each authority and token, in any order under each payer, and a heap
orders those that fall due; so whoever asks for some of them does not go through all. What a change since the last `forget`
replaced is remembered, so that a commit which fails can be taken back.
"""

import heapq
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter

import msgspec

from tallystick.domain.values.hold import OpenHold

_NONE: dict[str, None] = {}


class Holds:
    """All open holds."""

    def __init__(self) -> None:
        self._open: dict[str, OpenHold] = {}
        self._queues: dict[str, dict[str, dict[str, None]]] = {}  # by authority and token
        self._payers: dict[str, dict[str, None]] = {}
        self._due: list[tuple[int, int, str]] = []
        self.drawn: dict[str, OpenHold] = {}
        """What the holds were before they were drawn from since the last `forget`."""

    def freeze(self) -> list[OpenHold]:
        """All open holds, in no certain order."""
        return list(self._open.values())

    # Asking.

    def get(self, hold: str) -> OpenHold | None:
        """The open hold of this id."""
        return self._open.get(hold)

    def of(self, token: str, authority: str) -> Iterator[OpenHold]:
        """The authority's open holds in a token, oldest first."""
        for hold in self._queue(token, authority):
            yield self._open[hold]

    def has_payer(self, account: str) -> bool:
        """Whether the account has paid into an open hold."""
        return account in self._payers

    def due(self, now: int, limit: int) -> list[OpenHold]:
        """Up to `limit` holds that are due, the longest due first."""
        found: list[tuple[int, int, str]] = []
        while self._due and self._due[0][0] <= now and len(found) < limit:
            entry = heapq.heappop(self._due)
            if entry[2] in self._open and (not found or found[-1] != entry):
                found.append(entry)
        for entry in found:
            heapq.heappush(self._due, entry)
        return [self._open[hold] for _, _, hold in found]

    def found(self, token: str | None, authority: str | None, payer: str | None, due_before: int | None) -> Sequence[OpenHold]:
        """The open holds of this token, authority and payer that fall due before then, oldest first; None is any.

        It goes through the holds of the authority or of the payer, whichever has fewer, where one is named; else through those
        that fall due, where that is asked; else through all.
        """
        ways: list[Collection[str]] = []
        if authority is not None:
            ways.append(self._kept_by(authority) if token is None else self._queue(token, authority))
        if payer is not None:
            ways.append(self._payers.get(payer, _NONE))
        if not ways:
            ways.append(self._open if due_before is None else self._due_before(due_before))
        holds = map(self._open.__getitem__, min(ways, key=len))
        kept = [
            hold
            for hold in holds
            if (token is None or hold.token == token)
            and (authority is None or hold.authority == authority)
            and (payer is None or hold.payer == payer)
            and (due_before is None or (hold.expires_at is not None and hold.expires_at < due_before))
        ]
        kept.sort(key=attrgetter("position"))
        return kept

    def _queue(self, token: str, authority: str) -> dict[str, None]:
        queues = self._queues.get(authority)
        return _NONE if queues is None else queues.get(token, _NONE)

    def _kept_by(self, authority: str) -> list[str]:
        return [hold for queue in self._queues.get(authority, {}).values() for hold in queue]

    def _due_before(self, time: int) -> set[str]:
        """The open holds that fall due before then: what lies below an entry of a heap comes after it."""
        found: set[str] = set()
        places = [0]
        while places:
            place = places.pop()
            if place < len(self._due) and self._due[place][0] < time:
                hold = self._due[place][2]
                if hold in self._open:
                    found.add(hold)
                places += (2 * place + 1, 2 * place + 2)
        return found

    # Changing.

    def open(self, hold: OpenHold) -> None:
        """A new hold, the youngest of its authority."""
        id = hold.id
        self._open[id] = hold
        queues = self._queues.get(hold.authority)
        if queues is None:
            self._queues[hold.authority] = {hold.token: {id: None}}
        else:
            queues.setdefault(hold.token, {})[id] = None
        paid = self._payers.get(hold.payer)
        if paid is None:
            self._payers[hold.payer] = {id: None}
        else:
            paid[id] = None
        if hold.expires_at is not None:
            if len(self._due) > 2 * len(self._open) + 64:
                self._due = [entry for entry in self._due if entry[2] in self._open]
                heapq.heapify(self._due)
            heapq.heappush(self._due, (hold.expires_at, hold.position, hold.id))

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
        queue = self._queue(old.token, old.authority)
        for younger in sorted(queue, key=lambda other: self._open[other].position):
            queue[younger] = queue.pop(younger)

    def cancel(self, hold: str) -> None:
        """The hold is no more."""
        old = self._open.pop(hold)
        queues = self._queues[old.authority]
        queue = queues[old.token]
        del queue[hold]
        if not queue:
            del queues[old.token]
            if not queues:
                del self._queues[old.authority]
        paid = self._payers[old.payer]
        del paid[hold]
        if not paid:
            del self._payers[old.payer]

    def forget(self) -> None:
        """What was applied so far is durable and will not be taken back."""
        self.drawn.clear()
