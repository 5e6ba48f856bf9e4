"""The ids that callers give to the rows of a batch: 128-bit numbers, each used once in a journal.

A column of them is one of pairs of machine integers, the lower half first. Its bytes are how it stands in a batch's event, and
so a part of the journal's format. Ids that were made in the order of time, as most are, need no search: they are free where
each is above the one before it, and the first above all that were ever used.
"""

from collections.abc import Sequence
from typing import Any, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from tallystick.domain.arithmetic.columns import Column, Rows
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.integers import as_int

ID_BYTES = 16
ID_MAX = 2**128 - 1
Words = NDArray[np.uint64]


class TransferIds:
    """A column of ids."""

    def __init__(self, words: Words) -> None:
        self._words = words

    @classmethod
    def of_bytes(cls, content: bytes) -> Self:
        """Ids from bytes: 16 for each, the lowest first."""
        return cls(np.frombuffer(content, dtype="<u8").reshape(-1, 2))

    def to_bytes(self) -> bytes:
        """The bytes again."""
        return self._words.astype("<u8").tobytes()

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, row: int) -> int:
        lower, upper = self._words[row].tolist()
        return upper << 64 | lower

    @property
    def lower(self) -> Words:
        """The lower 64 bits of each."""
        return self._words[:, 0]

    @property
    def upper(self) -> Words:
        """The upper 64 bits of each."""
        return self._words[:, 1]

    @property
    def largest(self) -> int:
        """The largest."""
        upper = self.upper.max()
        return int(upper) << 64 | int(self.lower[self.upper == upper].max())

    def select(self, rows: Column) -> Self:
        """Those of these rows."""
        return type(self)(self._words[rows])

    def is_ascending(self) -> bool:
        """Whether each is above the one before it."""
        upper, lower = self.upper, self.lower
        return bool(np.all((upper[1:] > upper[:-1]) | (upper[1:] == upper[:-1]) & (lower[1:] > lower[:-1])))

    def repeated(self) -> Rows:
        """The rows whose id stands in more than one row."""
        order = np.lexsort((self.lower, self.upper))
        same = np.all(self._words[order][1:] == self._words[order][:-1], axis=1)
        found = np.zeros(len(self), dtype=np.bool_)
        found[order[1:][same]] = True
        found[order[:-1][same]] = True
        return found


class UsedIds(Protocol):
    """The ids that the journal holds."""

    @property
    def largest(self) -> int:
        """The largest of them, -1 where there is none."""
        ...

    def used(self, ids: TransferIds) -> Rows:
        """Which of `ids` were used."""
        ...


def ids_of(given: Any) -> TransferIds:
    """A column of ids: ints from 0 to 2**128 - 1, UUIDs, or bytes of 16. `InvalidRequest` names the first row of none."""
    if isinstance(given, np.ndarray):
        column = cast(Any, given)
        if column.dtype.kind in "SV" and column.dtype.itemsize == ID_BYTES:  # a list would lose zeros at their ends
            return TransferIds(np.frombuffer(column.tobytes(), dtype=">u8").reshape(-1, 2)[:, ::-1].astype(np.uint64))
        if column.dtype.kind in "iu" and not (column < 0).any():
            return TransferIds(np.column_stack((column.astype(np.uint64), np.zeros(len(column), dtype=np.uint64))))
        if column.dtype.kind not in "iuO" and len(column):
            _number(0, column[0])
    ids = cast(Sequence[Any], given.tolist() if isinstance(given, np.ndarray) else given)
    try:
        if set(map(type, ids)) == {int}:
            return TransferIds.of_bytes(b"".join([id.to_bytes(ID_BYTES, "little") for id in ids]))
    except OverflowError:
        pass
    return TransferIds.of_bytes(b"".join([_number(row, id).to_bytes(ID_BYTES, "little") for row, id in enumerate(ids)]))


def _number(row: int, id: object) -> int:
    number = as_int(getattr(id, "int", id))
    if isinstance(id, bytes) and len(id) == ID_BYTES:
        number = int.from_bytes(id, "big")
    if number is not None and 0 <= number <= ID_MAX:
        return number
    raise InvalidRequest(f"an id is an int from 0 to 2**128 - 1, a UUID, 16 bytes or text, not {id!r}", row=row)
