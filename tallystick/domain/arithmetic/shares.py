"""Sharing a whole by weights, in whole units, so that the shares sum to it.

Largest remainder: everyone gets the floor of an exact share, then one unit more goes to each of the largest remainders.
Ties are taken in order, beginning at a place that a caller varies so that nobody is favoured for ever.

Systematic sampling: everyone gets the floor, and the units that are left are dealt out along the remainders laid end to end in
the order of names, one at each whole unit, beginning at a place that moves by the golden section with every turn. Each share
is the floor or one more, and over many turns everybody comes to what is due to him within a unit.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.arithmetic.division import multiply_divide
from tallystick.domain.errors import InvalidAmount
from tallystick.domain.integers import as_int

_NARROW = 2**63
_GOLDEN = 11400714819323198485
"""The golden section of 2**64."""


Sharing = Callable[[int, "Column | list[int]", Callable[[int], str], int], "Column | list[int]"]
"""Shares a whole as the weights are to each other; a name for each orders them, and a turn says where to begin."""


def largest_remainder(whole: int, weights: Sequence[int], start: int = 0) -> list[int]:
    """`whole` in shares as the weights are to each other. `InvalidAmount` where a weight is no int, negative, or all are 0."""
    weights = [_check_weight(weight) for weight in weights]
    total = sum(weights)
    if total == 0:
        raise InvalidAmount("the weights of a split sum to more than zero")
    shares = [whole * weight // total for weight in weights]
    count = len(shares)
    by_remainder = sorted(range(count), key=lambda i: (-(whole * weights[i] % total), (i - start) % count))
    for i in by_remainder[: whole - sum(shares)]:
        shares[i] += 1
    return shares


def _check_weight(given: object) -> int:
    weight = as_int(given)
    if weight is None or weight < 0:
        raise InvalidAmount(f"a weight is an int, 0 or more, not {given!r}")
    return weight


def pro_rata(whole: int, weights: Column | list[int], name_of: Callable[[int], str], turn: int) -> Column | list[int]:
    """`whole` in shares as the weights, all above 0, are to each other; `name_of` an index orders those that are tied.

    Ties are taken in the order of names, beginning at index `turn` modulo the number of those tied. Weights in a
    column are shared in a column.
    """
    if isinstance(weights, np.ndarray):
        total = (int((weights >> 32).sum()) << 32) + int((weights & 0xFFFFFFFF).sum())
        if max(total, whole) < _NARROW:
            return _narrow_shares(whole, weights, total, name_of, turn)
        weights = weights.tolist()
    total = sum(weights)
    shares: list[int] = []
    remainders: list[int] = []
    for weight in weights:
        share, remainder = divmod(whole * weight, total)
        shares.append(share)
        remainders.append(remainder)
    left = whole - sum(shares)
    if left:
        threshold = sorted(remainders)[-left]
        above = [index for index, remainder in enumerate(remainders) if remainder > threshold]
        tied = [index for index, remainder in enumerate(remainders) if remainder == threshold]
        for index in (*above, *_in_turn(tied, left - len(above), name_of, turn)):
            shares[index] += 1
    return shares


def sampled(whole: int, weights: Column | list[int], name_of: Callable[[int], str], turn: int) -> Column | list[int]:
    """`whole` in shares as the weights, all above 0, are to each other, by systematic sampling in the order of `name_of`."""
    is_column = isinstance(weights, np.ndarray)
    listed: list[int] = weights.tolist() if is_column else list(weights)
    total = sum(listed)
    shares = [0] * len(listed)
    before = ((turn * _GOLDEN) % 2**64) * total >> 64
    for index in sorted(range(len(listed)), key=name_of):
        share, remainder = divmod(whole * listed[index], total)
        after = before + remainder
        shares[index] = share + (after // total - before // total)
        before = after
    return np.array(shares, dtype=np.int64) if is_column and whole < _NARROW else shares


def shares_among(
    available: Mapping[str, int], whole: int, excluded: Collection[str], turn: int, share: Sharing = pro_rata
) -> Iterator[tuple[str, int]]:
    """The share of everybody who has some and is not `excluded`, in proportion to it."""
    holders = [account for account, amount in available.items() if amount > 0 and account not in excluded]
    if not holders:
        return
    amounts = [available[account] for account in holders]
    weights = np.array(amounts, dtype=np.int64) if sum(amounts) < _NARROW else amounts
    shares = share(whole, weights, holders.__getitem__, turn)
    yield from zip(holders, shares.tolist() if isinstance(shares, np.ndarray) else shares, strict=True)


def _narrow_shares(whole: int, weights: Column, total: int, name_of: Callable[[int], str], turn: int) -> Column:
    quotients, remainders = multiply_divide(weights.astype(np.uint64), whole, total)
    shares = quotients.astype(np.int64)
    left = whole - int(shares.sum())
    if left:
        threshold = np.partition(remainders, -left)[-left]
        above = remainders > threshold
        shares[above] += 1
        tied: list[int] = np.flatnonzero(remainders == threshold).tolist()
        shares[_in_turn(tied, left - int(above.sum()), name_of, turn)] += 1
    return shares


def _in_turn(tied: list[int], count: int, name_of: Callable[[int], str], turn: int) -> list[int]:
    """`count` of those tied, beginning with the one whose turn it is."""
    if count == len(tied):
        return tied
    tied = sorted(tied, key=name_of)
    start = turn % len(tied)
    return (tied[start:] + tied[:start])[:count]
