"""Looking after what was built: whether the tables in use are still what the journal says, what there is, and the way back."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tallystick.domain.errors import InvalidRequest, RebuildDiffers
from tallystick.infrastructure.rebuild.check import check_given, check_stored
from tallystick.infrastructure.rebuild.columns import batches_of
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.rebuild import Rebuilt, check_sums_of, rebuilt_of, replay_into, rounds_of
from tallystick.infrastructure.rebuild.selection import Given, Selection, selected
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.sinks.port import Build, Sink
from tallystick.infrastructure.rebuild.source import Source


def check(source: Source, given: Given | Iterable[Given], into: str | Path, progress: Progress | None = None) -> list[Rebuilt]:
    """Works the tables that are in use out again, writes nothing, and compares. As `Ledger.check_rebuilt`."""
    wanted = selected(given)
    with open_sink(into) as sink:
        live = live_builds(sink, wanted.versions())
        return [_check_live(source, sink, build, wanted.of(names), progress) for build, names in live]


def live_builds(sink: Sink, names: Mapping[str, int]) -> list[tuple[Build, list[str]]]:
    """The builds that are in use of these projections, and for which of them each is."""
    live: list[tuple[Build, list[str]]] = []
    missing = dict(names)
    for build in sink.builds():
        found = sorted({table.projection for table in sink.tables(build.version).values() if table.is_live})
        found = [name for name in found if missing.pop(name, None) is not None]
        if found:
            live.append((build, found))
    if missing:
        raise InvalidRequest(f"no {min(missing)} is in use there: rebuild it first")
    return live


def _check_live(source: Source, sink: Sink, build: Build, wanted: Selection, progress: Progress | None) -> Rebuilt:
    names, version = wanted.versions(), build.version
    tables = {name: table for name, table in sink.tables(version).items() if table.is_live and table.projection in names}
    if not source.has(build.upto, build.digest):
        reason = f"it was made of another journal, or this one was cut before position {build.upto}"
        raise RebuildDiffers(reason, table=min(tables))
    rounds = rounds_of(wanted, build.upto, progress)
    rows = {name: check_stored(sink, version, table.shape) for name, table in tables.items()}
    for table in wanted.row_tables:
        found = (rows.batch for rows in table.rows(source, 0, build.upto, rounds))
        check_given(sink, version, table.shape, found)
    replay_into(wanted, source, build.upto, rounds)
    for each in wanted.projections:
        for _, table in each.tables():
            if table.name in tables:
                check_given(sink, version, table.shape, batches_of(table.shape, table.rows))
    check_sums_of(source, sink, build, rows, rounds)
    return rebuilt_of(build, rows)


def builds_in(into: str | Path) -> list[tuple[Build, dict[str, Any]]]:
    """All builds there, oldest first, each with its tables: whether each is in use, and how many rows it has so far."""
    with open_sink(into) as sink:
        return [
            (
                build,
                {
                    name: (table.is_live, sum(chunk.rows for chunk in sink.chunks(build.version, name)))
                    for name, table in sink.tables(build.version).items()
                },
            )
            for build in sink.builds()
        ]


def roll_back(names: Iterable[str], into: str | Path) -> dict[str, int]:
    """Puts the tables of these projections in use that were before; gives the version of each. Raises `InvalidRequest`."""
    with open_sink(into) as sink:
        builds = sink.builds()
        tables = {build.version: sink.tables(build.version) for build in builds}
        complete = {build.version for build in builds if build.state == "complete"}
        to: dict[str, int] = {}
        for wanted in names:
            now = [
                (name, version)
                for version, found in tables.items()
                for name, table in found.items()
                if table.is_live and table.projection == wanted
            ]
            for name, version in now:
                before = [each for each, found in tables.items() if each < version and each in complete and name in found]
                if not before:
                    raise InvalidRequest(f"no build of {name} before version {version} was kept: rebuild it")
                to[name] = max(before)
            if not now:
                raise InvalidRequest(f"no {wanted} is in use there: rebuild it first")
        sink.switch(to)
        return to
