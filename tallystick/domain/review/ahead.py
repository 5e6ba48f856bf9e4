"""The events of an entry from one of them on, looked at as far as is asked for."""

from collections.abc import Sequence
from typing import Any

from tallystick.domain.events import FRAGMENT_EVENTS


class Ahead:
    """The events from `index` on up to `end`, where the entry ends; those by which fragments carry them are passed over."""

    __slots__ = ("_end", "_events", "_found")

    def __init__(self, events: Sequence[Any], index: int, end: int) -> None:
        self._events = events
        self._end = end
        self._found = [index]

    def at(self, number: int) -> Any:
        """The event that comes so many after the first; None beyond the end of the entry."""
        found = self._found
        while len(found) <= number:
            index = found[-1] + 1
            while index < self._end and isinstance(self._events[index], FRAGMENT_EVENTS):
                index += 1
            if index >= self._end:
                return None
            found.append(index)
        return self._events[found[number]]

    def events(self, count: int) -> list[Any]:
        """The first so many."""
        return [self.at(number) for number in range(count)]

    def index(self, number: int) -> int:
        """Where the event that comes so many after the first stands among all; it was asked for before."""
        return self._found[number]
