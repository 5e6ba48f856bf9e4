"""What tests of run files share: sets of pairs that are saved, loaded and waited for, and files that are damaged."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tallystick.infrastructure.indexes.runs.sorted_runs import SortedRuns


def column(values: Iterable[int]) -> Any:
    return np.array(list(values), dtype=np.uint64)


def columns(pairs: Iterable[tuple[int, int]]) -> tuple[Any, Any]:
    found = list(pairs)
    return column(key for key, _ in found), column(value for _, value in found)


def chance_pairs(count: int, seed: int = 1) -> tuple[Any, Any]:
    """So many keys and values, which are the same each time."""
    keys, values = np.random.default_rng(seed).integers(0, 2**64, (2, count), dtype=np.uint64)
    return keys, values


def runs_in(folder: Path) -> list[Path]:
    """The files of runs anywhere in the folder."""
    return sorted(folder.rglob("*.run"))


def until(done: Callable[[], bool]) -> None:
    """Waits for the background."""
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, "the background does not come to an end"
        time.sleep(0.001)


def wait_for(runs: SortedRuns) -> None:
    """Waits until no run is being made or merged."""

    def done() -> bool:
        runs.take_over()
        return not runs.is_busy()

    until(done)


def flip(file: Path, place: int, bits: int = 0xFF) -> None:
    """Changes one byte of the file where it is."""
    with file.open("r+b") as opened:
        opened.seek(place)
        (byte,) = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte ^ bits]))
