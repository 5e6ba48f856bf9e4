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
from tallystick.infrastructure.benchmarks.baselines.recorder_baselines import RECORDER_POSTGRES
from tallystick.infrastructure.benchmarks.baselines.umadb_server import UMADB, why_absent
from tallystick.infrastructure.benchmarks.measuring.timing import Figure, Space
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.benchmarks.places.places import BARE_POSTGRES
from tallystick.infrastructure.benchmarks.workloads import (
    apps,
    batches,
    callers,
    contracts,
    direct_calls,
    event_reads,
    event_saves,
    growth,
    opening,
    past,
    space,
    transactions,
)
from tallystick.infrastructure.journal.stores.postgres.address import SCHEMES

WORKLOADS = (
    *transactions.WORKLOADS,
    *callers.WORKLOADS,
    *direct_calls.WORKLOADS,
    *batches.WORKLOADS,
    *growth.WORKLOADS,
    *opening.WORKLOADS,
    *past.WORKLOADS,
    *space.WORKLOADS,
    *contracts.WORKLOADS,
    *apps.WORKLOADS,
    *event_saves.WORKLOADS,
    *event_reads.WORKLOADS,
)


@dataclass(frozen=True)
class Measured:
    """What a run of the suite found. `absent` says what is not to be had here, and why."""

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
    return Measured(_machine(settings), settings, figures, spaces, _absent(workloads, settings))


def check_postgres(url: str) -> str:
    """The version of the server at `url`. Raises `InvalidRequest`, `InvalidURL` or `StorageUnavailable` where there is none."""
    if not url.startswith(SCHEMES):  # and may hold a password all the same
        raise InvalidRequest("--postgres is a URL that begins with postgresql://")
    try:
        from tallystick.infrastructure.benchmarks.places.postgres_place import server_version
    except ImportError as error:
        raise InvalidRequest(f'PostgreSQL needs psycopg: pip install "tallystick[postgres]" ({error})') from error
    return server_version(url)


def _absent(workloads: Sequence[Workload], settings: Settings) -> dict[str, str]:
    wanted = {baseline for workload in workloads for baseline in workload.baselines}
    absent: dict[str, str] = {}
    if UMADB in wanted and (reason := why_absent()) is not None:
        absent[UMADB.name] = reason
    if not wanted.isdisjoint((BARE_POSTGRES, RECORDER_POSTGRES)) and settings.postgres is None:
        absent["PostgreSQL"] = "no server is named, by --postgres or TALLYSTICK_POSTGRES"
    return absent


def _machine(settings: Settings) -> dict[str, str]:
    postgres = {} if settings.postgres is None else {"postgresql": check_postgres(settings.postgres)}
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "numpy": np.__version__,
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
        **postgres,
    }
