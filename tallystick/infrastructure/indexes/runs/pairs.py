"""Pairs of 64-bit words in memory, and how pairs that are sorted by their keys are searched and merged."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from tallystick.domain.arithmetic.columns import Rows
from tallystick.domain.batch.transfer_ids import Words


class Pairs(NamedTuple):
    """Two columns; several pairs may have the same key. What searches them asks that they are sorted."""

    keys: Words
    values: Words

    def has(self, keys: Words, values: Words) -> Rows:
        """Which of these pairs are among them."""
        places = np.searchsorted(self.keys, keys)
        found = np.zeros(len(keys), dtype=np.bool_)
        rows = np.arange(len(keys))
        while len(rows):
            rows = rows[places[rows] < len(self.keys)]
            rows = rows[self.keys[places[rows]] == keys[rows]]
            same = self.values[places[rows]] == values[rows]
            found[rows[same]] = True
            rows = rows[~same]
            places[rows] += 1
        return found

    def has_keys(self, keys: Words) -> Rows:
        """Which of these keys are among theirs."""
        places = np.searchsorted(self.keys, keys)
        found = places < len(self.keys)
        found[found] = self.keys[places[found]] == keys[found]
        return found

    def values_of(self, key: int) -> list[int]:
        """The values that go with the key."""
        word = np.uint64(key)
        start, stop = np.searchsorted(self.keys, word, "left"), np.searchsorted(self.keys, word, "right")
        return cast(list[int], self.values[start:stop].tolist())


def sorted_pairs(sources: Sequence[Pairs], *, are_sorted: bool = False) -> Pairs:
    """All of them in one; `are_sorted` where each of the sources is, which makes it several times faster."""
    keys = np.concatenate([pairs.keys for pairs in sources])
    order = np.argsort(keys, kind="stable" if are_sorted else "quicksort")
    return Pairs(keys[order], np.concatenate([pairs.values for pairs in sources])[order])
