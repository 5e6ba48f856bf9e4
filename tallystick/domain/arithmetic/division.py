"""Multiplying a column by a number and dividing by another, exactly, where the products need 128 bits.

numpy has no integers wider than 64 bits, so a product is kept as two columns, its upper and its lower half. Dividing such
a pair by one divisor for all goes by the divisor's reciprocal, worked out once: a multiplication gives a quotient that is
wrong by at most one either way, and two corrections make it right (Möller and Granlund, "Improved division by invariant
integers", 2011, algorithm 4).
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Indexes = NDArray[np.intp]
_BLOCK = 1 << 14
_LOW = np.uint64(2**32 - 1)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_WORD = 2**64
_SMALL_DIVISOR = 2**62


def multiply_divide(column: Words, factor: int, divisor: int) -> tuple[Words, Words]:
    """Quotients and remainders of column * factor / divisor. No entry exceeds the divisor; both numbers are below 2**63."""
    quotients, remainders = np.empty_like(column), np.empty_like(column)
    for start in range(0, len(column), _BLOCK):  # block by block, so that what lies between stays in the processor's cache
        block = slice(start, start + _BLOCK)
        quotients[block], remainders[block] = _divide(*_multiply(column[block], factor), divisor)
    return quotients, remainders


def crossings(column: Words, start: int, divisor: int, count: int) -> Indexes:
    """The indexes of the entries, all below the divisor, that laid end to end from the start reach or pass a multiple of it.

    There are `count`; the start is below the divisor, which is below 2**63.
    """
    if (count + 1) * divisor < _WORD:
        multiples = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(divisor)
        return np.searchsorted(np.cumsum(column) + np.uint64(start), multiples)
    return np.flatnonzero(np.diff(divide_running_sums(column, start, divisor), prepend=np.uint64(0)))


def divide_running_sums(column: Words, start: int, divisor: int) -> Words:
    """Quotients of what `start` and the entries so far sum to, each from the first on, and the divisor, which is below 2**63.

    No entry exceeds the divisor, nor does the start.
    """
    quotients = np.empty_like(column)
    divide = _divide_sums if divisor <= _SMALL_DIVISOR else _divide_wide_sums
    passed = 0
    for at in range(0, len(column), _BLOCK):
        block = slice(at, at + _BLOCK)
        quotients[block], start = divide(column[block], start, divisor)
        quotients[block] += np.uint64(passed)
        passed = int(quotients[block][-1])
    return quotients


def _divide_sums(column: Words, start: int, divisor: int) -> tuple[Words, int]:
    """The quotients of a block, and what is left of its last sum.

    They are told in floating point, which is off by one at most, and set right by what then is left: that lies between the
    divisor's opposite and twice the divisor, so the sums modulo 2**64 suffice.
    """
    ends = np.cumsum(column) + np.uint64(start)
    quotients = ((np.cumsum(column, dtype=np.float64) + start) / divisor).astype(np.uint64)
    left = (ends - quotients * np.uint64(divisor)).view(np.int64)
    quotients += left >= divisor
    quotients -= left < 0
    return quotients, (int(ends[-1]) - int(quotients[-1]) * divisor) % _WORD


def _divide_wide_sums(column: Words, start: int, divisor: int) -> tuple[Words, int]:
    """The same for any divisor."""
    lower, upper = np.cumsum(column & _LOW), np.cumsum(column >> _HALF)
    lower, upper = lower + np.uint64(start & 0xFFFFFFFF), upper + np.uint64(start >> 32)
    upper, lower = upper + (lower >> _HALF), lower & _LOW
    quotients, remainders = _divide(upper >> _HALF, (upper << _HALF) | lower, divisor)
    return quotients, int(remainders[-1])


def _multiply(column: Words, factor: int) -> tuple[Words, Words]:
    """The upper and the lower halves of the products."""
    low, high = np.uint64(factor & 0xFFFFFFFF), np.uint64(factor >> 32)
    column_low, column_high = column & _LOW, column >> _HALF
    lowest, crossed, crossing, highest = column_low * low, column_high * low, column_low * high, column_high * high
    middle = (lowest >> _HALF) + (crossed & _LOW) + (crossing & _LOW)
    upper = highest + (crossed >> _HALF) + (crossing >> _HALF) + (middle >> _HALF)
    return upper, (lowest & _LOW) | (middle << _HALF)


def _divide(upper: Words, lower: Words, divisor: int) -> tuple[Words, Words]:
    spare = 64 - divisor.bit_length()
    shifted = divisor << spare
    reciprocal = (2**128 - 1) // shifted - 2**64
    shift, rest, by = np.uint64(spare), np.uint64(64 - spare), np.uint64(shifted)
    upper, lower = (upper << shift) | (lower >> rest), lower << shift
    quotient, fraction = _multiply(upper, reciprocal)
    fraction = fraction + lower
    quotient = quotient + upper + (fraction < lower) + _ONE
    remainder = lower - quotient * by
    high = remainder > fraction
    quotient, remainder = quotient - high, remainder + high * by
    low = remainder >= by
    return quotient + low, (remainder - low * by) >> shift
