"""Timing a contender and its baseline in turn, so that a noisy machine is noisy for both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], int]
"""Does some work and says how many units of it were done."""


@dataclass(frozen=True)
class Result:
    """Rates in units a second, one a run. `size` says at what size, `baseline_is` what the baseline does and does not do."""

    name: str
    size: str
    unit: str
    rates: list[float]
    baseline_rates: list[float]
    baseline_is: str

    @property
    def median(self) -> float:
        """The contender's median rate."""
        return statistics.median(self.rates)

    @property
    def baseline_median(self) -> float:
        """The baseline's median rate."""
        return statistics.median(self.baseline_rates)

    @property
    def ratio(self) -> float:
        """The median of the ratios of neighbouring runs."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.rates, self.baseline_rates, strict=True))

    @property
    def spread(self) -> float:
        """How far the fastest and the slowest run lie apart, as a part of the median."""
        return (max(self.rates) - min(self.rates)) / self.median


def compare(name: str, size: str, unit: str, work: Work, baseline: Work, baseline_is: str, runs: int) -> Result:
    """Runs both in turn, once to warm up and then `runs` times."""
    rates: list[float] = []
    baseline_rates: list[float] = []
    for run in range(runs + 1):
        ours, theirs = _rate(work), _rate(baseline)
        if run:
            rates.append(ours)
            baseline_rates.append(theirs)
    return Result(name, size, unit, rates, baseline_rates, baseline_is)


def _rate(work: Work) -> float:
    started = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - started)
