"""Reading lines with the past index, which says which commits touched the cell and what it had: no other row is read.

Where commits are passed over, because nothing is asked for in them, what the cell had behind them is asked of the index. What
it says is held against what the rows do: an index that says something else is begun anew, and the journal is read instead.
"""

from collections.abc import Callable, Iterable, Iterator

from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import VERSION_MAX, Journal
from tallystick.infrastructure.ledger.reading.lines.cell import LinedCell
from tallystick.infrastructure.ledger.reading.lines.cell_past import CellPast, Having, Times
from tallystick.infrastructure.ledger.reading.lines.entries import EntryEvents, entries_of
from tallystick.infrastructure.ledger.reading.lines.reading import LinesReader, Read, Subject
from tallystick.infrastructure.ledger.reading.lines.request import LinesRequest
from tallystick.projections.lines import Change, Line, NextPage

CHECKED_EVERY = 16
"""One of so many rows that follow one another is held against the index."""


class PastLinesReader(LinesReader):
    """Reads a cell's lines by its past."""

    def __init__(self, journal: Journal, cell: LinedCell, subject: Subject, past: CellPast) -> None:
        super().__init__(journal, cell, subject)
        self._past = past

    def had_occurred_before(self, instant: int) -> Having:
        """What the cell had by what occurred before a time, whenever that was recorded. Raises `NoIndex`."""
        upto = self._past.by(instant - 1)
        available, reserved = self._past.at(upto)
        begin, may_have = self._past.may_have_occurred(Times(instant, None))
        for change in self._changes(position for position in self._past.touched(begin, upto) if may_have(position)):
            if change[1] >= instant:
                available, reserved = available - change[0].available, reserved - change[0].reserved
        _, may_have = self._past.may_have_occurred(Times(None, instant))
        for change in self._changes(
            position for position in self._past.touched(upto, self._subject.head) if may_have(position)
        ):
            if change[1] < instant:
                available, reserved = available + change[0].available, reserved + change[0].reserved
        return Having(available, reserved)

    def _changes(self, positions: Iterable[int]) -> Iterator[tuple[Change, int]]:
        """The changes of the cell in these rows, and when each occurred."""
        for position in positions:
            for entry in entries_of(self._row_at(position)):
                for change in self._cell.changes(entry):
                    yield change, entry.details.occurred_at if change.occurred_at is None else change.occurred_at

    # From the oldest on.

    def _start_on(self, request: LinesRequest) -> NextPage:
        after = min(request.after, self._subject.head)
        return self._next(after, *self._past.at(after)) if request.start is None else request.start

    def _on(self, request: LinesRequest, start: NextPage) -> Iterator[Read]:
        after, upto, is_wanted = self._span(request)
        having: Having | None = None
        for number, position in enumerate(self._past.touched(max(after, start.position), upto)):
            if not is_wanted(position):
                having = None
                continue
            row = self._row_at(position)
            is_checked = having is None or not number % CHECKED_EVERY
            having = self._past.at(row.first_position - 1) if having is None else having
            for entry in entries_of(row):
                lines, having = self._lines_on(request, entry, having, start.position)
                if entry.last_position > start.position:
                    yield Read(lines, self._next(entry.last_position, *having))
            if is_checked:
                self._check(having, row.last_position)

    def _lines_on(self, request: LinesRequest, entry: EntryEvents, having: Having, after: int) -> tuple[list[Line], Having]:
        """The lines of an entry above a position, and what the cell has after it."""
        lines: list[Line] = []
        available, reserved = having
        for change in self._cell.changes(entry):
            available, reserved = available + change.available, reserved + change.reserved
            if change.position > after and request.is_within(change.position) and request.wants(entry, change):
                lines.append(self._line(entry, change, available, reserved))
        return lines, Having(available, reserved)

    # From the newest back.

    def _start_back(self, request: LinesRequest) -> NextPage:
        subject = self._subject
        newest = self._next(subject.head + 1, subject.available, subject.reserved, VERSION_MAX)
        return newest if request.start is None else request.start

    def _back(self, request: LinesRequest, start: NextPage) -> Iterator[Read]:
        after, upto, is_wanted = self._span(request)
        version = VERSION_MAX if start.version is None else start.version
        having: Having | None = None
        for number, position in enumerate(self._past.touched_back(after, upto)):
            if not is_wanted(position):
                having = None
                continue
            row = self._row_at(position)
            is_checked = having is None or not number % CHECKED_EVERY
            having = self._past.at(row.last_position) if having is None else having
            for entry in reversed(list(entries_of(row))):
                lines, having = self._lines_back(request, entry, having)
                if entry.first_position < start.position:
                    yield Read(lines, self._next(entry.first_position, *having, version))
            if is_checked:
                self._check(having, row.first_position - 1)

    def _lines_back(self, request: LinesRequest, entry: EntryEvents, having: Having) -> tuple[list[Line], Having]:
        """The lines of an entry, the newest first, and what the cell had before it."""
        lines: list[Line] = []
        available, reserved = having
        for change in reversed(self._cell.changes(entry)):
            if request.is_within(change.position) and request.wants(entry, change):
                lines.append(self._line(entry, change, available, reserved))
            available, reserved = available - change.available, reserved - change.reserved
        return lines, Having(available, reserved)

    # Within.

    def _span(self, request: LinesRequest) -> tuple[int, int, Callable[[int], bool]]:
        """Above which position, and up to which, commits end in which something that is asked for may be; and for each whether
        it may be in it.
        """
        times = Times(request.since, request.until)
        is_wanted: Callable[[int], bool] = _is_always_wanted
        after, upto = 0, self._subject.head
        if request.by_occurred:
            if times != (None, None):
                after, is_wanted = self._past.may_have_occurred(times)
        else:
            after, upto = self._past.recorded(times)
        if request.before is not None and request.before <= upto:
            row: JournalRow | None = self._row_at(request.before - 1) if request.before > 1 else None
            upto = 0 if row is None else min(upto, row.last_position)
        return max(after, request.after), upto, is_wanted

    def _check(self, having: Having, position: int) -> None:
        if self._past.at(position) != having:
            raise self._past.disagrees(position)


def _is_always_wanted(position: int) -> bool:
    return True
