"""How much one plan, one batch or one call may be: what is larger would keep everybody else from committing for seconds.

Each is far above what is ordinary, and what is refused for it can be done in parts.
"""

from tallystick.domain.errors import PlanTooLarge

OPERATIONS_MAX = 100_000
"""Operations of one plan."""

FRAGMENTS_MAX = 2**20
"""Numbers by which the events of one plan or batch may name fragments: one for each fragment, two for a run of them."""


def check_fragments(numbers: int) -> None:
    """Raises `PlanTooLarge` where fragments are named by more numbers than one commit may have."""
    if numbers > FRAGMENTS_MAX:
        raise PlanTooLarge(what="fragments", count=numbers, limit=FRAGMENTS_MAX)
