"""Reading lines: from the oldest row on with a balance that grows, or from the newest back with one that is undone.

Nothing says where an account's rows are, so all are looked at, and few are taken apart. From the oldest on they are walked as
everybody walks the chain. From the newest back only commits of the token are looked at, in larger and larger pages, and what
the account has after each line follows from what it has now; so who wants the newest lines does not read the journal.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tallystick.domain.errors import CorruptJournal
from tallystick.domain.values.instant import from_microseconds
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, JournalRow
from tallystick.infrastructure.journal.port import PAGE_ROWS, SMALL, VERSION_MAX, Journal
from tallystick.infrastructure.ledger.reading.lines.cell import LinedCell
from tallystick.infrastructure.ledger.reading.lines.entries import EntryEvents, entries_of
from tallystick.infrastructure.ledger.reading.lines.request import LinesRequest
from tallystick.projections.lines import Change, Line, NextPage, Page, party


class Subject(NamedTuple):
    """Whose lines are read: of the cell that is asked for as `first` and `account`, which is counted in `token` and has so much
    at the position `head`.
    """

    first: str
    token: str
    account: str
    available: int
    reserved: int
    head: int


class TooFar(Exception):
    """The lines are further back than somebody wants to look for them so."""


class Read(NamedTuple):
    """An entry's lines, in the order that is asked for, and where one goes on behind it."""

    lines: Sequence[Line]
    next: NextPage


