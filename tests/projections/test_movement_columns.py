"""The parts of movements: who gives and who gets as the table of effects has it, limbs, and names in a column that grows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import DAO_RESERVED_ACCOUNT
from tallystick.domain.arithmetic.columns import as_numbers
from tallystick.domain.effects import RESERVE, effects
from tallystick.domain.events import RECORDED, Burned, Minted, MoneyEvent, Moved, Released, Reserved, Settled
from tallystick.projections.movements.amounts import amount_columns
from tallystick.projections.movements.movements import SIDES
from tallystick.projections.movements.names import NamesColumn

EVENTS: tuple[MoneyEvent, ...] = (
    Minted("T", "a", 5),
    Burned("T", "a", 5),
    Moved("T", "a", "b", 5),
    Reserved("T", "a", "b", 5, "h"),
    Settled("T", "a", "b", 5, "h"),
    Released("T", "a", "b", 5, "h"),
)


@pytest.mark.parametrize("event", EVENTS)
def test_sides_are_those_of_the_effects(event: MoneyEvent) -> None:
    sender, receiver, sender_held, receiver_held = SIDES[type(event)](event)
    assert list(effects(event)) == [
        (sender or RESERVE, *((0, -5) if sender_held else (-5, 0))),
        (receiver or RESERVE, *((0, 5) if receiver_held else (5, 0))),
    ]


def test_every_event_that_moves_money_has_sides() -> None:
    assert set(SIDES) == set(RECORDED) == set(map(type, EVENTS))


@given(st.lists(st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 2**256 - 1)), min_size=1))
def test_amounts_are_the_same_in_all_columns(amounts: list[int]) -> None:
    text, decimals, *limbs = amount_columns(as_numbers(amounts))
    assert [int(amount) for amount in text.to_pylist()] == amounts
    assert [None if each is None else int(each) for each in decimals.to_pylist()] == [
        amount if amount < 10**38 else None for amount in amounts
    ]
    rows = zip(*(limb.to_pylist() for limb in limbs), strict=True)
    assert [sum(limb << 31 * number for number, limb in enumerate(row)) for row in rows] == amounts
    assert all(0 <= limb < 2**31 for each in limbs for limb in each.to_pylist())
    for column in (text, decimals, *limbs):
        column.validate(full=True)


@given(st.lists(st.lists(st.text(min_size=1, max_size=300), max_size=40), min_size=1, max_size=30))
def test_names_stay_what_they_were_while_more_come(added: list[list[str]]) -> None:
    column, names = NamesColumn(), list[str]()
    taken: list[tuple[list[str], object]] = []
    for more in added:
        names += more
        if names:
            rows = np.arange(len(names), dtype=np.int64)[::-1].copy()
            taken.append((names[::-1], column.take(names, rows)))
    for expected, found in taken:
        assert found.to_pylist() == expected  # type: ignore[attr-defined]


def test_the_number_of_the_account_that_seats_mint_to() -> None:
    column = NamesColumn()
    column.know(["a", "b"])
    assert column.seats is None
    column.know(["a", "b", "c", DAO_RESERVED_ACCOUNT, "d"])
    column.know(["a", "b", "c", DAO_RESERVED_ACCOUNT, "d", "e"])
    assert column.seats == 3
