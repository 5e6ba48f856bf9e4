"""Where the ids that refused rows of a batch were used first, and whether what stands there says the same as the row.

The index of ids does not say where, for almost nobody asks. So the journal is read for it, from the beginning, when the first
of the errors of one batch is asked, and for all of them at once.
"""

from functools import partial

import numpy as np

from tallystick.domain.batch.batch import Batch, RowEvent, numbered, read_batch
from tallystick.domain.batch.transfer_ids import TransferIds
from tallystick.domain.errors import DuplicateTransferId
from tallystick.domain.events import BATCHES, BatchEvent, Burned, Minted, Moved
from tallystick.domain.values.entry_details import EntryDetails
from tallystick.infrastructure.commit.member import BatchMember
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.details import Details, place_in
from tallystick.infrastructure.journal.format import EMPTY, decode_events, may_hold_batches
from tallystick.infrastructure.ledger.core import LedgerCore

Said = tuple[RowEvent, int | None, str | None, str | None]
"""What a row says: its movement, when it occurred, its reference, and its id where that is text."""


class FirstUses:
    """The first uses of the ids of one batch's refused rows."""

    def __init__(self, core: LedgerCore, member: BatchMember) -> None:
        self._core = core
        self._member = member
        self._request = member.batch
        self._rows: list[int] = []  # whose ids the journal holds
        self._found: dict[int, tuple[int, Said]] | None = None

    def attach(self, error: DuplicateTransferId, row: int) -> None:
        """Has the error of a row ask here."""
        if error.first_row is None:
            self._rows.append(row)
        error.found_by(partial(self._find, row, error.first_row))

    def _find(self, row: int, first_row: int | None) -> tuple[int | None, bool]:
        said = self._said(row)
        if first_row is not None:
            return self._position_of(first_row), self._said(first_row) == said
        if self._found is None:
            self._found = self._search()
        ids = self._request.ids
        found = None if ids is None else self._found.get(ids[row])
        return (None, False) if found is None else (found[0], found[1] == said)

    def _position_of(self, row: int) -> int | None:
        """The id of the transaction of a row that was done, None where the batch was not."""
        if self._member.committed is None:
            return None
        refused_before = sum(refusal.row < row for refusal in self._member.refused)
        return self._member.committed.first_position + row - refused_before

    def _said(self, row: int) -> Said:
        request, notes = self._request, self._request.notes
        of_all = self._member.details or EntryDetails()
        with self._core.locked():
            names = self._core.books.token_state(request.token).names
            giver = "" if request.givers is None else names[int(request.givers[row])]
            taker = "" if request.takers is None else names[int(request.takers[row])]
        amount, memo = int(request.amounts[row]), request.memo if notes.memos is None else notes.memos[row]
        if request.givers is None:
            event: RowEvent = Minted(request.token, taker, amount, memo)
        elif request.takers is None:
            event = Burned(request.token, giver, amount, memo)
        else:
            event = Moved(request.token, giver, taker, amount, memo)
        return (
            event,
            of_all.occurred_at if notes.times is None else int(notes.times[row]),
            of_all.reference if notes.refs is None else notes.refs[row],
            None if notes.id_texts is None else notes.id_texts[row],
        )

    def _search(self) -> dict[int, tuple[int, Said]]:
        """By id, the position where it was used first, and what stands there."""
        self._core.check_open()
        ids = self._request.ids
        if ids is None:
            return {}
        wanted = ids.select(np.array(self._rows, dtype=np.int64))
        missing = {wanted[row] for row in range(len(wanted))}
        lower = np.unique(wanted.lower)
        found: dict[int, tuple[int, Said]] = {}
        for row in rows_after(self._core.journal, EMPTY):
            if not may_hold_batches(row.body):
                continue
            for position, event in numbered(decode_events(row), row.first_position):
                if not isinstance(event, BATCHES) or not event.ids:
                    continue
                used = TransferIds.of_bytes(event.ids)
                places = [place for place in np.flatnonzero(np.isin(used.lower, lower)).tolist() if used[place] in missing]
                if places:
                    batch, of_all = self._read(event), place_in(row, position).details
                    found |= {used[place]: (position + place, _said_by(batch, place, of_all)) for place in places}
                    missing -= {used[place] for place in places}
            if not missing:
                break
        return found

    def _read(self, event: BatchEvent) -> Batch:
        with self._core.locked():
            self._core.reach_head()
            return read_batch(event, self._core.books.names_of(event.token))


def _said_by(batch: Batch, row: int, of_all: Details) -> Said:
    occurred_at = of_all.at if batch.times is None else batch.occurred_at(row)
    return batch.event(row), occurred_at, of_all.ref if batch.refs is None else batch.reference(row), batch.id_text(row)
