"""Integers as they are given: Python's own, those of classes made from it, and numpy's.

Each is taken by value, as Python's own, so that nothing that a class makes of itself, by adding or comparing in another way,
is asked again. A bool is an `int` to Python and none here; and numpy counts a span of time among its integers, and we do not.
"""

from typing import Any, cast

import numpy as np


def as_int(given: object) -> int | None:
    """The value as Python's own int; None where it is no integer."""
    kind = type(given)
    if kind is int:
        return cast(int, given)
    if issubclass(kind, int):
        return None if kind is bool else int.__index__(cast(int, given))
    if issubclass(kind, np.integer) and not issubclass(kind, np.timedelta64):
        return int(cast(Any, given))
    return None
