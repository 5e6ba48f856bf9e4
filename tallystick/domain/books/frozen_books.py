"""The books at one time, to be kept outside of memory: a few facts as a struct that JSON can write, all else as columns.

Freezing copies what may change, in one go, while nobody changes the books. Making columns of that takes longer, and may go on
while they change again. Columns have names: the token's number in the order of registration, a point, and what they hold.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Numbers, pack_wide, unpack_wide
from tallystick.domain.events import TokenRegistered
from tallystick.domain.token.name_table import NameColumns
from tallystick.domain.token.registration import registration_of
from tallystick.domain.token.token_state import FrozenTokenState
from tallystick.domain.value_object.fragment_table import FragmentColumns, columns_of_fragments
from tallystick.domain.value_object.fragments import FrozenFragments
from tallystick.domain.value_object.holding import AMOUNT_SHIFT, ID_MASK, OWNER_BITS, OWNER_MASK
from tallystick.domain.values.hold import Hold

_NO_FRAGMENTS = FrozenFragments([], None, [])


class KeptFragment(msgspec.Struct, frozen=True, array_like=True):
    """A reserved fragment: its id, its amount in smallest units, and its owner's handle."""

    id: int
    amount: int
    owner: int


class KeptToken(msgspec.Struct, frozen=True):
    """A token as it would be registered now, and what of its state is in no column. `seed` is that of the names' hash."""

    registered: TokenRegistered
    reserve: int
    distributions: int
    anybody_holds: bool
    seed: int
    reserved: list[tuple[str, list[KeptFragment]]]

    def reserved_fragments(self) -> Iterator[tuple[str, list[int]]]:
        """The reserved fragments under each hold, as integers."""
        for hold, fragments in self.reserved:
            yield hold, [kept.amount << AMOUNT_SHIFT | kept.id << OWNER_BITS | kept.owner for kept in fragments]


class KeptBooks(msgspec.Struct, frozen=True):
    """What is in no column: the tokens and the names of apps and contracts, in the order of registration, and open holds."""

    tokens: list[KeptToken]
    special: list[str]
    contracts: dict[str, str | None]
    holds: list[Hold]


class FrozenBooks(NamedTuple):
    """The books at one time."""

    tokens: list[tuple[FrozenTokenState, FrozenFragments | None]]
    special: list[str]
    contracts: dict[str, str | None]
    holds: list[Hold]

    def kept(self, seed: int) -> KeptBooks:
        """What is in no column. `seed`: any number of 64 bits that nobody can guess."""
        tokens = [_kept(state, fragments or _NO_FRAGMENTS, seed) for state, fragments in self.tokens]
        return KeptBooks(tokens, self.special, self.contracts, sorted(self.holds, key=lambda hold: hold.position))

    def columns(self, seed: int) -> Iterator[tuple[str, Any]]:
        """All columns by name, one after another; `ValueError` where an account's name cannot stand in one."""
        for number, (state, fragments) in enumerate(self.tokens):
            names = state.names.columns(seed)
            columns = {"words": names.words, "starts": names.starts, "slots": names.slots, "numbered": state.numbered}
            columns["available"] = _packed(state.available)
            if state.held is not None:
                columns["held"] = _packed(state.held)
            yield from ((f"{number}.{name}", column) for name, column in columns.items())
            if fragments is not None:
                made = columns_of_fragments(fragments.live, fragments.table, state.names.count)
                yield from ((f"{number}.fragment_{name}", getattr(made, name)) for name in FragmentColumns.__struct_fields__)


class ColumnsOfToken:
    """The columns of token number `number`, each of which is taken out of `columns` when it is got."""

    def __init__(self, columns: dict[str, Any], number: int) -> None:
        self._columns = columns
        self._number = number

    def column(self, name: str) -> Any:
        """The column as it is."""
        return self._columns.pop(f"{self._number}.{name}")

    def numbers(self, name: str) -> Numbers:
        """A column of cells; a list where they are too wide for machine integers."""
        column = self.column(name)
        return unpack_wide(column) if column.dtype.kind == "V" else column

    def names(self, seed: int) -> NameColumns:
        """Those of the names."""
        return NameColumns(self.column("words"), self.column("starts"), self.column("slots"), seed)

    def fragments(self) -> FragmentColumns:
        """Those of the fragments."""
        return FragmentColumns(*(self.column(f"fragment_{name}") for name in FragmentColumns.__struct_fields__))


def _kept(state: FrozenTokenState, fragments: FrozenFragments, seed: int) -> KeptToken:
    reserved = [
        (hold, [KeptFragment(each >> OWNER_BITS & ID_MASK, each >> AMOUNT_SHIFT, each & OWNER_MASK) for each in found])
        for hold, found in fragments.reserved
    ]
    return KeptToken(
        registration_of(state.token),
        state.reserve,
        state.distributions,
        state.held is not None,
        seed,
        reserved,
    )


def _packed(cells: Numbers) -> Any:
    return pack_wide(cells) if isinstance(cells, list) else cast(Any, np.ascontiguousarray(cells))
