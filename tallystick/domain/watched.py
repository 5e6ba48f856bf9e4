"""The names of which more is to be asked before money moves: apps, contracts and frozen accounts.

Nearly every name is none of them, and one look at one collection says so. Whoever keeps such names by themselves keeps them in
a dictionary that notes them there too; no name is of two kinds.
"""

from collections import Counter
from collections.abc import Container
from typing import TypeVar

Noted = TypeVar("Noted")


class WatchedNames(dict[str, Noted]):
    """A dictionary by name, whose names are noted in `watched` too. They change one by one."""

    def __init__(self, watched: set[str]) -> None:
        super().__init__()
        self._watched = watched

    def __setitem__(self, name: str, noted: Noted) -> None:
        super().__setitem__(name, noted)
        self._watched.add(name)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._watched.discard(name)


class WatchedToo:
    """Those names, and some more that a plan would add."""

    def __init__(self, watched: Container[str]) -> None:
        self._watched = watched
        self._more: Counter[str] = Counter()

    def __contains__(self, name: str) -> bool:
        return name in self._watched or name in self._more

    def note(self, name: str, times: int) -> None:
        """Adds a name, or with -1 takes it out again as often as it was added."""
        self._more[name] += times
        if not self._more[name]:
            del self._more[name]
