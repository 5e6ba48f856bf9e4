"""A workload: something that is measured, at what settings, and what it is compared with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Space

QUICK = 20
AGE = 100_000_000


@dataclass(frozen=True)
class Settings:
    """`folder` is on the disk that is measured; sizes are divided by `scale`; an old journal has `age` transfers.

    `postgres` is the address of a PostgreSQL server to be measured too, if there is one.
    """

    folder: Path
    scale: int
    runs: int
    age: int
    postgres: str | None = None


@dataclass(frozen=True)
class Workload:
    """What `measure` measures, and the baselines that it may compare with. Figures of what is `plotted` go into the plot."""

    name: str
    about: str
    measure: Callable[[Settings], Iterator[Figure | Space]]
    baselines: tuple[Baseline, ...]
    plotted: bool = False
