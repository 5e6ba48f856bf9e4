"""Projections: answers worked out from the events, from the first one on.

A projection is an object with a `name`, a `version` that changes when its answers would, a `state` made of dictionaries,
lists, strings and integers, and `apply`. That is all: no base class is needed. One that has `apply_commit` too is given the
events of a commit at once instead, which saves a call for each, and one that has `apply_columns` the rows of a batch as
columns; else it is given a `Moved`, `Minted` or `Burned` for each row. One that has `apply_entry` is told of each entry before
its events. What is said of runs of fragments it is given as events that name each, one a run. Replaying gives every event to it
in order; a digest of the state says in one line whether two replays agree.
"""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from tallystick.domain.batch.batch import Batch, BatchReader, NamesOf, fragments_of, no_names, numbered, positions_of
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import BATCHES, RUN_EVENTS, FragmentsMintedMany, PlainFragmentEvent, RunEvent
from tallystick.domain.value_object.runs import plain
from tallystick.domain.values.instant import from_microseconds
from tallystick.projections.entry_header import EntryHeader


class Projection(Protocol):
    """What `replay` needs: its `name` and `version`, its `state`, and `apply`, which adds an event at its position.

    `recorded_at` is in microseconds since 1970 in UTC. An event of a type that it does not know it passes over, or raises
    `KeyError`. Three more methods are called where there are any:

    - `apply_entry(entry)`, with an `EntryHeader`, before the events of each entry. Entries are given whole then.
    - `apply_columns(position, recorded_at, batch)`, with the columns `batch.senders`, `receivers`, `amounts`, `names`, `times`,
      `memos` and `refs` of a batch whose first row is at `position`, instead of `apply` for each row.
    - `apply_commit(first_position, recorded_at, events)`, instead of `apply` for each event of a commit, or if there is
      `apply_entry` of an entry, none of which is a batch.
    """

    name: str
    version: int

    @property
    def state(self) -> Any: ...
    def apply(self, position: int, recorded_at: int, event: Any, /) -> None: ...


CommitRule = Callable[[int, int, Sequence[Any]], None]
ColumnsRule = Callable[[int, int, Batch], None]
EntryRule = Callable[[EntryHeader], None]
ProjectionType = TypeVar("ProjectionType", bound=Projection)


class Commit(NamedTuple):
    """The events of one commit, whether there may be batches among them, and its entries, which who reads it may leave out."""

    first_position: int
    recorded_at: int
    events: Sequence[Any]
    may_hold_batches: bool = True
    entries: Sequence[EntryHeader] = ()

    def by_entry(self) -> Iterator[tuple[EntryHeader, Sequence[Any]]]:
        """Its entries, each with its events. Where none are named it is one, of which nothing is known but its events."""
        if len(self.entries) == 1:
            yield self.entries[0], self.events
            return
        if not self.entries:
            last_position = self.first_position + sum(map(positions_of, self.events)) - 1
            recorded_at = from_microseconds(self.recorded_at)
            yield EntryHeader(self.first_position, self.first_position, last_position, recorded_at, recorded_at), self.events
            return
        begin = index = 0
        position = self.first_position
        for entry in self.entries:
            while index < len(self.events) and position <= entry.last_position:
                position += positions_of(self.events[index])
                index += 1
            yield entry, self.events[begin:index]
            begin = index


