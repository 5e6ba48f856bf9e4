"""The cells of the past index, each by one number: of which token, which part of it, and whose.

Tokens are numbered in the order of their registration, and a token's accounts have the handles that they get in books which
read the journal from its beginning and nothing else. So the cells of one part of a token lie side by side. A contract's figures
are cells too, as if there were one more token whose accounts are the contracts, three to each.
"""

from typing import NamedTuple

AVAILABLE, HELD, CIRCULATING, SAID = 0, 1, 2, 3
"""The parts of a token: what accounts can spend, what they hold for others, what is in circulation, which is one cell, and one
that is touched where something is said of the token, by its registration or later; it is worth nothing.
"""

BALANCE, ALLOCS_SUM, NUM_ALLOCS = 0, 1, 2
FIGURES = 3
"""So many figures a contract has, which are these."""

_PART_BITS, _HANDLE_BITS = 2, 38
_TOKEN_SHIFT = _PART_BITS + _HANDLE_BITS
CONTRACTS = (1 << 64 - _TOKEN_SHIFT) - 1
"""The number that stands for the contracts, and is no token's. Its part `SAID` is touched where accounts are frozen."""


class Cells(NamedTuple):
    """The numbers of a token's cells of one part: from `first` on, one an account."""

    first: int

    @classmethod
    def of(cls, token: int, part: int = 0) -> "Cells":
        """Those of a token by its number. Raises `OverflowError` where there are too many tokens."""
        if token > CONTRACTS:
            raise OverflowError(f"no more than {CONTRACTS} tokens can be numbered")
        return cls((token << _PART_BITS | part) << _HANDLE_BITS)

    def cell(self, handle: int) -> int:
        """The cell of the account with this handle."""
        return self.first + handle

    @property
    def end(self) -> int:
        """The first number that is not one of these."""
        return self.first + (1 << _HANDLE_BITS)


def token_of(cell: int) -> int:
    """The number of the cell's token."""
    return cell >> _TOKEN_SHIFT


def part_of(cell: int) -> int:
    """Which part of the token it is."""
    return cell >> _HANDLE_BITS & (1 << _PART_BITS) - 1


def handle_of(cell: int) -> int:
    """Whose cell it is."""
    return cell & (1 << _HANDLE_BITS) - 1
