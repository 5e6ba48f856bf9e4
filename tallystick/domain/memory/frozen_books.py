"""What the books hand out to be kept outside of memory, and what they take back: facts, and plain columns by handle.

Freezing copies what may change, in one go, while nobody changes the books. Working out rows and columns of that takes longer,
and may go on while they change again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tallystick.domain.arithmetic.columns import Numbers
from tallystick.domain.events import TokenRegistered
from tallystick.domain.memory.holding import FragmentRows, PlainFragment, rows_of, unpacked
from tallystick.domain.memory.numbering import Places
from tallystick.domain.memory.tables import FragmentTable, NameTable
from tallystick.domain.values.freeze import Freeze
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.reversal import Reversal
from tallystick.domain.values.token import Token


class FrozenNames(NamedTuple):
    """The first `length` names of `listed`, which may grow; those that are None there are in the table."""

    listed: list[str | None]
    length: int
    table: NameTable | None


class FrozenTokenState(NamedTuple):
    """The cells of one token at one time, by handle. `held` is None where nobody holds anything.

    `numbered`: the handles that have numbers, in the order of those.
    """

    token: Token
    reserve: int
    distributions: int
    names: FrozenNames
    available: Numbers
    held: Numbers | None
    numbered: Places


class ReservedRun(NamedTuple):
    """A reserved fragment, and of how many, in `size`, it is the first."""

    fragment: PlainFragment
    size: int


class FrozenFragments(NamedTuple):
    """The fragments of one token at one time, packed: live ones, and those reserved, by hold; `counts` says by its id of how
    many each is the first, where it is of more than itself.

    Besides, those of `table` are live whose owners have a 0 in `taken`, by handle.
    """

    live: list[int]
    reserved: list[tuple[str, list[int]]]
    table: FragmentTable | None
    taken: bytes
    counts: Mapping[int, int] = MappingProxyType({})

    def live_rows(self) -> FragmentRows:
        """The live ones but those of the table."""
        return rows_of(self.live)

    def reserved_by_hold(self) -> Iterator[tuple[str, list[ReservedRun]]]:
        """The reserved ones under each hold."""
        for hold, fragments in self.reserved:
            found = map(unpacked, fragments)
            yield hold, [ReservedRun(fragment, self.counts.get(fragment.id, 1)) for fragment in found]


class FrozenBooks(NamedTuple):
    """The books at one time: tokens, and fragments of those that have some, in the order of registration."""

    tokens: list[tuple[FrozenTokenState, FrozenFragments | None]]
    special: list[str]
    contracts: dict[str, str | None]
    holds: list[OpenHold]
    reversals: Sequence[Reversal]
    freezes: list[Freeze]
    former_spellings: list[str]


class KeptToken(NamedTuple):
    """What is taken back of a token: its registration as it would be now, what its cells were, and its fragments."""

    registered: TokenRegistered
    reserve: int
    distributions: int
    names: NameTable
    available: Numbers
    held: Numbers | None
    numbered: Places
    fragments: FragmentTable | None
    reserved: Iterable[tuple[str, Iterable[ReservedRun]]]


class KeptBooks(NamedTuple):
    """What is taken back of the books; `tokens` are gone through once, and each may be made when it is reached.

    Raises, while they are, `LookupError` or `ValueError` where something is missing or is not what it should be.
    """

    tokens: Iterable[KeptToken]
    special: Iterable[str]
    contracts: Mapping[str, str | None]
    holds: Iterable[OpenHold]
    reversals: Iterable[Reversal]
    freezes: Iterable[Freeze]
    former_spellings: Iterable[str]
