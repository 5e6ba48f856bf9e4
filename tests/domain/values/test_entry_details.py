"""What a caller may say of an entry: when it happened, a reference, and metadata that is given back equal."""

import enum
import sys
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import InvalidRequest
from tallystick.domain.values.entry_details import (
    METADATA_BYTES_MAX,
    METADATA_LEVELS_MAX,
    REFERENCE_LENGTH_MAX,
    check_reference,
    details_of,
    metadata_of,
    metadata_text,
)
from tallystick.domain.values.instant import DAY, INSTANT_MAX

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DIGITS = sys.get_int_max_str_digits()


class Text(str):
    """A text that is a little more."""


class Number(enum.IntEnum):
    SEVEN = 7


def nested(depth: int) -> dict[str, Any]:
    content: Any = 7
    for _ in range(depth):
        content = [content]
    return {"nested": content}


@pytest.mark.parametrize(
    ("reference", "verdict"),
    [
        ("o", True),
        ("order 7, \0 \n ż 😀", True),
        ("x" * REFERENCE_LENGTH_MAX, True),
        ("😀" * REFERENCE_LENGTH_MAX, True),
        ("x" * (REFERENCE_LENGTH_MAX + 1), False),
        ("", False),
        ("\ud800", False),
        (b"order", False),
        (7, False),
        (Text("order"), False),
        (["order"], False),
    ],
)
def test_references(reference: Any, verdict: bool) -> None:
    if verdict:
        assert check_reference(reference) == reference
    else:
        with pytest.raises(InvalidRequest):
            check_reference(reference)


@pytest.mark.parametrize(
    ("metadata", "verdict"),
    [
        ({}, True),
        ({"": None, "a": True, "b": False, "ż 😀 \0 \\": '"'}, True),
        ({"ints": [0, -1, 2**53 + 1, 2**64, -(2**256), 10 ** (DIGITS - 1)]}, True),
        ({"int": 10**DIGITS}, False),
        ({"floats": [0.1, -0.0, 1e308, 5e-324, 1.0]}, True),
        ({"nan": float("nan")}, False),
        ({"deep": [{"inf": float("inf")}]}, False),
        (nested(100), True),
        (nested(METADATA_LEVELS_MAX - 1), True),
        (nested(METADATA_LEVELS_MAX), False),
        ({"wide": [[{}] * 1_000] * 9}, True),
        ({"text": "[{" * 1_000}, True),
        (nested(1_000_000), False),
        ({7: "a"}, False),
        ({None: "a"}, False),
        ({True: "a"}, False),
        ({"deep": {1.5: "a"}}, False),
        ({1: "a", "1": "a"}, False),
        ({("a",): 1}, False),
        ({"tuple": (1, 2)}, False),
        ({"set": {1}}, False),
        ({"bytes": b"a"}, False),
        ({"decimal": Decimal(1)}, False),
        ({"time": NOW}, False),
        ({"text": "\ud800"}, False),
        ({"\udfff": 1}, False),
        ({Text("name"): Text("text"), "seven": Number.SEVEN}, True),
        (OrderedDict(b=1, a=[OrderedDict()]), True),
        (MappingProxyType({"a": 1}), True),
        ({"deep": MappingProxyType({"a": 1})}, False),
        ({"a": "x" * (METADATA_BYTES_MAX - len('{"a":""}'))}, True),
        ({"a": "x" * (METADATA_BYTES_MAX - len('{"a":""}') + 1)}, False),
        ({"a": "ż" * (METADATA_BYTES_MAX // 2)}, False),
        ([], False),
        ([("a", 1)], False),
        ("{}", False),
        (7, False),
    ],
)
def test_metadata(metadata: Any, verdict: bool) -> None:
    if verdict:
        text = metadata_text(metadata)
        assert metadata_of(text) == metadata
        assert len(text.encode()) <= METADATA_BYTES_MAX
    else:
        with pytest.raises(InvalidRequest):
            metadata_text(metadata)


def test_what_holds_itself_is_refused() -> None:
    metadata: dict[str, Any] = {}
    metadata["self"] = metadata
    with pytest.raises(InvalidRequest):
        metadata_text(metadata)


@pytest.mark.parametrize("depth", range(150, 1100, 25))
def test_nesting_is_given_back_equal_or_refused(depth: int) -> None:
    try:
        text = metadata_text(nested(depth))
    except InvalidRequest:
        return
    assert metadata_of(text) == nested(depth)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_whatever_json_has_is_given_back_equal(metadata: dict[str, Any]) -> None:
    found = metadata_of(metadata_text(metadata))
    assert (found, repr(found)) == (metadata, repr(metadata))


def test_what_is_changed_afterwards_does_not_matter() -> None:
    metadata = {"list": [1]}
    details = details_of(metadata=metadata)
    metadata["list"].append(2)
    assert details is not None
    assert metadata_of(details.metadata or "") == {"list": [1]}


@pytest.mark.parametrize(
    ("occurred_at", "verdict"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), None),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), None),
        (datetime.max.replace(tzinfo=UTC), INSTANT_MAX),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), None),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), None),
        (datetime(2020, 1, 1), None),  # noqa: DTZ001
        (1_600_000_000, None),
        ("2020-01-01T00:00:00Z", None),
        (NOW.date(), None),
    ],
)
def test_when_it_happened(occurred_at: Any, verdict: int | None) -> None:
    if verdict is None:
        with pytest.raises(InvalidRequest):
            details_of(occurred_at)
    else:
        details = details_of(occurred_at)
        assert details is not None
        assert details.occurred_at == verdict


@pytest.mark.parametrize(("ahead", "verdict"), [(-DAY, True), (0, True), (DAY, True), (DAY + 1, False)])
def test_it_happened_at_most_a_day_after_it_is_recorded(ahead: int, verdict: bool) -> None:
    details = details_of(NOW + timedelta(microseconds=ahead))
    assert details is not None
    now = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if verdict:
        details.check(now)
    else:
        with pytest.raises(InvalidRequest, match="more than a day later"):
            details.check(now)


def test_no_details_are_none() -> None:
    assert details_of() is None
    assert details_of(metadata={}) is not None
