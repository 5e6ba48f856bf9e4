"""Tables of one build that are kept current: what their projections have in memory, and how they are brought further by it."""

from collections.abc import Iterator, Sequence

from tallystick.domain.errors import RebuildDiffers
from tallystick.infrastructure.rebuild.following.growing import GrowingTable
from tallystick.infrastructure.rebuild.following.shown_rows import ShownRows, shown_rows
from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.selection import Selection
from tallystick.infrastructure.rebuild.sinks.port import Build, Grown, Replaced, Sink, Step
from tallystick.infrastructure.rebuild.source import Source
from tallystick.projections.projection import Replay
from tallystick.projections.tables import Table


class FollowedBuild:
    """The live tables of a build, with everything up to where they have the journal."""

    def __init__(self, source: Source, sink: Sink, build: Build, wanted: Selection, rounds: Rounds) -> None:
        """Works out what the tables have; `RebuildDiffers` where something else stands there, or it is of another journal."""
        self.build = build
        self._wanted = wanted
        self._replays = [Replay(each.projection) for each in wanted.projections]
        self._growing = [GrowingTable(table) for table in wanted.row_tables]
        live = {name for name, table in sink.tables(build.version).items() if table.is_live}
        self._check_journal(source)
        self._replay(source, build.upto, 0, rounds)
        self._shown: dict[str, ShownRows] = {
            table.name: shown_rows(sink, build.version, table.shape, table.rows)
            for table in self._tables()
            if table.name in live
        }

    def _check_journal(self, source: Source) -> None:
        if not source.has(self.build.upto, self.build.digest):
            reason = f"it was made of another journal, or this one was cut before position {self.build.upto}"
            raise RebuildDiffers(reason, table=min(self.build.names))

    def _replay(self, source: Source, upto: int, after: int, rounds: Rounds) -> None:
        if self._replays:
            for commit in rounds.following(source.commits(upto, after), lambda commit: commit.first_position):
                for replay in self._replays:
                    replay.add(commit, upto)

    def _tables(self) -> Iterator[Table]:
        for each in self._wanted.projections:
            for _, table in each.tables():
                yield table

    def step(self, source: Source, sink: Sink, upto: int, digest: str) -> Step:
        """What brings the tables to position `upto`, where the journal has this digest."""
        self._check_journal(source)
        after, version = self.build.upto, self.build.version
        self._replay(source, upto, after, Rounds(upto, 1, None))
        changes: list[Replaced | Grown] = []
        for table in self._tables():
            shown = self._shown.get(table.name)
            change = None if shown is None else shown.replaced_by(sink, table.rows)
            if change is not None:
                changes.append(change)
        for growing in self._growing:
            changes.extend(growing.grown(source, sink, after, upto))
        self.build = self.build._replace(upto=upto, digest=digest)
        return Step(version, upto, digest, changes)


def written(steps: Sequence[Step]) -> int:
    """How many rows go and come in these."""
    changes = [change for step in steps for change in step.changes]
    return sum(change.batch.num_rows + (len(change.gone) if isinstance(change, Replaced) else 0) for change in changes)
