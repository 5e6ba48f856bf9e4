"""The stream of the events of the book as a whole, as an application of the `eventsourcing` library sees it: they pass by."""

import pytest
from eventsourcing.persistence import IntegrityError, JSONTranscoder, StoredEvent

from tallystick import Ledger, Token
from tallystick.domain.events import ACCOUNTS_STREAM, AccountFrozen, AccountUnfrozen
from tallystick.domain.token.registration import registration_of
from tallystick.infrastructure.event_store.mapper import typed_event
from tallystick.infrastructure.event_store.stored_events import TOPICS
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.recorders import JournalMapper, JournalRecorder
from tests.support.books.app_book import do


@pytest.fixture
def frozen(beside: Ledger) -> Ledger:
    """Freezes among movements, in one commit and in several, in a token and in all."""
    beside.register_token(Token("USD"))
    with beside.atomic() as tx:
        tx.mint("USD", "alice", 10)
        tx.freeze("alice", "USD", reason="court")
        tx.freeze("bob", credits=True)
        tx.mint("USD", "carol", 5)
    do(beside, lambda tx: tx.unfreeze("bob"))
    do(beside, lambda tx: tx.freeze("USD", "USD"))
    return beside


EVENTS = [
    AccountFrozen("alice", "USD", True, False, "court"),
    AccountFrozen("bob", None, True, True),
    AccountUnfrozen("bob", None),
    AccountFrozen("USD", "USD", True, False),
]


def test_the_journal_has_it_as_a_stream(frozen: Ledger, journal: Journal) -> None:
    entries = [tuple(entry) for entry in journal.stream(ACCOUNTS_STREAM)]
    assert entries == [(ACCOUNTS_STREAM, 1, 2, 2), (ACCOUNTS_STREAM, 3, 3, 6), (ACCOUNTS_STREAM, 4, 4, 7)]
    assert [tuple(entry) for entry in journal.stream("USD")] == [("USD", 1, 1, 1), ("USD", 2, 3, 2)]
    assert frozen.audit().ok


@pytest.mark.parametrize("application", ["", "shop"])
def test_recorders_read_it(frozen: Ledger, journal: Journal, application: str) -> None:
    recorder, mapper = JournalRecorder(journal, "text", application=application), JournalMapper(JSONTranscoder())
    stored = recorder.select_events(ACCOUNTS_STREAM)
    assert [(each.originator_id, each.originator_version) for each in stored] == [(ACCOUNTS_STREAM, n) for n in (1, 2, 3, 4)]
    assert [mapper.to_domain_event(each) for each in stored] == [
        typed_event(event, version) for version, event in enumerate(EVENTS, 1)
    ]
    assert {mapper.to_domain_event(each).originator_id for each in stored} == {ACCOUNTS_STREAM}
    notified = recorder.select_notifications(1, 100, topics=[TOPICS[AccountFrozen]])
    assert [(each.id, each.originator_id, each.originator_version) for each in notified] == [
        (3, ACCOUNTS_STREAM, 1),
        (4, ACCOUNTS_STREAM, 2),
        (7, ACCOUNTS_STREAM, 4),
    ]
    assert [event.originator_version for event in recorder.select_events("USD")] == [1, 2, 3]


@pytest.mark.parametrize("application", ["", "shop"])
def test_nobody_else_adds_to_it(frozen: Ledger, journal: Journal, application: str) -> None:
    """An id that sounds like it names a stream of the application's own."""
    recorder = JournalRecorder(journal, "text", application=application)
    for id in (ACCOUNTS_STREAM, "accounts"):
        recorder.insert_events([StoredEvent(id, 5, "topic", b"state")])
        with pytest.raises(IntegrityError):
            recorder.insert_events([StoredEvent(id, 5, "topic", b"state")])
    assert [entry.last_version for entry in journal.stream(ACCOUNTS_STREAM)] == [2, 3, 4]
    do(frozen, lambda tx: tx.unfreeze("alice", "USD"))
    assert [entry.last_version for entry in journal.stream(ACCOUNTS_STREAM)] == [2, 3, 4, 5]
    assert frozen.audit().ok


def test_it_is_no_aggregate(frozen: Ledger) -> None:
    with pytest.raises(ValueError, match="begins with a registration"):
        typed_event(EVENTS[0], 1).mutate(None)
    usd = typed_event(registration_of(Token("USD")), 1).mutate(None)
    with pytest.raises(ValueError, match="no event of TokenState USD"):
        typed_event(EVENTS[0], 2).mutate(usd)
