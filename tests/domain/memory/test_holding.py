"""Fragments as integers: each is got back, as are many at once, and the smallest integer is the one to spend first."""

from typing import Any

from hypothesis import given

from tallystick.domain.memory.holding import Holding, PlainFragment, packed, rows_of, unpacked
from tests.support.strategies import plain_fragments


@given(given_fragments=plain_fragments)
def test_fragments_are_packed_and_unpacked(given_fragments: list[Any]) -> None:
    fragments = [PlainFragment(*each) for each in given_fragments]
    integers = [packed(*fragment) for fragment in fragments]
    assert list(map(unpacked, integers)) == fragments
    rows = rows_of(integers)
    amounts = rows.amounts if isinstance(rows.amounts, list) else rows.amounts.tolist()
    assert [PlainFragment(*row) for row in zip(rows.ids.tolist(), amounts, rows.owners.tolist(), strict=True)] == fragments


@given(given_fragments=plain_fragments)
def test_a_holding_gives_the_smallest_and_of_equal_ones_the_oldest(given_fragments: list[Any]) -> None:
    fragments = [PlainFragment(id, amount, 7) for id, amount, _ in given_fragments]
    integers = {fragment.id: packed(*fragment) for fragment in fragments}
    holding = Holding(integers, 7)
    holding.heap = sorted(integers.values())
    taken = [unpacked(holding.take()) for _ in fragments]
    assert taken == sorted(fragments, key=lambda fragment: (fragment.amount, fragment.id))
