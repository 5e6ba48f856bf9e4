"""Exact sums by account: columns of machine integers that hold amounts of any width, and the numbers of accounts in them.

An amount comes in limbs of 31 bits, the lowest first, so the limbs of billions of amounts can be added up before what is above
31 bits has to be carried into the next; then only the highest has a sign. Limbs that no amount has needed are left out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Rows
from tallystick.infrastructure.rebuild.columns import pyarrow

LIMBS = 9
LIMB_BITS = 31
CARRIED_ROWS = 2**30
ROUND_ROWS = 262_144
"""So many rows more than there are accounts are looked up at once."""

_SPARE_LIMBS = 2
"""So much wider are sums than what is added."""
_MASK = (1 << LIMB_BITS) - 1
_DIGITS_SURE = 18
"""So many digits, with a sign among them or not, are two limbs."""

Limbs = Sequence[Column]
"""A column of amounts. Of one below zero all limbs are, or are nothing. There may be none, and all amounts are nothing."""


class Numbered:
    """Numbers for accounts of tokens, in the order in which they are met."""

    def __init__(self) -> None:
        self._names: Any = pyarrow().array([], pyarrow().large_string())

    def __len__(self) -> int:
        return len(self._names)

    def numbers(self, names: Any) -> Column:
        """The numbers of rows by `names_of` them. All names are gone through for it, so it is asked for many rows at once."""
        arrow, compute = pyarrow(), pyarrow("compute")
        found = compute.index_in(names, value_set=self._names)
        if found.null_count:
            new = names.filter(compute.is_null(found)).unique()
            self._names = arrow.concat_arrays([self._names, new])
            found = compute.index_in(names, value_set=self._names)
        return found.to_numpy().astype(np.int64)

    def number(self, token: str, account: str) -> int | None:
        """The number of one account, None where it was not met."""
        return (
            pyarrow("compute")
            .index_in(pyarrow().scalar(f"{token} {account}", pyarrow().large_string()), value_set=self._names)
            .as_py()
        )

    def tokens_of(self, account: str) -> set[str]:
        """The tokens with which an account was met."""
        names = self._names.filter(pyarrow("compute").ends_with(self._names, f" {account}")).to_pylist()
        return {token for token, name in map(_token_and_account, names) if name == account}

    def named(self, numbers: Column) -> list[tuple[str, str]]:
        """The tokens and accounts that these are the numbers of, in the order of their names."""
        return sorted(map(_token_and_account, self._names.take(pyarrow().array(numbers)).to_pylist()))


def names_of(tokens: Any, accounts: Any) -> Any:
    """What accounts of tokens are looked up by. Raises `ValueError` where one is missing."""
    wide = pyarrow().large_string()  # for all of them may be more than 2 GB
    space = pyarrow().scalar(" ", wide)  # which no token has
    names = pyarrow("compute").binary_join_element_wise(tokens.cast(wide), accounts.cast(wide), space)
    if names.null_count:
        raise ValueError("a token or an account is missing")
    return names


def _token_and_account(name: str) -> tuple[str, str]:
    token, _, account = name.partition(" ")
    return token, account


class ExactColumn:
    """An amount for each number, nothing where none was given."""

    def __init__(self) -> None:
        self._limbs: list[Column] = [np.zeros(0, dtype=np.int64)]
        self._rows = 0

    def add(self, numbers: Column, limbs: Limbs) -> None:
        """Adds amounts."""
        self._make_room(numbers, limbs)
        for has, limb in zip(self._limbs, limbs, strict=False):
            np.add.at(has, numbers, limb)
        self._rows += len(numbers)
        if self._rows > CARRIED_ROWS:
            self._limbs, self._rows = self.limbs(), 0
            while len(self._limbs) > 1 and not self._limbs[-1].any():
                self._limbs.pop()

    def put(self, numbers: Column, limbs: Limbs) -> None:
        """Has amounts in place of what there was; of several of one number the last."""
        self._make_room(numbers, limbs)
        for place, has in enumerate(self._limbs):
            has[numbers] = limbs[place] if place < len(limbs) else 0

    def limbs(self, count: int = 0, length: int = 0) -> list[Column]:
        """The amounts as limbs, so many or as many as they need, of so many numbers at least. Only the highest has a sign."""
        count, carried = max(count, len(self._limbs) + _SPARE_LIMBS), list[Column]()
        carry: Column = np.zeros(max(length, len(self._limbs[0])), dtype=np.int64)
        for place in range(count):
            has = carry
            if place < len(self._limbs):
                has = has.copy()
                has[: len(self._limbs[place])] += self._limbs[place]
            carry = has >> LIMB_BITS
            carried.append(has if place == count - 1 else has & _MASK)
        return carried

    def differing(self, other: "ExactColumn", length: int) -> Rows:
        """For which of the first so many numbers the other has something else."""
        count = max(len(self._limbs), len(other._limbs)) + _SPARE_LIMBS
        both = zip(self.limbs(count, length), other.limbs(count, length), strict=True)
        return np.logical_or.reduce([ours[:length] != theirs[:length] for ours, theirs in both])

    def of(self, number: int | None) -> int:
        """One amount."""
        if number is None or number >= len(self._limbs[0]):
            return 0
        return sum(int(limb[number]) << LIMB_BITS * place for place, limb in enumerate(self._limbs))

    def _make_room(self, numbers: Column, limbs: Limbs) -> None:
        size = len(self._limbs[0])
        needed = int(numbers.max(initial=-1)) + 1
        if needed > size:
            grown = np.zeros(max(needed, size + size // 4) - size, dtype=np.int64)
            for place, limb in enumerate(self._limbs):
                self._limbs[place] = np.append(limb, grown)
        while len(self._limbs) < len(limbs):
            self._limbs.append(np.zeros_like(self._limbs[0]))


class Gathered:
    """Rows that are kept until there are many, and then added: amounts of accounts, to columns, or into them as the last."""

    def __init__(self, accounts: Numbered, added: Sequence[ExactColumn], put: Sequence[ExactColumn] = ()) -> None:
        self._accounts = accounts
        self._columns = [*(column.add for column in added), *(column.put for column in put)]
        self._parts: list[tuple[Any, Sequence[Limbs]]] = []
        self._rows = 0

    def add(self, tokens: Any, accounts: Any, amounts: Sequence[Limbs]) -> None:
        """Adds rows, with amounts for each column."""
        self._parts.append((names_of(tokens, accounts), amounts))
        self._rows += len(tokens)
        if self._rows >= ROUND_ROWS + len(self._accounts):
            self.settle()

    def settle(self) -> None:
        """Has the columns have all rows."""
        if not self._rows:
            return
        numbers = self._accounts.numbers(pyarrow().concat_arrays([names for names, _ in self._parts]))
        end = 0
        for names, amounts in self._parts:
            begin, end = end, end + len(names)
            for take, limbs in zip(self._columns, amounts, strict=True):
                take(numbers[begin:end], limbs)
        self._parts, self._rows = [], 0


def limbs_of(texts: Any) -> list[Column]:
    """Amounts as limbs, of texts of digits. `ValueError` where one is missing or, as Arrow raises it, is no number."""
    arrow, compute = pyarrow(), pyarrow("compute")
    if texts.null_count:
        raise ValueError("an amount is missing")
    is_wide = compute.greater(compute.binary_length(texts), _DIGITS_SURE)
    numbers = compute.if_else(is_wide, "0", texts).cast(arrow.int64()).to_numpy()
    signs, sizes = np.sign(numbers), np.abs(numbers)
    limbs: list[Column] = [signs * ((sizes >> LIMB_BITS * limb) & _MASK) for limb in range(2 if sizes.any() else 0)]
    places = np.flatnonzero(is_wide.to_numpy(zero_copy_only=False))
    if len(places):
        limbs = [limbs[limb] if limb < len(limbs) else np.zeros_like(numbers) for limb in range(LIMBS)]
        wide = [int(text) for text in texts.take(arrow.array(places)).to_pylist()]
        for limb, column in enumerate(limbs):
            column[places] = [_limb(number, limb) for number in wide]
    return limbs


def _limb(number: int, limb: int) -> int:
    found = (abs(number) >> LIMB_BITS * limb) & _MASK
    return -found if number < 0 else found
