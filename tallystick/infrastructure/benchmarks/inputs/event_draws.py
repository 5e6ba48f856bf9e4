"""Events to be saved, drawn before anything is timed: of aggregates with random ids, each with the version after its last one.

An event is about as large as one of an account: a topic of thirty letters and a state of ninety bytes.
"""

import random
from collections.abc import Iterable
from itertools import count
from uuid import UUID

from eventsourcing.persistence import StoredEvent

SEED = 1
TOPIC = "bank.accounts:Account.Credited"


class EventDraws:
    """What the aggregates do."""

    def __init__(self) -> None:
        self._chance = random.Random(SEED)
        self._numbers = count(1)
        self._versions: dict[UUID, int] = {}

    def aggregates(self, number: int) -> list[UUID]:
        """New ids."""
        return [UUID(int=self._chance.getrandbits(128), version=4) for _ in range(number)]

    def events(self, ids: Iterable[UUID]) -> list[StoredEvent]:
        """The next event of each."""
        return [self._event(id) for id in ids]

    def some(self, ids: list[UUID], number: int) -> list[UUID]:
        """So many of these ids, in any order, each perhaps more than once."""
        return self._chance.choices(ids, k=number)

    def _event(self, id: UUID) -> StoredEvent:
        version = self._versions[id] = self._versions.get(id, 0) + 1
        amount, number = self._chance.randint(1, 9_999), next(self._numbers)
        state = f'{{"timestamp":"2026-01-01T09:30:{number % 60:02}.123456+00:00","amount":{amount},"memo":"invoice {number}"}}'
        return StoredEvent(id, version, TOPIC, state.encode())
