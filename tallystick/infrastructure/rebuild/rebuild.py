"""A run: tables worked out from the first event on, written beside those in use, checked, and put in their place.

A run is fixed to the position at which the journal ends when it begins. Rows are written in chunks, each with the note that it
was written, so that a run that was killed is gone on with by the next one for the same tables: what its projections have is
worked out anew, for they live in memory, and rows that were written are held against it and not written again. Readers see
nothing of it until all tables are there and the check agrees. Then they see all of the new tables at once.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tallystick.domain.errors import InvalidRequest, RebuildDiffers
from tallystick.domain.values.result import Result
from tallystick.infrastructure.rebuild.check import check_given, check_stored, check_sums
from tallystick.infrastructure.rebuild.columns import Cutter, batches_of, digest_of
from tallystick.infrastructure.rebuild.progress import Progress, Rounds
from tallystick.infrastructure.rebuild.selection import Given, Wanted, names_of, selected
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.sinks.port import Build, Chunk, Sink
from tallystick.infrastructure.rebuild.source import Source, movements_upto
from tallystick.projections.projection import Replay
from tallystick.projections.tables import Shape, Table

KEPT = 1
_SUMMED = ("balances", "supply")


class RebuiltTable(Result, frozen=True):
    """The table `name`, which has so many `rows`."""

    name: str
    rows: int


class Rebuilt(Result, frozen=True):
    """What a rebuild did: these `tables` have all events up to `position`, were checked, and are in use as `version`."""

    version: int
    position: int
    tables: tuple[RebuiltTable, ...]


def rebuild(
    source: Source, given: Given | Iterable[Given], into: str | Path, progress: Progress | None = None, keep: int = KEPT
) -> Rebuilt:
    """Builds, checks and switches; keeps so many builds that were in use before. As `Ledger.rebuild`."""
    if type(keep) is not int or keep < 0:
        raise InvalidRequest(f"so many builds are kept: an int, 0 or more, not {keep!r}")
    wanted = selected(given)
    with open_sink(into) as sink:
        build = _build_for(sink, source, names_of(wanted))
        rounds = Rounds(build.upto, 1 + _is_summed(build.names), progress)
        with _marking(sink, build):
            for shape in _written(source, sink, build, wanted, rounds):
                sink.finish(build.version, shape)
            rows = _check(source, sink, build, rounds)
        sink.switch(dict.fromkeys(rows, build.version))
        sink.mark(build.version, "complete")  # last: until then it is gone on with
        _drop_old(sink, rows, keep)
    return Rebuilt(build.version, build.upto, tuple(RebuiltTable(name, count) for name, count in sorted(rows.items())))


def _is_summed(names: Iterable[str]) -> bool:
    return any(name in _SUMMED for name in names)


def _build_for(sink: Sink, source: Source, names: Mapping[str, int]) -> Build:
    """The build to go on with, or a new one. Those of the same tables that cannot be gone on with are dropped."""
    found: Build | None = None
    for build in sink.builds():
        if build.state == "complete" or build.names != names:
            continue
        if found is None and build.state == "building" and source.has(build.upto, build.digest):
            found = build
        else:
            sink.drop(build.version, list(sink.tables(build.version)))
    if found is not None:
        return found
    position, digest = source.head()
    return sink.begin(names, position, digest, datetime.now(UTC).isoformat(timespec="seconds"))


@contextmanager
def _marking(sink: Sink, build: Build) -> Generator[None]:
    """A build that differs is noted, so that nobody goes on with it."""
    try:
        yield
    except RebuildDiffers:
        sink.mark(build.version, "differs")
        raise


def _written(source: Source, sink: Sink, build: Build, wanted: list[Wanted], rounds: Rounds) -> Iterator[Shape]:
    """Writes all tables that there are not yet, and gives the shape of each."""
    _replay(source, build.upto, wanted, rounds)
    for each in wanted:
        for name, table in each.tables():
            _write(sink, build, name, table)
            yield table.shape


def _replay(source: Source, upto: int, wanted: Iterable[Wanted], rounds: Rounds) -> None:
    replays = [Replay(each.projection) for each in wanted]
    for commit in rounds.following(source.commits(upto), lambda commit: commit.first_position):
        for replay in replays:
            replay.add(commit, upto)


def _write(sink: Sink, build: Build, name: str, table: Table) -> None:
    """Writes a table's rows behind those that are there, which have to be the same."""
    shape, version = table.shape, build.version
    there = sink.tables(version).get(shape.name)
    if there is not None and (there.projection, there.shape.columns) != (name, shape.columns):
        reason = f"it was begun with other columns or by the projection {there.projection}: raise the projection's version"
        raise RebuildDiffers(reason, table=shape.name)
    sink.create(version, name, shape)
    rows = Cutter(map(sink.kept, batches_of(shape, table.rows)))
    for chunk in sink.chunks(version, shape.name):
        if digest_of(rows.take(chunk.rows)) != chunk.digest:
            reason = "worked out again it has other rows than before the run was interrupted"
            raise RebuildDiffers(reason, table=shape.name)
    for batch in rows.rest():
        sink.write(version, shape, batch, Chunk(batch.num_rows, build.upto, digest_of([batch])))


