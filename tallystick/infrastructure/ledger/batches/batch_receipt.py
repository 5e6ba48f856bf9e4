"""The receipt of a batch: where it stands, how many of its rows were done, and which were refused and why."""

from collections.abc import Sequence
from datetime import datetime

from tallystick.domain.batch.batch import positions_of
from tallystick.domain.batch.decisions import RefusedRow
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Result
from tallystick.infrastructure.commit.member import BatchMember


class BatchReceipt(Result, frozen=True):
    """`position` is where the journal ended with the batch, `accepted` the number of rows that were done.

    `refused` names the others by index, from 0, each with the error that says why. `transaction_ids` are those of the rows
    that were done, in their order, and `entry_id` is that of the batch. `recorded_at` and `entry_id` are None where nothing was
    done.
    """

    position: int
    accepted: int
    refused: tuple[RefusedRow, ...]
    transaction_ids: Sequence[int] = ()
    recorded_at: datetime | None = None
    entry_id: int | None = None


def make_batch_receipt(batch: BatchMember) -> BatchReceipt:
    """The receipt of what became of a batch that is done; raises what it was refused for as a whole."""
    committed = batch.outcome()
    refused = tuple(refusal.refused_row() for refusal in batch.refused)
    if committed is None:
        return BatchReceipt(batch.position, 0, refused)
    row, first_position = committed.row, committed.first_position
    rows = positions_of(committed.events[0])  # the batch itself, before the fragments that carried it
    ids = range(first_position, first_position + rows)
    return BatchReceipt(row.last_position, rows, refused, ids, from_microseconds(row.recorded_at), first_position)
