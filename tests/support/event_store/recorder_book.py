"""What the tests of recorders share: a ledger on the same journal, and events of other streams beside its own."""

from itertools import count
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    StoredEvent,
)

from tallystick import Ledger, Token
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.books.behind import ledger_on


def make_ledger(journal: Journal) -> Ledger:
    times = count(1_700_000_000_000_000)
    return ledger_on(journal, lambda: next(times), lambda: uuid4().hex)


def stored(stream: str | UUID, *versions: int, topic: str = "topic", state: bytes = b"state") -> list[StoredEvent]:
    return [StoredEvent(stream, version, topic, state) for version in versions]


def versions(recorder: JournalRecorder, stream: str | UUID, **bounds: Any) -> list[int]:
    return [found.originator_version for found in recorder.select_events(stream, **bounds)]


def ids(notifications: Any) -> list[int]:
    return [notification.id for notification in notifications]


def fill(recorder: JournalRecorder, ledger: Ledger, commits: int) -> None:
    """Commits of the ledger, in two tokens, and between them events of two other streams."""
    ledger.register_token(Token("USD", decimals=2, unit=100))
    ledger.register_token(Token("PLN"))
    for number in range(1, commits + 1):
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 350)
            if number % 3 == 0:
                tx.mint("PLN", "bob", number)
            tx.transfer("USD", "alice", "bob", 120)
        recorder.insert_events([*stored("order-1", number), *stored("order-2", 2 * number, 2 * number + 1)])