def _check(source: Source, sink: Sink, build: Build, rounds: Rounds) -> dict[str, int]:
    """Checks all tables of a build, and gives how many rows each has. Raises `RebuildDiffers`."""
    tables = sink.tables(build.version)
    rows = {name: check_stored(sink, build.version, table.shape) for name, table in tables.items()}
    _check_sums(source, sink, build, rows, rounds)
    return rows


def _check_sums(source: Source, sink: Sink, build: Build, names: Iterable[str], rounds: Rounds) -> None:
    tables = sink.tables(build.version)
    summed = {
        name: partial(sink.read, build.version, tables[name].shape)
        for name in names
        if name in _SUMMED and tables[name].projection == name
    }
    if summed:
        movements = rounds.following(movements_upto(source, build.upto), lambda batch: batch.column("position")[-1].as_py())
        check_sums(summed, movements)


def _drop_old(sink: Sink, names: Iterable[str], keep: int) -> None:
    """Of each table, builds that were complete and are not in use are dropped, but for the newest."""
    kept = dict.fromkeys(names, keep)
    for build in reversed(sink.builds()):
        if build.state != "complete":
            continue
        dropped: list[str] = []
        for name, table in sink.tables(build.version).items():
            if not table.is_live and name in kept:
                kept[name] -= 1
                if kept[name] < 0:
                    dropped.append(name)
        if dropped:
            sink.drop(build.version, dropped)


def check(source: Source, given: Given | Iterable[Given], into: str | Path, progress: Progress | None = None) -> list[Rebuilt]:
    """Works the tables that are in use out again, writes nothing, and compares. As `Ledger.check_rebuilt`."""
    wanted = selected(given)
    with open_sink(into) as sink:
        live = _live(sink, names_of(wanted))
        return [_check_live(source, sink, build, names, wanted, progress) for build, names in live]


def _live(sink: Sink, names: Mapping[str, int]) -> list[tuple[Build, list[str]]]:
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


def _check_live(
    source: Source, sink: Sink, build: Build, names: list[str], wanted: Iterable[Wanted], progress: Progress | None
) -> Rebuilt:
    tables = {name: table for name, table in sink.tables(build.version).items() if table.is_live and table.projection in names}
    if not source.has(build.upto, build.digest):
        reason = f"it was made of another journal, or this one was cut before position {build.upto}"
        raise RebuildDiffers(reason, table=min(tables))
    rounds = Rounds(build.upto, 1 + _is_summed(tables), progress)
    wanted = [each.fresh() for each in wanted if not set(names).isdisjoint(each.names)]
    _replay(source, build.upto, wanted, rounds)
    rows = {name: check_stored(sink, build.version, table.shape) for name, table in tables.items()}
    for each in wanted:
        for _, table in each.tables():
            if table.name in tables:
                check_given(sink, build.version, table.shape, batches_of(table.shape, table.rows))
    _check_sums(source, sink, build, rows, rounds)
    return Rebuilt(build.version, build.upto, tuple(RebuiltTable(name, count) for name, count in sorted(rows.items())))


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
