"""Who paid into holds that are closed, which only the rows in which they were opened say."""

from collections.abc import Collection

import msgspec

from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import Reserved
from tallystick.infrastructure.journal.format import JournalRow, decode_events
from tallystick.infrastructure.journal.port import Journal

FEW = 8


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
