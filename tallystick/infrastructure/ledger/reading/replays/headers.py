"""The headers of a row's entries, by its columns beside the events."""

from collections.abc import Sequence

from tallystick.domain.values.instant import from_microseconds
from tallystick.infrastructure.journal.details import Details, decode_details
from tallystick.infrastructure.journal.format import JournalRow, decode_counts, decode_keys
from tallystick.projections.entry_header import EntryHeader

_NOTHING = Details()


def headers_of(row: JournalRow) -> Sequence[EntryHeader]:
    """What is known of each entry of a row, in order; `CorruptJournal` where it cannot be read."""
    details = decode_details(row)
    keys = {key.index: key.key for key in decode_keys(row)}
    recorded_at = from_microseconds(row.recorded_at)
    found: list[EntryHeader] = []
    position = row.first_position
    for number, count in enumerate(decode_counts(row)):
        said = details.get(number, _NOTHING)
        found.append(
            EntryHeader(
                position,
                position,
                position + count - 1,
                recorded_at,
                recorded_at if said.at is None else from_microseconds(said.at),
                keys.get(number),
                said.ref,
                said.meta is not None,
                tuple(sorted(id for _, id in said.reverses)),
            )
        )
        position += count
    return found
