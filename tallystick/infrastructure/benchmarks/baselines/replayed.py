"""Going through the journal for each question: what the past costs without an index."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from tallystick.domain.books.books import Books
from tallystick.domain.events import DomainEvent
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, decode_events

REPLAYED = Baseline(
    "a replay up to there",
    "reads, checks, decodes and applies the rows up to the same position, once for each question",
    "answer it",
)
READ_THROUGH = Baseline(
    "the journal read through",
    "reads and decodes all rows, once for each question",
    "check a digest, or look for anything",
)
PRESENT = Baseline("the same of the present", "asks the ledger the same of what is there now", "know what there was before")


def replay(path: Path, position: int) -> int:
    """Replays the journal's commits into books, up to the one in which the position is; gives up to where that is."""
    journal = open_journal(path)
    try:
        books = Books()
        reached = 0
        for row in rows_after(journal, EMPTY):
            books.apply_commit(cast(Sequence[DomainEvent], decode_events(row)), row.first_position)
            books.forget()
            reached = row.last_position
            if reached >= position:
                break
        return reached
    finally:
        journal.close()
