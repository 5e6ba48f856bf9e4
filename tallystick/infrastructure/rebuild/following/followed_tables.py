"""Tables that are kept current: what their projections have in memory, and how they are brought further by it."""

from collections.abc import Iterator, Sequence

from tallystick.domain.errors import RebuildDiffers
from tallystick.infrastructure.rebuild.following.growing import GrowingTable
from tallystick.infrastructure.rebuild.following.shown_rows import KeyedRows, ShownRows, numbers_of
from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.selection import Selection
from tallystick.infrastructure.rebuild.sinks.port import Grown, Replaced, Sink, Step
from tallystick.infrastructure.rebuild.source import Source
from tallystick.infrastructure.rebuild.upkeep import LiveTables, check_journal
from tallystick.projections.projection import Projection, Replay
from tallystick.projections.tables import Table, Tracked


class FollowedTables:
    """The tables of one build that stand at one position, and everything up to there."""

    def __init__(self, source: Source, sink: Sink, live: LiveTables, wanted: Selection, rounds: Rounds) -> None:
        """Works out what the tables have; `RebuildDiffers` where something else stands there, or it is of another journal."""
        self.live = live
        self._wanted = wanted
        self._replays = [Replay(each.projection) for each in wanted.projections]
        self._growing = [GrowingTable(table) for table in wanted.row_tables]
        check_journal(source, live)
        self._replay(source, self.upto, 0, rounds)
        self._shown = {table.name: self._shown_rows(sink, projection, table) for projection, table in self._tables()}
        for each in wanted.projections:
            if isinstance(each.projection, Tracked):
                each.projection.changes()  # all that stands there; from now on it is asked what is new

    def _shown_rows(self, sink: Sink, projection: Projection, table: Table) -> ShownRows:
        if table.columns != self.live.tables[table.name].shape.columns:
            raise RebuildDiffers("it was made with other columns: raise the projection's version", table=table.name)
        kind = KeyedRows if isinstance(projection, Tracked) else ShownRows
        return kind(table, numbers_of(sink, self.live.build.version, table))

    @property
    def upto(self) -> int:
        """The position at which they stand."""
        return self.live.build.upto

    def _replay(self, source: Source, upto: int, after: int, rounds: Rounds) -> None:
        if self._replays:
            for commit in rounds.following(source.commits(upto, after), lambda commit: commit.first_position):
                for replay in self._replays:
                    replay.add(commit, upto)

    def _tables(self) -> Iterator[tuple[Projection, Table]]:
        for each in self._wanted.projections:
            for _, table in each.tables():
                if table.name in self.live.tables:
                    yield each.projection, table

    def step(self, source: Source, sink: Sink, upto: int, digest: str) -> Step:
        """What brings the tables to position `upto`, where the journal has this digest."""
        check_journal(source, self.live)
        build, tables = self.live.build, self.live.tables
        self._replay(source, upto, build.upto, Rounds(upto, 1, None))
        changes: list[Replaced | Grown] = [change for change in self._replaced(sink) if change is not None]
        for growing in self._growing:
            changes.extend(growing.grown(source, sink, build.upto, upto))
        self.live = LiveTables(
            build._replace(upto=upto, digest=digest),
            {name: table._replace(upto=upto, digest=digest) for name, table in tables.items()},
        )
        return Step(build.version, list(tables), upto, digest, changes)

    def _replaced(self, sink: Sink) -> Iterator[Replaced | None]:
        for each in self._wanted.projections:
            if isinstance(each.projection, Tracked):
                for changes in each.projection.changes():
                    shown = self._shown.get(changes.name)
                    if isinstance(shown, KeyedRows):
                        yield shown.changed_by(sink, changes)
        for projection, table in self._tables():
            if not isinstance(projection, Tracked):
                yield self._shown[table.name].replaced_by(sink, table.rows)


def written(steps: Sequence[Step]) -> int:
    """How many rows go and come in these."""
    changes = [change for step in steps for change in step.changes]
    return sum(change.batch.num_rows + (len(change.gone) if isinstance(change, Replaced) else 0) for change in changes)
