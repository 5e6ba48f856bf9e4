"""The idempotency keys used so far: which commit each is in. Derived from the journal's rows, which are the truth.

The keys used lately are in a dict. Once there are many, they are turned in the background into a sorted run of pairs of a
64-bit hash and the commit's first position, and runs are merged as they grow in number; so the memory that is needed does not
grow with the journal. Two keys may have one hash, so what is found in a run is a candidate: its row says whether the key is
there. A key that was added is always found.
"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np

from tallystick.infrastructure.indexes.runs.frozen import FrozenRuns
from tallystick.infrastructure.indexes.runs.pairs import Pairs, sorted_pairs
from tallystick.infrastructure.indexes.runs.sorted_runs import Making, SortedRuns
from tallystick.infrastructure.indexes.text_hashes import hash_of, hashes_of
from tallystick.infrastructure.journal.format import Key

RECENT = 1 << 16
"""So many keys are turned into a run."""


class FrozenKeys:
    """All keys at one moment. Changes no more, and needs no lock."""

    def __init__(self, runs: FrozenRuns, recent: Sequence[Mapping[str, int]]) -> None:
        self._runs = runs
        self._recent = recent

    def are(self, keys: Mapping[str, int], differ: Callable[[Iterable[Pairs], Iterable[Pairs]], bool]) -> bool:
        """Whether they are these, with the first positions of their commits. `differ` compares pairs of hashes and positions,
        and is asked where there are runs. Raises `DamagedRun`.
        """
        if self._runs.is_empty:
            return dict(ChainMap(*map(dict, self._recent))) == keys
        recent = [_sorted_hashes(keys) for keys in self._recent if keys]
        return not differ(chain(self._runs.pairs(), recent), [_sorted_hashes(keys)])

    def save(self, folder: Path) -> Any:
        """Writes them into the folder, and gives what `KeyIndex.load` needs, for JSON. Raises `OSError`."""
        return self._runs.save(folder, [_sorted_hashes(keys) for keys in self._recent])


class KeyIndex:
    """The first positions of the commits that used keys. With a `folder`, most of them lie on disk there.

    All is called under its owner's lock.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._recent: dict[str, int] = {}
        self._turning: list[tuple[dict[str, int], Making]] = []
        self._runs = SortedRuns(folder, RECENT)
        self._has_runs = False

    @classmethod
    def load(cls, saved: Path, description: Any, folder: Path | None = None) -> Self:
        """The keys that `FrozenKeys.save` wrote into the folder `saved`, which may be deleted afterwards.

        Raises `DamagedRun` where that is not what is there.
        """
        keys = cls()
        keys._runs = SortedRuns.load(saved, description, folder, RECENT)
        keys._has_runs = True
        return keys

    def add(self, keys: Iterable[Key], first_position: int) -> None:
        """Notes the keys of a commit."""
        recent = self._recent
        for key in keys:
            recent[key.key] = first_position
        if len(recent) >= RECENT:
            self._in_the_making()
            making = self._runs.add_later(lambda: _sorted_hashes(recent))
            self._turning.append((recent, making))
            self._has_runs, self._recent = True, {}

    def find(self, key: str) -> Sequence[int]:
        """The first positions of the commits that may have used the key: of all that did, and seldom of another.

        Raises `DamagedRun`.
        """
        position = self._recent.get(key)
        if position is not None:
            return (position,)
        if self._turning:
            for keys in self._in_the_making():
                if key in keys:
                    return (keys[key],)
        return self._runs.values_of(hash_of(key)) if self._has_runs else ()

    def find_many(self, keys: Sequence[str]) -> dict[int, Sequence[int]]:
        """The same for many keys, by their rows, without those that were certainly not used. Raises `DamagedRun`."""
        rows: set[int] = set()
        if self._has_runs:
            rows.update(np.flatnonzero(self._runs.has_keys(hashes_of(keys))).tolist())
        for recent in (self._recent, *self._in_the_making()):
            if not recent.keys().isdisjoint(keys):
                rows.update(row for row, key in enumerate(keys) if key in recent)
        return {row: self.find(keys[row]) for row in sorted(rows)}

    def freeze(self) -> FrozenKeys:
        """The keys noted up to now, at the cost of copying those noted lately. Raises `DamagedRun`."""
        runs = self._runs.freeze()
        return FrozenKeys(runs, [self._recent.copy(), *self._in_the_making()])

    def is_busy(self) -> bool:
        """Whether runs are being made or merged."""
        return self._runs.is_busy()

    def close(self) -> None:
        """Gives up what lies on disk."""
        self._runs.close()

    def _in_the_making(self) -> list[dict[str, int]]:
        """The keys that are being turned into runs, and are not found there yet."""
        self._turning = [(keys, making) for keys, making in self._turning if not making.is_taken_over]
        return [keys for keys, _ in self._turning]


def _sorted_hashes(keys: Mapping[str, int]) -> Pairs:
    positions = np.fromiter(keys.values(), dtype=np.uint64, count=len(keys))
    return sorted_pairs([Pairs(hashes_of(keys), positions)])
