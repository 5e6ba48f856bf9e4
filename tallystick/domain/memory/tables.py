"""What may have come from outside of memory and is only looked up: names and fragments of which somebody else has the columns.

Books that were restored stand on such tables, so that nothing is made of an account until it is asked for. No table changes.
"""

from collections.abc import Iterable
from typing import Protocol


class NameTable(Protocol):
    """The names with the lowest handles, from 0 on."""

    def __len__(self) -> int: ...

    def name(self, number: int, /) -> str:
        """The name with this handle."""
        ...

    def find(self, name: str, /) -> int | None:
        """The handle of the name, None where it is not in the table."""
        ...

    def having_a_space(self) -> list[int]:
        """The handles of the names that have a space in them."""
        ...


class FragmentTable(Protocol):
    """Live fragments by the handles of their owners."""

    def __len__(self) -> int:
        """How many runs of fragments there are, most of them of one."""
        ...

    @property
    def owners(self) -> int:
        """All owners have handles below this."""
        ...

    def has(self, owner: int, /) -> bool:
        """Whether the owner with this handle has something in it."""
        ...

    def of(self, owner: int, /) -> Iterable[tuple[int, int, int]]:
        """The amounts and first ids of the owner's runs and how many are in each, smallest first, of equal ones the oldest."""
        ...

    def owner_of(self, id: int, /) -> int | None:
        """The handle of whoever has the fragment with this id, None where it is not in the table."""
        ...
