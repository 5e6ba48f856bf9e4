"""The events of commits as they were read, the larger commits kept for a while.

A commit of many events is read again and again by those who want few of them: the events of one aggregate after another, or
small selections, one behind the other. What was committed does not change, so what is kept needs no looking after but a limit.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property

from tallystick.domain.batch.batch import expanded
from tallystick.domain.errors import CorruptJournal
from tallystick.infrastructure.event_store.log.batch_names import BatchNames
from tallystick.infrastructure.event_store.log.large_bodies import LargeBodies
from tallystick.infrastructure.journal.format import (
    Body,
    Foreign,
    JournalEvent,
    JournalRow,
    decode_events,
    join_bodies,
    may_hold_batches,
    stream_of,
)
from tallystick.infrastructure.journal.port import SMALL, Journal, StreamPart

KEPT_BYTES = 16 * 2**20
"""So many bytes of larger commits are kept as events, or one commit."""
FEW = 8
"""A stream with so many versions in a larger commit is looked for in its body; for more the commit is decoded."""

Versioned = tuple[int, JournalEvent]


class DecodedCommit:
    """The events of one commit, those of a batch one by one."""

    def __init__(self, body: JournalRow | Body, events: list[JournalEvent]) -> None:
        self.first_position = body.first_position
        self.last_position = body.last_position
        self.bytes = len(body.body)
        self.events = events

    @property
    def is_sorted_out(self) -> bool:
        """Whether `by_stream` was asked for."""
        return "by_stream" in self.__dict__

    @cached_property
    def by_stream(self) -> dict[str, list[JournalEvent]]:
        """The events of each stream."""
        found: dict[str, list[JournalEvent]] = {}
        for event in self.events:
            found.setdefault(stream_of(event), []).append(event)
        return found


def versioned(stream: str, events: Iterable[JournalEvent], first_version: int) -> list[Versioned]:
    """Those that are of a stream, with their versions, of which the ledger's are counted, and the first is `first_version`."""
    found: list[Versioned] = []
    version = first_version - 1
    for event in events:
        if isinstance(event, Foreign):
            if event.stream == stream:
                version = event.version
                found.append((version, event))
        elif stream_of(event) == stream:
            version += 1
            found.append((version, event))
    return found


class DecodedCommits:
    """The commits of a journal by position. May be used from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._names = BatchNames(journal)
        self._bodies = LargeBodies(journal)
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, DecodedCommit] = OrderedDict()
        self._kept_bytes = 0

    def kept(self, position: int) -> DecodedCommit | None:
        """The commit in which `position` lies, if it is one of those that are kept."""
        with self._lock:
            for commit in reversed(self._kept.values()):
                if commit.first_position <= position <= commit.last_position:
                    self._kept.move_to_end(commit.first_position)
                    return commit
        return None

    def at(self, position: int) -> DecodedCommit:
        """The commit in which `position` lies. Raises `CorruptJournal` where there is none."""
        commit = self.kept(position)
        if commit is not None:
            return commit
        row = self._journal.row_at(position)
        if row is None:
            raise CorruptJournal("the entry of a stream leads nowhere", position=position)
        return self.decode(row)

    def of(self, body: Body | StreamPart) -> DecodedCommit:
        """The commit of which this is the body, or a stream's part. Raises `CorruptJournal`."""
        if body.body is None:
            return self.at(body.first_position)
        return self.decode(Body(body.first_position, body.last_position, body.body))

    def of_stream(self, stream: str, part: StreamPart) -> Sequence[JournalEvent]:
        """The events of a stream in the commit of which this is the part. Raises `CorruptJournal`."""
        if part.body is not None:
            return self.of(part).by_stream.get(stream, ())
        commit = self._kept_from(part.first_position)
        if part.last_version - part.first_version < FEW and (commit is None or not commit.is_sorted_out):
            found = self._bodies.events(stream, part.first_position)
            if found is not None:
                return found
        return (commit or self.at(part.first_position)).by_stream.get(stream, ())

    def decode(self, body: JournalRow | Body) -> DecodedCommit:
        """The commit of this body. Raises `CorruptJournal`."""
        events = decode_events(body)
        if may_hold_batches(body.body):
            try:
                events = expanded(events, lambda token: self._names.at(token, body.first_position))
            except (ValueError, ArithmeticError) as error:
                raise CorruptJournal(f"a batch cannot be read: {error}", position=body.first_position) from error
        commit = DecodedCommit(body, events)
        if len(events) > SMALL:
            self._keep(commit)
        return commit

    def events_of(self, bodies: Sequence[Body] | Sequence[StreamPart]) -> list[JournalEvent]:
        """The events of these commits, decoded at once where they are small. Raises `CorruptJournal`."""
        sizes = [body.last_position - body.first_position + 1 for body in bodies]
        if max(sizes) <= SMALL:
            joined = join_bodies([body.body or b"" for body in bodies])
            if not may_hold_batches(joined):
                with contextlib.suppress(CorruptJournal):  # one by one, it is known which
                    return decode_events(Body(1, sum(sizes), joined))
        return [event for body in bodies for event in self.of(body).events]

    def _kept_from(self, first_position: int) -> DecodedCommit | None:
        with self._lock:
            commit = self._kept.get(first_position)
            if commit is not None:
                self._kept.move_to_end(first_position)
            return commit

    def _keep(self, commit: DecodedCommit) -> None:
        with self._lock:
            if commit.first_position not in self._kept:
                self._kept[commit.first_position] = commit
                self._kept_bytes += commit.bytes
            while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= self._kept.popitem(last=False)[1].bytes
