"""Reads what a fragment was made of, from the row in which it began back to those of its ancestors, and to what was minted.

A fragment's id says in which row it began, and what it was made of was burned there. Its ancestors are older and have smaller
ids: looked up the newest first, they come to each row once. Where there are more than are wanted, the newest are told.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush, nsmallest

from tallystick.domain.entry.kinds import Kind, movements
from tallystick.domain.entry.mintings import Burned, Minting, mintings
from tallystick.domain.errors import CorruptJournal, FragmentNotFound, InvalidRequest
from tallystick.domain.integers import as_int
from tallystick.domain.value_object.carrying import IDS_PER_EVENT
from tallystick.domain.values.ids import check_id
from tallystick.domain.values.instant import from_microseconds
from tallystick.infrastructure.commit.recorded import checked_row
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.lines.apps import Apps
from tallystick.infrastructure.ledger.reading.lines.entries import EntryEvents, entries_of
from tallystick.projections.lineages import FragmentOrigin, Lineage

ANCESTORS_MAX = 1000
"""So many ancestors are told at most, where the caller does not say how many."""
PARENTS_MAX = 1_000_000
"""So many parents are gone into at most."""


class LineageReads:
    """The answer."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core

    def lineage(self, id: int, limit: int) -> Lineage:
        """The lineage of the fragment of this id, up to `limit` ancestors; `FragmentNotFound`, `InvalidRequest`."""
        number, count = check_id(id, "a fragment"), as_int(limit)
        if count is None or count < 1:
            raise InvalidRequest(f"a limit is an int, 1 or more, not {limit!r}")
        with self._core.locked():
            self._core.reach_head()
            head = self._core.position
        found = _Walk(_Origins(self._core, head, count), count).lineage(number)
        if found is None:
            raise FragmentNotFound(fragment=id)
        return found


class _Walk:
    """From a fragment to its ancestors, of which those wait that are known of and not told yet."""

    def __init__(self, origins: "_Origins", limit: int) -> None:
        self._origins = origins
        self._limit = limit
        self._waiting: list[int] = []  # a heap of ids below 0, so that the newest comes first
        self._known: set[int] = set()  # the same
        self._made_of: Burned | None = None
        self._parents = 0
        self._is_complete = True

    def lineage(self, id: int) -> Lineage | None:
        """The lineage of the fragment; None where none of this id was minted."""
        fragment = self._told(id)
        if fragment is None:
            return None
        ancestors: list[FragmentOrigin] = []
        while self._waiting and len(ancestors) < self._limit and self._parents <= PARENTS_MAX:
            ancestor = self._told(self._next())
            if ancestor is None:
                raise CorruptJournal("a fragment was burned there that was never minted", position=fragment.entry_id)
            ancestors.append(ancestor)
        return Lineage(fragment, tuple(ancestors), self._is_complete and not self._waiting)

    def _told(self, id: int) -> FragmentOrigin | None:
        found = self._origins.of(id)
        if found is None:
            return None
        fragment, made_of = found
        if made_of is not self._made_of:  # else those of one that was told before are all of them
            self._made_of = made_of
            self._await(made_of, id)
        return fragment

    def _await(self, made_of: Burned, below: int) -> None:
        """What was burned for a fragment, or may have been, is to be told, as far as it is not too much."""
        waiting, known = self._waiting, self._known
        parents = made_of.newest(below, self._limit)
        self._parents += len(parents)
        self._is_complete = self._is_complete and len(parents) == made_of.count(below)
        for id in parents:
            if -id not in known:
                known.add(-id)
                heappush(waiting, -id)
        if len(waiting) > 2 * self._limit:
            self._is_complete = False
            self._waiting = nsmallest(self._limit, waiting)
            self._known = set(self._waiting)

    def _next(self) -> int:
        id = heappop(self._waiting)
        self._known.remove(id)
        return -id


class _Origins:
    """Where fragments began. They are asked for the newest first, so each row is read and taken apart once."""

    def __init__(self, core: LedgerCore, head: int, limit: int) -> None:
        self._core = core
        self._head = head
        self._limit = limit
        self._apps = Apps(core)
        self._row: JournalRow | None = None
        self._minted: list[tuple[Minting, EntryEvents]] = []
        self._first_ids: list[int] = []
        self._kinds: dict[int, Mapping[int, Kind]] = {}

    def of(self, id: int) -> tuple[FragmentOrigin, Burned] | None:
        """Where the fragment began, and what was burned for it; None where none of this id did."""
        row = self._reach(id // IDS_PER_EVENT)
        place = bisect_right(self._first_ids, id) - 1
        if row is None or place < 0:
            return None
        minting, entry = self._minted[place]
        if id >= minting.first_id + minting.count:
            return None
        owner, amount = minting.owner_and_amount(id, self._names_of)
        parents = minting.parents_of(id, self._limit)
        origin = FragmentOrigin(
            id,
            minting.token,
            owner,
            amount,
            entry.first_position,
            minting.transaction_id,
            self._kinds_in(entry)[minting.position],
            from_microseconds(entry.recorded_at),
            parents.ids,
            parents.of,
            parents.certain,
        )
        return origin, minting.made_of

    def _reach(self, position: int) -> JournalRow | None:
        """The row of a position, of which it is known then what was minted in it."""
        row = self._row
        if row is None or not row.first_position <= position <= row.last_position:
            row = self._row = checked_row(self._core.journal, position) if 0 < position <= self._head else None
            entries: Iterable[EntryEvents] = () if row is None else entries_of(row)
            self._minted = [(each, entry) for entry in entries for each in mintings(entry.events, entry.first_position)]
            self._first_ids = [minting.first_id for minting, _ in self._minted]
            self._kinds = {}
        return row

    def _kinds_in(self, entry: EntryEvents) -> Mapping[int, Kind]:
        """The kinds of the entry's movements, by their positions."""
        first = entry.first_position
        if first not in self._kinds:
            found = movements(entry.events, first, lambda name: self._apps.was_app(name, first))
            self._kinds[first] = {position: kind for position, _, kind in found}
        return self._kinds[first]

    def _names_of(self, token: str) -> Sequence[str]:
        with self._core.locked():
            self._core.reach_head()  # the names that batches gave up to there are known
            return self._core.books.names_of(token)
