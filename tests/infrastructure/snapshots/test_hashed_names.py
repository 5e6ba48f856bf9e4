"""Names on columns: whatever the names are, each is found by its number and its number by it, and nothing else is found."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.infrastructure.snapshots.hashed_names import HashedNames, columns_of_names
from tests.support.strategies import account_names, seeds


def table_of(names: Sequence[str], seed: int = 1, table: HashedNames | None = None) -> HashedNames:
    return HashedNames(columns_of_names(names, len(names), table, seed))


@given(
    names=st.lists(account_names, unique=True, max_size=40),
    others=st.lists(account_names),
    seed=seeds,
    split=st.integers(0, 40),
)
def test_names_and_numbers_lead_to_each_other(names: list[str], others: list[str], seed: int, split: int) -> None:
    whole = table_of(names, seed)
    grown = table_of(names, seed, table_of(names[:split], seed ^ 5))
    for table in (whole, grown):
        assert len(table) == len(names)
        assert [table.name(number) for number in range(len(names))] == list(table.names()) == names
        assert {name: table.find(name) for name in names} == {name: number for number, name in enumerate(names)}
        assert [table.find(other) for other in others if other not in names] == [None for each in others if each not in names]
        assert table.having_a_space() == [number for number, name in enumerate(names) if " " in name]


@pytest.mark.parametrize("unknown", ["", "a", "abc\0", "abcd\0\0\0\0", "abcde", "\ud800", "abc\n", "b" * 5000])
def test_what_is_not_in_it_is_not_found(unknown: str) -> None:
    assert table_of(["abc", "abcd"]).find(unknown) is None
    assert table_of([]).find(unknown) is None


@pytest.mark.parametrize("name", ["a\nb", "\n", "a\0", "\0", "\ud800"])
def test_a_name_that_cannot_stand_in_a_column_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|surrogates"):
        table_of(["alice", name, "bob"])


def test_many_names_are_read_in_blocks() -> None:
    names = [f"account-{number * 7919}" for number in range(70_000)]
    table = table_of(names, 2**64 - 1)
    assert list(table.names()) == names
    assert all(table.find(name) == number for number, name in enumerate(names))
    assert table.find("account-1") is None
