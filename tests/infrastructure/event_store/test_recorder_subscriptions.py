"""Subscriptions to a journal: everything that anybody records, once and in order."""

from threading import Thread
from typing import Any

import pytest
from eventsourcing.persistence import (
    Notification,
)

from tallystick import Ledger, Token
from tallystick.infrastructure.event_store.recorders import subscription as subscriptions
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.event_store.recorder_book import stored


def test_a_subscription_gives_what_anybody_records(recorder: JournalRecorder, beside: Ledger, journal: Journal) -> None:
    beside.register_token(Token("PLN"))
    with recorder.subscribe(gt=1) as subscription:

        def record() -> None:
            with beside.atomic() as tx:
                tx.mint("PLN", "alice", 5)
            JournalRecorder(journal, "text").insert_events(stored("order", 1))
            recorder.insert_events(stored("order", 2))

        thread = Thread(target=record)
        thread.start()
        found: list[Notification] = [next(subscription) for _ in range(3)]
        thread.join()
    assert [(event.id, event.originator_id, event.originator_version) for event in found] == [
        (2, "PLN", 2),
        (3, "order", 1),
        (4, "order", 2),
    ]


def test_a_subscription_is_stopped_by_another_thread(recorder: JournalRecorder) -> None:
    with recorder.subscribe(gt=1000) as subscription:
        thread = Thread(target=subscription.stop)
        thread.start()
        assert list(subscription) == []
        thread.join()


def test_a_subscription_reads_what_it_passes_over_once(recorder: JournalRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "PULL_LIMIT", 10)
    recorder.insert_events(stored("order", *range(100), topic="many"))
    recorder.insert_events(stored("order", *range(100, 125), topic="few"))
    with recorder.subscribe(topics=["few"]) as subscription:
        assert [next(subscription).originator_version for _ in range(25)] == list(range(100, 125))
        recorder.insert_events(stored("order", *range(125, 150), topic="many"))
        recorder.insert_events(stored("order", 150, topic="few"))
        selected = recorder.select_notifications
        starts: list[int | None] = []

        def select(start: int | None, *rest: Any, **options: Any) -> Any:
            starts.append(start)
            return selected(start, *rest, **options)

        monkeypatch.setattr(recorder, "select_notifications", select)
        assert next(subscription).originator_version == 150
    assert starts == [125]
