"""A filter that tells most keys that are not in a run from those that may be, at the cost of one word.

A key that is spread evenly picks a word of the filter by its highest bits, and in that word one bit in each quarter by its
lowest 16. A key may be there where all four bits are set: every key of the run has set its own, so none is ever missed, and
of the others about one in 200 passes. Because sorted keys pick ascending words, a filter is written while a run is merged.
"""

import math

import numpy as np

from tallystick.domain.batch.transfer_ids import Words

PAIRS_A_WORD = 4
_QUARTERS = 4
_QUARTER_BITS = 16
_PICKS = 1 << _QUARTERS * 4


def _all_masks() -> Words:
    picks = np.arange(_PICKS, dtype=np.uint64)
    masks = np.zeros(_PICKS, dtype=np.uint64)
    for quarter in range(_QUARTERS):
        bit = (picks >> np.uint64(4 * quarter)) & np.uint64(_QUARTER_BITS - 1)
        masks |= np.uint64(1) << (bit + np.uint64(quarter * _QUARTER_BITS))
    return masks


_masks = _all_masks()
MASKS = memoryview(_masks.data)
PICK = _PICKS - 1
"""The mask of one key is `MASKS[key & PICK]`; written out where a call would cost more than all the rest."""


def masks_of(keys: Words) -> Words:
    """The bits of each key."""
    return _masks[keys & np.uint64(PICK)]


def filter_exponent(pairs: int) -> int:
    """The filter of so many pairs has two to this power of words, so that the highest bits of a key are its word."""
    return max(1, round(math.log2(pairs / PAIRS_A_WORD)))


class FilterWriter:
    """Makes the words of a filter out of keys that come in ascending order."""

    def __init__(self, exponent: int) -> None:
        self._shift = np.uint64(64 - exponent)
        self._size = 1 << exponent
        self._done = 0
        self._last = np.uint64(0)

    def add(self, keys: Words) -> Words:
        """Takes keys, and gives the next words, up to the one that later keys may still pick."""
        if not len(keys):
            return keys
        places = keys >> self._shift
        starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
        bits = np.bitwise_or.reduceat(masks_of(keys), starts)
        picked = places[starts].astype(np.int64) - self._done
        words = np.zeros(int(picked[-1]) + 1, dtype=np.uint64)
        words[picked] = bits
        words[0] |= self._last
        self._last = words[-1]
        self._done += len(words) - 1
        return words[:-1]

    def finish(self) -> Words:
        """The words that are left."""
        words = np.zeros(self._size - self._done, dtype=np.uint64)
        words[0] = self._last
        return words
