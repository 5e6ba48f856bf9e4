"""A column of amounts as Arrow has it: as exact text, as a decimal where it fits, and in limbs that engines sum exactly.

An amount has up to 256 bits, and few engines have integers so wide. A limb is 31 bits of it, the lowest first, so the sums of
the limbs of billions of rows fit the 64-bit integers that all engines have: an exact sum is that of limb k times 2**(31 * k).
"""

from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers
from tallystick.projections.movements.schema import LIMB_BITS, LIMBS, pyarrow

_MASK = (1 << LIMB_BITS) - 1
_WIDE_BYTES = 40  # of 9 limbs, and the word behind that which holds the last
_DECIMAL_LIMIT = 10**38


def amount_columns(amounts: Numbers) -> list[Any]:
    """The columns `amount`, `amount_int` and the limbs."""
    return _wide(amounts) if isinstance(amounts, list) else _narrow(amounts)


def _narrow(amounts: Column) -> list[Any]:
    arrow = pyarrow()
    both_words = np.zeros((len(amounts), 2), dtype=np.int64)
    both_words[:, 0] = amounts
    given = arrow.array(amounts)
    decimals = arrow.Array.from_buffers(_decimal(arrow), len(amounts), [None, arrow.py_buffer(both_words)])
    nothing = arrow.array(np.zeros(len(amounts), dtype=np.int64))
    limbs = [arrow.array((amounts >> LIMB_BITS * limb) & _MASK) if limb < 3 else nothing for limb in range(LIMBS)]
    return [given.cast(arrow.string()), decimals, *limbs]


def _wide(amounts: list[int]) -> list[Any]:
    arrow = pyarrow()
    content = b"".join([amount.to_bytes(_WIDE_BYTES, "little") for amount in amounts])
    words = np.frombuffer(content, dtype="<u4").reshape(len(amounts), _WIDE_BYTES // 4).astype(np.uint64)
    limbs: list[Any] = []
    for limb in range(LIMBS):
        word, shift = divmod(LIMB_BITS * limb, 32)
        both = words[:, word] | (words[:, word + 1] << np.uint64(32))
        limbs.append(arrow.array(((both >> np.uint64(shift)) & np.uint64(_MASK)).astype(np.int64)))
    fits = [amount < _DECIMAL_LIMIT for amount in amounts]
    low = np.frombuffer(content, dtype="<u8").reshape(len(amounts), _WIDE_BYTES // 8)[:, :2]
    low = np.where(np.array(fits)[:, None], low, 0)
    validity = arrow.array(fits).buffers()[1]  # bits, as a column's validity is
    decimals = arrow.Array.from_buffers(_decimal(arrow), len(amounts), [validity, arrow.py_buffer(np.ascontiguousarray(low))])
    return [arrow.array(list(map(str, amounts)), arrow.string()), decimals, *limbs]


def _decimal(arrow: Any) -> Any:
    return arrow.decimal128(38, 0)
