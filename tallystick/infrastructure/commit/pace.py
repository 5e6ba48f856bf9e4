"""How long a transaction and a group may be executed, while everybody else waits for the journal, and how much they may say.

What one operation costs depends on its kind and on the books: a trade takes fifty times a transfer, a distribution goes to all
holders. So beside the number of a plan's operations the time that they take is bounded, the processor's, which another load on
the machine does not add to; and a group takes in nobody more when it was executed for long. What memos take is counted before
anybody waits for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from time import thread_time

from tallystick.domain.errors import CommitTooLarge, PlanTooLarge
from tallystick.domain.operation import Operation
from tallystick.domain.values.memo import MEMO_LENGTH_MAX
from tallystick.infrastructure.journal.limits import COMMIT_BYTES_MAX

PLAN_SECONDS = 5.0
"""So many seconds of the processor one plan takes at most."""
GROUP_SECONDS = 0.25
"""A group that was executed for so long takes nobody in any more."""
ASKED_EVERY = 64
"""The clock is read once for so many operations."""
MEMBERS_EVERY = 16
"""And once for so many members of a group."""
UNCOUNTED = COMMIT_BYTES_MAX // MEMO_LENGTH_MAX
"""So many operations cannot say too much, whatever their memos."""


def check_memos(operations: Sequence[Operation]) -> None:
    """Raises `CommitTooLarge` where the memos alone take more than a commit may have."""
    size = sum([len(getattr(operation, "memo", "")) for operation in operations])
    if size > COMMIT_BYTES_MAX:
        raise CommitTooLarge(bytes=size, limit=COMMIT_BYTES_MAX)


def paced(operations: Sequence[Operation]) -> Iterable[Operation]:
    """The operations, one after another; `PlanTooLarge` when they have taken too long."""
    return operations if len(operations) <= ASKED_EVERY else chain.from_iterable(_paced(operations))


def _paced(operations: Sequence[Operation]) -> Iterator[Sequence[Operation]]:
    end = thread_time() + PLAN_SECONDS
    for start in range(0, len(operations), ASKED_EVERY):
        if start and thread_time() > end:
            reason = f" (in {PLAN_SECONDS:g} s no more were done)"
            raise PlanTooLarge(reason, what="operations", count=len(operations), limit=start)
        yield operations[start : start + ASKED_EVERY]
