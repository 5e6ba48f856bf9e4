"""Projections: answers worked out from the events, from the first one on.

A projection is an object with a `name`, a `version` that changes when its answers would, a `state` made of dictionaries,
lists, strings and integers, and `apply`. That is all: no base class is needed. One that has `apply_commit` too is given the
events of a commit at once instead, which saves a call for each. Replaying gives every event to it in order;
a digest of the state says in one line whether two replays agree.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec


class Projection(Protocol):
    """What `replay` needs. `recorded_at` is in microseconds in UTC; events of types it does not know it passes over."""

    name: str
    version: int

    @property
    def state(self) -> Any: ...
    def apply(self, position: int, recorded_at: int, event: Any, /) -> None: ...


CommitRule = Callable[[int, int, Sequence[Any]], None]
ProjectionType = TypeVar("ProjectionType", bound=Projection)


def replay(
    projection: ProjectionType, commits: Iterable[tuple[int, int, Sequence[Any]]], upto: int | None = None
) -> ProjectionType:
    """Applies the events of `commits` (first position, recorded_at, events), those after position `upto` left out."""
    apply = projection.apply
    apply_commit: CommitRule | None = getattr(projection, "apply_commit", None)
    for first_position, recorded_at, events in commits:
        if upto is not None and first_position + len(events) > upto + 1:
            events = events[: max(0, upto + 1 - first_position)]
        if apply_commit is not None:
            apply_commit(first_position, recorded_at, events)
            continue
        for position, event in enumerate(events, first_position):
            apply(position, recorded_at, event)
    return projection


def digest(projection: Projection) -> str:
    """SHA-256, in hex, of the projection's name, version and state, whatever order its dictionaries are in."""
    state = msgspec.to_builtins(projection.state, str_keys=True, builtin_types=(datetime,))
    content = (projection.name, projection.version, state)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
