"""Copies of projections, as `deepcopy` makes them, and quickly where much of a state is texts and numbers.

`deepcopy` asks of every key and every value whether it has to be copied. What has only such as never change is copied at once
here, and `deepcopy` is told that it was.
"""

from collections import defaultdict
from copy import deepcopy
from datetime import datetime
from types import FunctionType
from typing import Any, TypeVar, cast

Projected = TypeVar("Projected")

_UNCHANGING: frozenset[type[Any]] = frozenset((str, int, bool, float, bytes, type(None), datetime))


def copied(projection: Projected) -> Projected:
    """A copy that has nothing in common with it that can change."""
    memo: dict[int, Any] = {}
    seen: set[int] = set()
    for value in list(getattr(projection, "__dict__", {}).values()):
        _copy_plain(value, memo, seen)
    return deepcopy(projection, memo)


def _copy_plain(value: Any, memo: dict[int, Any], seen: set[int]) -> None:
    """Copies dictionaries and lists that lie in it and have texts and numbers alone."""
    kind = cast(type[Any], type(value))
    if id(value) in seen:
        return
    if kind is dict or (kind is defaultdict and _is_plain(value.default_factory)):
        if set(map(type, value)) | set(map(type, value.values())) <= _UNCHANGING:
            memo[id(value)] = value.copy()
        else:
            seen.add(id(value))
            for each in value.values():
                _copy_plain(each, memo, seen)
    elif kind is list and set(map(type, value)) <= _UNCHANGING:
        memo[id(value)] = value.copy()


def _is_plain(factory: Any) -> bool:
    """Whether what makes missing values is the same for a copy."""
    return factory is None or isinstance(factory, type | FunctionType)
