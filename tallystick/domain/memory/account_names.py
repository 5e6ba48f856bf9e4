"""The names of a token's accounts by handle, and their handles by name.

A handle is the place of an account's cell in the columns of one ledger's memory. Names that are read from a journal lie in a
dictionary and a list. Names that a snapshot brought lie in a table until they are asked for; then they are remembered in
both, so that asking again costs no more than it does for others.
"""

from collections.abc import Iterator, Sequence
from typing import cast, overload

import numpy as np

from tallystick.domain.arithmetic.columns import Column, listed
from tallystick.domain.memory.frozen_books import FrozenNames
from tallystick.domain.memory.tables import NameTable


class AccountNames(Sequence[str]):
    """Names by handle. `handles` are those by name: what is missing there `find` may know.

    `listed` are the names by handle again, as a list for whoever asks often: what is None there is got by index from this.
    """

    def __init__(self, table: NameTable | None = None) -> None:
        self._table = table
        self._order = np.zeros(0, dtype=np.int64)
        self.has_table = table is not None
        self.listed: list[str | None] = [] if table is None else [None] * len(table)
        self.handles: dict[str, int] = {} if table is None else _Handles(self)

    def copy(self) -> "AccountNames":
        """The same names with the same handles; what is added to one is not in the other."""
        copied = AccountNames(self._table)
        copied.listed = self.listed[: self.next_handle()]
        copied.handles.update(self.handles)
        return copied

    def find(self, name: str) -> int | None:
        """The handle of the name, None where it has none."""
        handle = self.handles.get(name)
        if handle is None and self._table is not None:
            handle = self._table.find(name)
            if handle is not None:
                self._remember(str.__str__(name), handle)  # some names are of numpy's kind
        return handle

    def next_handle(self) -> int:
        """The handle that a new name gets."""
        listed = self.listed
        if listed and listed[-1] is not None and listed[-1] not in self.handles:  # somebody was interrupted in `add`
            listed.pop()
        return len(listed)

    def add(self, name: str, handle: int) -> None:
        """Gives a new name its handle, which is the next one."""
        self.listed.append(name)
        self.handles[name] = handle  # last, for a planner may look on without a lock

    def in_order(self) -> Column:
        """All handles in the order of the names. Only those that came since it was last asked are sorted in."""
        known, count = self._order, self.next_handle()
        if len(known) < count:
            handles = [*listed(known), *range(len(known), count)]
            handles.sort(key=list(self).__getitem__)
            self._order = known = np.array(handles, dtype=np.int64)
        return known

    def in_table(self) -> NameTable | None:
        """The table of the names with the lowest handles, if they came in one."""
        return self._table

    def freeze(self) -> FrozenNames:
        """The names as they are now, whatever is added afterwards; nothing is copied."""
        return FrozenNames(self.listed, self.next_handle(), self._table)

    def _remember(self, name: str, handle: int) -> None:
        self.handles[name] = handle
        self.listed[handle] = name

    def __len__(self) -> int:
        return len(self.listed)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[handle] for handle in range(len(self))[index]]
        name = self.listed[index]
        if name is None:
            if self._table is None:
                raise IndexError(f"no account has the handle {index}")
            name = self._table.name(index)
            self._remember(name, index)
        return name

    def __iter__(self) -> Iterator[str]:
        """All names; what lies in the table is not remembered for it."""
        table = self._table
        if table is None:
            return iter(cast(list[str], self.listed))
        return (table.name(handle) if name is None else name for handle, name in enumerate(self.listed))


class _Handles(dict[str, int]):
    """Handles by name, beside a table in which more are found."""

    def __init__(self, names: AccountNames) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, name: str) -> int:
        handle = self._names.find(name) if isinstance(name, str) else None
        if handle is None:
            raise KeyError(name)
        return handle
