"""Replay scripts: those calls of a ledger that compare, and search, what a replay of its journal gives."""

from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from tallystick.domain.batch.batch import numbered
from tallystick.domain.errors import InvalidRequest, RebuildDiffers
from tallystick.domain.integers import as_int
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Result
from tallystick.infrastructure.journal.details import first_positions, place_in
from tallystick.infrastructure.journal.format import JournalRow, decode_events
from tallystick.infrastructure.ledger.comparing.bisecting import Bisecting, Bisection, Predicate
from tallystick.infrastructure.ledger.comparing.checking import (
    DIFFERENCES_SHOWN,
    ReplayCheck,
    checked_with_ledger,
    first_of,
)
from tallystick.infrastructure.ledger.comparing.parting import EVERY, Pair, Parting
from tallystick.infrastructure.ledger.comparing.states import StateDifference, differences
from tallystick.infrastructure.ledger.reading.entries import Entries
from tallystick.infrastructure.ledger.reading.entry import Entry
from tallystick.infrastructure.ledger.reading.replays.beginning import check_reached
from tallystick.infrastructure.ledger.rebuilding import Rebuilding
from tallystick.infrastructure.rebuild.differing import differing_rows
from tallystick.infrastructure.rebuild.given import Given, projection_of
from tallystick.infrastructure.rebuild.selection import NAMES, SHIPPED
from tallystick.infrastructure.rebuild.standing import what_stands_at
from tallystick.projections.transactions import Transactions


class ReplayDifference(Result, frozen=True):
    """The `position` behind which the states of two projections differ, and before which they agreed, with the first
    `differences`: the first is the old one's, the second the new one's.

    `event` is the type of the event there, `entry` the entry, recorded at `recorded_at`; all three are None where position is
    0, for they differ before the first event.
    """

    position: int
    event: str | None
    recorded_at: datetime | None
    entry: Entry | None
    differences: tuple[StateDifference, ...]

    _counted_in: ClassVar[str | None] = None


class ReplayScripts(Rebuilding):
    """Those calls."""

    def check_replay(self, projection: Given, against: str | Path, upto: int | None = None) -> ReplayCheck:
        """Replays a projection, and compares it with what stands elsewhere: in another ledger, or in tables.

        `projection`: the name of one that comes with the package, "module:Class", a class, or one that was given no events yet.
        `against` is the address of another ledger, as a copy, a replica or an import, whose projection is worked out up to
        where the shorter of both ends, or `upto` before that; or of tables that `rebuild` has put in use, which are compared as
        of their own position, as `check_rebuilt` does. Nothing is made or changed at an address where neither is.

        Raises `InvalidRequest`, `InvalidURL`, `InvalidPosition`, `NotALedger` where something else stands there,
        `CorruptJournal`, and errors of storage, also where nothing does.
        """
        core = self._core
        core.check_open()
        name = projection if isinstance(projection, str) else projection_of(projection).name
        if what_stands_at(against) == "ledger":
            return checked_with_ledger(core.journal, name, projection_of(_projection_in(projection)), against, upto)
        if upto is not None:
            raise InvalidRequest("tables are compared as of the position up to which they were built, and no other")
        return self._checked_with_tables(name, _table_of(projection), against)

    def _checked_with_tables(self, name: str, given: Given, against: str | Path) -> ReplayCheck:
        try:
            (checked, *_) = self.check_rebuilt(deepcopy(given), against)
        except RebuildDiffers as error:
            upto, rows = differing_rows(self._source(), given, against, error.table, DIFFERENCES_SHOWN)
            found = [
                StateDifference(row.where, row.gives, row.stands, row.gives is not None, row.stands is not None) for row in rows
            ]
            return ReplayCheck(False, name, upto, "tables", None, None, str(error), tuple(found))
        return ReplayCheck(True, name, checked.position, "tables", None, None, "", ())

    def replay_diff(self, old: Given, new: Given, *, every: int = EVERY, upto: int | None = None) -> ReplayDifference | None:
        """The first position at which the states of two projections part, replayed side by side; None where they do not.

        Each is the name of one that comes with the package, "module:Class", a class, or a projection that was given no events
        yet. States are compared exactly, names and versions not at all. They are compared at the end of a commit `every` so
        many positions, and between two comparisons the position is searched by halves; so where they differ and agree again
        between two of them that is not seen, and where it happens before the position that is found it is not the first. With
        `every` 1 all positions are compared. Where one of them has `apply_entry`, both are compared where entries end.
        There are up to two copies of each in memory. Raises `InvalidRequest`, `InvalidPosition`, `CorruptJournal`, and what the
        projections raise.
        """
        core = self._core
        core.check_open()
        span = as_int(every)
        if span is None or span < 1:
            raise InvalidRequest(f"states are compared every so many positions, an int of 1 or more, not {every!r}")
        journal = core.journal
        end = journal.head().position if upto is None else check_reached(journal, upto)
        pair = Pair(projection_of(old), projection_of(new))
        if pair.old is pair.new:
            raise InvalidRequest("one projection cannot be compared with itself: give its class, or two of it")
        found = Parting(journal, pair, end, span).find()
        if found is None:
            return None
        first = first_of(differences(found.pair.old.state, found.pair.new.state))
        row = journal.row_at(found.position) if found.position else None
        if row is None:
            return ReplayDifference(found.position, None, None, None, first)
        entry = Entries(core).entry(place_in(row, found.position).positions.start)
        event, recorded_at = _event_at(row, found.position), from_microseconds(row.recorded_at)
        return ReplayDifference(found.position, event, recorded_at, entry, first)

    def bisect(self, predicate: Predicate, after: int = 0, upto: int | None = None) -> Bisection:
        """The first commit behind position `after`, up to `upto`, as of which `predicate(view)` is true, found by halves.

        It is given the ledger as it stood, as `as_of` gives it, and has to be false where the search begins, as of `after` or
        of the first commit, and true where it ends; both are asked first. So it is called no more often than the logarithm to
        the base 2 of the number of positions, and twice. What it raises is raised, with a note of the position. Raises
        `InvalidRequest` where it is not false at the beginning or not true at the end, and `InvalidPosition`.
        """
        core = self._core
        core.check_open()
        search = Bisecting(core, predicate)
        row = search.first(after, upto)
        entries = tuple(map(Entries(core).entry, first_positions(row)))
        return Bisection(row.last_position, from_microseconds(row.recorded_at), entries, search.calls)


def _projection_in(given: Given) -> Given:
    """The projection in which a table is, where it is named by that."""
    return SHIPPED[given] if isinstance(given, str) and given in SHIPPED else given


def _table_of(given: Given) -> Given:
    """The table in which a projection of ours is."""
    if isinstance(given, str) and (given in NAMES or ":" in given):
        return given
    kind = type(projection_of(given))
    if kind is Transactions:
        return Transactions.name
    return next((name for name, each in SHIPPED.items() if each is kind), given)


def _event_at(row: JournalRow, position: int) -> str:
    """The type of the event to which a position belongs."""
    *_, event = (event for first, event in numbered(decode_events(row), row.first_position) if first <= position)
    return type(event).__name__
