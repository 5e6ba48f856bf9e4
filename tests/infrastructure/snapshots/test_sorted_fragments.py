"""Fragments on columns: an owner's are found by the owner and the owner by each, whatever of a table before was taken."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.memory.frozen_books import FrozenFragments
from tallystick.domain.memory.holding import packed
from tallystick.infrastructure.snapshots.sorted_fragments import SortedFragments, columns_of_fragments
from tests.support.strategies import plain_fragments

OWNERS = 10


def table_of(live: list[Any], table: SortedFragments | None = None, taken: bytes = b"") -> SortedFragments:
    frozen = FrozenFragments([packed(*fragment) for fragment in live], [], table, taken)
    return SortedFragments(columns_of_fragments(frozen, table, OWNERS))


@given(fragments=plain_fragments, split=st.integers(0, 20), taken=st.sets(st.integers(0, OWNERS - 1)), others=plain_fragments)
def test_fragments_and_owners_lead_to_each_other(fragments: list[Any], split: int, taken: set[int], others: list[Any]) -> None:
    older, newer = fragments[:split], fragments[split:]
    marks = bytes(owner in taken for owner in range(OWNERS))
    grown = table_of(newer, table_of(older), marks)
    left = newer + [fragment for fragment in older if fragment[2] not in taken]
    for table, found in ((table_of(fragments), fragments), (grown, left)):
        assert (len(table), table.owners) == (len(found), OWNERS)
        for owner in range(OWNERS):
            own = sorted((amount, id, 1) for id, amount, whose in found if whose == owner)
            assert table.has(owner) == bool(own)
            assert list(table.of(owner)) == own
        owner_of = {id: owner for id, _, owner in found}
        assert all(table.owner_of(id) == owner_of.get(id) for id, _, _ in (*fragments, *others))
