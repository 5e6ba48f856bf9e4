"""States are compared exactly, and what differs is named by its path."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import Balance
from tallystick.infrastructure.ledger.comparing.copying import copied
from tallystick.infrastructure.ledger.comparing.states import differences, is_same

NAN = float("nan")


@dataclass
class Figures:
    amount: int


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, defaultdict(int, {"a": 1}), []),
        ([1, (2, 3)], [1, [2, 3]], []),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [("state['a']['b'][1]", 2, 3)]),
        ({"a": 1}, {"a": True}, [("state['a']", 1, True)]),
        ({"a": 1, "b": "x"}, {"a": 1.0, "b": "x"}, [("state['a']", 1, 1.0)]),
        ({1: "x"}, {True: "x"}, [("state[1]", "x", None), ("state[True]", None, "x")]),
        ({1: "x", "1": "y"}, {1: "x", "1": "y"}, []),
        ({"a": 5}, {"a": "5"}, [("state['a']", 5, "5")]),
        ({"a": None}, {}, [("state['a']", None, None)]),
        ({}, {"a": None}, [("state['a']", None, None)]),
        ([1], [1, 2], [("state[1]", None, 2)]),
        ([1, 2], [1], [("state[1]", 2, None)]),
        ({"a": {}}, {"a": []}, [("state['a']", {}, [])]),
        (2**200, 2**200 + 1, [("state", 2**200, 2**200 + 1)]),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), []),
        ({1, 2}, {2, 1}, []),
        ({1, 2}, {2, 3}, [("state", {1, 2}, {2, 3})]),
        ([NAN], [float("nan")], []),
        (Balance(1, 2, 3), Balance(1, 2, 4), [("state['total']", 3, 4)]),
        (Figures(1), Figures(2), [("state['amount']", 1, 2)]),
        (np.arange(3), np.arange(3), []),
    ],
)
def test_differences(first: Any, second: Any, verdict: list[Any]) -> None:
    found = [(each.path, each.first, each.second) for each in differences(first, second)]
    assert found == verdict
    assert [(type(one), type(other)) for _, one, other in found] == [(type(one), type(other)) for _, one, other in verdict]
    assert is_same(first, second) == (not verdict)


def test_columns_differ_by_their_numbers_and_their_type() -> None:
    assert not is_same(np.arange(3), np.arange(1, 4))
    assert not is_same(np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.float64))


def test_what_one_alone_has_is_told() -> None:
    (missing,), (added,) = differences({"a": None}, {}), differences({}, {"a": None})
    assert (missing.in_first, missing.in_second, added.in_first, added.in_second) == (True, False, False, True)


PLAIN = st.recursive(
    st.one_of(st.integers(-3, 3), st.booleans(), st.none(), st.sampled_from(["", "a", "1"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "1"]), inner, max_size=3)),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_same_is_what_is_written_the_same(first: Any, second: Any) -> None:
    """To JSON, whose texts, numbers and truths are never each other; `repr` with sorted keys is as good."""

    def written(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{key!r}:{written(value[key])}" for key in sorted(value)) + "}"
        return "[" + ",".join(map(written, value)) + "]" if isinstance(value, list) else repr(value)

    assert is_same(first, second) == (written(first) == written(second))


class Stateful:
    """A projection's like: dictionaries in dictionaries, one of them under two names, and a rule of its own."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"a": defaultdict(int, {"x": 1}), "b": {"c": [1, 2], "d": [[3]]}}
        self.same = self.state["a"]
        self.state["itself"] = self.state
        self.rule = self.add

    def add(self) -> None:
        self.state["a"]["x"] += 1
        self.state["b"]["c"].append(5)
        self.state["b"]["d"][0].append(6)


def test_a_copy_has_nothing_in_common_with_what_was_copied() -> None:
    one = Stateful()
    other = copied(one)
    other.rule()
    assert (one.state["a"]["x"], one.state["b"]) == (1, {"c": [1, 2], "d": [[3]]})
    assert (other.state["a"]["x"], other.state["b"]) == (2, {"c": [1, 2, 5], "d": [[3, 6]]})
    assert other.same is other.state["a"]
    assert other.state["itself"] is other.state
    assert other.state["a"]["new"] == 0
