"""A thread that is interrupted while the store has its commit, and again while the store is asked what became of it."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from tallystick import InsufficientFunds, Ledger, Token
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, StreamEntry
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.recorders import JournalAggregateRecorder
from tests.support.books.behind import ledger_on


class InterruptedJournal(MemoryJournal):
    """Its next append is interrupted, before or after the row stands, and so is the question what became of that."""

    stands: bool | None = None

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        if self.stands is not False:
            super().append(row, entries, metadata)
        if self.stands is not None:
            raise KeyboardInterrupt

    def has_recorded(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> bool:
        if self.stands is not None:
            self.stands = None
            raise KeyboardInterrupt
        return super().has_recorded(row, entries, metadata)


@pytest.fixture
def journal() -> InterruptedJournal:
    return InterruptedJournal()


@pytest.fixture
def ledger(journal: InterruptedJournal) -> Iterator[Ledger]:
    with ledger_on(journal) as ledger:
        ledger.register_token(Token("USD", unit=50))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 10)
        yield ledger


@pytest.mark.parametrize("stands", [True, False])
def test_the_books_are_what_the_journal_says(ledger: Ledger, journal: InterruptedJournal, stands: bool) -> None:
    journal.stands = stands
    with pytest.raises(KeyboardInterrupt), ledger.atomic() as tx:
        tx.mint("USD", "alice", 1_000)
    has = 1_010 if stands else 10
    assert sum(fragment.amount for fragment in ledger.fragments("USD", "alice")) == has  # which waits while anything is pending
    assert ledger.balance("USD", "alice").total == has
    with pytest.raises(InsufficientFunds), ledger.atomic() as tx:
        tx.burn("USD", "alice", has + 1)
    with ledger.atomic() as tx:
        tx.burn("USD", "alice", has)
    assert ledger.audit().ok


@pytest.mark.parametrize("stands", [True, False])
def test_the_event_store_goes_on_from_what_the_journal_says(journal: InterruptedJournal, stands: bool) -> None:
    recorder = JournalAggregateRecorder(journal)
    stream = uuid4()
    events = [StoredEvent(originator_id=stream, originator_version=version, topic="t", state=b"") for version in range(3)]
    recorder.insert_events(events[:1])
    journal.stands = stands
    with pytest.raises(KeyboardInterrupt):
        recorder.insert_events(events[1:2])
    recorder.insert_events(events[2:] if stands else events[1:])
    assert [event.originator_version for event in recorder.select_events(stream)] == [0, 1, 2]
