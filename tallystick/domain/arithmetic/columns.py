"""Columns of whole numbers as bytes: how the rows of a batch stand in an event.

Every value takes the same number of bytes, the lowest first, and all are zero or more. How wide they are follows from the
length of the column and the number of its rows: the narrowest of 1, 2, 4, 8, 16 and 32 bytes that holds the largest value.
Up to 8 bytes a column is read as one of machine integers, beyond that as a list of Python's.
"""

from array import array
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]
Numbers = Column | list[int]
Rows = NDArray[np.bool_]

MACHINE_MAX = 2**63 - 1
_NARROW = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}
_WIDE = (16, 32)


def as_numbers(values: Sequence[int]) -> Numbers:
    """A column of `values` where each fits a machine integer, else the list of them."""
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return list(values)


def plain_integer(value: object) -> object:
    """The value, as Python's where it is one of numpy's integers; numpy counts a span of time among them, and we do not."""
    if isinstance(value, np.integer) and not isinstance(value, np.timedelta64):
        return int(cast(Any, value))
    return value


def pack(values: Numbers) -> bytes:
    """The values as bytes, each as wide as the largest needs."""
    if isinstance(values, list):
        width = next(width for width in (8, *_WIDE) if max(values) < 1 << 8 * width)
        return b"".join([value.to_bytes(width, "little") for value in values])
    largest = int(values.max())
    width = next(width for width in _NARROW if largest < 1 << 8 * width)
    return values.astype(_NARROW[width]).tobytes()


def unpack(content: bytes, rows: int) -> Numbers:
    """The values again; `ValueError` where the bytes are not so many of one width."""
    width, rest = divmod(len(content), rows)
    if rest or (width not in _NARROW and width not in _WIDE):
        raise ValueError(f"{len(content)} bytes are no column of {rows} rows")
    if width in _NARROW:
        values = np.frombuffer(content, dtype=_NARROW[width])
        if width < 8 or not int(values.max()) >> 63:
            return values.astype(np.int64)
    return [int.from_bytes(content[start : start + width], "little") for start in range(0, len(content), width)]


def unpack_places(content: bytes, rows: int, limit: int) -> Column:
    """The same of a column of places below `limit`; `ValueError` where one is not."""
    places = unpack(content, rows)
    if isinstance(places, list) or int(places.max()) >= limit:
        raise ValueError(f"a column names number {max(places)} of {limit}")
    return places


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


def pack_wide(values: Sequence[int]) -> Any:
    """A column of whole numbers of any width, negative ones too, as bytes of equal length."""
    width = max(map(int.bit_length, values), default=0) // 8 + 1  # with a bit for the sign
    packed = b"".join([value.to_bytes(width, "little", signed=True) for value in values])
    return np.frombuffer(packed, dtype=f"V{width}")


def unpack_wide(column: Any) -> list[int]:
    """The numbers again."""
    return [int.from_bytes(value, "little", signed=True) for value in column.tolist()]
