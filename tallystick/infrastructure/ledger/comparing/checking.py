"""A projection against what stands elsewhere: the same one of another ledger, or tables that a rebuild made.

Another ledger is a copy of this one, a replica or an import. Both are replayed up to where the shorter one ends. Digests say
where the journals themselves part: each goes over all rows before it, so the first row whose digest is another is found by
halves. An import tells the same in other words, so only what the projection says is judged.
"""

from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import ClassVar

from tallystick.domain.errors import CorruptJournal, InvalidRequest
from tallystick.domain.values.result import Result
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.format import EMPTY
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.comparing.states import StateDifference, differences
from tallystick.infrastructure.ledger.reading.replaying import commit_of
from tallystick.infrastructure.ledger.reading.replays.beginning import check_reached
from tallystick.infrastructure.ledger.reading.replays.headers import headers_of
from tallystick.infrastructure.ledger.reading.replays.rows import rows_between
from tallystick.infrastructure.rebuild.standing import Standing
from tallystick.infrastructure.system.passwords import shown
from tallystick.projections.projection import Projection, ProjectionType, Replay, digest

DIFFERENCES_SHOWN = 10


class ReplayCheck(Result, frozen=True):
    """Whether the `projection` up to `position` is what stands elsewhere, `ok`, and if not the first `differences`.

    `against` says what that is. Of a ledger, `digest` is that of the projection here, and `journals_part_at` the first position
    from which on the journals are not the same, or None. Of tables, `reason` says what a check of them found, and a row is a
    dict.
    """

    ok: bool
    projection: str
    position: int
    against: Standing
    digest: str | None
    journals_part_at: int | None
    reason: str
    differences: tuple[StateDifference, ...]

    _counted_in: ClassVar[str | None] = None


def checked_with_ledger(journal: Journal, name: str, given: Projection, address: str | Path, upto: int | None) -> ReplayCheck:
    """Compares a projection that was given no events yet with that of the ledger at an address."""
    end = journal.head().position if upto is None else check_reached(journal, upto)
    with closing(open_journal(address, create=False, read_only=True)) as other:
        position = min(end, other.head().position)
        if position < 1 <= end:
            raise InvalidRequest(f"nothing was recorded in {_shown(address)}, so there is nothing to compare with")
        here = _replayed(journal, deepcopy(given), position)
        try:
            there = _replayed(other, deepcopy(given), position)
        except CorruptJournal as error:
            reason = f"{error.fields.get('reason', error)}; this is {_shown(address)}"
            raise CorruptJournal(reason, position=error.position) from error
        parted = journals_part_at(journal, other, position)
    found = first_of(differences(here.state, there.state))
    return ReplayCheck(not found, name, position, "ledger", digest(here), parted, "", found)


def journals_part_at(first: Journal, second: Journal, upto: int) -> int | None:
    """The first position up to `upto` at which two journals do not have the same row; None where there is none."""
    low, high = 0, upto
    while low < high:
        middle = (low + high + 1) // 2
        ours, theirs = first.row_at(middle), second.row_at(middle)
        if ours is not None and theirs is not None and ours.digest == theirs.digest:
            low = ours.last_position
        else:
            high = min([row.first_position for row in (ours, theirs) if row is not None], default=middle) - 1
    return None if low >= upto else low + 1


def _replayed(journal: Journal, projection: ProjectionType, upto: int) -> ProjectionType:
    replay = Replay(projection)
    for row in rows_between(journal, EMPTY, upto):
        commit = commit_of(row)
        replay.add(commit._replace(entries=headers_of(row)) if replay.wants_entries else commit, upto)
    return projection


def _shown(address: str | Path) -> str:
    return str(address) if isinstance(address, Path) else shown(address)


def first_of(found: Iterator[StateDifference]) -> tuple[StateDifference, ...]:
    """The first differences, as many as are told."""
    return tuple(islice(found, DIFFERENCES_SHOWN))
