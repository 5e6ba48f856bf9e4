"""The plot: how the time of a transfer grows with the size of its batch, the number of accounts and the age of the journal.

matplotlib is imported when it is needed, for it comes with the extra `bench` alone.
"""

import importlib
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.benchmarks.measuring.timing import Axis, Figure
from tallystick.infrastructure.benchmarks.measuring.workload import Workload

FORMATS = (".svg", ".png")
Lines = dict[str, dict[int, float]]
"""Microseconds a transfer, by line and by place on the axis."""


def check_plot(path: Path, workloads: Sequence[Workload]) -> None:
    """Raises `InvalidRequest` where there could be no plot in the end, before anything is measured."""
    if path.suffix not in FORMATS:
        raise InvalidRequest(f"a plot is a file that ends in {' or '.join(FORMATS)}, not {path.name!r}")
    if not any(workload.plotted for workload in workloads):
        raise InvalidRequest("nothing that goes into a plot was chosen: see --list")
    _matplotlib()


def plot(path: Path, figures: Sequence[Figure]) -> None:
    """Writes one panel for each axis that was measured; the ledger's lines are broad, the baselines' dashed."""
    drawn = {axis: _lines(figures, axis) for axis in get_args(Axis)}
    measured = {axis: found for axis, found in drawn.items() if any(found)}
    names = {name for found in measured.values() for lines in found for name in lines}
    colours = {name: f"C{number}" for number, name in enumerate(sorted(names))}
    panels, axes = _matplotlib().subplots(
        1, len(measured), figsize=(6 * len(measured), 5), sharey=True, squeeze=False, layout="constrained"
    )
    for panel, (axis, (ours, theirs)) in zip(axes[0], measured.items(), strict=True):
        _draw(panel, ours, "-", 2.5, colours)
        _draw(panel, theirs, "--", 1.0, colours)
        panel.set(xscale="log", yscale="log", xlabel=axis)
        panel.grid(visible=True, which="major", alpha=0.3)
    axes[0][0].set_ylabel("microseconds a transfer")
    labelled = {label: line for panel in axes[0] for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    panels.legend(labelled.values(), labelled, loc="outside lower center", ncols=6)
    panels.savefig(path)
    _matplotlib().close(panels)


def _lines(figures: Sequence[Figure], axis: Axis) -> tuple[Lines, Lines]:
    """The ledger's lines and the baselines'; where several figures have a baseline at one place, the first one's counts."""
    ours: Lines = {}
    theirs: Lines = {}
    for figure in figures:
        if figure.point is not None and figure.point.axis == axis:
            ours.setdefault(figure.point.line, {})[figure.point.at] = 1e6 / figure.median
            for baseline, rates in figure.baselines.items():
                theirs.setdefault(baseline.name, {}).setdefault(figure.point.at, 1e6 / statistics.median(rates))
    return ours, theirs


def _draw(panel: Any, lines: Lines, style: str, width: float, colours: dict[str, str]) -> None:
    for name, points in lines.items():
        places = sorted(points)
        panel.plot(places, [points[at] for at in places], style, linewidth=width, marker=".", color=colours[name], label=name)


def _matplotlib() -> Any:
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("agg")  # files alone, whatever screen there is
        return importlib.import_module("matplotlib.pyplot")
    except ModuleNotFoundError as error:
        raise InvalidRequest('a plot needs matplotlib: pip install "tallystick[bench]"') from error
