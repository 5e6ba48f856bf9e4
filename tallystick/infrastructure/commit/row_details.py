"""What the next row says of its entries beside their events, as its members are executed: details, and the table of metadata.

A row that has anything of format 2 has details, if only an empty list. So a process of an older version, which does not know
the column, finds a digest that does not fit, and never misreads what it does not know.
"""

import secrets
from collections.abc import Sequence

from tallystick.domain.events import DomainEvent, MetadataErased
from tallystick.domain.values.entry_details import EntryDetails
from tallystick.domain.values.reversal import Reversal
from tallystick.infrastructure.journal.details import NO_DETAILS, Details, encode_details, metadata_digest
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, MetadataRow

SALT_BYTES = 16
DETAILS_BYTES, REVERSAL_BYTES = 128, 32
"""About what the details of an entry take beside its texts, and what each movement takes that it takes back."""


class RowDetails:
    """The details of the entries added so far, and the change of the metadata that goes with them."""

    def __init__(self) -> None:
        self._details: list[tuple[int, Details]] = []
        self._added: list[MetadataRow] = []
        self._erased: list[int] = []

    def add(
        self,
        number: int,
        first_position: int,
        given: EntryDetails | None,
        events: Sequence[DomainEvent],
        reversals: Sequence[Reversal],
    ) -> None:
        """Adds the entry number `number` of the row, which begins at `first_position` and has something of format 2."""
        at = ref = meta = None
        if given is not None:
            at, ref = given.occurred_at, given.reference
            if given.metadata is not None:
                salt = secrets.token_bytes(SALT_BYTES)
                meta = metadata_digest(salt, given.metadata)
                self._added.append(MetadataRow(first_position, salt, given.metadata))
        reverses = tuple((reversal.position - first_position, reversal.reverses) for reversal in reversals)
        if given is not None or reverses:
            self._details.append((number, Details(at, ref, meta, reverses)))
        self._erased += [event.entry for event in events if isinstance(event, MetadataErased)]

    def encoded(self) -> bytes:
        """The row's details."""
        return encode_details(self._details) if self._details else NO_DETAILS

    def metadata(self) -> MetadataChange:
        """The change of the metadata that the row makes."""
        return MetadataChange(self._added, self._erased) if self._added or self._erased else NO_METADATA


def bytes_of_details(given: EntryDetails | None, reversals: Sequence[Reversal]) -> int:
    """About how many bytes an entry's details and metadata take."""
    size = REVERSAL_BYTES * len(reversals)
    if given is not None:
        size += DETAILS_BYTES + len(given.reference or "") + len(given.metadata or "")
    return size
