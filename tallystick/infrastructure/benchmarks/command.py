"""What `tallystick bench` does: chooses workloads, runs them, and writes what they gave as a table, as JSON and as a plot."""

import json as json_format
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.benchmarks.measuring.workload import AGE, QUICK, Settings
from tallystick.infrastructure.benchmarks.plot import check_plot, plot
from tallystick.infrastructure.benchmarks.presentation import in_short, print_list, print_measured, record
from tallystick.infrastructure.benchmarks.suite import check_postgres, chosen, run

WIDTH = 200


def list_workloads(output: Console, only: Sequence[str]) -> None:
    """Prints what there is to measure. Raises `InvalidRequest` where a name is unknown."""
    print_list(_wide(output), chosen(only))


def measure(
    output: Console,
    errors: Console,
    only: Sequence[str],
    *,
    quick: bool,
    runs: int,
    age: int | None,
    folder: Path,
    postgres: str | None,
    json: Path | None,
    plot_file: Path | None,
) -> None:
    """Measures the workloads of these names, or all.

    Before anything is measured it raises `InvalidRequest` where a name is unknown, or a file or the plot cannot be made, and
    `InvalidURL` or `StorageUnavailable` where `postgres` leads to no server.
    """
    workloads = chosen(only)
    for file in (json, plot_file):
        if file is not None and not file.parent.is_dir():
            raise InvalidRequest(f"there is no folder {str(file.parent)!r} to write {file.name!r} into")
        if file is not None and file.is_dir():
            raise InvalidRequest(f"{str(file)!r} is a folder, and a file is to be written")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InvalidRequest(f"nothing can be written into {str(folder)!r}: {error}") from error
    if plot_file is not None:
        check_plot(plot_file, workloads)
    if postgres is not None:
        check_postgres(postgres)
    scale = QUICK if quick else 1
    settings = Settings(folder, scale, runs, AGE // scale if age is None else age, postgres)
    measured = run(workloads, settings, lambda found: errors.print(in_short(found), markup=False, soft_wrap=True))
    print_measured(_wide(output), measured)
    if json is not None:
        json.write_text(json_format.dumps(record(measured), indent=2) + "\n")
    if plot_file is not None:
        plot(plot_file, measured.figures)


def _wide(output: Console) -> Console:
    """Where the output is no terminal, tables may be as wide as they need."""
    return output if output.is_terminal else Console(file=output.file, width=WIDTH, highlight=False, markup=False, emoji=False)
