"""How long a transaction and a group may be executed, while everybody else waits for the journal.

What one operation costs depends on its kind and on the books: a trade takes fifty times a transfer, a distribution goes to all
holders. So beside the number of a plan's operations the time that they take is bounded, the processor's, which another load on
the machine does not add to; and a group takes in nobody more when it was executed for long.
"""

from collections.abc import Iterator, Sequence
from time import thread_time

from tallystick.domain.errors import CommitTooLarge, PlanTooLarge
from tallystick.domain.operation import Operation
from tallystick.infrastructure.journal.limits import COMMIT_BYTES_MAX

PLAN_SECONDS = 5.0
"""So many seconds of the processor one plan takes at most."""
GROUP_SECONDS = 0.25
"""A group that was executed for so long takes nobody in any more."""
ASKED_EVERY = 16
"""The clock is read once for so many operations, or members of a group."""
OPERATION_BYTES = 64
"""About what an operation takes in the journal beside its memo, at least."""


def paced(operations: Sequence[Operation]) -> Sequence[Operation] | Iterator[Operation]:
    """The operations, one after another; `PlanTooLarge` when they have taken too long, `CommitTooLarge` where they say more than
    a commit may have.
    """
    return operations if len(operations) <= ASKED_EVERY else _paced(operations)


def _paced(operations: Sequence[Operation]) -> Iterator[Operation]:
    end = thread_time() + PLAN_SECONDS
    size = 0
    for number, operation in enumerate(operations):
        if number % ASKED_EVERY == 0 and thread_time() > end:
            raise PlanTooLarge(
                f" (in {PLAN_SECONDS:g} s no more were done)", what="operations", count=len(operations), limit=number
            )
        size += OPERATION_BYTES + len(getattr(operation, "memo", ""))
        if size > COMMIT_BYTES_MAX:
            raise CommitTooLarge(bytes=size, limit=COMMIT_BYTES_MAX)
        yield operation
