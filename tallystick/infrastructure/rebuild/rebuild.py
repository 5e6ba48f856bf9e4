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

from tallystick.domain.errors import InvalidRequest, RebuildDiffers
from tallystick.domain.values.result import Result
from tallystick.infrastructure.rebuild.check import Stored, check_all_stored, check_sums
from tallystick.infrastructure.rebuild.columns import Cutter, batches_of, digest_of
from tallystick.infrastructure.rebuild.progress import Progress, Rounds
from tallystick.infrastructure.rebuild.rows.row_table import RowTable
from tallystick.infrastructure.rebuild.selection import Given, Selection, selected
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.sinks.port import Build, Chunk, Sink
from tallystick.infrastructure.rebuild.source import Source, movements_upto
from tallystick.projections.projection import Replay
from tallystick.projections.tables import Shape, Table

KEPT = 1
_SUMMED = ("balances", "supply", "lines")


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
        return build_into(sink, source, wanted, progress, keep)


def build_into(sink: Sink, source: Source, wanted: Selection, progress: Progress | None = None, keep: int = KEPT) -> Rebuilt:
    """The same into a sink that is open."""
    build = _build_for(sink, source, wanted.versions())
    rounds = rounds_of(wanted, build.upto, progress)
    with _marking(sink, build):
        for shape in _written(source, sink, build, wanted, rounds):
            sink.finish(build.version, shape)
        rows = _check(source, sink, build, rounds)
    sink.switch(dict.fromkeys(rows, build.version))
    sink.mark(build.version, "complete")  # last: until then it is gone on with
    _drop_old(sink, rows, keep)
    return rebuilt_of(build, rows)


def rebuilt_of(build: Build, rows: Mapping[str, int]) -> Rebuilt:
    """What is told of a build whose tables have so many rows."""
    return Rebuilt(build.version, build.upto, tuple(RebuiltTable(name, count) for name, count in sorted(rows.items())))


def rounds_of(wanted: Selection, upto: int, progress: Progress | None) -> Rounds:
    """How often a run goes through the journal: for all projections, for each row table, and for the sums."""
    is_summed = any(name in _SUMMED for name in wanted.versions())
    return Rounds(upto, bool(wanted.projections) + len(wanted.row_tables) + is_summed, progress)


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


def _written(source: Source, sink: Sink, build: Build, wanted: Selection, rounds: Rounds) -> Iterator[Shape]:
    """Writes all tables that there are not yet, and gives the shape of each.

    What is written is let go, so that it is not in memory while it is checked.
    """
    while wanted.row_tables:
        yield _write_rows(source, sink, build, wanted.row_tables.pop(0), rounds)
    replay_into(wanted, source, build.upto, rounds)
    while wanted.projections:
        for name, table in wanted.projections.pop(0).tables():
            _write(sink, build, name, table)
            yield table.shape


def replay_into(wanted: Selection, source: Source, upto: int, rounds: Rounds) -> None:
    """Gives all events up to a position to the projections."""
    replays = [Replay(each.projection) for each in wanted.projections]
    if replays:
        for commit in rounds.following(source.commits(upto), lambda commit: commit.first_position):
            for replay in replays:
                replay.add(commit, upto)


def _write_rows(source: Source, sink: Sink, build: Build, table: RowTable, rounds: Rounds) -> Shape:
    """Writes a row table's rows behind those that are there, and gives its shape."""
    shape, version = table.shape, build.version
    sink.create(version, table.name, shape)
    after, more = _written_upto(sink.chunks(version, shape.name))
    for rows in table.rows(source, after, build.upto, rounds):
        known = min(more, rows.batch.num_rows)
        more -= known
        if rows.batch.num_rows > known:
            batch = sink.kept(rows.batch.slice(known))
            sink.write(version, shape, batch, Chunk(batch.num_rows, rows.upto, digest_of([batch])))
    return shape


def _written_upto(chunks: Iterable[Chunk]) -> tuple[int, int]:
    """The position up to which a row table's rows are there, and how many more are of those behind it."""
    after = more = 0
    for chunk in chunks:
        more = 0 if chunk.upto > after else more + chunk.rows
        after = chunk.upto
    return after, more


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
    stored = check_all_stored(sink, build.version, sink.tables(build.version))
    check_sums_of(source, sink, build, stored, rounds)
    return stored.rows


def check_sums_of(source: Source, sink: Sink, build: Build, stored: Stored, rounds: Rounds) -> None:
    """Holds those of these tables that money can be added up for against the movements. Raises `RebuildDiffers`."""
    tables = sink.tables(build.version)
    summed = {
        name: partial(sink.read, build.version, tables[name].shape)
        for name in stored.rows
        if name in _SUMMED and tables[name].projection == name
    }
    if summed:
        movements = rounds.following(movements_upto(source, build.upto), lambda batch: batch.column("position")[-1].as_py())
        check_sums(summed, movements, stored.lines)


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
