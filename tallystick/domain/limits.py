"""How much one plan, one batch or one call may be: what is larger would keep everybody else from committing for seconds.

Each is far above what is ordinary, and what is refused for it can be done in parts.
"""

from tallystick.domain.errors import PlanTooLarge

OPERATIONS_MAX = 100_000
"""Operations of one plan, and movements that one operation makes."""

ROWS_MAX = 2**22
"""Rows of one batch."""

FRAGMENTS_MAX = 2**20
"""Numbers by which the events of one plan or batch may name fragments: one for each fragment, two for a run of them."""


def check_operations(count: int, what: str = "operations") -> None:
    """Raises `PlanTooLarge` where one plan would have so many."""
    if count > OPERATIONS_MAX:
        raise PlanTooLarge(what=what, count=count, limit=OPERATIONS_MAX)


def check_rows(count: int) -> None:
    """Raises `PlanTooLarge` where one batch would have so many rows."""
    if count > ROWS_MAX:
        raise PlanTooLarge(what="rows", count=count, limit=ROWS_MAX)


def check_fragments(numbers: int) -> None:
    """Raises `PlanTooLarge` where fragments are named by more numbers than one commit may have."""
    if numbers > FRAGMENTS_MAX:
        raise PlanTooLarge(what="fragments", count=numbers, limit=FRAGMENTS_MAX)
