"""The double map for reading, `ledger.state[first][second]`: mappings that ask the ledger for one cell at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from tallystick.domain.values.token import AnyToken, Token


class Cells(Protocol):
    """What the views ask of a ledger."""

    def cell(self, first: str, second: str) -> int:
        """What lies in a cell; `MeaninglessCell` for a pair that is none."""
        ...

    def spelled(self, name: AnyToken) -> str:
        """A name as the books write it; `InvalidAccount` where it can be none."""
        ...

    def row(self, first: str) -> Sequence[str]:
        """The second names under which there is something."""
        ...

    def tokens(self) -> Sequence[Token]:
        """All tokens."""
        ...


class StateView(Mapping[str, "RowView"]):
    """The first key of the double map: any name; iterating gives the tokens."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def __getitem__(self, first: AnyToken) -> "RowView":
        return RowView(self._cells, self._cells.spelled(first))

    def __iter__(self) -> Iterator[str]:
        return (token.code for token in self._cells.tokens())

    def __len__(self) -> int:
        return len(self._cells.tokens())


class RowView(Mapping[str, int]):
    """The second key of the double map: any name; iterating gives those with something in them, and a token's reserve."""

    def __init__(self, cells: Cells, first: str) -> None:
        self._cells = cells
        self._first = first

    def __getitem__(self, second: str) -> int:
        return self._cells.cell(self._first, second)

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells.row(self._first))

    def __len__(self) -> int:
        return len(self._cells.row(self._first))
