"""The past of one cell, out of the past index: which commits touched it, what it had then, and when that occurred."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE
from tallystick.domain.values.instant import DAY
from tallystick.infrastructure.indexes.past.cells import AVAILABLE, CIRCULATING, HELD, Cells
from tallystick.infrastructure.indexes.past.past_index import NoIndex, PastIndex
from tallystick.infrastructure.journal.in_time import head_by
from tallystick.infrastructure.journal.port import Journal


class Having(NamedTuple):
    """What a cell has: to spend, and for others."""

    available: int
    reserved: int


class Times(NamedTuple):
    """From when on and before when, in microseconds; None is without end."""

    since: int | None
    until: int | None


class CellPast:
    """The past of the cell `name` of a token up to the position `head`. All raise `NoIndex`."""

    def __init__(self, journal: Journal, index: PastIndex, token: str, name: str, head: int) -> None:
        following = index.reach(head)
        self._journal = journal
        self._index = index
        self._head = head
        state: TokenState = following.books.token_state(token)
        number = following.tokens[token]
        self._most = state.token.max_supply if name == TOTAL_SUPPLY_RESERVE else None
        if self._most is not None:
            self._cells: tuple[int, ...] = (Cells.of(number, CIRCULATING).first,)
        else:
            handle = state.handle_of(name)
            self._cells = () if handle is None else tuple(Cells.of(number, part).cell(handle) for part in (AVAILABLE, HELD))

    def at(self, position: int) -> Having:
        """What the cell had at the end of the last commit that is not after a position."""
        found = [self._index.value(cell, position) for cell in self._cells] if position > 0 else []
        if self._most is not None:
            return Having(self._most - found[0], 0) if found and found[0] is not None else Having(0, 0)
        return Having(found[0] or 0, found[1] or 0) if found else Having(0, 0)

    def touched(self, after: int, upto: int) -> Iterator[int]:
        """Where the commits end that touched it, above a position and up to another, in order."""
        return self._index.touched(self._cells, after, upto)

    def touched_back(self, after: int, upto: int) -> Iterator[int]:
        """The same, the newest first."""
        return self._index.touched_back(self._cells, after, upto)

    def by(self, instant: int) -> int:
        """Where the newest commit ends that was recorded by a time, 0 before the first."""
        return min(head_by(self._journal, instant).position, self._head)

    def recorded(self, times: Times) -> tuple[int, int]:
        """Above which position, and up to which, commits end that were recorded in this time."""
        after = 0 if times.since is None else self.by(times.since - 1)
        return after, self._head if times.until is None else self.by(times.until - 1)

    def may_have_occurred(self, times: Times) -> tuple[int, Callable[[int], bool]]:
        """Above which position all commits end of which something may have occurred in this time, and for each whether it may:
        it was recorded in it and says nothing of time, or says a time that is in it.
        """
        after, upto = self.recorded(times)

        def may_have(position: int) -> bool:
            said = self._index.occurred_at(position)
            if said is None:
                return after < position <= upto
            first, last = said
            return (times.since is None or last >= times.since) and (times.until is None or first < times.until)

        return 0 if times.since is None else self.by(times.since - DAY - 1), may_have

    def disagrees(self, position: int) -> NoIndex:
        """The journal says that the cell had something else at a position; the index is begun anew."""
        return self._index.distrust(f"what a cell had at position {position} is not what the journal says")
