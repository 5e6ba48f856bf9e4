"""Sharing a whole by weights, in whole units, so that the shares sum to it.

Largest remainder: everyone gets the floor of an exact share, then one unit more goes to each of the largest remainders.
Ties are taken in order, beginning at `start`, so that a caller who varies it favours nobody for ever.
"""

from collections.abc import Sequence

from tallystick.domain.errors import InvalidAmount


def largest_remainder(whole: int, weights: Sequence[int], start: int = 0) -> list[int]:
    """`whole` in shares as the weights are to each other. `InvalidAmount` where a weight is no int, negative, or all are 0."""
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
            raise InvalidAmount(f"a weight is an int, 0 or more, not {weight!r}")
    total = sum(weights)
    if total == 0:
        raise InvalidAmount("the weights of a split sum to more than zero")
    shares = [whole * weight // total for weight in weights]
    count = len(shares)
    by_remainder = sorted(range(count), key=lambda i: (-(whole * weights[i] % total), (i - start) % count))
    for i in by_remainder[: whole - sum(shares)]:
        shares[i] += 1
    return shares
