"""What everybody has of the tokens that may be distributed, which says who gets how much of a distribution."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tallystick.domain.batch.batch import Batch
from tallystick.domain.events import Distributed
from tallystick.projections.balances import Balances

AvailableOf = Callable[[str], Mapping[str, int]]
"""What every account can spend of a token."""


class Holders:
    """The holders of the tokens of apps: of those that there were `before`, accounts had what `available_before` gives.

    That is asked when a token is distributed for the first time.
    """

    def __init__(self, before: Iterable[str], available_before: AvailableOf) -> None:
        self._balances = Balances()
        self._available_before = available_before
        self._unknown = set(before)
        self.apps = set(self._unknown)
        for code in self.apps:
            self._balances.begin(code, {})

    def register(self, code: str) -> None:
        """A new app, of whose token nobody has anything."""
        self._balances.begin(code, {})
        self.apps.add(code)

    def apply(self, position: int, event: Any) -> None:
        """An event that moves money of an app's token and is no batch."""
        self._balances.apply(position, 0, event)

    def apply_columns(self, position: int, batch: Batch) -> None:
        """The same of a batch."""
        self._balances.apply_columns(position, 0, batch)

    def distribute(self, position: int, event: Distributed) -> list[tuple[str, int]]:
        """The share of everybody who gets one; they are added to what they have. Raises `CorruptJournal`."""
        if event.token in self._unknown:
            self._unknown.discard(event.token)
            self._balances.begin(event.token, self._available_before(event.token))
        return self._balances.distribute(position, event)
