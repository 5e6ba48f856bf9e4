"""Lines added up: what the changes of every account sum to, and what its last line says that it has.

Amounts are read from the text that stands there. Nothing here knows how lines are made.
"""

from typing import Any, NamedTuple

from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.infrastructure.rebuild.gathering import Gathering, limbs_of, number_of
from tallystick.infrastructure.rebuild.sums import Told

_CHANGES = ("change", "reserved_change")
_LAST = ("available", "reserved")


class LinesOf(NamedTuple):
    """What the lines of one account add up to, and what the last of them says; None where there are none."""

    changes: tuple[int, int]
    last: tuple[str, str] | None


class LineSums:
    """The sums of lines, which are added in their order."""

    def __init__(self) -> None:
        self._cells = Gathering(("token", "account"), _CHANGES, _LAST)

    def add(self, lines: Any) -> None:
        """Adds a record batch of lines. `ValueError` where there is no amount."""
        columns = {name: lines.column(name) for name in ("token", "account", *_LAST)}
        self._cells.add(columns, {name: limbs_of(lines.column(name)) for name in _CHANGES})

    def changes(self) -> list[Told]:
        """What lines add up to."""
        table = self._cells.table()
        if table is None:
            return []
        available, held = ([table.column(name) for name in self._cells.limbs_in(number)] for number in _CHANGES)
        return [Told(table.column("token"), table.column("account"), available, held)]

    def lasts(self) -> list[Told]:
        """What last lines say."""
        table = self._cells.table()
        if table is None:
            return []
        available, held = (limbs_of(table.column(name).combine_chunks()) for name in _LAST)
        return [Told(table.column("token"), table.column("account"), available, held)]

    def of(self, token: str, account: str) -> LinesOf:
        """The same of one account."""
        compute, table = pyarrow("compute"), self._cells.table()
        if table is not None:
            is_it = compute.and_(compute.equal(table.column("token"), token), compute.equal(table.column("account"), account))
            for row in table.filter(is_it).to_pylist():
                change, reserved = (number_of(row[name] for name in self._cells.limbs_in(number)) for number in _CHANGES)
                return LinesOf((change, reserved), (row["available"], row["reserved"]))
        return LinesOf((0, 0), None)
