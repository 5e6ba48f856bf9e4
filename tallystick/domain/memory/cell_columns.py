"""The cells of one token as they lie in memory: one column of what accounts can spend, one of what they hold for others.

Both are indexed by an account's handle, and are arrays of machine integers for as long as no cell can exceed one. Whoever says
how much is in circulation widens them to lists of Python's integers once it is more than that.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping, MutableSequence, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column, Numbers, Rows, as_array, listed, total
from tallystick.domain.memory.account_names import AccountNames
from tallystick.domain.memory.numbering import NumberedNames, Numbering, Places
from tallystick.domain.memory.spellings import Spellings
from tallystick.domain.values.spelling import LENGTHS


class CellColumns:
    """The cells, their accounts' handles, and the numbers that batches gave those. `names` have a handle already.

    What is new among names is told to `spellings`, those of the book.
    """

    def __init__(self, names: AccountNames | None, spellings: Spellings | None) -> None:
        self.names = AccountNames() if names is None else names
        self.spellings = Spellings() if spellings is None else spellings
        self._handles = self.names.handles
        self._available: MutableSequence[int] = array("q", bytes(8 * len(self.names)))
        self._held: MutableSequence[int] = array("q")  # as long as it has to be: most accounts hold nothing for others
        self.numbering = Numbering()
        self.handles: Mapping[str, int] = self._handles

    def _copies(self) -> tuple[Numbers, Numbers | None]:
        """What accounts can spend and what they hold for others as it is now; None where nobody ever held anything."""
        return _copied(self._available), _copied(self._held) if len(self._held) else None

    def _take_over(self, available: Numbers, held: Numbers | None, numbered: Places) -> None:
        """What copies were made of; the accounts have the lowest handles, and no cell has anything yet."""
        accounts = len(self.names)
        if len(available) > accounts:
            raise ValueError(f"{len(available)} cells of {accounts} accounts")
        self.numbering.restore(numbered)
        self._available = _extended(available, accounts)
        if held is not None:
            self._held = _extended(held, len(held))
        elif isinstance(available, list):
            self._held = []

    def knows(self, account: str) -> bool:
        """Whether the account was ever named in a movement of this token."""
        return self.handle_of(account) is not None

    def available_of(self, account: str) -> int:
        """What the account can spend."""
        handle = self._handles.get(account)
        if handle is None:
            handle = self.names.find(account)
        return 0 if handle is None else self._available[handle]

    def held_of(self, account: str) -> int:
        """What the account holds for others."""
        handle = self.names.find(account)
        return self._held[handle] if handle is not None and handle < len(self._held) else 0

    def cells(self) -> Iterator[tuple[str, int, int]]:
        """Every account, in the order in which they were first named, with both."""
        return zip(self.names, self._available, chain(self._held, repeat(0)), strict=False)

    def amounts(self) -> list[int]:
        """What every account can spend, by handle."""
        return list(self._available)

    def handle_of(self, account: str) -> int | None:
        """The account's handle; None where it was never named."""
        return self.names.find(account)

    @property
    def numbered_names(self) -> Sequence[str]:
        """The accounts by the numbers that batches gave them."""
        return NumberedNames(self.names, self.numbering)

    def handle(self, account: str) -> int:
        """The index of the account's cell in the columns, made where it is new, whichever spelling that is."""
        handle = self._handles.get(account)
        if handle is None:
            if not account.isascii() or " " in account or (len(account) in LENGTHS and not account.islower()):  # as `is_plain`
                self.spellings.note(account)
            handle = self.spelled_handle(account)
        return handle

    def spelled_handle(self, account: str) -> int:
        """The same for a name as the books write it, of which nothing has to be noted."""
        handle = self._handles.get(account)
        if handle is None:
            names = self.names
            if names.has_table:
                handle = names.find(account)
                if handle is not None:
                    return handle
            handle = names.next_handle()
            if len(self._available) > handle:  # somebody was interrupted here
                del self._available[handle:]
            self._available.append(0)
            names.add(account, handle)
        return handle

    def overdrawn(self, givers: Column, amounts: Numbers) -> Rows | None:
        """Which rows take from an account that has less than all rows together take; None where columns cannot tell."""
        if not isinstance(self._available, array) or isinstance(amounts, list) or total(amounts) > MACHINE_MAX:
            return None
        view = np.frombuffer(self._available, dtype=np.int64)
        np.subtract.at(view, givers, amounts)
        found = view[givers] < 0
        np.add.at(view, givers, amounts)
        return found

    def available_at(self, handles: Collection[int]) -> dict[int, int]:
        """What the accounts with these handles can spend."""
        return dict(zip(handles, map(self._available.__getitem__, handles), strict=True))

    def available_in(self, handles: Column) -> Numbers:
        """The same of a column of handles, in a column where cells fit machine integers."""
        if isinstance(self._available, array):
            return np.frombuffer(self._available, dtype=np.int64)[handles]
        return [self._available[handle] for handle in listed(handles)]

    def columns(self) -> tuple[Numbers, Numbers]:
        """Copies of what every account can spend, by handle, and of what accounts hold for others, which may be shorter."""
        return _copied(self._available), _copied(self._held)

    def column(self) -> Column | None:
        """A copy of what every account can spend, by handle; None where that is too wide for a column."""
        return np.array(self._available, dtype=np.int64) if isinstance(self._available, array) else None

    def _widen(self) -> None:
        if isinstance(self._available, array):
            self._available, self._held = list(self._available), list(self._held)

    def _move(self, givers: Column | None, takers: Column | None, amounts: Numbers) -> None:
        """`amounts[row]` from `givers[row]` to `takers[row]`, of those that are given."""
        available = self._available
        if isinstance(available, array) and not isinstance(amounts, list):
            view = np.frombuffer(available, dtype=np.int64)
            if givers is not None:
                np.subtract.at(view, givers, amounts)
            if takers is not None:
                np.add.at(view, takers, amounts)
            return
        for handle, amount in zip(() if givers is None else listed(givers), listed(amounts), strict=False):
            available[handle] -= amount
        for handle, amount in zip(() if takers is None else listed(takers), listed(amounts), strict=False):
            available[handle] += amount

    def _handles_among(self, accounts: Sequence[str]) -> set[int]:
        return {handle for account in accounts if (handle := self.names.find(account)) is not None}

    def _spenders(self, left_out: Collection[int]) -> tuple[Any, Column | list[int]]:
        """The handles of those who can spend some and are not `left_out`, and how much each can."""
        if isinstance(self._available, array):
            weights = np.array(self._available, dtype=np.int64)
            weights[list(left_out)] = 0
            holders = np.flatnonzero(weights > 0)
            return holders, weights[holders]
        found = [handle for handle, amount in enumerate(self._available) if amount > 0 and handle not in left_out]
        return found, [self._available[handle] for handle in found]

    def places_in_order(self, handles: Any) -> Column:
        """The places of these handles among themselves, in the order of the accounts' names."""
        order = self.names.in_order()
        places = np.full(len(order), -1, dtype=np.int64)
        places[np.asarray(handles, dtype=np.int64)] = np.arange(len(handles))
        places = places[order]
        return places[places >= 0]

    def _add(self, handles: Any, amounts: Any, sign: int) -> None:
        """`amounts`, or with the other `sign` as much less, to what these accounts can spend; each is named once."""
        if isinstance(self._available, array) and isinstance(amounts, np.ndarray):
            view = np.frombuffer(self._available, dtype=np.int64)
            view[handles] += sign * amounts
            return
        for handle, amount in zip(handles, amounts, strict=True):
            self._available[handle] += sign * int(amount)


def _copied(cells: MutableSequence[int]) -> Numbers:
    return np.array(cells, dtype=np.int64) if isinstance(cells, array) else list(cells)


def _extended(cells: Numbers, accounts: int) -> MutableSequence[int]:
    """The cells as a column that changes, with empty ones for further accounts."""
    if isinstance(cells, list):
        return [*cells, *[0] * (accounts - len(cells))]
    extended = as_array(cells)
    extended.frombytes(bytes(8 * (accounts - len(cells))))
    return extended
