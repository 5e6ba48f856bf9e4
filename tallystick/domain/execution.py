"""Executing a plan on the books: every operation decided again on the newest state, all of them or none."""

from collections.abc import Sequence

from tallystick.domain.books import Books
from tallystick.domain.decisions import decide
from tallystick.domain.events import DomainEvent
from tallystick.domain.operations import Operation


def execute(books: Books, operations: Sequence[Operation], position: int, now: int) -> list[DomainEvent]:
    """Does `operations` one after another, the first event standing at `position`, and gives all events.

    `now` is in microseconds in UTC. Where one is refused, those before it are taken back and the refusal goes on.
    """
    events: list[DomainEvent] = []
    try:
        for operation in operations:
            for event in decide(books, operation, now):
                books.record(event, position + len(events), events)
    except BaseException:
        books.revert(events)
        raise
    return events
