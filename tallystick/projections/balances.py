"""What every account has: `state[token]["available" or "reserved"][account]`, in smallest units.

What single movements do goes into dictionaries by account, what batches do into a column by account number beside them. The
two are added up when the state is asked for, or when the column might no longer hold a sum.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column, listed, total
from tallystick.domain.arithmetic.shares import shares_among
from tallystick.domain.batch.batch import Batch
from tallystick.domain.dispatch import Rules
from tallystick.domain.effects import EFFECTS, RESERVE, shared
from tallystick.domain.events import EVENT_TYPES, Distributed, ForeignEvent, Moved, TokenRegistered
from tallystick.domain.rounding import sharing_of

Cells = dict[str, defaultdict[str, int]]


class Balances:
    """`state[token]["available"][account]` and `state[token]["reserved"][account]`, in smallest units.

    Every account is there that was ever named in a movement, emptied ones with 0; cells that cross over under both their names.
    """

    name = "balances"
    version = 1

    def __init__(self) -> None:
        self._cells: dict[str, Cells] = {}
        self._columns: dict[str, _Changes] = {}
        # What is more than adding effects; all other types have None.
        self._rules: Rules[Callable[[int, Any], object] | None] = Rules(
            {**dict.fromkeys((*EVENT_TYPES, ForeignEvent)), TokenRegistered: self._register, Distributed: self.distribute}
        )

    @property
    def state(self) -> dict[str, Cells]:
        """The balances; do not change them."""
        for token in list(self._columns):
            self._add_up(token)
        return self._cells

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        """Adds the events of a commit; most are moves within one token, so that token's cells are looked up once."""
        token: str | None = None
        available: defaultdict[str, int] = defaultdict(int)
        for position, event in enumerate(events, first_position):
            if type(event) is Moved:
                if event.token != token:
                    token = event.token
                    available = self._cells[token]["available"]
                amount = event.amount
                available[event.sender] -= amount
                available[event.receiver] += amount
            else:
                self.apply(position, recorded_at, event)

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        """Adds the rows of a batch."""
        moved = total(batch.amounts)
        if isinstance(batch.amounts, list) or moved > MACHINE_MAX:
            self._apply_rows(batch)
            return
        changes = self._columns.get(batch.token)
        if changes is None or changes.moved + moved > MACHINE_MAX:
            self._add_up(batch.token)
            changes = self._columns[batch.token] = _Changes()
        changes.add(batch, batch.amounts, moved)

    def _apply_rows(self, batch: Batch) -> None:
        available, names = self._cells[batch.token]["available"], batch.names
        for sign, accounts in ((-1, batch.senders), (1, batch.receivers)):
            if accounts is not None:
                for account, amount in zip(listed(accounts), listed(batch.amounts), strict=True):
                    available[names[account]] += sign * amount

    def _add_up(self, token: str) -> None:
        changes = self._columns.pop(token, None)
        if changes is not None:
            available = self._cells[token]["available"]
            for account, change in zip(changes.names, changes.by_number(), strict=False):
                available[account] += change

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        kind = event.__class__
        if kind is Moved:
            available = self._cells[event.token]["available"]
            amount = event.amount
            available[event.sender] -= amount
            available[event.receiver] += amount
            return
        rule = self._rules[kind]
        if rule is not None:
            rule(position, event)
            return
        for account, available, held in EFFECTS[kind](event):
            if held:
                self._cells[event.token]["reserved"][account] += held
            elif account != RESERVE:
                self._cells[event.token]["available"][account] += available

    def _register(self, position: int, event: TokenRegistered) -> None:
        self._cells[event.token] = _no_cells()

    def begin(self, token: str, available: Mapping[str, int]) -> None:
        """Adds what accounts could spend of a token before the events that are given to it."""
        cells = self._cells.setdefault(token, _no_cells())
        for account, amount in available.items():
            cells["available"][account] += amount

    def distribute(self, position: int, event: Distributed) -> list[tuple[str, int]]:
        """Adds a distribution, and gives everybody's share of it."""
        share = sharing_of(event, position)
        self._add_up(event.token)
        available = self._cells[event.token]["available"]
        shares = list(shares_among(available, event.amount, event.excluded, event.turn, share))
        for account, added, _ in shared(event, shares):
            if account != RESERVE:
                available[account] += added
        return shares


def _no_cells() -> Cells:
    return {"available": defaultdict(int), "reserved": defaultdict(int)}


class _Changes:
    """What batches did to the accounts of one token, by number, since it was last added up.

    No sum in it can exceed what was `moved` in all, so it is added up before that could be too much for a machine integer.
    """

    def __init__(self) -> None:
        self.moved = 0
        self.names: Sequence[str] = ()
        self._column: Column = np.zeros(0, dtype=np.int64)
        self._named = 0

    def add(self, batch: Batch, amounts: Column, moved: int) -> None:
        self.moved += moved
        self.names, self._named = batch.names, len(batch.names)
        if self._named > len(self._column):
            column = np.zeros(2 * self._named, dtype=np.int64)
            column[: len(self._column)] = self._column
            self._column = column
        if batch.senders is not None:
            np.subtract.at(self._column, batch.senders, amounts)
        if batch.receivers is not None:
            np.add.at(self._column, batch.receivers, amounts)

    def by_number(self) -> list[int]:
        return listed(self._column[: self._named])
