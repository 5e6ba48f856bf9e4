"""Rows of the journal between two places."""

from collections.abc import Iterator

from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import Head, JournalRow
from tallystick.infrastructure.journal.port import Journal


def rows_between(journal: Journal, head: Head, upto: int | None) -> Iterator[JournalRow]:
    """The rows that follow `head`, each held against the one before, up to that of position `upto`."""
    for row in rows_after(journal, head):
        if upto is not None and row.first_position > upto:
            return
        yield row