class Replay(Generic[ProjectionType]):
    """Gives a projection the commits of a journal in order: from the first on, or from the one behind which it stands.

    Then `names_before` gives the names that batches gave the accounts of a token before it.
    """

    def __init__(self, projection: ProjectionType, names_before: NamesOf = no_names) -> None:
        self.projection = projection
        self._apply_commit: CommitRule | None = getattr(projection, "apply_commit", None)
        self._apply_columns: ColumnsRule | None = getattr(projection, "apply_columns", None)
        self._apply_entry: EntryRule | None = getattr(projection, "apply_entry", None)
        self._batches = BatchReader(names_before)

    @property
    def wants_entries(self) -> bool:
        """Whether commits are to be given with their entries."""
        return self._apply_entry is not None

    def add(self, commit: Commit, upto: int | None = None, after: int = 0) -> None:
        """The events of the next commit, without those after position `upto`, or up to `after`.

        A projection that is told of entries gets those whole that end up to `upto` and behind `after`, and nothing of others.
        """
        if self._apply_entry is not None:
            self._by_entry(self._apply_entry, commit, upto, after)
            return
        first_position, recorded_at, events, may_hold_batches, _ = commit
        if may_hold_batches:
            self._mixed(first_position, recorded_at, events, upto, after)
            return
        if upto is not None and first_position + len(events) > upto + 1:
            events = events[: max(0, upto + 1 - first_position)]
        if first_position <= after:
            events = events[after + 1 - first_position :]
            first_position = after + 1
        if self._apply_commit is not None:
            self._apply_commit(first_position, recorded_at, events)
        else:
            self._one_by_one(first_position, recorded_at, events)

    def _one_by_one(self, first_position: int, recorded_at: int, events: Sequence[Any]) -> None:
        apply = self.projection.apply
        for position, event in enumerate(events, first_position):
            apply(position, recorded_at, event)

    def _by_entry(self, apply_entry: EntryRule, commit: Commit, upto: int | None, after: int) -> None:
        for entry, events in commit.by_entry():
            if upto is not None and entry.last_position > upto:
                return
            is_wanted = entry.last_position > after
            if is_wanted:
                apply_entry(entry)
            if commit.may_hold_batches:
                self._mixed(entry.position, commit.recorded_at, events, upto, 0 if is_wanted else after)
            elif is_wanted:
                (self._apply_commit or self._one_by_one)(entry.position, commit.recorded_at, events)

    def _mixed(self, first_position: int, recorded_at: int, events: Sequence[Any], upto: int | None, after: int) -> None:
        """The same where batches may be among them, whose names are read even where their rows are left out."""
        for position, event in numbered(events, first_position):
            if upto is not None and position > upto:
                return
            if isinstance(event, BATCHES):
                with readable(position):
                    batch = self._batches.read(event)
                self._batch(position, recorded_at, batch, upto, after)
            elif position <= after:
                continue
            elif isinstance(event, FragmentsMintedMany):
                with readable(position):
                    fragments = list(fragments_of(event, self._batches.names_of(event.token)))
                for minted in fragments:
                    self.projection.apply(position, recorded_at, minted)
            elif isinstance(event, RUN_EVENTS):
                for each in _said(event, position):
                    self.projection.apply(position, recorded_at, each)
            else:
                self.projection.apply(position, recorded_at, event)

    def _batch(self, position: int, recorded_at: int, batch: Batch, upto: int | None, after: int) -> None:
        stop = len(batch) if upto is None else min(len(batch), upto + 1 - position)
        start = max(0, after + 1 - position)
        if self._apply_columns is not None and start == 0 and stop == len(batch):
            self._apply_columns(position, recorded_at, batch)
        elif start < stop:
            for at, event in enumerate(islice(batch.events(), start, stop), position + start):
                self.projection.apply(at, recorded_at, event)


@contextmanager
def readable(position: int) -> Generator[None]:
    """While a batch is read: `CorruptJournal` where it cannot be."""
    try:
        yield
    except (ValueError, ArithmeticError) as error:
        raise CorruptJournal(f"a batch cannot be read: {error}", position=position) from error


def _said(event: RunEvent, position: int) -> Generator[PlainFragmentEvent]:
    """What is said of each fragment, one run after another: all of them at once may be very many."""
    try:
        yield from plain(event)
    except ValueError as error:
        raise CorruptJournal(f"runs of fragments cannot be read: {error}", position=position) from error


def replay(projection: ProjectionType, commits: Iterable[Commit], upto: int | None = None) -> ProjectionType:
    """Applies the events of `commits`, which are those of a journal from the first on, without those after position `upto`."""
    replaying = Replay(projection)
    for commit in commits:
        replaying.add(commit, upto)
    return projection


def digest(projection: Projection) -> str:
    """SHA-256, in hex, of the projection's name, version and state, whatever order its dictionaries are in."""
    state = msgspec.to_builtins(projection.state, str_keys=True, builtin_types=(datetime,))
    content = (projection.name, projection.version, state)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
