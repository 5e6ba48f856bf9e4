"""The references of entries: which commits have an entry with one. Derived from the journal's rows, which are the truth.

Those noted lately are in a dict; once there are many they become pairs of a 64-bit hash and the commit's first position in
sorted runs. Two references may have one hash, so what is found is a candidate: its row says whether the reference is there.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from tallystick.domain.events import NOTED_BATCHES
from tallystick.domain.values.entry_details import REFERENCE_LENGTH_MAX
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.runs.frozen import FrozenRuns
from tallystick.infrastructure.indexes.runs.pairs import Pairs
from tallystick.infrastructure.indexes.runs.sorted_runs import SortedRuns
from tallystick.infrastructure.indexes.seeded_hashes import SEED_BYTES, SeededHashes
from tallystick.infrastructure.journal.details import decode_details
from tallystick.infrastructure.journal.format import JournalRow, may_hold_batches

RECENT = 1 << 12
"""So many are put into the runs together."""


def may_have_references(row: JournalRow) -> bool:
    """Whether it is worth decoding what a row says, to look for references."""
    return (row.details is not None and b'"ref"' in row.details) or may_hold_batches(row.body)


class _Saved(msgspec.Struct):
    """The seed is in hex."""

    seed: str
    runs: Any


class FrozenReferences:
    """All references at one moment. Changes no more, and needs no lock."""

    def __init__(self, runs: FrozenRuns, seed: bytes) -> None:
        self._runs = runs
        self._seed = seed

    @property
    def seed(self) -> bytes:
        """What an index is made with whose hashes are these."""
        return self._seed

    def pairs(self) -> Iterator[Pairs]:
        """The hashes of all references and the first positions of their commits, a part at a time. Raises `DamagedRun`."""
        return self._runs.pairs()

    def save(self, folder: Path) -> Any:
        """Writes them into the folder, and gives what `ReferenceIndex.load` needs, for JSON. Raises `OSError`."""
        return msgspec.to_builtins(_Saved(self._seed.hex(), self._runs.save(folder)))


class ReferenceIndex:
    """The first positions of the commits whose entries have references. With a `folder`, most of them lie on disk there.

    All is called under its owner's lock.
    """

    def __init__(self, folder: Path | None = None, seed: bytes | None = None) -> None:
        self._hashes = SeededHashes(REFERENCE_LENGTH_MAX, seed)
        self._recent: dict[str, list[int]] = {}
        self._count = 0
        self._runs = SortedRuns(folder)

    @classmethod
    def load(cls, saved: Path, description: Any, folder: Path | None = None) -> Self:
        """The references that `FrozenReferences.save` wrote into the folder `saved`, which may be deleted afterwards.

        Raises `DamagedRun` where that is not what is there.
        """
        try:
            described = msgspec.convert(description, _Saved)
            seed = bytes.fromhex(described.seed)
        except (msgspec.ValidationError, ValueError) as error:
            raise DamagedRun(f"no description of saved references: {error}") from error
        if len(seed) != SEED_BYTES:
            raise DamagedRun(f"no seed has {len(seed)} bytes")
        references = cls(seed=seed)
        references._runs = SortedRuns.load(saved, described.runs, folder)
        return references

    def add(self, references: Iterable[str], first_position: int) -> None:
        """Notes the references of a commit."""
        for reference in references:
            positions = self._recent.setdefault(reference, [])
            if not positions or positions[-1] != first_position:
                positions.append(first_position)
                self._count += 1
        if self._count >= RECENT:
            self._put_away()

    def note(self, row: JournalRow, events: Iterable[object]) -> None:
        """Adds the references of a row that has details and these events."""
        references = [details.ref for details in decode_details(row).values() if details.ref is not None]
        if references:
            self.add(references, row.first_position)
        for event in events:
            if isinstance(event, NOTED_BATCHES) and event.notes.refs:
                self.add_many([reference for reference in event.notes.refs if reference is not None], row.first_position)

    def add_many(self, references: Sequence[str], first_position: int) -> None:
        """Notes many references of a commit, none of them twice."""
        if len(references) < RECENT // 4:
            self.add(references, first_position)
        else:
            self._runs.add(self._hashes.hashes_of(references), np.full(len(references), first_position, dtype=np.uint64))

    def find(self, reference: str) -> Sequence[int]:
        """The first positions of the commits that may have an entry with the reference, ascending. Raises `DamagedRun`."""
        return sorted({*self._runs.values_of(self._hashes.hash_of(reference)), *self._recent.get(reference, ())})

    def freeze(self) -> FrozenReferences:
        """The references noted up to now, at the cost of those noted lately. Raises `DamagedRun`."""
        self._put_away()
        return FrozenReferences(self._runs.freeze(), self._hashes.seed)

    def close(self) -> None:
        """Gives up what lies on disk."""
        self._runs.close()

    def _put_away(self) -> None:
        texts = [reference for reference, positions in self._recent.items() for _ in positions]
        places = [position for positions in self._recent.values() for position in positions]
        if texts:
            self._runs.add(self._hashes.hashes_of(texts), np.array(places, dtype=np.uint64))
            self._recent, self._count = {}, 0
