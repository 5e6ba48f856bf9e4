"""Projections: answers worked out from the events, from the first one on.

A projection is an object with a `name`, a `version` that changes when its answers would, a `state` made of dictionaries,
lists, strings and integers, and `apply`. That is all: no base class is needed. One that has `apply_commit` too is given the
events of a commit at once instead, which saves a call for each, and one that has `apply_columns` the rows of a batch as
columns; else it is given a `Moved`, `Minted` or `Burned` for each row. What is said of runs of fragments it is given as events
that name each, one a run. Replaying gives every event to it in order; a digest of the state says in one line whether two
replays agree.
"""

import hashlib
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from tallystick.domain.batch.batch import Batch, BatchReader, fragments_of, numbered
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import BATCHES, RUN_EVENTS, FragmentsMintedMany, PlainFragmentEvent, RunEvent
from tallystick.domain.value_object.runs import plain


class Projection(Protocol):
    """What `replay` needs: its `name` and `version`, its `state`, and `apply`, which adds an event at its position.

    `recorded_at` is in microseconds since 1970 in UTC. An event of a type that it does not know it passes over, or raises
    `KeyError`.
    """

    name: str
    version: int

    @property
    def state(self) -> Any: ...
    def apply(self, position: int, recorded_at: int, event: Any, /) -> None: ...


CommitRule = Callable[[int, int, Sequence[Any]], None]
ColumnsRule = Callable[[int, int, Batch], None]
ProjectionType = TypeVar("ProjectionType", bound=Projection)


class Commit(NamedTuple):
    """The events of one commit, and whether there may be batches among them."""

    first_position: int
    recorded_at: int
    events: Sequence[Any]
    may_hold_batches: bool = True


class Replay(Generic[ProjectionType]):
    """Gives a projection the commits of a journal, from the first on."""

    def __init__(self, projection: ProjectionType) -> None:
        self.projection = projection
        self._apply_commit: CommitRule | None = getattr(projection, "apply_commit", None)
        self._apply_columns: ColumnsRule | None = getattr(projection, "apply_columns", None)
        self._batches = BatchReader()

    def add(self, commit: Commit, upto: int | None = None) -> None:
        """The events of the next commit; those after position `upto` are left out."""
        first_position, recorded_at, events, may_hold_batches = commit
        if may_hold_batches:
            self._mixed(first_position, recorded_at, events, upto)
            return
        if upto is not None and first_position + len(events) > upto + 1:
            events = events[: max(0, upto + 1 - first_position)]
        if self._apply_commit is not None:
            self._apply_commit(first_position, recorded_at, events)
            return
        apply = self.projection.apply
        for position, event in enumerate(events, first_position):
            apply(position, recorded_at, event)

    def _mixed(self, first_position: int, recorded_at: int, events: Sequence[Any], upto: int | None) -> None:
        """The same for a commit with batches."""
        for position, event in numbered(events, first_position):
            if upto is not None and position > upto:
                return
            if isinstance(event, BATCHES):
                with _readable(position):
                    batch = self._batches.read(event)
                self._batch(position, recorded_at, batch, upto)
            elif isinstance(event, FragmentsMintedMany):
                with _readable(position):
                    fragments = list(fragments_of(event, self._batches.names_of(event.token)))
                for minted in fragments:
                    self.projection.apply(position, recorded_at, minted)
            elif isinstance(event, RUN_EVENTS):
                for each in _said(event, position):
                    self.projection.apply(position, recorded_at, each)
            else:
                self.projection.apply(position, recorded_at, event)

    def _batch(self, position: int, recorded_at: int, batch: Batch, upto: int | None) -> None:
        rows = len(batch) if upto is None else min(len(batch), upto + 1 - position)
        if self._apply_columns is not None and rows == len(batch):
            self._apply_columns(position, recorded_at, batch)
            return
        for at, event in enumerate(islice(batch.events(), rows), position):
            self.projection.apply(at, recorded_at, event)


@contextmanager
def _readable(position: int) -> Generator[None]:
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
    """Applies the events of `commits`, those after position `upto` left out."""
    replaying = Replay(projection)
    for commit in commits:
        replaying.add(commit, upto)
    return projection


def digest(projection: Projection) -> str:
    """SHA-256, in hex, of the projection's name, version and state, whatever order its dictionaries are in."""
    state = msgspec.to_builtins(projection.state, str_keys=True, builtin_types=(datetime,))
    content = (projection.name, projection.version, state)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
