"""Timing work and its baselines in turn, so that a noisy machine is noisy for all of them.

A rate alone says as much about the machine as about what was measured. So every rate stands beside that of a baseline, which
says what it does and what it leaves out, and the ratio is the median of the ratios of runs that were neighbours in time.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

Work = Callable[[], int]
"""Does some work and says how many units of it were done."""

Drawn = TypeVar("Drawn")

Axis = Literal["rows a batch", "accounts", "events in the journal"]


@dataclass(frozen=True)
class Baseline:
    """Something to compare with: what it `does`, and what it `does_not` do that the ledger does."""

    name: str
    does: str
    does_not: str


@dataclass(frozen=True)
class Point:
    """Where on an axis of the plot a figure belongs, and to which line."""

    axis: Axis
    at: int
    line: str


@dataclass(frozen=True)
class Figure:
    """Rates in units a second, one a run, of the ledger and of each baseline. `size` says at what size."""

    name: str
    size: str
    unit: str
    rates: list[float]
    baselines: Mapping[Baseline, list[float]]
    point: Point | None = None

    @property
    def median(self) -> float:
        """The ledger's median rate."""
        return statistics.median(self.rates)

    def ratio(self, baseline: Baseline) -> float:
        """The median of the ratios to the baseline in the same round."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.rates, self.baselines[baseline], strict=True))


@dataclass(frozen=True)
class Space:
    """Bytes that one unit takes on disk or in memory; it is counted, not timed, and needs no baseline."""

    name: str
    size: str
    unit: str
    bytes: float


def spread(rates: list[float]) -> float:
    """How far the fastest and the slowest run lie apart, as a part of the median."""
    return (max(rates) - min(rates)) / statistics.median(rates)


def compare(
    name: str,
    size: str,
    unit: str,
    work: Work,
    baselines: Mapping[Baseline, Work],
    runs: int,
    point: Point | None = None,
) -> Figure:
    """Runs all in turn, once to warm up and then `runs` times."""
    rates: list[float] = []
    baseline_rates: dict[Baseline, list[float]] = {baseline: [] for baseline in baselines}
    for run in range(runs + 1):
        ours = _rate(work)
        theirs = {baseline: _rate(its_work) for baseline, its_work in baselines.items()}
        if run:
            rates.append(ours)
            for baseline, rate in theirs.items():
                baseline_rates[baseline].append(rate)
    return Figure(name, size, unit, rates, baseline_rates, point)


def prepared(draw: Callable[[], Drawn], work: Callable[[Drawn], int], runs: int) -> Work:
    """Work on what is drawn before anything is timed, anew for each run and for the one to warm up."""
    drawn = [draw() for _ in range(runs + 1)]
    return lambda: work(drawn.pop())


def _rate(work: Work) -> float:
    started = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - started)
