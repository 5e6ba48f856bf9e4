"""A run: pairs of words sorted by their keys, as a file that is mapped and never read as a whole.

The file is a header, an index, and three columns of words in blocks: the keys, the values that go with them, and a filter. The
index has the first key of each block of keys and the checksum of every block; the header counts the pairs and has a checksum
over itself and the index. Header and index are checked when a run is opened, a block when it is first touched, so a damaged
file is found before any of its answers is believed: `DamagedRun`. Nobody changes a file once it is a run, so one may be linked
into other folders, and deleted while it is mapped.
"""

import mmap
from bisect import bisect_left
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Rows
from tallystick.domain.batch.transfer_ids import Words
from tallystick.infrastructure.indexes.runs.checked_words import (
    BLOCK_BITS,
    BLOCK_WORDS,
    WORD_BYTES,
    CheckedWords,
    DamagedRun,
    blocks_of,
)
from tallystick.infrastructure.indexes.runs.filter import filter_exponent, masks_of
from tallystick.infrastructure.indexes.runs.pairs import Pairs

MARK = 0x31_4E_55_52_59_4C_4C_54
"""The first word of a run: the text "TLLYRUN1" where the machine is little-endian."""

CHECKSUM_BYTES = 16
_numbers = Struct("=QQ")
HEADER_BYTES = _numbers.size + CHECKSUM_BYTES

_HALVES = [BLOCK_WORDS >> halving for halving in range(1, BLOCK_BITS + 1)] + [1]


class Layout(NamedTuple):
    """Where the parts of a run of so many pairs are, in bytes from the start of its file."""

    pairs: int
    filter_exponent: int
    keys: int
    values: int
    filter: int
    size: int

    @classmethod
    def of(cls, pairs: int) -> "Layout":
        """That of a run of so many pairs, 1 or more."""
        exponent = filter_exponent(pairs)
        keys = HEADER_BYTES + WORD_BYTES * (3 * blocks_of(pairs) + blocks_of(1 << exponent))
        values = keys + WORD_BYTES * pairs
        filter = values + WORD_BYTES * pairs
        return cls(pairs, exponent, keys, values, filter, filter + (WORD_BYTES << exponent))


def make_header(pairs: int, index: bytes) -> bytes:
    """The bytes before the index."""
    numbers = _numbers.pack(MARK, pairs)
    return numbers + sha256(numbers + index).digest()[:CHECKSUM_BYTES]


class Run:
    """A run in memory that is a file's or nobody's. Keys are to be spread evenly, or it is slow."""

    def __init__(self, content: mmap.mmap, path: Path | None) -> None:
        """Raises `DamagedRun` where the content is no run, or its header or index is not what was written."""
        self.path = path
        self.content = content
        self._layout = layout = _checked_layout(content)
        self.checksum = bytes(content[_numbers.size : HEADER_BYTES])
        words = memoryview(content)
        index = words[HEADER_BYTES : layout.keys].cast("Q")
        blocks = blocks_of(layout.pairs)
        self._fences = index[:blocks]
        self._fences_array: Words = np.frombuffer(self._fences, dtype=np.uint64)
        self._keys = CheckedWords(words[layout.keys : layout.values].cast("Q"), index[blocks : 2 * blocks])
        self._values = CheckedWords(words[layout.values : layout.filter].cast("Q"), index[2 * blocks : 3 * blocks])
        self.filter = CheckedWords(words[layout.filter :].cast("Q"), index[3 * blocks :])
        self.filter_shift = 64 - layout.filter_exponent
        """The word of a key in the filter is its bits above these."""

    def __len__(self) -> int:
        return self._layout.pairs

    def has(self, keys: Words, values: Words) -> Rows:
        """Which of these pairs are in the run. Raises `DamagedRun`."""
        found = np.zeros(len(keys), dtype=np.bool_)
        rows, places = self._first_places(keys)
        while len(rows):
            self._values.check_places(places)
            same = self._values.array[places] == values[rows]
            found[rows[same]] = True
            rows, places = self._equal(rows[~same], places[~same] + 1, keys)
        return found

    def has_keys(self, keys: Words) -> Rows:
        """Which of these keys are in the run. Raises `DamagedRun`."""
        found = np.zeros(len(keys), dtype=np.bool_)
        found[self._first_places(keys)[0]] = True
        return found

    def may_have(self, key: int, mask: int) -> bool:
        """Whether the filter lets the key pass, whose bits there are the mask. Raises `DamagedRun`."""
        word = key >> self.filter_shift
        self.filter.check(word, word + 1)
        return self.filter.words[word] & mask == mask

    def values_of(self, key: int) -> list[int]:
        """The values that go with the key. Raises `DamagedRun`."""
        start = stop = self.place_of(key)
        while stop < len(self):
            self._keys.check(stop, stop + 1)
            if self._keys.words[stop] != key:
                break
            stop += 1
        self._values.check(start, stop)
        return self._values.words[start:stop].tolist()

    def place_of(self, key: int) -> int:
        """How many keys are below this one. Raises `DamagedRun`."""
        start = max(bisect_left(self._fences, key) - 1, 0) << BLOCK_BITS
        stop = min(start + BLOCK_WORDS, len(self))
        self._keys.check(start, stop)
        return bisect_left(self._keys.words, key, start, stop)

    def between(self, start: int, stop: int) -> Pairs:
        """The pairs from one place up to another. Raises `DamagedRun`."""
        for column in (self._keys, self._values):
            column.check(start, stop)
        return Pairs(self._keys.array[start:stop], self._values.array[start:stop])

    def release(self) -> None:
        """Says that what was read of a file is not needed soon, and does not have to stay in memory."""
        if self.path is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.content.madvise(mmap.MADV_DONTNEED)

    def _first_places(self, keys: Words) -> tuple[Column, Column]:
        """The rows of the keys that are in the run, and the first place of each there."""
        words = (keys >> np.uint64(self.filter_shift)).astype(np.int64)
        self.filter.check_places(words)
        masks = masks_of(keys)
        rows = np.flatnonzero(self.filter.array[words] & masks == masks)
        return self._equal(rows, self._places(keys[rows]), keys)

    def _places(self, keys: Words) -> Column:
        """How many keys of the run are below each of these: the block by the first keys, the place in it by halves."""
        places = np.maximum(np.searchsorted(self._fences_array, keys) - 1, 0) << BLOCK_BITS
        self._keys.check_places(places)
        for half in _HALVES:
            further = np.minimum(places + half, len(self))
            places = np.where(self._keys.array[further - 1] < keys, further, places)
        return places

    def _equal(self, rows: Column, places: Column, keys: Words) -> tuple[Column, Column]:
        """Those of these rows and places where the run has the row's key at the place."""
        inside = places < len(self)
        rows, places = rows[inside], places[inside]
        self._keys.check_places(places)
        same = self._keys.array[places] == keys[rows]
        return rows[same], places[same]


def _checked_layout(content: mmap.mmap) -> Layout:
    if len(content) < HEADER_BYTES:
        raise DamagedRun("the file is shorter than a header")
    mark, pairs = _numbers.unpack_from(content)
    if mark != MARK or not 0 < pairs <= len(content):
        raise DamagedRun("the file is no run of this format")
    layout = Layout.of(pairs)
    if layout.size != len(content):
        raise DamagedRun(f"the file has {len(content)} bytes, and {pairs} pairs take {layout.size}")
    if make_header(pairs, content[HEADER_BYTES : layout.keys]) != content[:HEADER_BYTES]:
        raise DamagedRun("the header or the index is not what was written")
    return layout
