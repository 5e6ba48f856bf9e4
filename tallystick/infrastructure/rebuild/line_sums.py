"""Lines added up: what the changes of every account sum to, and what its last line says that it has.

Amounts are read from the text that stands there. Nothing here knows how lines are made.
"""

from typing import Any

from tallystick.infrastructure.rebuild.exact_sums import Numbered, limbs_of
from tallystick.infrastructure.rebuild.sums import Held


class LineSums:
    """The sums of lines, which are added in their order: what their `changes` add up to, and what the `last` of each says."""

    def __init__(self) -> None:
        self.accounts = Numbered()
        self.changes = Held.none()
        self.last = Held.none()

    def add(self, lines: Any) -> None:
        """Adds a record batch of lines. `ValueError` where something is missing."""
        numbers = self.accounts.numbers(lines.column("token"), lines.column("account"))
        for has, name in zip(self.changes, ("change", "reserved_change"), strict=True):
            has.add(numbers, limbs_of(lines.column(name)))
        for has, name in zip(self.last, ("available", "reserved"), strict=True):
            has.put(numbers, limbs_of(lines.column(name)))
