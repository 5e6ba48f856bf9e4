"""Which handles of a token are no ordinary accounts: predefined cells, crossing cells, and the accounts of apps and contracts.

Batches name accounts by handles, a column at a time, and must leave those cells alone. They are marked in a column too, which
is brought up to date with the accounts and names that came since it was last asked, so that asking costs the rows asked about.
A mark may outlive its cause where a registration was taken back; what is marked is therefore looked at again by its name.
"""

from itertools import takewhile

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.cells import SPECIAL_ACCOUNTS, is_crossing
from tallystick.domain.memory.tables import NameTable
from tallystick.domain.token.token_state import TokenState


class SpecialHandles:
    """The marks on one token's handles. `special` are the names of apps and contracts, in the order of registration."""

    def __init__(self, state: TokenState, special: dict[str, None]) -> None:
        self._token_state = state
        self._special = special
        self._marks = bytearray()
        self._last_name = ""

    def rows(self, handles: Column) -> list[int]:
        """The rows in which a marked handle stands."""
        self._catch_up()
        return np.flatnonzero(np.frombuffer(self._marks, dtype=np.uint8)[handles]).tolist()

    def _catch_up(self) -> None:
        names, seen = self._token_state.names, len(self._marks)
        accounts = len(names)
        self._marks.extend(bytes(accounts - seen))
        table = names.in_table()
        if not seen and table is not None:
            self._mark_in(table)
            seen = len(table)
        for handle in range(seen, accounts):
            name = names[handle]
            if is_crossing(name) or name in SPECIAL_ACCOUNTS or name in self._special:
                self._marks[handle] = 1
        for name in takewhile(self._last_name.__ne__, reversed(self._special)):
            handle = self._token_state.handle_of(name)
            if handle is not None:
                self._marks[handle] = 1
        self._last_name = next(reversed(self._special), "")

    def _mark_in(self, table: NameTable) -> None:
        """The marks on the names of a table, which is not read through for it. Apps and contracts are marked afterwards."""
        for handle in table.having_a_space():
            self._marks[handle] = 1
        for name in SPECIAL_ACCOUNTS:
            handle = table.find(name)
            if handle is not None:
                self._marks[handle] = 1
