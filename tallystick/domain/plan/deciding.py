"""The decisions of all models behind one function: an operation and the books in, events or a refusal out."""

from collections.abc import Sequence

from tallystick.domain.app.decisions import APP_RULES
from tallystick.domain.app.seat_decisions import SEAT_RULES
from tallystick.domain.contract.decisions import CONTRACT_RULES
from tallystick.domain.events import DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.token.decisions import TOKEN_RULES
from tallystick.domain.view import View


def decide(view: View, operation: Operation, now: int) -> Sequence[DomainEvent]:
    """The events that do `operation` at `now` (microseconds in UTC), or a `Refused`, `NotFound` or `Conflict`."""
    rule = TOKEN_RULES.get(type(operation))
    return _TIMELESS_RULES[type(operation)](view, operation) if rule is None else rule(view, operation, now)


_TIMELESS_RULES = {**CONTRACT_RULES, **APP_RULES, **SEAT_RULES}
