"""What was measured as a table for people, and as JSON for machines; and what there is to measure."""

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Space, spread
from tallystick.infrastructure.benchmarks.measuring.workload import Workload
from tallystick.infrastructure.benchmarks.suite import Measured


def print_list(console: Console, workloads: Sequence[Workload]) -> None:
    """The workloads, and what each baseline of theirs does and does not do."""
    table = Table(title="What is measured", title_justify="left")
    for column in ("workload", "measures", "beside"):
        table.add_column(column)
    for workload in workloads:
        table.add_row(workload.name, workload.about, ", ".join(baseline.name for baseline in workload.baselines))
    console.print(table)
    _print_baselines(console, [baseline for workload in workloads for baseline in workload.baselines])


def print_measured(console: Console, measured: Measured) -> None:
    """All figures, each above its baselines."""
    if measured.figures:
        console.print(_figures(measured))
        _print_baselines(console, [baseline for figure in measured.figures for baseline in figure.baselines])
    if measured.spaces:
        console.print(_spaces(measured.spaces))
    for name, reason in measured.absent.items():
        console.print(f"Without {name}: {reason}.", highlight=False)


def in_short(found: Figure | Space) -> str:
    """One line."""
    if isinstance(found, Space):
        return f"{found.name}, {found.size}: {found.bytes:,.1f} bytes for each {found.unit}"
    return f"{found.name}, {found.size}: {found.median:,.0f} {found.unit}/s"


def record(measured: Measured) -> dict[str, Any]:
    """Everything, every single rate among it."""
    settings = measured.settings
    return {
        "machine": measured.machine,
        "settings": {"runs": settings.runs, "sizes_divided_by": settings.scale, "age": settings.age},
        "figures": [_figure_record(figure) for figure in measured.figures],
        "spaces": [{"name": s.name, "size": s.size, "unit": s.unit, "bytes": s.bytes} for s in measured.spaces],
        "absent": measured.absent,
    }


def _figures(measured: Measured) -> Table:
    machine = ", ".join(f"{name} {value}" for name, value in measured.machine.items())
    title = (
        f"Medians of {measured.settings.runs} runs, every commit durable where nothing else is said; "
        "the ratio is the ledger's rate to the baseline's"
    )
    table = Table(title=title, title_justify="left", caption=machine, caption_justify="left")
    for column in ("work", "size"):
        table.add_column(column)
    for column in ("a second", "spread", "ratio", "to the first size"):
        table.add_column(column, justify="right")
    first: dict[str, Figure] = {}
    for figure in measured.figures:
        smallest = first.setdefault(figure.name, figure)
        growth = "" if smallest is figure else f"{figure.median / smallest.median:,.2f}"
        rate = f"{figure.median:,.0f} {figure.unit}"
        table.add_row(figure.name, figure.size, rate, f"{spread(figure.rates):.0%}", "", growth, style="bold")
        for baseline, rates in figure.baselines.items():
            rate = f"{statistics.median(rates):,.0f}"
            table.add_row(f"  {baseline.name}", "", rate, f"{spread(rates):.0%}", _ratio(figure.ratio(baseline)))
    return table


def _ratio(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 10 else f"{ratio:,.0f}"


def _spaces(spaces: Sequence[Space]) -> Table:
    table = Table(title="Space", title_justify="left")
    for column in ("where", "size"):
        table.add_column(column)
    table.add_column("bytes", justify="right")
    table.add_column("for each")
    for space in spaces:
        table.add_row(space.name, space.size, f"{space.bytes:,.1f}", space.unit)
    return table


def _print_baselines(console: Console, baselines: Sequence[Baseline]) -> None:
    table = Table(title="Baselines", title_justify="left")
    for column in ("baseline", "does", "does not"):
        table.add_column(column)
    for baseline in dict.fromkeys(baselines):
        table.add_row(baseline.name, baseline.does, baseline.does_not)
    console.print(table)


def _figure_record(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "size": figure.size,
        "unit": figure.unit,
        "median": figure.median,
        "spread": spread(figure.rates),
        "rates": figure.rates,
        "baselines": [
            {
                "name": baseline.name,
                "does": baseline.does,
                "does_not": baseline.does_not,
                "median": statistics.median(rates),
                "spread": spread(rates),
                "rates": rates,
                "ratio": figure.ratio(baseline),
            }
            for baseline, rates in figure.baselines.items()
        ],
    }
