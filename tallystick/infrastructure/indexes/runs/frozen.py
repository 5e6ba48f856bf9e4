"""The runs of a set of pairs as they stood at one moment, how they are saved into a folder, and how they are found there again.

Long runs are linked, whatever else there is becomes one more run, and a small description names them all. It has the checksum
of each run's header, so a run of another moment is not mistaken for one of these.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.runs.file import Run
from tallystick.infrastructure.indexes.runs.pairs import Pairs, sorted_pairs
from tallystick.infrastructure.indexes.runs.writer import keep_in, make_durable, new_path, open_file, write_file

READ_PAIRS = 1 << 17
"""So many are read of a run at a time."""


class SavedRun(msgspec.Struct, frozen=True):
    """A run in a folder: its file, and the checksum of its header in hex, which covers all of the file."""

    file: str
    checksum: str


class FrozenRuns:
    """All pairs of a set at one moment. Changes no more, and needs no lock."""

    def __init__(self, runs: Sequence[Run], rest: Sequence[Callable[[], Pairs]]) -> None:
        self._runs = runs
        self._rest = rest

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self._runs and not self._rest

    def pairs(self) -> Iterator[Pairs]:
        """All of them, a part at a time, in no certain order. Raises `DamagedRun`."""
        for run in self._runs:
            for start in range(0, len(run), READ_PAIRS):
                yield run.between(start, min(start + READ_PAIRS, len(run)))
            run.release()
        for make in self._rest:
            yield make()

    def save(self, folder: Path, more: Sequence[Pairs] = ()) -> Any:
        """Writes them, and `more` with them, into the folder, durably, and gives what `SortedRuns.load` needs, for JSON.

        Raises `OSError`, which may leave some files there.
        """
        saved = [SavedRun(keep_in(folder, run), run.checksum.hex()) for run in self._runs]
        rest = [pairs for pairs in (*(make() for make in self._rest), *more) if len(pairs.keys)]
        if rest:
            pairs = sorted_pairs(rest)
            path = new_path(folder)
            run = write_file(path, (pairs,), len(pairs.keys))
            make_durable(path)
            saved.append(SavedRun(path.name, run.checksum.hex()))
        make_durable(folder)
        return msgspec.to_builtins(saved)


def load_runs(folder: Path, description: Any) -> list[Run]:
    """The runs that were saved into the folder. Raises `DamagedRun` where they are not there, or the description is none."""
    try:
        saved = msgspec.convert(description, list[SavedRun])
    except msgspec.ValidationError as error:
        raise DamagedRun(f"no description of saved runs: {error}") from error
    return [_load(folder, run) for run in saved]


def _load(folder: Path, saved: SavedRun) -> Run:
    if Path(saved.file).name != saved.file:
        raise DamagedRun(f"{saved.file!r} is no name of a file")
    run = open_file(folder / saved.file)
    if run.checksum.hex() != saved.checksum:
        raise DamagedRun(f"{saved.file} is another run")
    return run
