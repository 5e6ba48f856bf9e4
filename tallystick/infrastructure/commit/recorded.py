"""Reading an entry back so that it can be reversed: checked against its digest, outside every lock."""

from collections.abc import Collection

import msgspec

from tallystick.domain.batch.batch import numbered
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import Reserved
from tallystick.infrastructure.journal.details import place_in
from tallystick.infrastructure.journal.format import EMPTY, JournalEvent, JournalRow, decode_events, digest_of
from tallystick.infrastructure.journal.port import Journal

FEW = 8


def checked_row(journal: Journal, position: int) -> JournalRow | None:
    """The row in which the position lies, if there is one; `CorruptJournal` where its digest does not fit."""
    row = journal.row_at(position)
    if row is None:
        return None
    before = journal.row_at(row.first_position - 1)
    if digest_of(EMPTY.digest if before is None else before.digest, row) != row.digest:
        raise CorruptJournal("its digest does not fit", position=row.first_position)
    return row


def entry_events(row: JournalRow, position: int) -> tuple[int, list[JournalEvent]]:
    """The id of the entry to which a position of the row belongs, and its events."""
    positions = place_in(row, position).positions
    return positions.start, [event for at, event in numbered(decode_events(row), row.first_position) if at in positions]


def payers_of(journal: Journal, position: int, holds: Collection[str]) -> dict[str, str]:
    """Who paid into each of these holds, which were opened in the row of `position` or before.

    Rows are read back from there, once for all of them, for most holds are settled soon after they were opened.
    """
    found: dict[str, str] = {}
    wanted = set(holds)
    row = journal.row_at(position)
    while wanted:
        if row is None:
            raise CorruptJournal(f"the hold {min(wanted)!r} from which it settles was never opened", position=position)
        if _may_open(row, wanted):
            for event in decode_events(row):
                if isinstance(event, Reserved) and event.hold in wanted:
                    found[event.hold] = event.payer
                    wanted.discard(event.hold)
        row = journal.row_at(row.first_position - 1)
    return found


def _may_open(row: JournalRow, holds: Collection[str]) -> bool:
    """Whether it is worth decoding the row to look for the holds; asked of each row, so one by one for few alone."""
    if b'"Reserved"' not in row.body:
        return False
    return len(holds) > FEW or b"\\" in row.body or any(msgspec.json.encode(hold) in row.body for hold in holds)
