"""What a plan is told of the books, and what becomes of that where the plan goes back behind it.

Each figure that a block is given is an operation among the others, and stands where it was told. What a savepoint undoes is not
done; but the block may act on what it learned there, so the figures told in it are looked at all the same: the undone part is
tried where it stood, and taken back.
"""

from collections.abc import Sequence

from tallystick.domain.app.operations import Trading
from tallystick.domain.contract.operations import ObserveAllocation, ObserveContract
from tallystick.domain.errors import Conflict, LedgerError
from tallystick.domain.events import FRAGMENT_EVENTS, Distributed, DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import Expire, Observe, ObserveCounted, Require

_OBSERVATIONS = (Observe, ObserveCounted, ObserveContract, ObserveAllocation, Require)
_CARRYING = tuple(FRAGMENT_EVENTS)

Planned = Sequence[tuple[int, Sequence[DomainEvent]]]
"""Which operations of a plan may record something else than was planned, without a refusal, and what was planned of each."""


class Tried(Operation, frozen=True):
    """`operations` were planned and undone, and the block knows what it was told among them."""

    operations: tuple[Operation, ...]


def left_of_undone(operations: Sequence[Operation]) -> list[Tried]:
    """What stays in a plan of operations that are undone: what has to be tried for what was told in it, if anything was."""
    for last in range(len(operations), 0, -1):
        if _tells(operations[last - 1]):
            return [Tried(tuple(operations[:last]))]
    return []


def _tells(operation: Operation) -> bool:
    if isinstance(operation, Trading | Expire):
        return operation.told is not None
    return isinstance(operation, (*_OBSERVATIONS, Tried))


def no_longer_possible(error: LedgerError) -> Conflict:
    """The conflict of a plan in which something is refused because what stands before it is not what it was."""
    return Conflict(subject="what was planned before", told="possible", now=f"not: {error}", cause=error)


def came_out_otherwise(planned: Planned, before: Sequence[Operation], events: Sequence[DomainEvent]) -> bool:
    """Whether the operations `before` a refused one, which were executed as `events`, may have done other than was planned.

    What varies is compared; all else records one event each. A distribution may always be other: it says what is shared, and
    the books who had how much.
    """
    done = [event for event in events if not isinstance(event, _CARRYING)]
    varying = dict(planned)
    end = 0
    for index, operation in enumerate(before):
        if index in varying:
            expected = list(varying[index])
            if done[end : end + len(expected)] != expected or any(isinstance(event, Distributed) for event in expected):
                return True
            end += len(expected)
        elif not isinstance(operation, (*_OBSERVATIONS, Tried)):
            end += 1
    return end != len(done)
