"""The numbers by which a journal's batches name the accounts of a token.

Numbers are given in the order in which batches first name an account, so they follow from the journal alone, while the handle
of an account, its place in the columns of one ledger's memory, follows from whatever that ledger met first. This maps one to
the other, a column at a time.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from tallystick.domain.arithmetic.columns import Column, as_array, listed

Places = NDArray[np.uint32]

_NONE = -1


class Numbering:
    """One token's numbers: 0, 1, 2 and so on."""

    def __init__(self) -> None:
        self._handles = array("q")
        self._numbers = array("q")
        self._restored: Places | None = None

    def __len__(self) -> int:
        return len(self._handles) if self._restored is None else len(self._restored)

    def freeze(self) -> Places:
        """A copy of the handles that have numbers, in the order of those."""
        return np.array(self._handles, dtype=np.uint32) if self._restored is None else self._restored

    def restore(self, numbered: Places) -> None:
        """Takes over what was frozen, where nothing has a number yet; a token that sees no batch never pays for it."""
        self._restored = numbered if len(numbered) else None

    def load(self) -> None:
        """Does what `restore` put off, where others are to ask without a lock."""
        if self._restored is not None:
            self._load(self._restored)

    def _load(self, numbered: Places) -> None:
        """Does what `restore` put off."""
        self._handles = as_array(numbered.astype(np.int64))
        numbers = np.full(int(numbered.max()) + 1, _NONE, dtype=np.int64)
        numbers[numbered] = np.arange(len(numbered))
        self._numbers = as_array(numbers)
        self._restored = None

    def number(self, handles: Column, accounts: int) -> tuple[Column, list[int]]:
        """The numbers of `handles`, which are below `accounts`; and the handles that get their numbers by that, in order."""
        self.load()
        self._numbers.extend([_NONE] * (accounts - len(self._numbers)))
        numbers = np.frombuffer(self._numbers, dtype=np.int64)[handles]
        is_new = numbers == _NONE
        if not is_new.any():
            return numbers, []
        distinct, first, inverse = np.unique(handles[is_new], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        numbers[is_new] = len(self._handles) + rank[inverse]
        return numbers, listed(distinct[order])

    def add(self, handles: Iterable[int]) -> None:
        """Gives the next numbers to `handles`; `ValueError` where one has a number."""
        new = array("q", handles)
        if not new:
            return
        self.load()
        first = len(self._handles)
        self._numbers.extend([_NONE] * (max(new) + 1 - len(self._numbers)))
        numbers, places = np.frombuffer(self._numbers, dtype=np.int64), np.frombuffer(new, dtype=np.int64)
        if np.any(numbers[places] != _NONE) or len(set(new)) < len(new):
            raise ValueError("an account has two numbers")
        numbers[places] = np.arange(first, first + len(new))
        self._handles += new

    def remove(self, count: int) -> None:
        """Takes the last `count` numbers back."""
        for _ in range(count):
            self._numbers[self._handles.pop()] = _NONE

    def handles_of(self, numbers: Column) -> Column:
        """The handles of the accounts that have these numbers."""
        self.load()
        return np.frombuffer(self._handles, dtype=np.int64)[numbers]

    def handle_of(self, number: int) -> int:
        """The handle of the account that has this number."""
        return self._handles[number] if self._restored is None else int(self._restored[number])

    def number_of(self, handle: int) -> int | None:
        """The account's number; None where no batch named it yet."""
        self.load()
        number = self._numbers[handle] if handle < len(self._numbers) else _NONE
        return None if number == _NONE else number


class NumberedNames(Sequence[str]):
    """The names of accounts by number, looked up when they are asked for."""

    def __init__(self, names: Sequence[str], numbering: Numbering) -> None:
        self._names = names
        self._numbering = numbering

    def __len__(self) -> int:
        return len(self._numbering)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        return self._names[self._numbering.handle_of(index)]

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))
