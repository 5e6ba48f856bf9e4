"""Whether the cells and fragments of a token that a ledger goes by are those that were derived.

Both lie by handle, and nearly always in the same order, for handles follow the order in which accounts were first named; then
columns are compared, and what finds a name or a fragment in them. Where the order is another one they are compared by name.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tallystick.domain.arithmetic.columns import Numbers, listed
from tallystick.domain.memory.frozen_books import FrozenFragments, FrozenNames, FrozenTokenState
from tallystick.infrastructure.snapshots.hashed_names import HashedNames, words_of_names
from tallystick.infrastructure.snapshots.sorted_fragments import FragmentColumns, SortedFragments, columns_of_fragments
from tallystick.infrastructure.snapshots.wide_numbers import unpack_wide

Token = tuple[FrozenTokenState, FrozenFragments | None]
Fragments = tuple[FrozenTokenState, FrozenFragments]


def token_differences(kept: Token, derived: Token) -> Iterator[str]:
    """What of a token differs, in words."""
    (mine, my_fragments), (theirs, their_fragments) = kept, derived
    code = mine.token.code
    if (mine.reserve, mine.distributions) != (theirs.reserve, theirs.distributions):
        yield f"the reserve of {code} and how often it was distributed"
    in_order = _has_same_names(mine.names, theirs.names)
    if not (_same_columns(mine, theirs) if in_order else _same_by_name(mine, theirs)):
        yield f"the balances of {code}"
    table = _table(mine.names)
    if table is not None and not table.finds_its_names():
        yield f"the places of names in {code}"
    if my_fragments is not None and their_fragments is not None:
        same = _same_fragments if in_order else _same_fragments_by_name
        if not same((mine, my_fragments), (theirs, their_fragments)):
            yield f"the fragments of {code}"
        sorted_ones = cast("SortedFragments | None", my_fragments.table)
        if sorted_ones is not None and not sorted_ones.is_in_order():
            yield f"the order of fragments of {code}"


def _has_same_names(kept: FrozenNames, derived: FrozenNames) -> bool:
    """Whether both have the same names in the same order."""
    try:
        mine = words_of_names(kept.listed, kept.length, _table(kept))
        theirs = words_of_names(derived.listed, derived.length, None)
    except ValueError:  # a name that no snapshot has is among them
        return False
    return all(map(np.array_equal, mine, theirs))


def _table(names: FrozenNames) -> HashedNames | None:
    """What `books_of` made."""
    return cast("HashedNames | None", names.table)


def _same_columns(kept: FrozenTokenState, derived: FrozenTokenState) -> bool:
    accounts = kept.names.length
    cells = all(
        _same_cells(mine, theirs, accounts) for mine, theirs in ((kept.available, derived.available), (kept.held, derived.held))
    )
    return cells and np.array_equal(kept.numbered, derived.numbered)


def _same_cells(kept: Numbers | None, derived: Numbers | None, accounts: int) -> bool:
    """Whether the columns are the same but for zeros at their ends."""
    mine, theirs = ([] if cells is None else cells for cells in (kept, derived))
    if isinstance(mine, list) or isinstance(theirs, list):
        mine, theirs = ([] if each is None else listed(each) for each in (kept, derived))
        return _filled(mine, accounts) == _filled(theirs, accounts)
    shorter = min(len(mine), len(theirs))
    return bool(np.array_equal(mine[:shorter], theirs[:shorter]) and not mine[shorter:].any() and not theirs[shorter:].any())


def _filled(cells: list[int], accounts: int) -> list[int]:
    return cells + [0] * (accounts - len(cells))


def _same_by_name(kept: FrozenTokenState, derived: FrozenTokenState) -> bool:
    """Whether all that was derived is there, and beside it at most names of accounts that have nothing."""
    mine, theirs = _cells_by_name(kept), _cells_by_name(derived)
    same = all(mine.get(name) == cells for name, cells in theirs.items())
    found = all(name in theirs or not any(cells) for name, cells in mine.items())
    return same and found and _numbered(kept) == _numbered(derived)


def _numbered(state: FrozenTokenState) -> list[str]:
    names = _names(state.names)
    return [names[handle] for handle in state.numbered]


def _cells_by_name(state: FrozenTokenState) -> dict[str, tuple[int, int]]:
    names = _names(state.names)
    held = [] if state.held is None else listed(state.held)
    return dict(
        zip(names, zip(_filled(listed(state.available), len(names)), _filled(held, len(names)), strict=False), strict=False)
    )


def _same_fragments(kept: Fragments, derived: Fragments) -> bool:
    live = _are_same_runs(_columns(kept), _columns(derived))
    return live and _reserved(*kept) == _reserved(*derived)


def _are_same_runs(kept: FragmentColumns, derived: FragmentColumns) -> bool:
    """Whether they are the same fragments, however those that lie side by side were put together to runs."""
    mine, theirs = _joined(kept), _joined(derived)
    same = all(np.array_equal(*pair) for pair in zip(mine[:3], theirs[:3], strict=True))
    return same and _amounts(mine[3]) == _amounts(theirs[3])


def _joined(columns: FragmentColumns) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], Any]:
    """The first ids, counts, owners and amounts of runs that are as long as they can be."""
    ids, amounts, counts = columns.ids, columns.amounts, columns.counts.astype(np.uint64)
    owners = np.repeat(np.arange(len(columns.starts) - 1), np.diff(columns.starts))
    if len(ids) == 0:
        return ids, counts, owners, amounts
    content = np.ascontiguousarray(amounts).view(np.uint8).reshape(len(ids), -1)
    goes_on = (owners[1:] == owners[:-1]) & (ids[1:] == ids[:-1] + counts[:-1]) & (content[1:] == content[:-1]).all(axis=1)
    firsts = np.flatnonzero(np.concatenate(([True], ~goes_on)))
    return ids[firsts], np.add.reduceat(counts, firsts), owners[firsts], amounts[firsts]


def _amounts(amounts: Any) -> list[int]:
    return unpack_wide(amounts) if amounts.dtype.kind == "V" else amounts.tolist()


def _same_fragments_by_name(kept: Fragments, derived: Fragments) -> bool:
    return _live(kept) == _live(derived) and _reserved(*kept) == _reserved(*derived)


def _columns(of: Fragments) -> FragmentColumns:
    state, fragments = of
    return columns_of_fragments(fragments, cast("SortedFragments | None", fragments.table), state.names.length)


class _Run(NamedTuple):
    """So many fragments of an amount that one owner has, with ids from `id` on."""

    owner: str
    amount: int
    id: int
    size: int


def _live(of: Fragments) -> list[_Run]:
    names = _names(of[0].names)
    made = SortedFragments(_columns(of))
    return _in_order(_Run(names[owner], *run) for owner in range(made.owners) for run in made.of(owner))


def _reserved(state: FrozenTokenState, fragments: FrozenFragments) -> dict[str, list[_Run]]:
    names, table = state.names.listed, _table(state.names)
    found: dict[str, list[_Run]] = {}
    for hold, reserved in fragments.reserved_by_hold():
        runs = ((each.fragment, each.size) for each in reserved)
        found[hold] = _in_order(_Run(_name(names, table, one.owner), one.amount, one.id, size) for one, size in runs)
    return found


def _in_order(runs: Iterable[_Run]) -> list[_Run]:
    """The runs in order, each as long as it can be."""
    found: list[_Run] = []
    for run in sorted(runs):
        last = found[-1] if found else None
        if last is not None and run[:2] == last[:2] and run.id == last.id + last.size:
            found[-1] = last._replace(size=last.size + run.size)
        else:
            found.append(run)
    return found


def _names(names: FrozenNames) -> list[str]:
    table = _table(names)
    return [_name(names.listed, table, handle) for handle in range(names.length)]


def _name(listed: list[str | None], table: HashedNames | None, handle: int) -> str:
    name = listed[handle]
    if name is None and table is not None:
        return table.name(handle)
    return name or ""
