"""Since when something is so: the first commit of a journal behind which a predicate is true, found by halves.

A ledger as it stood is one behind a whole commit, so commits are what is searched. The predicate has to be false where the
search begins and true where it ends, which is asked first; where it turned true and false again in between, one of the commits
with which it turned true is found.
"""

from collections.abc import Callable
from datetime import datetime
from inspect import isawaitable, iscoroutine
from typing import Any, ClassVar

from tallystick.domain.errors import CorruptJournal, InvalidPosition, InvalidRequest
from tallystick.domain.values.result import Result
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.entry import Entry
from tallystick.infrastructure.ledger.reading.replays.beginning import check_reached
from tallystick.infrastructure.ledger.travel.moment import head_at
from tallystick.infrastructure.ledger.travel.view import View

Predicate = Callable[[View], object]
"""Asked of a ledger as it stood: false up to some commit, and true from it on."""


class Bisection(Result, frozen=True):
    """The first `position` as of which a predicate is true, where a commit ends: that of the `entries`, recorded at
    `recorded_at`. The predicate was called `calls` times.
    """

    position: int
    recorded_at: datetime
    entries: tuple[Entry, ...]
    calls: int

    _counted_in: ClassVar[str | None] = None


class Bisecting:
    """The search of one predicate."""

    def __init__(self, core: LedgerCore, predicate: Predicate) -> None:
        if not callable(predicate):
            raise InvalidRequest(f"what is asked of each moment is called with a View, which {predicate!r:.80} cannot be")
        self._core, self._predicate = core, predicate
        self.calls = 0

    def first(self, after: int, upto: int | None) -> JournalRow:
        """The first commit behind position `after` as of which it is true, up to `upto`."""
        journal = self._core.journal
        after = check_reached(journal, after)
        begin = self._begin(after)
        end = head_at(journal, journal.head().position if upto is None else check_reached(journal, upto), 0).position
        if end < begin.last_position:
            raise InvalidRequest(f"the search begins at position {begin.last_position} and would end before it, at {end}")
        if self._is_true(begin):
            raise InvalidRequest(
                f"it is true as of position {begin.last_position} already, where the search begins"
                + (": begin before it" if after else ", which is the first that there is")
            )
        found = self._row(end)
        if found.last_position == begin.last_position or not self._is_true(found):
            raise InvalidRequest(f"it is not true as of position {end}, where the search ends")
        low, high = begin.last_position + 1, found.first_position - 1
        while low <= high:
            middle = self._row((low + high) // 2)
            if self._is_true(middle):
                found, high = middle, middle.first_position - 1
            else:
                low = middle.last_position + 1
        return found

    def _begin(self, after: int) -> JournalRow:
        """The commit with which the ledger ended at a position; of 0 the first."""
        if not after:
            if not self._core.journal.head().position:
                raise InvalidPosition("nothing was recorded yet")
            return self._row(1)
        return self._row(head_at(self._core.journal, after, 0).position)

    def _row(self, position: int) -> JournalRow:
        row = self._core.journal.row_at(position)
        if row is None:
            raise CorruptJournal("no row holds it, and the journal goes on behind it", position=position)
        return row

    def _is_true(self, row: JournalRow) -> bool:
        self.calls += 1
        try:
            found: Any = self._predicate(View(self._core, row.head()))
        except Exception as error:
            error.add_note(f"asked as of position {row.last_position}")
            raise
        if isawaitable(found):
            if iscoroutine(found):
                found.close()
            raise InvalidRequest(
                "what is asked of each moment gives True or False, and is no coroutine: it reads a View at once"
            )
        return bool(found)
