"""The format of the books in a snapshot: a few facts as a struct that JSON can write, all else as columns.

Columns have names: the token's number in the order of registration, a point, and what they hold. Of each token `words`,
`starts` and `slots` are its accounts' names, `available` and `held` the cells by handle, `numbered` the handles that batches
gave numbers, and `fragment_...` its live fragments. What the books hand out is made into that, and what they take back of that.
"""

from collections.abc import Iterator
from typing import Any, cast

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Numbers
from tallystick.domain.events import TokenRegistered
from tallystick.domain.memory.frozen_books import (
    FrozenBooks,
    FrozenFragments,
    FrozenTokenState,
    KeptBooks,
    KeptToken,
    ReservedRun,
)
from tallystick.domain.memory.holding import PlainFragment
from tallystick.domain.token.registration import registration_of
from tallystick.domain.values.freeze import Freeze
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.reversal import Reversal
from tallystick.infrastructure.snapshots.hashed_names import HashedNames, NameColumns, columns_of_names
from tallystick.infrastructure.snapshots.sorted_fragments import FragmentColumns, SortedFragments, columns_of_fragments
from tallystick.infrastructure.snapshots.wide_numbers import pack_wide, unpack_wide


class FragmentFacts(msgspec.Struct, frozen=True, array_like=True):
    """A reserved fragment: its id, its amount in smallest units, its owner's handle, and of how many it is the first."""

    id: int
    amount: int
    owner: int
    count: int = 1


class TokenFacts(msgspec.Struct, frozen=True):
    """A token as it would be registered now, and what of its state is in no column. `seed` is that of the names' hash."""

    registered: TokenRegistered
    reserve: int
    distributions: int
    anybody_holds: bool
    seed: int
    reserved: list[tuple[str, list[FragmentFacts]]]


class BooksFacts(msgspec.Struct, frozen=True):
    """What is in no column: the tokens and the names of apps and contracts, in the order of registration, open holds, and
    the freezes of accounts, which movements were taken back, and the names that are spelled as they are no more.
    """

    tokens: list[TokenFacts]
    special: list[str]
    contracts: dict[str, str | None]
    holds: list[OpenHold]
    reversals: list[Reversal]
    freezes: list[Freeze]
    former_spellings: list[str]


# Writing.


def facts_of(books: FrozenBooks, seed: int) -> BooksFacts:
    """What is in no column. `seed`: any number of 64 bits that nobody can guess."""
    tokens = [_token_facts(state, fragments, seed) for state, fragments in books.tokens]
    holds = sorted(books.holds, key=lambda hold: hold.position)
    reversals, former = [*books.reversals], books.former_spellings
    return BooksFacts(tokens, books.special, books.contracts, holds, reversals, books.freezes, former)


def _token_facts(state: FrozenTokenState, fragments: FrozenFragments | None, seed: int) -> TokenFacts:
    held = () if fragments is None else fragments.reserved_by_hold()
    reserved = [(hold, [FragmentFacts(*each.fragment, each.size) for each in found]) for hold, found in held]
    registered, anybody_holds = registration_of(state.token), state.held is not None
    return TokenFacts(registered, state.reserve, state.distributions, anybody_holds, seed, reserved)


def columns_of(books: FrozenBooks, seed: int) -> Iterator[tuple[str, Any]]:
    """All columns by name, one after another; `ValueError` where an account's name cannot stand in one."""
    for number, (state, fragments) in enumerate(books.tokens):
        yield from ((f"{number}.{name}", column) for name, column in _cell_columns(state, seed).items())
        if fragments is not None:
            table = cast("SortedFragments | None", fragments.table)  # which `books_of` made
            made = columns_of_fragments(fragments, table, state.names.length)
            yield from ((f"{number}.fragment_{name}", getattr(made, name)) for name in FragmentColumns.__struct_fields__)


def _cell_columns(state: FrozenTokenState, seed: int) -> dict[str, Any]:
    table = cast("HashedNames | None", state.names.table)  # which `books_of` made
    names = columns_of_names(state.names.listed, state.names.length, table, seed)
    columns = {"words": names.words, "starts": names.starts, "slots": names.slots, "numbered": state.numbered}
    columns["available"] = _column_of(state.available)
    if state.held is not None:
        columns["held"] = _column_of(state.held)
    return columns


def _column_of(cells: Numbers) -> Any:
    return pack_wide(cells) if isinstance(cells, list) else cast(Any, np.ascontiguousarray(cells))


# Reading.


def books_of(facts: BooksFacts, columns: dict[str, Any]) -> KeptBooks:
    """The books again. A token's columns are taken out of `columns` when the token is reached."""
    return KeptBooks(
        (_token_of(token, _Taken(columns, number)) for number, token in enumerate(facts.tokens)),
        facts.special,
        facts.contracts,
        facts.holds,
        facts.reversals,
        facts.freezes,
        facts.former_spellings,
    )


class _Taken:
    """The columns of token number `number`, each of which is taken out of `columns` when it is got."""

    def __init__(self, columns: dict[str, Any], number: int) -> None:
        self._columns = columns
        self._number = number

    def column(self, name: str) -> Any:
        """The column as it is."""
        return self._columns.pop(f"{self._number}.{name}")

    def cells(self, name: str) -> Numbers:
        """A column of cells; a list where they are too wide for machine integers."""
        column = self.column(name)
        return unpack_wide(column) if column.dtype.kind == "V" else column


def _token_of(facts: TokenFacts, taken: _Taken) -> KeptToken:
    names = NameColumns(taken.column("words"), taken.column("starts"), taken.column("slots"), facts.seed)
    fragments = None
    if facts.registered.unit is not None:
        columns = FragmentColumns(*(taken.column(f"fragment_{name}") for name in FragmentColumns.__struct_fields__))
        fragments = SortedFragments(columns)
    return KeptToken(
        facts.registered,
        facts.reserve,
        facts.distributions,
        HashedNames(names),
        taken.cells("available"),
        taken.cells("held") if facts.anybody_holds else None,
        taken.column("numbered"),
        fragments,
        ((hold, map(_reserved_run, found)) for hold, found in facts.reserved),
    )


def _reserved_run(facts: FragmentFacts) -> ReservedRun:
    return ReservedRun(PlainFragment(facts.id, facts.amount, facts.owner), facts.count)
