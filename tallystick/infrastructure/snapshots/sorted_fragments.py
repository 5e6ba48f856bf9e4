"""Fragments in a snapshot: a table by owner, in order, that stands on columns; an owner's are made when they are asked for.

Fragments lie in the order of their owners' handles, under each smallest first and of equal ones the oldest, which is the order
in which they are spent. A run of equal ones whose ids follow on each other lies there as its first, and how many there are.
Where each owner's begin is a column by handle, and another says in what order the ids rise, so that a fragment is found by its
id too.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tallystick.domain.memory.frozen_books import FrozenFragments
from tallystick.infrastructure.snapshots.wide_numbers import pack_wide, unpack_wide

Places = NDArray[np.uint32]


class FragmentColumns(msgspec.Struct, frozen=True, eq=False):
    """Runs of fragments by owner, most of them of one. `starts[handle]` is the place of an owner's first one; `by_id` are all
    places in the order of ids, and `counts` says how many a run has.

    `amounts` are machine integers, or where one is wider than 64 bits bytes that hold the lowest first.
    """

    ids: NDArray[np.uint64]
    amounts: Any
    counts: NDArray[np.uint16]
    starts: Places
    by_id: Places


class SortedFragments:
    """Fragments by the handles of their owners, and owners by the ids of their fragments."""

    def __init__(self, columns: FragmentColumns) -> None:
        self.columns = columns
        self.owners = len(columns.starts) - 1
        self._ids: Any = columns.ids.data
        self._counts: Any = columns.counts.data
        self._starts: Any = columns.starts.data
        self._by_id: Any = columns.by_id.data

    def __len__(self) -> int:
        return len(self.columns.ids)

    def has(self, owner: int) -> bool:
        """Whether the owner with this handle, one of `owners`, has something in it."""
        return self._starts[owner] < self._starts[owner + 1]

    def of(self, owner: int) -> Iterator[tuple[int, int, int]]:
        """The amounts, first ids and counts of the owner's, smallest first."""
        place = slice(self._starts[owner], self._starts[owner + 1])
        columns = self.columns
        return zip(_listed(columns.amounts[place]), columns.ids[place].tolist(), columns.counts[place].tolist(), strict=True)

    def is_in_order(self) -> bool:
        """Whether fragments lie in the order in which they are spent, and the order by id is that of the ids."""
        columns = self.columns
        owners = np.repeat(np.arange(self.owners, dtype=np.uint32), np.diff(columns.starts))
        order = _order(owners, columns.ids, columns.amounts)
        by_id = np.argsort(columns.ids, kind="stable")
        return np.array_equal(order, np.arange(len(order))) and np.array_equal(columns.by_id, by_id)

    def owner_of(self, id: int) -> int | None:
        """The handle of whoever has the fragment with this id, None where that is not in the table."""
        rank = bisect_right(self._by_id, id, key=self._ids.__getitem__) - 1
        if rank < 0:
            return None
        place = self._by_id[rank]
        return bisect_right(self._starts, place) - 1 if id < self._ids[place] + self._counts[place] else None


def columns_of_fragments(fragments: FrozenFragments, table: SortedFragments | None, owners: int) -> FragmentColumns:
    """The columns of all live `fragments`, whose table is `table`; all owners have handles below `owners`."""
    rows = fragments.live_rows()
    ids, amounts, handles, counts = rows.ids, _column(rows.amounts), rows.owners, _counts(rows.ids, fragments.counts)
    if table is not None:
        old = table.columns
        owned = np.diff(old.starts)
        left = np.repeat(np.frombuffer(fragments.taken, dtype=np.uint8) == 0, owned)
        kept = np.repeat(np.arange(len(owned), dtype=np.uint32), owned)[left]
        handles, ids = np.concatenate([handles, kept]), np.concatenate([ids, old.ids[left]])
        amounts, counts = _joined(amounts, old.amounts[left]), np.concatenate([counts, old.counts[left]])
    order = _order(handles, ids, amounts)
    handles, ids = handles[order], np.ascontiguousarray(ids[order])
    starts = np.searchsorted(handles, np.arange(owners + 1)).astype(np.uint32)
    by_id = np.argsort(ids, kind="stable").astype(np.uint32)
    return FragmentColumns(ids, _narrowed(amounts[order]), np.ascontiguousarray(counts[order]), starts, by_id)


def _column(amounts: NDArray[np.uint64] | list[int]) -> Any:
    return pack_wide(amounts) if isinstance(amounts, list) else amounts


def _counts(ids: NDArray[np.uint64], counts: Mapping[int, int]) -> NDArray[np.uint16]:
    """How many there are of each."""
    if not counts:
        return np.ones(len(ids), dtype=np.uint16)
    return np.fromiter((counts.get(id, 1) for id in ids.tolist()), dtype=np.uint16, count=len(ids))


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


def _order(handles: Places, ids: NDArray[np.uint64], amounts: Any) -> NDArray[np.intp]:
    """By owner, amount and id."""
    if amounts.dtype.kind != "V":
        return np.lexsort((ids, amounts, handles))
    values = list(_listed(amounts))
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)))}
    return np.lexsort((ids, np.array([ranks[value] for value in values]), handles))
