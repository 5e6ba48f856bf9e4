"""Holds that are due are given back without being asked for, on a thread or in a task; rounds are counted and not timed."""

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from tallystick import AsyncLedger, CommitTooLarge, InvalidRequest, Ledger, LedgerClosed, StorageUnavailable
from tallystick.infrastructure.ledger import expiry as expiry_module
from tests.support.books.behind import core_of, expiry_of, journal_of
from tests.support.books.tokens import FRAGMENTED
from tests.support.programs.processes import run_in_processes

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOO_LONG = 120.0
"""What does not come within so many seconds does not come."""


class Clock:
    """A clock that a test sets."""

    now = START

    def __call__(self) -> datetime:
        return self.now


class Waits:
    """Waits between rounds, each of which ends when the test says so."""

    def __init__(self) -> None:
        self._begun: queue.Queue[float] = queue.Queue()
        self._ended: queue.Queue[bool] = queue.Queue()

    def __call__(self, seconds: float) -> bool:
        self._begun.put(seconds)
        return self._ended.get(timeout=TOO_LONG)

    def reached(self) -> float:
        """Returns when a round has ended: how long the next would be waited for."""
        return self._begun.get(timeout=TOO_LONG)

    def end(self, *, stopped: bool = False) -> None:
        """The wait is over."""
        self._ended.put(stopped)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str | Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(url, clock=clock) as opened:
        fund(opened)
        yield opened


def fund(ledger: Ledger) -> None:
    ledger.register_token(FRAGMENTED)
    with ledger.atomic() as tx:
        tx.mint(FRAGMENTED.code, "alice", 1_000)
        for hours in (1, 1, 1, 2, 2, 3):
            tx.reserve(FRAGMENTED.code, "alice", "keeper", 10, START + hours * HOUR)


def test_a_thread_gives_back_what_is_due_round_after_round(ledger: Ledger, clock: Clock) -> None:
    waits, expiry = Waits(), expiry_of(ledger)
    with mock.patch.object(expiry_module, "LIMIT", 2):
        thread = expiry.start(5, waits)
        assert (waits.reached(), expiry.runs, expiry.released) == (5, 1, 0)
        before = journal_of(ledger).head()
        waits.end()
        waits.reached()
        assert journal_of(ledger).head() == before  # where nothing is due nothing is written
        clock.now += HOUR
        waits.end()
        waits.reached()
        assert (expiry.runs, expiry.released, len(ledger.holds())) == (3, 3, 3)
        clock.now += HOUR
        waits.end()
        waits.reached()
        assert (expiry.released, [hold.expires_at for hold in ledger.holds()]) == (5, [START + 3 * HOUR])
    assert thread.daemon
    waits.end(stopped=True)
    thread.join(TOO_LONG)
    assert not thread.is_alive()
    assert (ledger.balance(FRAGMENTED.code, "alice").available, ledger.audit().ok) == (990, True)


def test_a_round_that_fails_is_logged_and_kept_and_the_next_tries_again(
    ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    waits, expiry, error = Waits(), expiry_of(ledger), StorageUnavailable("no disk")
    clock.now += HOUR
    with mock.patch.object(core_of(ledger).queue, "run", side_effect=error), caplog.at_level(logging.ERROR):
        expiry.start(5, waits)
        waits.reached()
    assert (expiry.last_error, expiry.runs, expiry.released, expiry.is_running) == (error, 1, 0, True)
    assert [(record.name, record.exc_info[1]) for record in caplog.records if record.exc_info] == [("tallystick.expiry", error)]
    waits.end()
    waits.reached()
    assert (expiry.released, expiry.last_error) == (3, error)
    waits.end(stopped=True)


def test_holds_that_are_too_many_for_one_commit_are_released_in_several(ledger: Ledger, clock: Clock) -> None:
    core, limits = core_of(ledger), list[int]()

    def release(limit: int) -> int:
        limits.append(limit)
        if limit > 2:
            raise CommitTooLarge(bytes=1, limit=0)
        return core.expire_due(limit)

    clock.now += HOUR
    expiry = expiry_module.Expiry(release)
    with mock.patch.object(expiry_module, "LIMIT", 8):
        expiry.round(threading.Event())
    assert (limits, expiry.released, expiry.last_error) == ([8, 4, 2, 2, 2], 3, None)


@pytest.mark.parametrize("wrong", [0, -1, "5", True, float("nan"), float("inf"), 1e300, timedelta(seconds=5)])
def test_the_time_between_rounds_is_a_number_of_seconds(wrong: float) -> None:
    with Ledger.open("memory:") as ledger, pytest.raises(InvalidRequest):
        ledger.expire_every(wrong)


def test_it_ends_with_the_ledger_and_where_it_is_replaced_or_ended(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        first = ledger.expire_every(3_600)
        second = ledger.expire_every(7_200)
        assert first is not None
        assert second is not None
        first.join(TOO_LONG)
        assert (first.is_alive(), second.is_alive(), expiry_of(ledger).is_running) == (False, True, True)
        assert ledger.expire_every(None) is None
        second.join(TOO_LONG)
        assert (second.is_alive(), expiry_of(ledger).is_running) == (False, False)
        third = ledger.expire_every(3_600)
        assert third is not None
    third.join(TOO_LONG)
    assert (third.is_alive(), expiry_of(ledger).last_error) == (False, None)
    with pytest.raises(LedgerClosed):
        ledger.expire_every(1)


def test_closing_waits_for_a_commit_under_way(ledger: Ledger, clock: Clock) -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), list[str]()

    def release(limit: int) -> int:
        begun.set()
        may_end.wait(TOO_LONG)
        ended.append("round")
        return 0

    core_of(ledger).expiry = expiry = expiry_module.Expiry(release)
    expiry.start(5)
    assert begun.wait(TOO_LONG)

    def close() -> None:
        ledger.close()
        ended.append("close")

    closing = threading.Thread(target=close)
    closing.start()
    may_end.set()
    closing.join(TOO_LONG)
    assert ended == ["round", "close"]


def test_a_task_gives_back_what_is_due(url: str | Path, clock: Clock) -> None:
    async def main() -> None:
        async with AsyncLedger.open(url, clock=clock) as ledger:
            fund(ledger.blocking)
            clock.now += HOUR
            with pytest.raises(InvalidRequest):
                ledger.expire_every(0)
            task = ledger.expire_every(3_600)
            assert task is not None
            while not expiry_of(ledger).released:
                await asyncio.sleep(0)
            assert [hold.expires_at for hold in await ledger.holds()] == [START + hours * HOUR for hours in (2, 2, 3)]
            other = ledger.expire_every(3_600)
            assert other is not None
            await asyncio.wait([task])
            assert (task.cancelled(), expiry_of(ledger).is_running) == (True, True)
            assert ledger.expire_every(None) is None
            await asyncio.wait([other])
            last = ledger.expire_every(3_600)
        assert last is not None
        await asyncio.wait([last])
        assert (last.cancelled(), expiry_of(ledger).is_running, expiry_of(ledger).last_error) == (True, False, None)

    asyncio.run(main())


def test_it_does_not_run_in_a_forked_child(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.expire_every(3_600)
        assert run_in_processes([lambda wait: (expiry_of(ledger).is_running, ledger.close())[0]]) == [False]
        assert expiry_of(ledger).is_running
