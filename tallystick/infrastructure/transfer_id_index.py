"""The transfer ids that a journal holds, so that none is used twice. Derived from its rows, which are the truth.

Ids made in the order of time are only compared with the largest so far. All are kept in a set of pairs of words that can be
searched when an id comes that is not above that: the lower half of an id, and both halves mixed with a number drawn by
chance, so that the keys are spread evenly whatever ids somebody chooses. The pair gives back the id, so what is found is the
id itself and no likeness of it.
"""

import secrets
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tallystick.domain.columns import Rows
from tallystick.domain.events import BATCHES
from tallystick.domain.transfer_ids import TransferIds, Words
from tallystick.infrastructure.sorted_runs import SortedRuns


class TransferIdIndex:
    """The ids of a journal. With a `folder`, most of them lie on disk there."""

    def __init__(self, folder: Path | None = None) -> None:
        self.largest = -1
        self._seed = np.uint64(secrets.randbits(64))
        self._runs = SortedRuns(folder)

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
        """Which of `ids` were added."""
        return self._runs.has(*_pairs(ids, self._seed))

    def close(self) -> None:
        """Gives up what lies on disk."""
        self._runs.close()


def _pairs(ids: TransferIds, seed: np.uint64) -> tuple[Words, Words]:
    """Keys that are spread evenly, and the lower halves, which with the key give the upper ones."""
    mixed = ids.lower + seed  # then the finalizer of SplitMix64, which is one to one
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31)) ^ ids.upper, ids.lower.copy()
