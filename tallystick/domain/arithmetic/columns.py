"""Columns of whole numbers: arrays of machine integers, or lists of Python's where one of them is too wide for that."""

from array import array
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]
Numbers = Column | list[int]
Rows = NDArray[np.bool_]

MACHINE_MAX = 2**63 - 1


def as_numbers(values: Sequence[int]) -> Numbers:
    """A column of `values` where each fits a machine integer, else the list of them."""
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return list(values)


def listed(values: Numbers) -> list[int]:
    """The values as Python's integers."""
    return values if isinstance(values, list) else cast(list[int], values.tolist())


def total(values: Numbers) -> int:
    """The exact sum."""
    if isinstance(values, list):
        return sum(values)
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def at(values: Numbers, places: Column) -> Numbers:
    """The values at these places."""
    return [values[place] for place in listed(places)] if isinstance(values, list) else values[places]


def as_array(values: Column) -> "array[int]":
    """The values as an array that can grow."""
    growing = array("q")
    growing.frombytes(np.ascontiguousarray(values).view(np.uint8).data)
    return growing
