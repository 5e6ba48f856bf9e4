"""A table of live fragments that stands on columns: an owner's are made when that owner is first touched, and never all.

Fragments lie in the order of their owners' handles, under each smallest first and of equal ones the oldest, which is the order
in which they are spent. Where each owner's begin is a column by handle, and another says in what order the ids rise, so that
a fragment is found by its id too. What was taken out is marked: the columns never change.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tallystick.domain.arithmetic.columns import pack_wide, unpack_wide
from tallystick.domain.value_object.holding import AMOUNT_SHIFT, ID_MASK, OWNER_BITS, OWNER_MASK

Places = NDArray[np.uint32]

_BLOCK = 1 << 15
_NARROW = np.dtype([("owner", "<u4"), ("id", "<u8"), ("amount", "<u8")])


class FragmentColumns(msgspec.Struct, frozen=True, eq=False):
    """Fragments by owner. `starts[handle]` is the place of an owner's first one; `by_id` are all places in the order of ids.

    `amounts` are machine integers, or where one is wider than 64 bits bytes that hold the lowest first.
    """

    ids: NDArray[np.uint64]
    amounts: Any
    starts: Places
    by_id: Places


class FragmentTable:
    """Fragments by owner. Each is an integer of its amount, its id and its owner's handle, as in a `Holding`."""

    def __init__(self, columns: FragmentColumns) -> None:
        self.columns = columns
        self._ids: Any = columns.ids.data
        self._starts: Any = columns.starts.data
        self._by_id: Any = columns.by_id.data
        self.taken = bytearray(len(columns.starts) - 1)
        """By handle, a 1 for an owner whose fragments are somewhere else by now."""

    def has(self, owner: int) -> bool:
        """Whether something of the owner with this handle is left in the table."""
        return owner < len(self.taken) and not self.taken[owner] and self._starts[owner] < self._starts[owner + 1]

    def of(self, owner: int) -> list[int]:
        """What is left of the owner's, smallest first."""
        if not self.has(owner):
            return []
        start, stop = self._starts[owner], self._starts[owner + 1]
        amounts = self.columns.amounts[start:stop]
        values: list[int] = unpack_wide(amounts) if amounts.dtype.kind == "V" else amounts.tolist()
        ids: list[int] = self.columns.ids[start:stop].tolist()
        return [amount << AMOUNT_SHIFT | id << OWNER_BITS | owner for amount, id in zip(values, ids, strict=True)]

    def owner_of(self, id: int) -> int | None:
        """The handle of whoever has the fragment with this id, None where that is not in the table or was taken."""
        rank = bisect_left(self._by_id, id, key=self._ids.__getitem__)
        if rank == len(self._by_id) or self._ids[self._by_id[rank]] != id:
            return None
        owner = bisect_right(self._starts, self._by_id[rank]) - 1
        return None if self.taken[owner] else owner

    def freeze(self) -> "FrozenTable":
        """What was not taken yet, whatever is taken afterwards."""
        return FrozenTable(self.columns, bytes(self.taken))


class FrozenTable(msgspec.Struct, frozen=True, eq=False):
    """A table's columns, and by handle a 1 for those whose fragments were taken."""

    columns: FragmentColumns
    taken: bytes


def columns_of_fragments(fragments: Sequence[int], table: FrozenTable | None, accounts: int) -> FragmentColumns:
    """The columns of `fragments` and what is left in `table`; all owners have handles below `accounts`."""
    owners, ids, amounts = _split(fragments)
    if table is not None:
        old = table.columns
        counts = np.diff(old.starts)
        left = np.repeat(np.frombuffer(table.taken, dtype=np.uint8) == 0, counts)
        kept = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)[left]
        owners, ids = np.concatenate([owners, kept]), np.concatenate([ids, old.ids[left]])
        amounts = _joined(amounts, old.amounts[left])
    order = _order(owners, ids, amounts)
    owners, ids = owners[order], np.ascontiguousarray(ids[order])
    starts = np.searchsorted(owners, np.arange(accounts + 1)).astype(np.uint32)
    return FragmentColumns(ids, _narrowed(amounts[order]), starts, np.argsort(ids, kind="stable").astype(np.uint32))


def _split(fragments: Sequence[int]) -> tuple[Places, NDArray[np.uint64], Any]:
    """Owners, ids and amounts."""
    try:
        parts = [
            np.frombuffer(
                b"".join([fragment.to_bytes(20, "little") for fragment in fragments[start : start + _BLOCK]]), _NARROW
            )
            for start in range(0, len(fragments), _BLOCK)
        ]
    except OverflowError:
        owners = np.array([fragment & OWNER_MASK for fragment in fragments], dtype=np.uint32)
        ids = np.array([fragment >> OWNER_BITS & ID_MASK for fragment in fragments], dtype=np.uint64)
        return owners, ids, pack_wide([fragment >> AMOUNT_SHIFT for fragment in fragments])
    joined = np.concatenate([np.empty(0, dtype=_NARROW), *parts])
    return joined["owner"], joined["id"], joined["amount"]


def _joined(one: Any, other: Any) -> Any:
    """Two columns of amounts as one, wide where one of them is."""
    if one.dtype.kind != "V" and other.dtype.kind != "V":
        return np.concatenate([one, other])
    return pack_wide([*_listed(one), *_listed(other)])


def _narrowed(amounts: Any) -> Any:
    """The column with no more bytes for each than are needed, of 4 and 8."""
    if amounts.dtype.kind == "V" or (len(amounts) and int(amounts.max()) >> 32):
        return np.ascontiguousarray(amounts)
    return amounts.astype(np.uint32)


def _listed(amounts: Any) -> Iterable[int]:
    return unpack_wide(amounts) if amounts.dtype.kind == "V" else amounts.tolist()


def _order(owners: Places, ids: NDArray[np.uint64], amounts: Any) -> NDArray[np.intp]:
    """By owner, amount and id."""
    if amounts.dtype.kind != "V":
        return np.lexsort((ids, amounts, owners))
    values = list(_listed(amounts))
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)))}
    return np.lexsort((ids, np.array([ranks[value] for value in values]), owners))
