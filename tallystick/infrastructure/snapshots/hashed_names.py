"""Names in a snapshot: a table by number, found by hash, that stands on columns; nothing is made until a name is asked for.

Names lie one after another as UTF-8, each filled up with zeros to whole words of 32 bits. A name is found by its hash: slots,
twice as many as names, hold numbers, each in the first free slot from the one that the hash of its name says. The hash is a
sum of products of the words with numbers drawn from a seed, so whoever does not know the seed cannot choose names that
crowd together, and a whole column is hashed at once. What a slot says is compared with the name itself.
"""

from collections.abc import Iterator, Sequence
from operator import mul
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_BLOCK = 1 << 15
_WORDS_HASHED = 512
_FREE = 2**32 - 1
_HASH_MASK = 2**64 - 1
_NEWLINE = 10
_FILLING = (b"", bytes(3), bytes(2), bytes(1))


class NameColumns(msgspec.Struct, frozen=True, eq=False):
    """Names number `k` takes the words `starts[k]` to `starts[k + 1]`; `slots` hold numbers, or 2**32 - 1 where they are free.

    `seed` is that of the hash, 0 to 2**64 - 1.
    """

    words: Words
    starts: Words
    slots: Words
    seed: int


class HashedNames:
    """Names by number, from 0 on, and numbers by name."""

    def __init__(self, columns: NameColumns) -> None:
        self.columns = columns
        self._count = len(columns.starts) - 1
        self._words: Any = columns.words.data
        self._starts: Any = columns.starts.data
        self._slots: Any = columns.slots.data
        self._factors: list[int] = _factors(columns.seed).tolist()

    def __len__(self) -> int:
        return self._count

    def name(self, number: int) -> str:
        """The name with this number."""
        return self._words[self._starts[number] : self._starts[number + 1]].tobytes().rstrip(b"\0").decode()

    def names(self) -> Iterator[str]:
        """All names in the order of their numbers."""
        return map(self.name, range(self._count))

    def find(self, name: str) -> int | None:
        """The number of the name, None where it is not in the table."""
        encoded = name.encode("utf-8", "surrogatepass")
        filled = encoded + _FILLING[len(encoded) & 3]
        hash = sum(map(mul, memoryview(filled).cast("I"), self._factors)) & _HASH_MASK
        slot = (hash >> 32) * 2 * self._count >> 32
        slots, words, starts = self._slots, self._words, self._starts
        while (number := slots[slot]) != _FREE:
            if words[starts[number] : starts[number + 1]].tobytes() == filled:
                return None if name.endswith("\0") else number  # as if it were filled up
            slot += 1
        return None

    def finds_its_names(self) -> bool:
        """Whether its slots are those that its names have."""
        columns = self.columns
        return np.array_equal(columns.slots, _slots(columns.words, columns.starts, columns.seed))

    def having_a_space(self) -> list[int]:
        """The numbers of the names that have a space in them."""
        found: set[int] = set()
        for start in range(0, len(self.columns.words), _BLOCK):
            block = self.columns.words[start : start + _BLOCK].tobytes()
            if b" " in block:
                places = start + np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord(" ")) // 4
                found.update((np.searchsorted(self.columns.starts, places, side="right") - 1).tolist())
        return sorted(found)


def columns_of_names(names: Sequence[str | None], count: int, table: HashedNames | None, seed: int) -> NameColumns:
    """The columns of the first `count` names, of which the first are those of `table`. Raises what `words_of_names` does."""
    words, starts = words_of_names(names, count, table)
    return NameColumns(words, starts, _slots(words, starts, seed), seed)


def words_of_names(names: Sequence[str | None], count: int, table: HashedNames | None) -> tuple[Words, Words]:
    """The words of the first `count` names, of which the first are those of `table`, and where each name starts.

    `ValueError` where a name cannot stand in a column: a NUL, a line's end or half a surrogate pair is in it.
    """
    words: list[Words] = [] if table is None else [table.columns.words]
    starts: list[Words] = [np.zeros(1, dtype=np.uint32)] if table is None else [table.columns.starts]
    known = 0 if table is None else len(table)
    while known < count:
        block = names[known : min(count, known + _BLOCK)]
        new, ends = _encoded([name for name in block if name is not None])
        if len(ends) != len(block):
            raise ValueError("a name is missing")
        words.append(new)
        starts.append((ends + int(starts[-1][-1])).astype(np.uint32))
        known += len(block)
    return np.concatenate([*words, np.empty(0, dtype=np.uint32)]), np.concatenate(starts)


def _encoded(names: list[str]) -> tuple[Words, NDArray[np.int64]]:
    """The words of the names, and where each ends."""
    content = np.frombuffer("\n".join([*names, ""]).encode(), dtype=np.uint8)
    ends = np.flatnonzero(content == _NEWLINE)
    if len(ends) != len(names) or not content.all():
        raise ValueError("a name has a line's end or a NUL in it")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    lengths = ends - starts
    word_ends = np.cumsum((lengths + 3) // 4)
    filled = np.zeros(4 * int(word_ends[-1]), dtype=np.uint8)
    shifts = 4 * (word_ends - (lengths + 3) // 4) - starts
    places = np.flatnonzero(content != _NEWLINE)
    filled[places + np.repeat(shifts, lengths)] = content[places]
    return filled.view(np.uint32), word_ends


def _slots(words: Words, starts: Words, seed: int) -> Words:
    """Where the names' numbers go: sorted by where they would, each comes after the one before."""
    count = len(starts) - 1
    wanted = ((_hashes(words, starts, seed) >> np.uint64(32)) * np.uint64(2 * count) >> np.uint64(32)).astype(np.int64)
    order = np.argsort(wanted, kind="stable")
    rank = np.arange(count)
    places = rank + np.maximum.accumulate(wanted[order] - rank)
    slots = np.full(max(2 * count, int(places[-1]) + 1 if count else 0) + 1, _FREE, dtype=np.uint32)  # the last one is free
    slots[places] = order
    return slots


def _hashes(words: Words, starts: Words, seed: int) -> NDArray[np.uint64]:
    """The hashes of all names, a block at a time."""
    factors = np.append(_factors(seed), np.uint64(0))
    hashes = np.empty(len(starts) - 1, dtype=np.uint64)
    for first in range(0, len(hashes), _BLOCK):
        bounds = starts[first : first + _BLOCK + 1].astype(np.int64)
        block = words[bounds[0] : bounds[-1]].astype(np.uint64)
        bounds -= bounds[0]
        places = np.arange(len(block)) - np.repeat(bounds[:-1], np.diff(bounds))
        sums = np.append(np.uint64(0), np.cumsum(block * factors[np.minimum(places, _WORDS_HASHED)], dtype=np.uint64))
        hashes[first : first + _BLOCK] = sums[bounds[1:]] - sums[bounds[:-1]]
    return hashes


def _factors(seed: int) -> NDArray[np.uint64]:
    """As many numbers as words are hashed, drawn from the seed by SplitMix64."""
    state = np.arange(1, _WORDS_HASHED + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
