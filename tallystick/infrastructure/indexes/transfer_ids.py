"""The transfer ids that a journal holds, so that none is used twice. Derived from its rows, which are the truth.

Ids made in the order of time are only compared with the largest so far. All are kept in a set of pairs of words that can be
searched when an id comes that is not above that: the lower half of an id, and both halves mixed with a number drawn by
chance, so that the keys are spread evenly whatever ids somebody chooses. The pair gives back the id, so what is found is the
id itself and no likeness of it.
"""

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Rows
from tallystick.domain.batch.transfer_ids import ID_MAX, TransferIds, Words
from tallystick.domain.events import BATCHES
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.runs.frozen import FrozenRuns
from tallystick.infrastructure.indexes.runs.pairs import Pairs
from tallystick.infrastructure.indexes.runs.sorted_runs import SortedRuns


class _Saved(msgspec.Struct):
    """The seed and the largest id are in hex, for JSON's numbers are not that large everywhere."""

    seed: str
    largest: str
    runs: Any


class FrozenTransferIds:
    """All ids at one moment. Changes no more, and needs no lock."""

    def __init__(self, runs: FrozenRuns, seed: int, largest: int) -> None:
        self._runs = runs
        self._seed = seed
        self._largest = largest

    @property
    def seed(self) -> int:
        """What an index is made with whose pairs are these."""
        return self._seed

    @property
    def largest(self) -> int:
        """The largest id, -1 where there is none."""
        return self._largest

    def pairs(self) -> Iterator[Pairs]:
        """The pairs that stand for all ids, a part at a time. Raises `DamagedRun`."""
        return self._runs.pairs()

    def save(self, folder: Path) -> Any:
        """Writes them into the folder, and gives what `TransferIdIndex.load` needs, for JSON. Raises `OSError`."""
        return msgspec.to_builtins(_Saved(f"{self._seed:x}", f"{self._largest:x}", self._runs.save(folder)))


class TransferIdIndex:
    """The ids of a journal. With a `folder`, most of them lie on disk there."""

    def __init__(self, folder: Path | None = None, seed: int | None = None) -> None:
        self.largest = -1
        self._seed = np.uint64(secrets.randbits(64) if seed is None else seed)
        self._runs = SortedRuns(folder)

    @classmethod
    def load(cls, saved: Path, description: Any, folder: Path | None = None) -> Self:
        """The ids that `FrozenTransferIds.save` wrote into the folder `saved`, which may be deleted afterwards.

        Raises `DamagedRun` where that is not what is there.
        """
        ids = cls()
        try:
            described = msgspec.convert(description, _Saved)
            ids.largest = int(described.largest, 16)
            ids._seed = np.uint64(int(described.seed, 16))
        except (msgspec.ValidationError, ValueError, OverflowError) as error:
            raise DamagedRun(f"no description of saved ids: {error}") from error
        if not -1 <= ids.largest <= ID_MAX:
            raise DamagedRun(f"no id is {ids.largest}")
        ids._runs = SortedRuns.load(saved, described.runs, folder)
        return ids

    def note(self, events: Iterable[object]) -> None:
        """Adds the ids of the batches among `events`."""
        for event in events:
            if isinstance(event, BATCHES) and event.ids:
                self.add(TransferIds.of_bytes(event.ids))

    def add(self, ids: TransferIds) -> None:
        """Adds ids."""
        self.largest = max(self.largest, ids.largest)
        self._runs.add(*_pairs(ids, self._seed))

    def used(self, ids: TransferIds) -> Rows:
        """Which of `ids` were added. Raises `DamagedRun`."""
        return self._runs.has(*_pairs(ids, self._seed))

    def freeze(self) -> FrozenTransferIds:
        """The ids added up to now, at the cost of those added lately. Raises `DamagedRun`."""
        return FrozenTransferIds(self._runs.freeze(), int(self._seed), self.largest)

    def close(self) -> None:
        """Gives up what lies on disk."""
        self._runs.close()


def _pairs(ids: TransferIds, seed: np.uint64) -> tuple[Words, Words]:
    """Keys that are spread evenly, and the lower halves, which with the key give the upper ones."""
    lower = ids.lower.copy()
    mixed = lower + seed
    _mix(mixed)
    mixed ^= ids.upper
    _mix(mixed)  # else ids that differ in their upper halves alone would have keys close to each other
    return mixed, lower


def _mix(words: Words) -> None:
    """The finalizer of SplitMix64, which is one to one, in place."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
