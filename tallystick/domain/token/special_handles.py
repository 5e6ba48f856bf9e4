"""Which handles of a token batches do not treat like any other: those that are no ordinary accounts, and frozen ones.

Predefined cells, crossing cells, and the accounts of apps and contracts are special: batches name accounts by handles, a column
at a time, and must leave those cells alone. They and frozen accounts are marked in one column, which is brought up to date with
the accounts, names and freezes that came since it was last asked, so that asking costs the rows asked about. That an account is
special may outlive its cause where a registration was taken back; what is so marked is therefore looked at again by its name.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.cells import SPECIAL_ACCOUNTS, is_crossing
from tallystick.domain.memory.freezes import Freezes
from tallystick.domain.memory.tables import NameTable
from tallystick.domain.token.token_state import TokenState

SPECIAL, DEBITS, CREDITS = 1, 2, 4


class Marked(NamedTuple):
    """The rows of a column in which a marked handle stands, and the marks of those."""

    rows: Column
    marks: Any

    def having(self, mark: int) -> Column:
        """The rows with this mark."""
        return self.rows[(self.marks & mark) != 0] if len(self.rows) else self.rows


class SpecialHandles:
    """The marks on one token's handles. `special` are the names of apps and contracts, in the order of registration."""

    def __init__(self, state: TokenState, special: dict[str, None], freezes: Freezes) -> None:
        self._token_state = state
        self._special = special
        self._freezes = freezes
        self._marks = bytearray()
        self._last_name = ""
        self._changes = 0

    def marked(self, handles: Column, frozen: int = 0) -> Marked:
        """The rows in which a handle stands that is special, or marked as `frozen`, which is `DEBITS` or `CREDITS`."""
        self._catch_up()
        marks = np.frombuffer(self._marks, dtype=np.uint8)[handles]
        if self._freezes.by_account:  # many may be frozen the other way
            marks &= SPECIAL | frozen
        rows = np.flatnonzero(marks)
        return Marked(rows, marks[rows] if len(rows) else marks)

    def _catch_up(self) -> None:
        names, seen = self._token_state.names, len(self._marks)
        accounts = len(names)
        self._marks.extend(bytes(accounts - seen))
        table = names.in_table()
        if not seen and table is not None:
            self._mark_in(table)
            seen = len(table)
        frozen = self._freezes.by_account
        for handle in range(seen, accounts):
            name = names[handle]
            if is_crossing(name) or name in SPECIAL_ACCOUNTS or name in self._special:
                self._marks[handle] = SPECIAL
            elif name in frozen:
                self._marks[handle] = self._frozen_mark(name)
        for name in takewhile(self._last_name.__ne__, reversed(self._special)):
            handle = self._token_state.handle_of(name)
            if handle is not None:
                self._marks[handle] |= SPECIAL
        self._last_name = next(reversed(self._special), "")
        if self._changes != self._freezes.changes:
            self._mark_frozen()

    def _mark_frozen(self) -> None:
        """Marks the accounts that were frozen since, and takes the marks from those that no longer are."""
        changed: Iterable[str] | None = self._freezes.changed_since(self._changes)
        if changed is None:
            marks = np.frombuffer(self._marks, dtype=np.uint8)
            marks &= SPECIAL
            changed = self._freezes.by_account
        for name in changed:
            handle = self._token_state.handle_of(name)
            if handle is not None:
                self._marks[handle] = (self._marks[handle] & SPECIAL) | self._frozen_mark(name)
        self._changes = self._freezes.changes

    def _frozen_mark(self, name: str) -> int:
        freezes = [self._freezes.get(name, token) for token in (None, self._token_state.token.code)]
        found = [freeze for freeze in freezes if freeze is not None]
        return DEBITS * any(each.debits for each in found) | CREDITS * any(each.credits for each in found)

    def _mark_in(self, table: NameTable) -> None:
        """The marks on the names of a table, which is not read through for it. Apps and contracts are marked afterwards."""
        for handle in table.having_a_space():
            self._marks[handle] = SPECIAL
        for name in SPECIAL_ACCOUNTS:
            handle = table.find(name)
            if handle is not None:
                self._marks[handle] = SPECIAL
