"""Whole numbers of any width as a column of a file, negative ones too: bytes of equal length, the lowest first."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def pack_wide(values: Sequence[int]) -> Any:
    """A column of whole numbers of any width, negative ones too, as bytes of equal length."""
    width = max(map(int.bit_length, values), default=0) // 8 + 1  # with a bit for the sign
    packed = b"".join([value.to_bytes(width, "little", signed=True) for value in values])
    return np.frombuffer(packed, dtype=f"V{width}")


def unpack_wide(column: Any) -> list[int]:
    """The numbers again."""
    return [int.from_bytes(value, "little", signed=True) for value in column.tolist()]
