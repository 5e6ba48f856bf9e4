"""Lines added up: what the changes of every account sum to, and what its last line says that it has.

Amounts are read from the text that stands there. Nothing here knows how lines are made.
"""

from typing import Any

from tallystick.infrastructure.rebuild.exact_sums import Gathered, Numbered, limbs_of
from tallystick.infrastructure.rebuild.sums import Held

_AMOUNTS = ("change", "reserved_change", "available", "reserved")


class LineSums:
    """The sums of lines, which are added in their order."""

    def __init__(self) -> None:
        self.accounts = Numbered()
        self._changes, self._last = Held.none(), Held.none()
        self._rows = Gathered(self.accounts, self._changes, self._last)

    def add(self, lines: Any) -> None:
        """Adds a record batch of lines. `ValueError` where something is missing."""
        amounts = [limbs_of(lines.column(name)) for name in _AMOUNTS]
        self._rows.add(lines.column("token"), lines.column("account"), amounts)

    def changes(self) -> Held:
        """What the changes of all lines of each account add up to."""
        self._rows.settle()
        return self._changes

    def last(self) -> Held:
        """What the last line of each account says that it has."""
        self._rows.settle()
        return self._last