class LinesReader:
    """Reads a cell's lines."""

    def __init__(self, journal: Journal, cell: LinedCell, subject: Subject) -> None:
        self._journal = journal
        self._cell = cell
        self._subject = subject
        self._rows_left: int | None = None

    def page(self, request: LinesRequest, rows_back: int | None = None) -> Page:
        """The lines of whole entries until there are as many as the limit, and where the next page begins, if there is one.

        Of the newest first no more than so many commits are looked at, or it is `TooFar`.
        """
        self._rows_left = rows_back
        start = self._start_back(request) if request.newest_first else self._start_on(request)
        read = self._back(request, start) if request.newest_first else self._on(request, start)
        lines: list[Line] = []
        for entry in read:
            if not entry.lines:
                continue
            if request.limit is not None and len(lines) >= request.limit:
                return Page(lines, start)
            lines += entry.lines
            start = entry.next
            if request.limit is not None and len(lines) >= request.limit and self._must_go_on(request, start):
                return Page(lines, start)
        return Page(lines)

    def _must_go_on(self, request: LinesRequest, start: NextPage) -> bool:
        """Whether there is more behind a page by what the account has there: who has something got it before, and who will
        have something else changes it. Where that does not tell, the next line is looked for.
        """
        subject, there = self._subject, (start.available, start.reserved)
        if request.newest_first:
            return not request.after and request.since is None and there != (0, 0)
        return request.before is None and request.until is None and there != (subject.available, subject.reserved)

    # From the oldest on.

    def _start_on(self, request: LinesRequest) -> NextPage:
        """What the account has at the position above which lines are asked for: by what came before it or by what came since,
        whichever is less to read.
        """
        if request.start is not None:
            return request.start
        available, reserved, head = self._subject.available, self._subject.reserved, self._subject.head
        after = request.after
        if after >= head:
            return self._next(after, available, reserved)
        if after <= head // 2:
            available, reserved = self._sum(0, after)
        else:
            added, held = self._sum(after, head)
            available, reserved = available - added, reserved - held
        return self._next(after, available, reserved)

    def _sum(self, after: int, upto: int) -> tuple[int, int]:
        available = reserved = 0
        for row in self._rows(after, upto):
            if self._cell.may_be_in(row.body):
                for entry in entries_of(row):
                    for change in self._cell.changes(entry):
                        if after < change.position <= upto:
                            available += change.available
                            reserved += change.reserved
        return available, reserved

    def _on(self, request: LinesRequest, start: NextPage) -> Iterator[Read]:
        available, reserved = start.available, start.reserved
        for row in self._rows(start.position, self._subject.head):
            if request.ends_before(row):
                return
            if not self._cell.may_be_in(row.body):
                continue
            for entry in entries_of(row):
                lines: list[Line] = []
                for change in self._cell.changes(entry):
                    if change.position <= start.position:
                        continue
                    available += change.available
                    reserved += change.reserved
                    if request.is_within(change.position) and request.wants(entry, change):
                        lines.append(self._line(entry, change, available, reserved))
                yield Read(lines, self._next(entry.last_position, available, reserved))

    def _rows(self, after: int, upto: int) -> Iterator[JournalRow]:
        """The rows with a position above `after`, up to `upto`, each held against the one before."""
        head = EMPTY
        if after >= upto:
            return
        if after:
            first = self._row_at(after)
            yield first
            head = first.head()
        for row in rows_after(self._journal, head):
            if row.first_position > upto:
                return
            yield row

    # From the newest back.

    def _start_back(self, request: LinesRequest) -> NextPage:
        if request.start is not None:
            return request.start
        subject = self._subject
        return self._next(subject.head + 1, subject.available, subject.reserved, VERSION_MAX)

    def _back(self, request: LinesRequest, start: NextPage) -> Iterator[Read]:
        available, reserved = start.available, start.reserved
        for version, row in self._rows_back(request, start):
            for entry in reversed(list(entries_of(row))):
                if entry.first_position >= start.position:
                    continue
                lines: list[Line] = []
                for change in reversed(self._cell.changes(entry)):
                    if request.is_within(change.position) and request.wants(entry, change):
                        lines.append(self._line(entry, change, available, reserved))
                    available -= change.available
                    reserved -= change.reserved
                yield Read(lines, self._next(entry.first_position, available, reserved, version))

    def _rows_back(self, request: LinesRequest, start: NextPage) -> Iterator[tuple[int, JournalRow]]:
        """The rows below the start that may touch the cell, the newest first, and the last versions of the token's events in
        them; until one is met behind which nothing is asked for.
        """
        version = VERSION_MAX if start.version is None else start.version
        size = SMALL
        while parts := self._journal.stream_parts(self._subject.token, -1, version, size, descending=True):
            for part in parts:
                if part.last_position <= request.after:
                    return
                if part.first_position >= start.position or not (part.body is None or self._cell.may_be_in(part.body)):
                    continue
                row = self._row_at(part.first_position)
                if request.ends_behind(row):
                    return
                if part.body is not None or self._cell.may_be_in(row.body):
                    yield part.last_version, row
            if request.ends_behind(self._row_at(parts[-1].first_position)):
                return
            if self._rows_left is not None:
                self._rows_left -= len(parts)
                if self._rows_left < 0:
                    raise TooFar
            version = parts[-1].first_version - 1
            size = min(4 * size, PAGE_ROWS)

    def _row_at(self, position: int) -> JournalRow:
        row = self._journal.row_at(position)
        if row is None:
            raise CorruptJournal("no row holds it, and the journal goes on behind it", position=position)
        return row

    # Within.

    def _next(self, position: int, available: int, reserved: int, version: int | None = None) -> NextPage:
        return NextPage(self._subject.first, self._subject.account, position, available, reserved, version)

    def _line(self, entry: EntryEvents, change: Change, available: int, reserved: int) -> Line:
        position, transaction_id, kind, other, added, held, memo, hold, occurred_at, reference = change
        details = entry.details
        subject = self._subject
        return Line(
            position,
            entry.first_position,
            transaction_id,
            kind,
            subject.token,
            subject.account,
            party(other, subject.account),
            added,
            held,
            available,
            reserved,
            memo,
            details.reference if reference is None else reference,
            hold,
            from_microseconds(entry.recorded_at),
            from_microseconds(details.occurred_at if occurred_at is None else occurred_at),
        )
