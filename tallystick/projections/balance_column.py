"""The balances of a token as columns, for who counts many: accounts, what they can spend, and what they hold for others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers, as_numbers, at, listed, total
from tallystick.domain.cells import is_crossing
from tallystick.domain.token.token_state import Balance


@dataclass(frozen=True, eq=False)
class BalanceColumn:
    """Every account that has something of a `token`, in smallest units: `accounts[k]` has `available[k]` and `reserved[k]`.

    Both are numpy arrays of 64-bit integers, or where one amount is wider than that lists of ints. Accounts stand in no certain
    order, and a name is made when it is asked for.
    """

    token: str
    accounts: Sequence[str]
    available: Numbers
    reserved: Numbers

    def __len__(self) -> int:
        return len(self.accounts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(token={self.token!r}, {len(self)} accounts)"

    def total(self) -> Balance:
        """What all have together, exactly."""
        available, reserved = total(self.available), total(self.reserved)
        return Balance(available, reserved, available + reserved)


class Names(Sequence[str]):
    """The names of those accounts of a token that have these handles."""

    def __init__(self, names: Sequence[str], handles: Column) -> None:
        self._names = names
        self._handles = handles

    def __len__(self) -> int:
        return len(self._handles)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._names[handle] for handle in listed(self._handles[index])]
        return self._names[int(self._handles[index])]


def balance_column(token: str, names: Sequence[str], available: Numbers, held: Numbers, *, has_cells: bool) -> BalanceColumn:
    """The column of accounts by handle, of which `held` may be shorter; `has_cells`: some names may be of no accounts."""
    if isinstance(available, list) or isinstance(held, list):
        held = [*listed(held), *[0] * (len(available) - len(held))]
        both = zip(listed(available), held, strict=True)
        handles = np.array([handle for handle, each in enumerate(both) if any(each)], dtype=np.int64)
    else:
        grown = np.zeros(len(available), dtype=np.int64)
        grown[: len(held)] = held
        held = grown
        handles = np.flatnonzero((available != 0) | (held != 0))
    if has_cells:
        handles = np.array([handle for handle in handles.tolist() if not is_crossing(names[handle])], dtype=np.int64)
    return BalanceColumn(token, Names(names, handles), _at(available, handles), _at(held, handles))


def column_of(token: str, balances: dict[str, Balance]) -> BalanceColumn:
    """The same of balances that are a dict."""
    available = [balance.available for balance in balances.values()]
    held = [balance.reserved for balance in balances.values()]
    return BalanceColumn(token, list(balances), as_numbers(available), as_numbers(held))


def _at(values: Numbers, handles: Column) -> Numbers:
    found = at(values, handles)
    return as_numbers(found) if isinstance(found, list) else found
