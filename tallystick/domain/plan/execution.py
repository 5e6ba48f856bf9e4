"""Deciding and executing: an operation against a view of the books; on the books a plan, all of it or nothing, or a batch.

A plan was decided against a draft before, and each of its operations is decided again on the newest state.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from tallystick.domain.app.decisions import APP_RULES, surplus_of
from tallystick.domain.app.operations import Buy, BuyExactly, Sell, Trading
from tallystick.domain.app.seat_decisions import SEAT_RULES
from tallystick.domain.batch.decisions import Refusal, decide_batch
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.batch.transfer_ids import UsedIds
from tallystick.domain.books.books import Books
from tallystick.domain.contract.decisions import CONTRACT_RULES
from tallystick.domain.entry.erasing import ERASE_RULES
from tallystick.domain.entry.import_end import IMPORT_RULES
from tallystick.domain.errors import InvalidRequest, NotFound, PlanTooLarge, Refused
from tallystick.domain.events import DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.plan.tellings import Planned, Tried, came_out_otherwise, no_longer_possible
from tallystick.domain.reversal.decisions import decide_reversal, reversal_by
from tallystick.domain.reversal.operations import Reverse
from tallystick.domain.token.decisions import TOKEN_RULES, check_observed
from tallystick.domain.token.freezing import FREEZE_RULES
from tallystick.domain.token.operations import Observe, ObserveCounted
from tallystick.domain.view import View

_TIMED_RULES: dict[type[Operation], Callable[[Any, Any, int], Sequence[DomainEvent]]] = {
    **TOKEN_RULES,
    Reverse: decide_reversal,
    ObserveCounted: TOKEN_RULES[Observe],  # a draft counts on no surplus
}
_TIMELESS_RULES = {**CONTRACT_RULES, **APP_RULES, **SEAT_RULES, **FREEZE_RULES, **ERASE_RULES, **IMPORT_RULES}


def decide(view: View, operation: Operation, now: int) -> Sequence[DomainEvent]:
    """The events that do `operation` at `now` (microseconds in UTC), or a `Refused`, `NotFound` or `Conflict`."""
    rule = _TIMED_RULES.get(type(operation))
    return _TIMELESS_RULES[type(operation)](view, operation) if rule is None else rule(view, operation, now)


Surpluses = dict[tuple[str, str], int]
"""By token and account, what trades brought beyond what the block counts on."""


def execute(
    books: Books,
    operations: Sequence[Operation],
    position: int,
    now: int,
    planned: Planned = (),
    surpluses: Surpluses | None = None,
    pace: Callable[[Sequence[Operation]], Iterable[Operation]] = tuple,
) -> list[DomainEvent]:
    """Does `operations` one after another, the first event standing at `position`, and gives all events.

    `now` is in microseconds in UTC. Where one is refused, those before it are taken back and the refusal goes on; where they
    came out other than `planned`, it is the cause of a `Conflict`; but `PlanTooLarge` stays what it is, here or from `pace`,
    which gives the operations one after another.
    """
    events: list[DomainEvent] = []
    course: Course | None = None
    operation: Operation | None = None
    try:
        for operation in pace(operations):
            rule = TOKEN_RULES.get(type(operation))  # as most are
            if rule is not None:
                decided = rule(books, operation, now)
            elif type(operation) in _COURSE_RULES:
                if course is None:
                    course = Course(position, now, events, surpluses or {}, len(books.reversals.recent))
                decided = _COURSE_RULES[type(operation)](books, operation, course)
            else:
                decided = _TIMELESS_RULES[type(operation)](books, operation)
            for event in decided:
                books.record(event, position + len(events), events)
    except BaseException as error:
        books.revert(events)
        if course is not None:
            books.reversals.go_back(course.reversals)
        if planned and isinstance(error, Refused | NotFound | InvalidRequest) and not isinstance(error, PlanTooLarge):
            before = list(takewhile(lambda each: each is not operation, operations))
            if came_out_otherwise(planned, before, events):
                raise no_longer_possible(error) from error
        raise
    return events


class Course(NamedTuple):
    """How an execution goes: the position of its first event, its time, the events and the surpluses of trades so far, and how
    many reversals there were before it.
    """

    position: int
    now: int
    events: list[DomainEvent]
    surpluses: Surpluses
    reversals: int

    def end(self) -> int:
        """Where the next event stands."""
        return self.position + len(self.events)


def _reverse(books: Books, operation: Reverse, course: Course) -> Sequence[DomainEvent]:
    events = decide_reversal(books, operation, course.now)
    books.reversals.add(reversal_by(operation, events, course.end()))
    return events


def _trade(books: Books, operation: Trading, course: Course) -> Sequence[DomainEvent]:
    events = APP_RULES[type(operation)](books, operation)
    surplus = surplus_of(operation, events)
    if surplus is not None:
        cell = (surplus.token, surplus.account)
        course.surpluses[cell] = course.surpluses.get(cell, 0) + surplus.amount
    return events


def _observe(books: Books, operation: ObserveCounted, course: Course) -> Sequence[DomainEvent]:
    check_observed(books, operation, course.surpluses.get((operation.token, operation.account), 0))
    return ()


def _try(books: Books, operation: Tried, course: Course) -> Sequence[DomainEvent]:
    """Looks at what was told in a part that was undone, and leaves nothing of it; `Conflict` too where it cannot be done."""
    reversals = len(books.reversals.recent)
    try:
        events = execute(books, operation.operations, course.end(), course.now, (), dict(course.surpluses))
    except PlanTooLarge:
        raise
    except (Refused, NotFound, InvalidRequest) as error:
        raise no_longer_possible(error) from error
    books.revert(events)
    books.reversals.go_back(reversals)
    return ()


_COURSE_RULES: dict[type[Operation], Callable[[Books, Any, Course], Sequence[DomainEvent]]] = {
    Reverse: _reverse,
    Buy: _trade,
    BuyExactly: _trade,
    Sell: _trade,
    ObserveCounted: _observe,
    Tried: _try,
}
"""The rules of what is decided by more than the books: by what came before it in the same plan."""


def execute_batch(
    books: Books, request: BatchRequest, used: UsedIds, position: int, now: int
) -> tuple[list[DomainEvent], Sequence[Refusal]]:
    """Does the rows of `request` that are not refused, the first standing at `position`; gives the events and the others.

    `now` is in microseconds in UTC; `InvalidRequest` where a row would have occurred more than a day after it.
    """
    request.notes.check(now)
    accepted, refused = decide_batch(books, request, used)
    return (books.record_batch(accepted, position) if len(accepted) else []), refused
