"""The chain: the rows of a journal read on from a head, each held against the one before it.

Whoever goes through a journal does so here: a ledger that opens or catches up, a replay, an audit, an import that looks for
what is there already. So what one of them finds corrupt all of them do. What the columns say is left to the reader.
"""

from collections.abc import Iterator

from tallystick.domain.errors import CorruptJournal
from tallystick.domain.values.instant import INSTANT_MAX
from tallystick.infrastructure.journal.format import Head, JournalRow, digest_of
from tallystick.infrastructure.journal.port import Journal


def rows_after(journal: Journal, head: Head) -> Iterator[JournalRow]:
    """The rows that follow `head`, in order, in bounded memory.

    Raises `CorruptJournal` at the first that does not begin at the next position, whose digest is not that of its bytes and
    the digest before, or that was recorded before the row before it, before 1970 or after 9999.
    """
    position, digest, time = head
    for row in journal.rows(after=position):
        first_position, last_position, recorded_at, _, _, _, stored, _ = row
        if first_position != position + 1:
            raise CorruptJournal(f"the next row begins at position {first_position}", position=position + 1)
        try:
            fits = digest_of(digest, row) == stored
        except TypeError as error:
            raise CorruptJournal(f"one of its columns has something else in it: {error}", position=first_position) from error
        if not fits:
            raise CorruptJournal("its digest does not fit", position=first_position)
        if not time <= recorded_at <= INSTANT_MAX:
            before = "before the row before it" if recorded_at < time else "after the year 9999"
            raise CorruptJournal(f"it was recorded {before}", position=first_position)
        yield row
        position, digest, time = last_position, stored, recorded_at
