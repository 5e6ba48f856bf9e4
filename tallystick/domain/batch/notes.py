"""The notes of a batch: what its rows say beside what they move, each of it a column that may be missing.

Money does not depend on them. A row's memo is for people, its time says when it occurred, its reference is the caller's text
for it, and its id, where that is text, stands here as it was given.
"""

from typing import Any, Self

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.batch.texts import TextColumn
from tallystick.domain.batch.times import pack_times, unpack_times
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.events import NOTED_BATCHES, BatchEvent, RowNotes
from tallystick.domain.values.instant import DAY, check_occurred_at


class Notes(msgspec.Struct, frozen=True, eq=False):
    """Columns of as many rows as the batch has; None where its rows have none of their own.

    `times` are microseconds since 1970 in UTC. `refs` may be None in a row; the others are not.
    """

    times: Column | None = None
    memos: TextColumn | None = None
    refs: TextColumn | None = None
    id_texts: TextColumn | None = None

    @classmethod
    def read(cls, event: BatchEvent) -> Self:
        """The notes of an event. `ValueError` where they cannot be read, or not of as many rows as it has."""
        if not isinstance(event, NOTED_BATCHES):
            return cls()
        notes, count = event.notes, event.count
        if notes.id_texts and (len(notes.id_texts) != count or not event.ids):
            raise ValueError(f"{len(notes.id_texts)} texts are no ids of {count} rows")
        id_texts = TextColumn.of_bytes(notes.id_texts, b"", count)
        memos = TextColumn.of_bytes(notes.memos, notes.memo_rows, count)
        return cls(unpack_times(notes, count), memos, TextColumn.of_bytes(notes.refs, notes.ref_rows, count), id_texts)

    def written(self) -> RowNotes | None:
        """The same as an event keeps it; None where there is nothing to keep."""
        if self.times is None and self.memos is None and self.refs is None and self.id_texts is None:
            return None
        times = (0, 0, b"") if self.times is None else pack_times(self.times)
        return RowNotes(*times, *_written(self.memos), *_written(self.refs), _written(self.id_texts)[0])

    def select(self, rows: Column) -> "Notes":
        """Those of these rows."""
        return Notes(
            None if self.times is None else self.times[rows],
            None if self.memos is None else self.memos.select(rows),
            None if self.refs is None else self.refs.select(rows),
            None if self.id_texts is None else self.id_texts.select(rows),
        )

    def check(self, now: int) -> None:
        """`InvalidRequest` with the first row that would have occurred more than a day after `now`, in microseconds."""
        if self.times is not None and len(self.times) and int(self.times.max()) > now + DAY:
            row = int(np.argmax(self.times > now + DAY))
            try:
                check_occurred_at(int(self.times[row]), now)
            except InvalidRequest as error:
                raise error.at_row(row) from None


def _written(column: TextColumn | None) -> tuple[Any, bytes]:
    return ([], b"") if column is None else (column.texts, column.numbers_to_bytes())


NO_NOTES = Notes()
