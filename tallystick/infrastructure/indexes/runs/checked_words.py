"""A column of 64-bit words in blocks, each with a checksum that is compared when the block is first touched.

A file of such columns can be mapped and used without reading it, and still no word of it is believed that is not what was
written: who reads a word says so before, and the first reader of a block pays for its checksum. Words are the machine's own,
which are little-endian wherever this runs; a file from a machine of the other order is found damaged by its first word.
"""

from collections.abc import Iterator
from hashlib import sha256

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.batch.transfer_ids import Words

BLOCK_BITS = 12
BLOCK_WORDS = 1 << BLOCK_BITS
WORD_BYTES = 8


class DamagedRun(Exception):
    """What a cache of keys or ids has on disk is missing or is not what was written: forget it, the journal has it all."""


def blocks_of(words: int) -> int:
    """How many blocks so many words take."""
    return -(-words // BLOCK_WORDS)


def checksum_of(block: bytes | memoryview) -> int:
    """The first 64 bits of a block's SHA-256."""
    return int.from_bytes(sha256(block).digest()[:WORD_BYTES], "little")


class CheckedWords:
    """The words, and which of their blocks were compared with their checksums."""

    def __init__(self, words: memoryview, checksums: memoryview) -> None:
        self.words = words
        """For single words; `array` is for many. Both are to be read after `check` or `check_places` alone."""
        self.array: Words = np.frombuffer(words, dtype=np.uint64)
        self._checksums = checksums
        self._checked = np.zeros(len(checksums), dtype=np.bool_)
        self._unchecked = len(checksums)

    def is_checked(self) -> bool:
        """Whether all blocks were compared."""
        return not self._unchecked

    def check(self, start: int, stop: int) -> None:
        """Makes sure of the words from `start` up to `stop`. Raises `DamagedRun`."""
        for block in range(start >> BLOCK_BITS, blocks_of(stop)):
            if not self._checked[block]:
                self._check(block)

    def check_places(self, places: Column) -> None:
        """Makes sure of the words at these places. Raises `DamagedRun`."""
        blocks = places >> BLOCK_BITS
        unchecked = ~self._checked[blocks]
        if unchecked.any():
            for block in np.unique(blocks[unchecked]).tolist():
                self._check(block)

    def _check(self, block: int) -> None:
        content = self.words[block << BLOCK_BITS : (block + 1) << BLOCK_BITS]
        if checksum_of(content) != self._checksums[block]:
            raise DamagedRun(f"block {block} is not what was written")
        self._checked[block] = True
        self._unchecked = len(self._checked) - int(np.count_nonzero(self._checked))


class Blocks:
    """Cuts what is added into blocks, keeping the checksum of each."""

    def __init__(self) -> None:
        self.checksums: list[int] = []
        self._rest: Words = np.empty(0, dtype=np.uint64)

    def add(self, words: Words) -> bytes:
        """Takes words, and gives the bytes of the blocks that are full."""
        words = np.concatenate((self._rest, words)) if len(self._rest) else words
        full = len(words) & -BLOCK_WORDS
        self._rest = words[full:].copy()
        return self._sealed(words[:full])

    def finish(self) -> bytes:
        """The bytes of the last block, which may be short; none where no words are left."""
        rest, self._rest = self._rest, self._rest[:0]
        return self._sealed(rest)

    def _sealed(self, words: Words) -> bytes:
        content = words.tobytes()
        self.checksums += map(checksum_of, _cut(memoryview(content)))
        return content


def _cut(content: memoryview) -> Iterator[memoryview]:
    size = BLOCK_WORDS * WORD_BYTES
    return (content[start : start + size] for start in range(0, len(content), size))
