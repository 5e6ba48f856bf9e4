"""Executing a plan on the books: every operation decided again on the newest state, all of them or none."""

from collections.abc import Sequence
from typing import NamedTuple

from tallystick.domain.books import Books
from tallystick.domain.decisions import Operation, decide
from tallystick.domain.events import DomainEvent


class Execution(NamedTuple):
    """The events of a plan, and which of their positions are those of decisions, as against what followed from them."""

    events: list[DomainEvent]
    decided: list[int]


def execute(books: Books, operations: Sequence[Operation], position: int, now: int) -> Execution:
    """Does `operations` one after another, the first event standing at `position`.

    `now` is in microseconds in UTC. Where one is refused, those before it are taken back and the refusal goes on.
    """
    events: list[DomainEvent] = []
    decided: list[int] = []
    try:
        for operation in operations:
            for event in decide(books, operation, now):
                at = position + len(events)
                decided.append(at)
                events += books.record(event, at)
    except BaseException:
        books.revert(events)
        raise
    return Execution(events, decided)
