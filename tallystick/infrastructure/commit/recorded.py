"""Reading an entry back so that it can be reversed: checked against its digest, outside every lock."""

from tallystick.domain.batch.batch import numbered
from tallystick.domain.errors import CorruptJournal
from tallystick.infrastructure.journal.details import place_in
from tallystick.infrastructure.journal.format import EMPTY, JournalEvent, JournalRow, decode_events, digest_of
from tallystick.infrastructure.journal.port import Journal


def checked_row(journal: Journal, position: int) -> JournalRow | None:
    """The row in which the position lies, if there is one; `CorruptJournal` where its digest does not fit."""
    row = journal.row_at(position)
    if row is None:
        return None
    before = journal.row_at(row.first_position - 1)
    try:
        fits = digest_of(EMPTY.digest if before is None else before.digest, row) == row.digest
    except TypeError as error:
        raise CorruptJournal(f"one of its columns has something else in it: {error}", position=row.first_position) from error
    if not fits:
        raise CorruptJournal("its digest does not fit", position=row.first_position)
    return row


def entry_events(row: JournalRow, position: int) -> tuple[int, list[JournalEvent]]:
    """The id of the entry to which a position of the row belongs, and its events."""
    positions = place_in(row, position).positions
    return positions.start, [event for at, event in numbered(decode_events(row), row.first_position) if at in positions]
