"""Subscribers that follow a journal while many write to it: each position once and in order, whoever wrote it."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread, Timer
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

from tallystick import Ledger, Token
from tallystick.infrastructure.event_store.factory import JournalFactory
from tests.support.programs.processes import WaitForAll, run_in_processes
from tests.support.suites.library_stores import MODULE

WRITERS = 8
COMMITS = 40
PATIENCE_SECONDS = 120

Url = str | Path


def open_factory(url: Url) -> JournalFactory:
    location = url if isinstance(url, str) else f"sqlite:///{url}"
    environment = {"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": location, "ORIGINATOR_ID_TYPE": "text"}
    factory: Any = InfrastructureFactory.construct(Environment("Orders", environment))
    return factory


def transfer(url: Url, number: int, wait_for_all: WaitForAll) -> int:
    """The ledger's writers: a transfer, or a batch of three, a commit."""
    with Ledger.open(url) as ledger:
        wait_for_all()
        for turn in range(COMMITS):
            if turn % 4:
                with ledger.atomic() as tx:
                    tx.transfer("PLN", f"account-{number}", "everybody", 1)
            else:
                ledger.transfer_many("PLN", [f"account-{number}"] * 3, ["everybody"] * 3, [1, 1, 1])
    return COMMITS // 4 * 3 + COMMITS // 4 * 3


def save(url: Url, number: int, wait_for_all: WaitForAll) -> int:
    """An application's writers: from one to a hundred events a commit, of streams of their own."""
    factory = open_factory(url)
    recorder = factory.application_recorder()
    wait_for_all()
    events = 0
    for turn in range(COMMITS):
        count = 100 if turn % 10 == 9 else 1 + turn % 3
        stored = [StoredEvent(f"order-{number}-{uuid4()}", version, "topic", b"state") for version in range(count)]
        events += len(recorder.insert_events(stored))
    factory.close()
    return events


def follow(url: Url, after: int, count: int, wait_for_all: WaitForAll) -> list[int]:
    """The positions that a subscriber is given, up to so many."""
    factory = open_factory(url)
    seen: list[int] = []
    with factory.application_recorder().subscribe(gt=after) as subscription:
        guard = Timer(PATIENCE_SECONDS, subscription.stop)
        guard.start()
        wait_for_all()
        for notification in subscription:
            seen.append(notification.id)
            if len(seen) == count:
                break
        guard.cancel()
    factory.close()
    return seen


def works(url: Url) -> tuple[list[Callable[[WaitForAll], Any]], int, int]:
    """The work of eight writers; the position after which they write, and how many events they will have written."""
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("PLN"))
        for number in range(WRITERS):
            with ledger.atomic() as tx:
                tx.mint("PLN", f"account-{number}", 10 * COMMITS)
        position = ledger.verify().position
    counts = [100 if turn % 10 == 9 else 1 + turn % 3 for turn in range(COMMITS)]
    expected = WRITERS // 2 * (COMMITS // 4 * 3 + COMMITS // 4 * 3 + sum(counts))
    writers = [lambda wait, number=number: (transfer if number % 2 else save)(url, number, wait) for number in range(WRITERS)]
    return writers, position, expected


def test_a_subscriber_sees_what_eight_processes_write_once_and_in_order(shared_url: Url) -> None:
    writers, after, expected = works(shared_url)
    *written, one, other = run_in_processes(
        [*writers, *[lambda wait: follow(shared_url, after, expected, wait) for _ in range(2)]]
    )
    assert sum(written) == expected
    assert one == list(range(after + 1, after + expected + 1))
    assert other == one
    with Ledger.open(shared_url) as ledger:
        assert ledger.audit().findings == ()


@pytest.mark.parametrize("stop_after", [1, 100, 640])
def test_a_subscriber_that_left_goes_on_where_it_was(shared_url: Url, stop_after: int) -> None:
    writers, after, expected = works(shared_url)
    assert sum(run_in_processes(writers)) == expected

    def nobody() -> None:
        """Nobody else is waited for."""

    first = follow(shared_url, after, stop_after, nobody)
    rest = follow(shared_url, first[-1], expected - stop_after, nobody)
    assert first + rest == list(range(after + 1, after + expected + 1))


def test_a_subscriber_sees_what_eight_threads_write_once_and_in_order(url: Url) -> None:
    factory = open_factory(url)
    recorder = factory.application_recorder()
    positions: list[int] = []

    def write(number: int) -> None:
        for turn in range(COMMITS):
            stored = [StoredEvent(f"order-{number}", 3 * turn + step, "topic", b"state") for step in range(turn % 3 + 1)]
            positions.extend(recorder.insert_events(stored))

    expected = WRITERS * sum(turn % 3 + 1 for turn in range(COMMITS))
    with recorder.subscribe() as subscription:
        guard = Timer(PATIENCE_SECONDS, subscription.stop)
        guard.start()
        threads = [Thread(target=write, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        seen = [next(subscription) for _ in range(expected)]
        guard.cancel()
        for thread in threads:
            thread.join()
    assert [notification.id for notification in seen] == sorted(positions) == list(range(1, expected + 1))
    for number in range(WRITERS):
        versions = [found.originator_version for found in seen if found.originator_id == f"order-{number}"]
        assert versions == sorted(versions)
    factory.close()
