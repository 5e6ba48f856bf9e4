"""Looking after what was built: whether the tables in use are still what the journal says, what there is, and the way back."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tallystick.domain.errors import InvalidRequest, RebuildDiffers
from tallystick.infrastructure.rebuild.check import check_all_stored, check_given
from tallystick.infrastructure.rebuild.columns import batches_of
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.rebuild import Rebuilt, check_sums_of, rebuilt_of, replay_into, rounds_of
from tallystick.infrastructure.rebuild.selection import Given, Selection, selected
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.sinks.port import Build, BuiltTable, Sink
from tallystick.infrastructure.rebuild.source import Source


def check(source: Source, given: Given | Iterable[Given], into: str | Path, progress: Progress | None = None) -> list[Rebuilt]:
    """Works the tables that are in use out again, writes nothing, and compares. As `Ledger.check_rebuilt`."""
    wanted = selected(given)
    with open_sink(into) as sink:
        live = live_tables(sink, wanted.versions())
        for missing in missing_among(live, wanted.versions()):
            raise InvalidRequest(f"no {missing} is in use there: rebuild it first")
        return [_check_live(source, sink, each, wanted.of(each.names), progress) for each in live]


class LiveTables(NamedTuple):
    """Tables of a build that are in use and stand at one position, at which `build` is given."""

    build: Build
    tables: Mapping[str, BuiltTable]

    @property
    def names(self) -> set[str]:
        """Of which projections they are."""
        return {table.projection for table in self.tables.values()}


def live_tables(sink: Sink, names: Collection[str]) -> list[LiveTables]:
    """What is in use of these projections."""
    found: list[LiveTables] = []
    for build in sink.builds():
        places: dict[tuple[int, str], dict[str, BuiltTable]] = {}
        for name, table in sink.tables(build.version).items():
            if table.is_live and table.projection in names:
                places.setdefault((table.upto, table.digest), {})[name] = table
        for (upto, digest), tables in places.items():
            found.append(LiveTables(build._replace(upto=upto, digest=digest), tables))
    return found


def missing_among(live: Iterable[LiveTables], names: Iterable[str]) -> list[str]:
    """The projections of which nothing is in use."""
    return sorted(set(names).difference(*(each.names for each in live)))


def check_journal(source: Source, live: LiveTables) -> None:
    """`RebuildDiffers` where the journal is not the one that the tables were made of."""
    upto, digest = live.build.upto, live.build.digest
    if not source.has(upto, digest):
        reason = f"it was made of another journal, or this one was cut before position {upto}"
        raise RebuildDiffers(reason, table=min(live.tables))


def _check_live(source: Source, sink: Sink, live: LiveTables, wanted: Selection, progress: Progress | None) -> Rebuilt:
    build, version, tables = live.build, live.build.version, live.tables
    check_journal(source, live)
    rounds = rounds_of(wanted, build.upto, progress)
    stored = check_all_stored(sink, version, tables)
    for table in wanted.row_tables:
        found = (rows.batch for rows in table.rows(source, 0, build.upto, rounds))
        check_given(sink, version, table.shape, found)
    replay_into(wanted, source, build.upto, rounds)
    for each in wanted.projections:
        for _, table in each.tables():
            if table.name in tables:
                check_given(sink, version, table.shape, batches_of(table.shape, table.rows))
    check_sums_of(source, sink, build, stored, rounds)
    return rebuilt_of(build, stored.rows)


def builds_in(into: str | Path) -> list[tuple[Build, dict[str, tuple[bool, int, int]]]]:
    """All builds there, oldest first, each with its tables: whether each is in use, how many rows it has, up to where."""
    with open_sink(into) as sink:
        return [
            (
                build,
                {
                    name: (table.is_live, sum(chunk.rows for chunk in sink.chunks(build.version, name)), table.upto)
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
