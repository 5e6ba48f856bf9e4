"""Values scaled together: equal to scaling each at once, whatever is asked, undone or swept in between."""

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.arithmetic import scaling, scaling_together
from tallystick.domain.arithmetic.scaling import STEPS_KEPT, DraftedValues, ScaledValues
from tests.support.strategies import allocations, scaling_steps, scalings

Undo = list[tuple[str, str, int, dict[str, int]]]


def scaled(value: int, old: int, new: int) -> int:
    return value + value * (new - old) // old if new >= old else value - value * (old - new) // old


def play(values: ScaledValues, steps: list[tuple[str, str, int, int]], *, forgets: bool) -> None:
    """Does the steps on `values` and on a dictionary, undoing a part of what was not forgotten now and then."""
    model = dict(values.items()) if not isinstance(values, DraftedValues) else {"a": 7, "b": 10**12}
    undo: Undo = []
    for name, key, amount, other in steps:
        before = dict(model)
        if name == "add" and key not in model:
            values.add(key)
            model[key] = 0
            undo.append((name, key, 0, before))
        elif name == "remove" and key in model:
            values.remove(key)
            undo.append((name, key, model.pop(key), before))
        elif name == "change" and key in model:
            values.change(key, amount)
            model[key] += amount
            undo.append((name, key, amount, before))
        elif name == "scale":
            values.scale(amount, other)
            model = {key: scaled(value, amount, other) for key, value in model.items()}
            undo.append((name, key, amount, before))
        elif name == "get":
            assert values.get(key) == model.get(key)
        elif name == "forget" and forgets:
            values.forget_steps()
            undo.clear()
        elif name == "undo":
            for _ in range(min(other % 5, len(undo))):
                model = take_back(values, undo)
    assert len(values) == len(model)
    assert {key: values.get(key) for key in "abcd"} == {key: model.get(key) for key in "abcd"}


def take_back(values: ScaledValues, undo: Undo) -> dict[str, int]:
    name, key, amount, before = undo.pop()
    if name == "add":
        values.remove(key)
    elif name == "remove":
        values.add(key, amount)
    elif name == "change":
        values.change(key, -amount)
    else:
        values.unscale()
    return before


@given(st.lists(scalings, max_size=60))
def test_it_is_as_if_every_value_were_scaled_at_once(steps: list[tuple[str, str, int, int]]) -> None:
    with mock.patch.object(scaling, "STEPS_KEPT", 2), mock.patch.object(scaling_together, "TOGETHER_MIN", 1):
        play(ScaledValues(), steps, forgets=True)


@given(st.lists(scalings, max_size=40))
def test_a_draft_changes_and_what_it_lies_on_does_not(steps: list[tuple[str, str, int, int]]) -> None:
    base = ScaledValues()
    base.add("a", 5)
    base.add("b", 10**12 - 3)
    base.scale(2, 3)
    base.change("b", 3 - (10**12 - 3) // 2)
    base.forget_steps()
    play(DraftedValues(base), steps, forgets=False)
    assert dict(base.items()) == {"a": 7, "b": 10**12}


@given(st.lists(scalings, max_size=40), st.lists(scalings, max_size=20))
def test_columns_are_all_there_is(before: list[tuple[str, str, int, int]], after: list[tuple[str, str, int, int]]) -> None:
    values = ScaledValues()
    play(values, before, forgets=True)
    values.forget_steps()
    again = ScaledValues.from_columns(values.columns())
    assert dict(again.items()) == dict(values.items())
    play(again, after, forgets=True)


def test_steps_are_forgotten_when_all_have_seen_them() -> None:
    values = ScaledValues()
    for number in range(20):
        values.add(str(number), 10**9 + number)
    expected = dict(values.items())
    longest = 0
    for number in range(20_000):
        old, new = (1000, 999) if number % 2 else (999, 1000)
        values.scale(old, new)
        values.forget_steps()
        expected = {name: scaled(value, old, new) for name, value in expected.items()}
        longest = max(longest, values.steps_kept)
    assert STEPS_KEPT < longest < 2 * STEPS_KEPT
    assert dict(values.items()) == expected


def test_steps_without_values_are_forgotten_too() -> None:
    values = ScaledValues()
    for _ in range(5 * STEPS_KEPT):
        values.scale(1, 2)
        values.forget_steps()
    assert values.steps_kept <= STEPS_KEPT + 1


@given(st.lists(allocations, min_size=1, max_size=9), scaling_steps)
def test_values_that_go_together_come_to_what_each_comes_to(values: list[int], sums: list[tuple[int, int]]) -> None:
    steps = [(new, old - 1 if new < old else 0, old) for old, new in sums]
    expected = values
    for old, new in sums:
        expected = [scaled(value, old, new) for value in expected]
    with mock.patch.object(scaling_together, "TOGETHER_MIN", 1):
        assert scaling_together.advance_together(values, steps) == expected
    assert [scaling_together.advance(value, steps) for value in values] == expected


def test_a_thousand_values_are_swept_together() -> None:
    values, total = ScaledValues(), 10**9
    for number in range(1_000):
        values.add(str(number), (10**6 + number) * 10**8)
    expected = dict(values.items())
    for number in range(3 * STEPS_KEPT):
        new = total + (7 if number % 3 else -5)
        values.scale(total, new)
        values.forget_steps()
        expected = {name: scaled(value, total, new) for name, value in expected.items()}
        total = new
    assert values.steps_kept < 2 * STEPS_KEPT
    assert dict(values.items()) == expected
