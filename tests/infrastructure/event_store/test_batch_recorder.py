"""The `eventsourcing` library's recorder on a journal with batches: each row of a batch is an event of its token's stream."""

import msgspec
import pytest
from eventsourcing.persistence import StoredEvent

from tallystick import Ledger, Token
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.books.behind import ledger_on


@pytest.fixture
def mixed(journal: Journal) -> Ledger:
    """Batches of two tokens and ordinary transactions between somebody else's events."""
    ledger = ledger_on(journal)
    others = JournalRecorder(journal, "text")
    for code, unit in (("PLN", None), ("USD", 100)):
        ledger.register_token(Token(code, unit=unit))
    for turn in range(4):
        for code in ("PLN", "USD"):
            ids = [turn, 9 - turn] if code == "PLN" else None
            ledger.mint_many(code, [f"new-{turn}", "alice"], [250, 10 + turn], ids=ids)
            with ledger.atomic() as tx:
                tx.transfer(code, "alice", "bob", 3)
            ledger.transfer_many(code, ["alice", f"new-{turn}", "bob"], ["bob", "alice", "bob"], [2, 30 + turn, 1], memo="row")
        others.insert_events([StoredEvent("order", turn, "topic", b"state")])
    return ledger


def test_every_position_is_one_notification(mixed: Ledger, journal: Journal) -> None:
    head = mixed.verify().position
    recorder = JournalRecorder(journal, "text")
    everything = recorder.select_notifications(None, 10**6)
    assert [notification.id for notification in everything] == list(range(1, head + 1))
    for code in ("PLN", "USD"):
        versions = [n.originator_version for n in everything if n.originator_id == code]
        assert versions == list(range(1, len(versions) + 1))
    for fresh in (True, False):
        for start in range(1, head + 2):
            reader = JournalRecorder(journal, "text") if fresh else recorder
            for limit in (1, 4, 1_000):
                assert reader.select_notifications(start, limit) == everything[start - 1 :][:limit]
    for stop in range(1, head + 1, 3):
        assert recorder.select_notifications(1, 1_000, stop=stop) == everything[:stop]
    moves = recorder.select_notifications(1, 1_000, topics=["tallystick.domain.events:Moved"])
    assert moves == [n for n in everything if n.topic.endswith(":Moved")]
    assert len(moves) == 2 * 4 * 4


def test_a_rows_event_says_what_its_transaction_says(mixed: Ledger, journal: Journal) -> None:
    for notification in JournalRecorder(journal, "text").select_notifications(1, 10**6):
        kind, token, *fields = msgspec.json.decode(notification.state) if notification.topic != "topic" else ["", ""]
        if kind not in ("Moved", "Minted", "Burned"):
            assert "Many" not in kind or kind == "FragmentsMintedMany"
            continue
        transaction = mixed.transaction(notification.id)
        parties = [party for party in (transaction.sender, transaction.receiver) if party is not None]
        amount = transaction.minted_amount or transaction.burned_amount
        assert [token, *fields] == [transaction.token, *parties, amount, transaction.memo]


@pytest.mark.parametrize("code", ["PLN", "USD"])
def test_the_events_of_a_token(mixed: Ledger, journal: Journal, code: str) -> None:
    recorder = JournalRecorder(journal, "text")
    expected = [n for n in recorder.select_notifications(1, 10**6) if n.originator_id == code]
    found = recorder.select_events(code)
    assert [(e.originator_version, e.topic, e.state) for e in found] == [
        (n.originator_version, n.topic, n.state) for n in expected
    ]
    last = len(found)
    for gt in range(last + 1):
        assert JournalRecorder(journal, "text").select_events(code, gt=gt, limit=3) == found[gt : gt + 3]
        for lte in {gt + 1, gt + 3, last}:
            assert recorder.select_events(code, gt=gt, lte=lte) == found[gt:lte]
            assert recorder.select_events(code, gt=gt, lte=lte, desc=True, limit=2) == found[gt:lte][::-1][:2]


def test_a_subscription_is_given_rows(mixed: Ledger, journal: Journal) -> None:
    recorder = JournalRecorder(journal, "text")
    before = recorder.max_notification_id()
    with recorder.subscribe(gt=before) as subscription:
        mixed.mint_many("PLN", ["alice", "new", "bob"], [1, 2, 3])
        recorder.wake()
        found = [next(subscription) for _ in range(3)]
    assert [notification.id for notification in found] == [before + 1, before + 2, before + 3]
    assert [msgspec.json.decode(notification.state)[2:4] for notification in found] == [["alice", 1], ["new", 2], ["bob", 3]]
