"""Reversals: which movements were taken back, how much of each, and by which.

Only movements of which something was taken back are kept. What was added since the last `forget` is remembered in its order, so
that a commit which fails can be taken back, and so that whoever records a commit knows what to say of it.
"""

from collections.abc import Iterable, Sequence

from tallystick.domain.values.reversal import Reversal


class Reversals:
    """All that was taken back, by the movement of which it was."""

    def __init__(self, kept: Iterable[Reversal] = ()) -> None:
        self._amounts: dict[int, int] = {}
        self._by: dict[int, list[Reversal]] = {}
        self.recent: list[Reversal] = []
        """Those added since the last `forget`."""
        for reversal in kept:
            self.add(reversal)
        self.recent.clear()

    def add(self, reversal: Reversal) -> None:
        """Some more of a movement was taken back."""
        id = reversal.reverses
        self._amounts[id] = self._amounts.get(id, 0) + reversal.amount
        self._by.setdefault(id, []).append(reversal)
        self.recent.append(reversal)

    def amount_of(self, id: int) -> int:
        """How much of the movement was taken back."""
        return self._amounts.get(id, 0)

    def of(self, id: int) -> Sequence[Reversal]:
        """What took the movement back, oldest first."""
        return self._by.get(id, ())

    def go_back(self, count: int) -> None:
        """Undoes all recent ones but the first `count`."""
        while len(self.recent) > count:
            reversal = self.recent.pop()
            id = reversal.reverses
            self._amounts[id] -= reversal.amount
            self._by[id].pop()
            if not self._by[id]:
                del self._amounts[id], self._by[id]

    def forget(self) -> None:
        """What was added so far is durable and will not be taken back."""
        self.recent.clear()

    def freeze(self) -> list[Reversal]:
        """All of them, in the order of their positions."""
        return sorted(reversal for reversals in self._by.values() for reversal in reversals)
