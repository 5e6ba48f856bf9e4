"""The row table `lines`: what each movement did to each account, with what the account had after it, as `history` tells it.

What accounts have is in memory and follows from all movements before, so whoever begins in the middle works them out from the
first on, without their lines. Whoever goes on where the last call ended does not.
"""

from collections.abc import Iterator
from typing import Any

from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.rows.row_table import Rows, RowTable, last_position
from tallystick.infrastructure.rebuild.source import Source, movements_upto
from tallystick.projections.movements.lines import LINE_COLUMNS, Lines
from tallystick.projections.tables import Shape

LINES = Shape("lines", LINE_COLUMNS, ("token", "account", "position"))
VERSION = 1


def lines_table() -> RowTable:
    """The table, of which nothing is known yet."""
    return RowTable(LINES, VERSION, _LineRows().rows)


class _LineRows:
    """Reads rows, and remembers what everybody has where it ended."""

    def __init__(self) -> None:
        self._standing: tuple[Source, int, Lines] | None = None

    def rows(self, source: Source, after: int, upto: int, rounds: Rounds) -> Iterator[Rows]:
        """The lines behind a position and up to another."""
        begin, lines = self._taken_up(source, after)
        told = after
        for batch in rounds.following(movements_upto(source, upto, begin, lines.cells), last_position):
            for movements in _halves(batch):
                for rows in _pieces(lines.add(movements, after), lines.open_position, told):
                    yield rows
                    told = rows.upto
        rest = lines.rest(after)
        if rest is not None:
            yield Rows(rest, last_position(rest))
        self._standing = source, upto, lines

    def _taken_up(self, source: Source, after: int) -> tuple[int, Lines]:
        """From which position on movements are to be read, and what was known there."""
        standing, self._standing = self._standing, None
        if standing is not None and standing[0] is source and standing[1] == after:
            return standing[1:]
        return 0, Lines()


def _halves(movements: Any) -> Iterator[Any]:
    """They have up to twice as many lines."""
    half = (len(movements) + 1) // 2
    yield movements.slice(0, half)
    if half < len(movements):
        yield movements.slice(half)


def _pieces(lines: Any, open_position: int | None, told: int) -> Iterator[Rows]:
    """The lines of a distribution that has more to come by themselves: with them the table is no further than it was."""
    if lines is None:
        return
    whole = len(lines)
    if open_position is not None:
        whole = int(lines.column("position").to_numpy().searchsorted(open_position))
    if whole:
        told = lines.column("position")[whole - 1].as_py()
        yield Rows(lines.slice(0, whole), told)
    if whole < len(lines):
        yield Rows(lines.slice(whole), told)
