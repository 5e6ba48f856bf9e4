"""The suite: every workload, in the order in which they are measured, and running those that are chosen."""

import os
import platform
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.benchmarks import apps, batches, contracts, growth, space, transactions
from tallystick.infrastructure.benchmarks.timing import Figure, Space
from tallystick.infrastructure.benchmarks.umadb_server import UMADB, why_absent
from tallystick.infrastructure.benchmarks.workload import Settings, Workload

WORKLOADS = (
    *transactions.WORKLOADS,
    *batches.WORKLOADS,
    *growth.WORKLOADS,
    *space.WORKLOADS,
    *contracts.WORKLOADS,
    *apps.WORKLOADS,
)


@dataclass(frozen=True)
class Measured:
    """What a run of the suite found. `absent` says which baselines are not to be had here, and why."""

    machine: dict[str, str]
    settings: Settings
    figures: list[Figure]
    spaces: list[Space]
    absent: dict[str, str]


def chosen(names: Sequence[str]) -> list[Workload]:
    """The workloads of these names, all where there are none; `InvalidRequest` where one is unknown."""
    known = [workload.name for workload in WORKLOADS]
    for name in names:
        if name not in known:
            raise InvalidRequest(f"there is no workload {name!r}: choose among {', '.join(known)}")
    return [workload for workload in WORKLOADS if not names or workload.name in names]


def run(workloads: Sequence[Workload], settings: Settings, progress: Callable[[Figure | Space], None]) -> Measured:
    """Measures the workloads in a folder of its own under `settings.folder`, and tells each figure as it comes."""
    figures: list[Figure] = []
    spaces: list[Space] = []
    for workload in workloads:
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=settings.folder) as folder:
            for found in workload.measure(replace(settings, folder=Path(folder))):
                progress(found)
                if isinstance(found, Figure):
                    figures.append(found)
                else:
                    spaces.append(found)
    reason = why_absent() if any(UMADB in workload.baselines for workload in workloads) else None
    return Measured(_machine(), settings, figures, spaces, {} if reason is None else {UMADB.name: reason})


def _machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "numpy": np.__version__,
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
    }
