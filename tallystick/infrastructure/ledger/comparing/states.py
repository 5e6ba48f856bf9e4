"""States compared exactly: where two of them differ, as a path into them with what each has there.

Dictionaries are compared by key, whatever order they are in, and lists and tuples place by place. What lies in them is the same
where it is of one type and equal: 1 is not True, and a text of digits is no number. It has to be quick where all is equal, for
states are large and most comparisons find nothing.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, cast

import msgspec

from tallystick.domain.values.result import Result

_SCALARS: frozenset[type[Any]] = frozenset((str, int, bool, type(None), bytes, datetime, Decimal))


class StateDifference(Result, frozen=True):
    """Where two states differ: the `path`, as Python writes it, and what the `first` and the `second` have there.

    What one of them does not have is None, and `in_first` or `in_second` says so.
    """

    path: str
    first: Any
    second: Any
    in_first: bool = True
    in_second: bool = True

    _counted_in: ClassVar[str | None] = None


def is_same(first: Any, second: Any) -> bool:
    """Whether two states are the same, exactly."""
    return next(differences(first, second), None) is None


def differences(first: Any, second: Any, path: str = "state") -> Iterator[StateDifference]:
    """Where they differ, in the order of the first; then what is in the second alone."""
    if first is second:
        return
    one, other = _plain(first), _plain(second)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        yield from _of_mappings(cast(Mapping[Any, Any], one), cast(Mapping[Any, Any], other), path)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        yield from _of_lists(cast(Sequence[Any], one), cast(Sequence[Any], other), path)
    elif type(first) is not type(second) or not _is_equal(first, second):
        yield StateDifference(path, first, second)


def _of_mappings(first: Mapping[Any, Any], second: Mapping[Any, Any], path: str) -> Iterator[StateDifference]:
    keys = _types(first) | _types(second)
    if len(keys) > 1:  # 1 and True are one key to Python
        yield from _of_keys({_typed(key): key for key in first}, {_typed(key): key for key in second}, first, second, path)
    elif not (_are_scalars(first.values(), second.values()) and first == second):
        yield from _of_keys({key: key for key in first}, {key: key for key in second}, first, second, path)


def _of_keys(
    ours: Mapping[Hashable, Any], theirs: Mapping[Hashable, Any], first: Mapping[Any, Any], second: Mapping[Any, Any], path: str
) -> Iterator[StateDifference]:
    for typed, key in ours.items():
        where = f"{path}[{key!r}]"
        if typed not in theirs:
            yield StateDifference(where, first[key], None, in_second=False)
        else:
            yield from differences(first[key], second[key], where)
    for typed, key in theirs.items():
        if typed not in ours:
            yield StateDifference(f"{path}[{key!r}]", None, second[key], in_first=False)


def _of_lists(first: Sequence[Any], second: Sequence[Any], path: str) -> Iterator[StateDifference]:
    if _are_scalars(first, second) and list(first) == list(second):
        return
    both = min(len(first), len(second))
    for index in range(both):
        yield from differences(first[index], second[index], f"{path}[{index}]")
    for index in range(both, len(first)):
        yield StateDifference(f"{path}[{index}]", first[index], None, in_second=False)
    for index in range(both, len(second)):
        yield StateDifference(f"{path}[{index}]", None, second[index], in_first=False)


def _are_scalars(first: Any, second: Any) -> bool:
    """Whether all values of both are of one type that Python compares as we do."""
    types = _types(first) | _types(second)
    return len(types) <= 1 and types <= _SCALARS


def _types(values: Any) -> set[type[Any]]:
    return set(map(type, values))


def _typed(key: Any) -> Hashable:
    return cast(type[Any], type(key)), key


def _plain(value: Any) -> Any:
    """What has fields, as a dictionary of them."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value


def _is_equal(first: Any, second: Any) -> bool:
    """Whether two values of one type are; columns of numpy by their bytes, and no number is the same as none."""
    if hasattr(first, "tobytes"):
        return _column(first) == _column(second)
    return bool(first == second) or bool(first != first and second != second)


def _column(values: Any) -> tuple[Any, ...]:
    return getattr(values, "dtype", None), getattr(values, "shape", None), values.tobytes()
