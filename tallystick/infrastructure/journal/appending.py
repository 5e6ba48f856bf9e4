"""Appending a row, and knowing what became of it.

A store may fail in a way that leaves open whether a row stands, and a thread may be interrupted while the store has it. Then
the store is asked again, on a new connection, until there is one answer that holds from then on; and where there is none, that
is said. So whoever appends learns one of three things: the row stands, nothing was recorded, or nobody knows.
"""

from collections.abc import Sequence

from tallystick.domain.errors import LedgerError, OutcomeUnknown, StorageUnavailable
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import (
    NO_METADATA,
    Journal,
    MetadataChange,
    Overtaken,
    StreamEntry,
    UnclearOutcome,
)


def append(journal: Journal, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
    """Makes `row`, its stream entries and its change of the metadata durable inside `writing`: where this returns, they stand.

    Raises `OutcomeUnknown` where they may stand. Where it raises another `Exception` nothing was recorded: `Overtaken`, an
    error of ours, or one that nobody foresaw. What interrupts the thread goes through it, and leaves `find_out` to be called.
    """
    try:
        journal.append(row, entries, metadata)
    except Overtaken:
        raise
    except Exception as error:
        if isinstance(error, LedgerError) and not isinstance(error, OutcomeUnknown):
            raise
        told = find_out(journal, row, entries, error, metadata)
        if told is not None:
            raise told from told.__cause__


def find_out(
    journal: Journal,
    row: JournalRow,
    entries: Sequence[StreamEntry],
    error: BaseException,
    metadata: MetadataChange = NO_METADATA,
) -> Exception | None:
    """What became of a row that the store had when `error` was raised: None where it stands.

    Else what those are told who wanted it: `OutcomeUnknown` where that cannot be found out, and otherwise nothing was recorded.
    """
    try:
        stands = journal.has_recorded(row, entries, metadata)
    except Exception as unreachable:
        reason = f"the commit at position {row.first_position} may or may not stand: {error!r}, and then: {unreachable!r}"
        told: Exception = OutcomeUnknown(reason)
        told.__cause__ = unreachable
        return told
    if stands:
        return None
    if isinstance(error, Exception) and not isinstance(error, (UnclearOutcome, OutcomeUnknown)):
        return error
    told = StorageUnavailable(f"nothing was recorded: {error!r}")
    told.__cause__ = error
    return told
