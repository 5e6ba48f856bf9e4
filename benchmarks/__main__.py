"""`python -m benchmarks`: measures everything, prints a table, and writes JSON if asked to."""

import argparse
import json
import platform
import sqlite3
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import apps, contracts, workloads
from benchmarks.timing import Result

QUICK = 20
WORKLOADS = {**workloads.WORKLOADS, **contracts.WORKLOADS, **apps.WORKLOADS}


def main() -> None:
    """Reads the options and runs the workloads they name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=sorted(WORKLOADS), help="one workload alone")
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of the size, to see that it works")
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each, after one to warm up (default: 7)")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where the files go: the disk that is measured")
    options = parser.parse_args()
    console = Console(width=160)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder) as folder:
        for name, workload in WORKLOADS.items():
            if options.only in (None, name):
                for result in workload(Path(folder), QUICK if options.quick else 1, options.runs):
                    results.append(result)
                    console.print(f"{result.name}, {result.size}: {result.median:,.0f} {result.unit}/s", highlight=False)
    _print(console, results)
    if options.json is not None:
        options.json.write_text(json.dumps([_record(result) for result in results], indent=2) + "\n")


def _print(console: Console, results: list[Result]) -> None:
    machine = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}"
    table = Table(title=f"Medians; every commit durable. {machine}", title_justify="left")
    table.add_column("work")
    table.add_column("size")
    for column in ("a second", "spread", "baseline", "ratio", "to the smaller"):
        table.add_column(column, justify="right")
    smaller: dict[str, Result] = {}
    for result in results:
        first = smaller.setdefault(result.name, result)
        table.add_row(
            result.name,
            result.size,
            f"{result.median:,.0f}",
            f"{result.spread:.0%}",
            f"{result.baseline_median:,.0f}",
            f"{result.ratio:.2f}",
            "" if first is result else f"{result.median / first.median:.2f}",
        )
    console.print(table)
    for name, baseline in {result.name: result.baseline_is for result in results}.items():
        console.print(f"{name}: the baseline is {baseline}.", highlight=False)


def _record(result: Result) -> dict[str, object]:
    return {
        "name": result.name,
        "size": result.size,
        "unit": result.unit,
        "rates": result.rates,
        "baseline_rates": result.baseline_rates,
        "baseline_is": result.baseline_is,
        "ratio": result.ratio,
    }


if __name__ == "__main__":
    main()
