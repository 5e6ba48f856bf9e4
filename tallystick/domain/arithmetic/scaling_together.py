"""Taking many values through many steps of scaling at once: in a column as long as they fit, else one by one.

With a = w * old + r, floor(a * v / old) is w * v + floor(r * v / old), and no product in that is wider than `old` * v, which
fits a machine integer for all but the largest sums. A bound on the values is kept beside them, so nothing can overflow.
"""

from collections.abc import Sequence

import numpy as np

from tallystick.domain.arithmetic.shares import Column

Step = tuple[int, int, int]
"""New sum, rounding, old sum: a value a becomes (a * new + rounding) // old."""

TOGETHER_MIN = 64
"""With fewer values a column saves nothing."""

_WIDE = 2**62


def advance(value: int, steps: Sequence[Step]) -> int:
    """The value after all steps."""
    if value:
        for new, rounding, old in steps:
            value = (value * new + rounding) // old
    return value


def advance_together(values: list[int], steps: Sequence[Step]) -> list[int]:
    """The values after all steps."""
    most, least = max(values, default=0), min(values, default=0)
    if len(values) < TOGETHER_MIN or least < 0 or most >= _WIDE:
        return [advance(value, steps) for value in values]
    column = np.array(values, dtype=np.int64)
    for done, (new, _, old) in enumerate(steps):
        change = new - old
        if change > 0:
            most += most * change // old + 1
        if most >= _WIDE or old * abs(change) >= _WIDE:
            return [advance(value, steps[done:]) for value in column.tolist()]
        _scale(column, change, old)
    return column.tolist()


def _scale(column: Column, change: int, old: int) -> None:
    wholes = column // old
    rests = column - wholes * old
    if change < 0:
        column -= wholes * -change + rests * -change // old
    else:
        column += wholes * change + rests * change // old
