"""Whether a history is linearizable: could all of it have happened one after another, each thing between its begin and end?

The journal says in which order the transfers happened, so that nothing has to be searched for: what is left is whether that
order agrees with the clock, and whether each read can be given a place between two rows, after all that was acknowledged before
it began, before all that began after it ended, and not before a read that ended before it began. Places are chosen as early as
they may be, which is right if anything is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate

from tests.torture.findings import Kind
from tests.torture.history.operations import FUNDS, History, Movement, Read, Row, Transfer

Find = Callable[[Kind, str], object]
"""Takes what is found."""


def check(history: History, rows: list[Row], resolved: dict[str, int | None], find: Find) -> None:
    """Gives `find` all that is wrong. `resolved` has of each key the entry that the ledger names for it, or None."""
    transfers = [operation for operation in history if isinstance(operation, Transfer)]
    reads = [operation for operation in history if isinstance(operation, Read)]
    order = _Order(rows)
    standing = _match(transfers, order, resolved, find)
    clock = _Clock([(transfer, order.row_of[entry]) for transfer, entry in standing], len(rows))
    for transfer, entry in standing:
        if transfer.answer == "done" and clock.earliest(transfer.begin) > order.row_of[entry]:
            find("stale", f"{transfer.key} stands before one that was acknowledged before it began")
        if transfer.told is not None and transfer.told != order.before(entry)[transfer.sender]:
            find("stale", f"{transfer.key} was told {transfer.told}, and there were {order.before(entry)[transfer.sender]}")
    for transfer in transfers:
        if transfer.answer == "refused":
            moments = order.moments(clock.earliest(transfer.begin), clock.latest(transfer.end))
            if all(balances[transfer.sender] >= transfer.amount for balances in moments):
                find("stale", f"{transfer.key} was refused, and {transfer.sender} had {transfer.amount} all the time")
    _place_reads(reads, order, clock, find)


class _Order:
    """The balances after each row and after each movement."""

    def __init__(self, rows: list[Row]) -> None:
        self.movements: dict[int, Movement] = {}
        self.row_of: dict[int, int] = {}
        """The number of a movement's row, from 1: 0 is before all of them."""
        self.last_positions = [0, *(row.last_position for row in rows)]
        self.after_rows = [dict(FUNDS)]
        self._after: list[dict[str, int]] = [dict(FUNDS)]
        self._ends = [1]
        self._places: dict[int, int] = {}
        for number, row in enumerate(rows, 1):
            for movement in row.movements:
                balances = dict(self._after[-1])
                balances[movement.sender] -= movement.amount
                balances[movement.receiver] += movement.amount
                self._places[movement.position] = len(self._after)
                self._after.append(balances)
                self.movements[movement.position], self.row_of[movement.position] = movement, number
            self.after_rows.append(self._after[-1])
            self._ends.append(len(self._after))

    def before(self, position: int) -> dict[str, int]:
        """The balances just before a movement."""
        return self._after[self._places[position] - 1]

    def moments(self, first: int, last: int) -> list[dict[str, int]]:
        """All balances that there were from the end of one row to that of another."""
        return self._after[self._ends[first] - 1 : self._ends[last]]


class _Clock:
    """What real time says of the order: which rows are before a moment for sure, and which after it."""

    def __init__(self, standing: list[tuple[Transfer, int]], rows: int) -> None:
        ended = sorted((transfer.end, row) for transfer, row in standing if transfer.answer == "done")
        begun = sorted((transfer.begin, row) for transfer, row in standing)
        self._ends = [end for end, _ in ended]
        self._rows_ended = [0, *accumulate((row for _, row in ended), max)]
        self._begins = [begin for begin, _ in begun]
        self._rows_begun = [*accumulate((row for _, row in reversed(begun)), min, initial=rows + 1)][::-1]

    def earliest(self, begin: int) -> int:
        """The last row that had been acknowledged, with all or a part of it, before this moment."""
        return self._rows_ended[bisect_left(self._ends, begin)]

    def latest(self, end: int) -> int:
        """The last row before the first that has something which began only after this moment."""
        return self._rows_begun[bisect_right(self._begins, end)] - 1


def _match(
    transfers: Iterable[Transfer], order: _Order, resolved: dict[str, int | None], find: Find
) -> list[tuple[Transfer, int]]:
    """The transfers that stand, each with its entry; what is lost, doubled, half there or nobody's is found."""
    standing: list[tuple[Transfer, int]] = []
    nobodys = dict(order.movements)
    for transfer in transfers:
        entry = resolved.get(transfer.key)
        if transfer.answer == "done" and entry != transfer.entry:
            find("lost", f"{transfer.key} was acknowledged as {transfer.entry}, and the ledger says {entry}")
        if entry is None:
            continue
        movement = nobodys.pop(entry, None)
        if movement is None:
            find("lost", f"{transfer.key} is said to stand at {entry}, and the journal has no movement there, or another's")
            continue
        if (movement.sender, movement.receiver, movement.amount) != (transfer.sender, transfer.receiver, transfer.amount):
            find("partial", f"{transfer.key} stands as {movement}, and was asked for as {transfer}")
        if transfer.answer == "refused":
            find("wrong", f"{transfer.key} was refused, and stands at {entry}")
        if transfer.answer == "done" and order.last_positions[order.row_of[entry]] != transfer.position:
            find("wrong", f"{transfer.key} was acknowledged at {transfer.position}, and its row ends elsewhere")
        standing.append((transfer, entry))
    for movement in nobodys.values():
        find("wrong", f"nobody asked for {movement}, or it stands twice")
    return standing


def _place_reads(reads: list[Read], order: _Order, clock: _Clock, find: Find) -> None:
    """Gives each read the earliest place that it may have, in the order in which they began."""
    by_end = sorted(reads, key=lambda read: read.end)
    place_of: dict[int, int] = {}
    passed, floor, seen = 0, 0, reads[0] if reads else None
    for read in sorted(reads, key=lambda read: read.begin):
        while by_end[passed].end < read.begin:
            if place_of.get(id(by_end[passed]), 0) > floor:
                floor, seen = place_of[id(by_end[passed])], by_end[passed]
            passed += 1
        acknowledged, last = clock.earliest(read.begin), clock.latest(read.end)
        first = max(floor, acknowledged)
        fits = [row for row in range(first, last + 1) if _agrees(order.after_rows[row], read)]
        if fits:
            place_of[id(read)] = fits[0]
            continue
        once = [row for row, balances in enumerate(order.after_rows) if _agrees(balances, read)]
        if once:
            why = f"row {acknowledged} was acknowledged" if first == acknowledged else f"{seen} had seen row {floor}"
            find("stale", f"{read} is how it was after rows {once[:3]}, when {why}, and before row {last + 1}")
        else:
            find("partial", f"{read} is how it never was")


def _agrees(balances: dict[str, int], read: Read) -> bool:
    return all(balances[account] == amount for account, amount in read.balances.items())
