"""Sharing a whole by weights, in whole units, so that the shares sum to it.

Largest remainder: everyone gets the floor of an exact share, then one unit more goes to each of the largest remainders.
Ties are taken in order, beginning at a place that a caller varies so that nobody is favoured for ever.

Systematic sampling: everyone gets the floor, and the units that are left are dealt out along the remainders laid end to end in
the order of names, one at each whole unit, beginning at a place that moves by the golden section with every turn. Each share
is the floor or one more, and nobody is favoured: over a thousand turns of one amount everybody comes to what is due to him
within 3 units, and amounts that vary leave him as often above as below.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from tallystick.domain.arithmetic.columns import Column, listed, total
from tallystick.domain.arithmetic.division import crossings, multiply_divide
from tallystick.domain.errors import InvalidAmount
from tallystick.domain.integers import as_int

_NARROW = 2**63
_GOLDEN = 11400714819323198485
"""The golden section of 2**64."""


InOrder = Callable[[], Column]
"""Gives the indexes of the weights in the order of their names, where somebody knows it."""


class Sharing(Protocol):
    """Shares a whole as the weights are to each other; a name for each orders them, and a turn says where to begin."""

    def __call__(
        self,
        whole: int,
        weights: Column | list[int],
        name_of: Callable[[int], str],
        turn: int,
        in_order: InOrder | None = None,
        /,
    ) -> Column | list[int]: ...


def largest_remainder(whole: int, weights: Sequence[int], start: int = 0) -> list[int]:
    """`whole` in shares as the weights are to each other. `InvalidAmount` where a weight is no int, negative, or all are 0."""
    weights, sum_of_weights = _checked(weights)
    shares, remainders = _divided(whole, weights, sum_of_weights)
    count = len(shares)
    by_remainder = sorted(range(count), key=lambda i: (-remainders[i], (i - start) % count))
    for i in by_remainder[: whole - sum(shares)]:
        shares[i] += 1
    return shares


def floors(whole: int, weights: Sequence[int]) -> list[int]:
    """The floors of the exact shares, which leave less than a unit for each weight. `InvalidAmount` as before."""
    return _divided(whole, *_checked(weights))[0]


def pro_rata(
    whole: int, weights: Column | list[int], name_of: Callable[[int], str], turn: int, in_order: InOrder | None = None
) -> Column | list[int]:
    """`whole` in shares as the weights, all above 0, are to each other; `name_of` an index orders those that are tied.

    Ties are taken in the order of names, beginning at index `turn` modulo the number of those tied. Weights in a
    column are shared in a column.
    """
    sum_of_weights = total(weights)
    if isinstance(weights, np.ndarray) and max(sum_of_weights, whole) < _NARROW:
        return _narrow_shares(whole, weights, sum_of_weights, name_of, turn)
    shares, remainders = _divided(whole, listed(weights), sum_of_weights)
    left = whole - sum(shares)
    if left:
        threshold = sorted(remainders)[-left]
        above = [index for index, remainder in enumerate(remainders) if remainder > threshold]
        tied = [index for index, remainder in enumerate(remainders) if remainder == threshold]
        for index in (*above, *_in_turn(tied, left - len(above), name_of, turn)):
            shares[index] += 1
    return shares


def sampled(
    whole: int, weights: Column | list[int], name_of: Callable[[int], str], turn: int, in_order: InOrder | None = None
) -> Column | list[int]:
    """`whole` in shares as the weights, all above 0, are to each other, by systematic sampling in the order of `name_of`.

    Weights in a column are shared in a column, where the whole fits one.
    """
    sum_of_weights = total(weights)
    start = ((turn * _GOLDEN) % 2**64) * sum_of_weights >> 64
    if isinstance(weights, np.ndarray) and max(sum_of_weights, whole) < _NARROW:
        quotients, remainders = multiply_divide(weights.astype(np.uint64), whole, sum_of_weights)
        narrow = quotients.astype(np.int64)
        left = whole - int(narrow.sum())
        if left:
            order = _sorted_by(name_of, len(weights)) if in_order is None else in_order()
            narrow[order[crossings(remainders[order], start, sum_of_weights, left)]] += 1
        return narrow
    shares, remainders = _divided(whole, listed(weights), sum_of_weights)
    if sum(shares) < whole:
        before = start
        for index in listed(_sorted_by(name_of, len(weights)) if in_order is None else in_order()):
            after = before + remainders[index]
            shares[index] += after // sum_of_weights - before // sum_of_weights
            before = after
    return np.array(shares, dtype=np.int64) if isinstance(weights, np.ndarray) and whole < _NARROW else shares


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


def _checked(weights: Sequence[int]) -> tuple[list[int], int]:
    """The weights as Python's own ints, and their sum."""
    checked: list[int] = []
    for given in weights:
        weight = as_int(given)
        if weight is None or weight < 0:
            raise InvalidAmount(f"a weight is an int, 0 or more, not {given!r}")
        checked.append(weight)
    sum_of_weights = sum(checked)
    if sum_of_weights == 0:
        raise InvalidAmount("the weights of a split sum to more than zero")
    return checked, sum_of_weights


def _divided(whole: int, weights: Sequence[int], sum_of_weights: int) -> tuple[list[int], list[int]]:
    """The floors of the exact shares, and what remains of each."""
    shares: list[int] = []
    remainders: list[int] = []
    for weight in weights:
        share, remainder = divmod(whole * weight, sum_of_weights)
        shares.append(share)
        remainders.append(remainder)
    return shares, remainders


def _sorted_by(name_of: Callable[[int], str], count: int) -> Column:
    return np.array(sorted(range(count), key=name_of), dtype=np.int64)


def _in_turn(tied: list[int], count: int, name_of: Callable[[int], str], turn: int) -> list[int]:
    """`count` of those tied, beginning with the one whose turn it is."""
    if count == len(tied):
        return tied
    tied = sorted(tied, key=name_of)
    start = turn % len(tied)
    return (tied[start:] + tied[:start])[:count]
