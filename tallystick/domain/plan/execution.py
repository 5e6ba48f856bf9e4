"""Deciding and executing: an operation against a view of the books; on the books a plan, all of it or nothing, or a batch.

A plan was decided against a draft before, and each of its operations is decided again on the newest state.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tallystick.domain.app.decisions import APP_RULES
from tallystick.domain.app.seat_decisions import SEAT_RULES
from tallystick.domain.batch.decisions import Refusal, decide_batch
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.batch.transfer_ids import UsedIds
from tallystick.domain.books.books import Books
from tallystick.domain.contract.decisions import CONTRACT_RULES
from tallystick.domain.entry.erasing import ERASE_RULES
from tallystick.domain.entry.import_end import IMPORT_RULES
from tallystick.domain.events import DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.reversal.decisions import decide_reversal, reversal_by
from tallystick.domain.reversal.operations import Reverse
from tallystick.domain.token.decisions import TOKEN_RULES
from tallystick.domain.token.freezing import FREEZE_RULES
from tallystick.domain.view import View

_TIMED_RULES: dict[type[Operation], Callable[[Any, Any, int], Sequence[DomainEvent]]] = {
    **TOKEN_RULES,
    Reverse: decide_reversal,
}
_TIMELESS_RULES = {**CONTRACT_RULES, **APP_RULES, **SEAT_RULES, **FREEZE_RULES, **ERASE_RULES, **IMPORT_RULES}


def decide(view: View, operation: Operation, now: int) -> Sequence[DomainEvent]:
    """The events that do `operation` at `now` (microseconds in UTC), or a `Refused`, `NotFound` or `Conflict`."""
    rule = _TIMED_RULES.get(type(operation))
    return _TIMELESS_RULES[type(operation)](view, operation) if rule is None else rule(view, operation, now)


def execute(books: Books, operations: Iterable[Operation], position: int, now: int) -> list[DomainEvent]:
    """Does `operations` one after another, the first event standing at `position`, and gives all events.

    `now` is in microseconds in UTC. Where one is refused, those before it are taken back and the refusal goes on.
    """
    events: list[DomainEvent] = []
    reversals = 0
    try:
        for operation in operations:
            rule = _TIMED_RULES.get(type(operation))  # as `decide` does, which is not called for the sake of speed
            decided = _TIMELESS_RULES[type(operation)](books, operation) if rule is None else rule(books, operation, now)
            if type(operation) is Reverse:
                books.reversals.add(reversal_by(operation, decided, position + len(events)))
                reversals += 1
            for event in decided:
                books.record(event, position + len(events), events)
    except BaseException:
        books.revert(events)
        books.reversals.go_back(len(books.reversals.recent) - reversals)
        raise
    return events


def execute_batch(
    books: Books, request: BatchRequest, used: UsedIds, position: int, now: int
) -> tuple[list[DomainEvent], Sequence[Refusal]]:
    """Does the rows of `request` that are not refused, the first standing at `position`; gives the events and the others.

    `now` is in microseconds in UTC; `InvalidRequest` where a row would have occurred more than a day after it.
    """
    request.notes.check(now)
    accepted, refused = decide_batch(books, request, used)
    return (books.record_batch(accepted, position) if len(accepted) else []), refused
