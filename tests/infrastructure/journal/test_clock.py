"""A clock that leaps is not believed, whoever commits, before anything is recorded."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from eventsourcing.persistence import OperationalError, StoredEvent

from tallystick import AsyncLedger, ClockLeap, CorruptJournal, InvalidRequest, InvalidURL, Ledger, Token
from tallystick.domain.values.instant import INSTANT_MAX
from tallystick.infrastructure.journal import clock as clock_module
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.clock import system_time, time_of_commit
from tallystick.infrastructure.journal.format import EMPTY, Head, digest_of
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.books.behind import journal_of, ledger_on

START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
DAY_US = DAY // MICROSECOND


class Clock:
    """A clock that a test sets."""

    now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def located(url: str | Path, option: str) -> str:
    """The address with one option more."""
    address = f"sqlite:///{url}" if isinstance(url, Path) else str(url)
    return f"{address}{'&' if '?' in address else '?'}{option}"


def with_token(url: str | Path, clock: Clock, **options: Any) -> Ledger:
    ledger = Ledger.open(url, clock=clock, **options)
    ledger.register_token(Token("USD"))
    return ledger


def mint(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 1)


COMMITS: list[tuple[str, Callable[[Ledger], Any]]] = [
    ("block", mint),
    ("batch", lambda ledger: ledger.mint_many("USD", ["alice"], [1])),
    ("registration", lambda ledger: ledger.register_token(Token("EUR"))),
    ("take-over", lambda ledger: ledger.take_over([Token("GBP")], [("GBP", "bob", 1)])),
]


@pytest.mark.parametrize("commit", [commit for _, commit in COMMITS], ids=[name for name, _ in COMMITS])
@pytest.mark.parametrize(
    ("options", "days", "leaps"),
    [
        ({}, 400, False),
        ({}, 401, True),
        ({"max_clock_leap": 2 * DAY}, 2, False),
        ({"max_clock_leap": 2 * DAY}, 3, True),
        ({"max_clock_leap": None}, 1_000_000, False),
        ({}, -1_000, False),
    ],
)
def test_a_commit_by_a_clock_that_leaps_records_nothing(
    url: str | Path, clock: Clock, options: dict[str, Any], days: int, leaps: bool, commit: Callable[[Ledger], Any]
) -> None:
    with with_token(url, clock, **options) as ledger:
        head = journal_of(ledger).head()
        clock.now = START + days * DAY
        if not leaps:
            commit(ledger)
            assert journal_of(ledger).head().position > head.position
            assert ledger.verify().ok
            return
        with pytest.raises(ClockLeap, match="nothing was recorded") as caught:
            commit(ledger)
        assert (caught.value.now, caught.value.other) == (clock.now, START)
        assert journal_of(ledger).head() == head
        clock.now = START + DAY
        commit(ledger)  # the same ledger goes on once the clock is right
        assert ledger.audit().ok


def test_an_empty_journal_believes_every_clock(url: str | Path, clock: Clock) -> None:
    clock.now = datetime(9000, 1, 1, tzinfo=UTC)
    with with_token(url, clock) as ledger:
        assert [token.code for token in ledger.tokens()] == ["USD"]


def test_tasks_are_told_too(url: str | Path, clock: Clock) -> None:
    async def main() -> None:
        async with AsyncLedger.open(url, clock=clock, max_clock_leap=DAY) as ledger:
            await ledger.register_token(Token("USD"))
            clock.now += 2 * DAY

            async def pay() -> None:
                async with ledger.atomic() as tx:
                    tx.mint("USD", "alice", 1)

            found = await asyncio.gather(*(pay() for _ in range(5)), return_exceptions=True)
            assert [type(each) for each in found] == [ClockLeap] * 5
            clock.now -= DAY
            await pay()

    asyncio.run(main())


def test_what_the_event_store_saves_is_held_against_the_newest_commit(url: str | Path, clock: Clock) -> None:
    with with_token(url, clock) as ledger:
        times = [START + 401 * DAY, START + 400 * DAY]
        journal = journal_of(ledger)
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        recorder = JournalRecorder(journal, "text", clock=lambda: (times.pop(0) - epoch) // MICROSECOND)
        events = [StoredEvent(str(uuid4()), 1, "topic", b"{}")]
        with pytest.raises(OperationalError, match="nothing was recorded: the clock says") as caught:
            recorder.insert_events(events)
        assert isinstance(caught.value.__cause__, ClockLeap)
        assert recorder.insert_events(events)


@pytest.mark.parametrize(
    ("option", "verdict"),
    [
        ("max_clock_leap=off", None),
        ("max_clock_leap=10", 10 * DAY_US),
        ("max_clock_leap=36h", 3 * DAY_US // 2),
        ("max_clock_leap=0.5d", DAY_US // 2),
        ("max_clock_leap=0", InvalidURL),
        ("max_clock_leap=", InvalidURL),
        ("max_clock_leap=-1", InvalidURL),
        ("max_clock_leap=1y", InvalidURL),
        ("max_clock_leap=99999999999d", InvalidURL),
    ],
)
def test_an_address_says_how_far_a_clock_may_leap(url: str | Path, option: str, verdict: object) -> None:
    address = located(url, option)
    if isinstance(verdict, type):
        with pytest.raises(verdict):  # type: ignore[type-var]
            open_journal(address)
        return
    with closing(open_journal(address)) as journal:
        assert journal.max_clock_leap == verdict
    with Ledger.open(address) as ledger:
        assert journal_of(ledger).max_clock_leap == verdict
    with Ledger.open(address, max_clock_leap=timedelta(days=400)) as ledger:
        assert journal_of(ledger).max_clock_leap == 400 * DAY_US  # the argument goes before the address


@pytest.mark.parametrize("wrong", [timedelta(), -DAY, 400, "400d"])
def test_a_leap_is_a_span_of_time(wrong: Any) -> None:
    with pytest.raises(InvalidRequest):
        Ledger.open("memory:", max_clock_leap=wrong)


def test_a_machines_clock_is_held_against_the_servers(postgres_url: str) -> None:
    with Ledger.open(postgres_url) as ledger:
        ledger.register_token(Token("USD"))
        head = journal_of(ledger).head()
        for days, leaps in ((-2, True), (2, True), (-0.9, False), (0.9, False)):
            shifted = system_time() + int(days * DAY_US)
            with mock.patch.object(clock_module.time, "time_ns", lambda shifted=shifted: shifted * 1000):
                if leaps:
                    with pytest.raises(ClockLeap, match="the database's says") as caught:
                        mint(ledger)
                    assert abs(caught.value.other - datetime.now(UTC)) < 3 * DAY
                    assert journal_of(ledger).head() == head
                else:
                    mint(ledger)
    with Ledger.open(postgres_url, clock=lambda: datetime.now(UTC) + 300 * DAY) as ledger:  # the caller's clock is theirs
        mint(ledger)


@pytest.mark.parametrize(
    ("leap", "head", "server", "verdict"),
    [
        (DAY_US, Head(1, b"", 5 * DAY_US), None, None),
        (DAY_US, Head(1, b"", 3 * DAY_US - 1), None, ClockLeap),
        (DAY_US, EMPTY, None, None),
        (None, Head(1, b"", 0), 0, None),
        (9 * DAY_US, Head(1, b"", 0), 2 * DAY_US, ClockLeap),
        (9 * DAY_US, Head(1, b"", 0), 3 * DAY_US, None),
        (9 * DAY_US, Head(1, b"", 0), 5 * DAY_US, None),
        (9 * DAY_US, Head(1, b"", 0), 6 * DAY_US, ClockLeap),
        (9 * DAY_US, EMPTY, 6 * DAY_US, None),
    ],
)
def test_the_table_of_leaps(leap: int | None, head: Head, server: int | None, verdict: type[Exception] | None) -> None:
    """At four days after 1970 by the machine's clock."""
    journal = MemoryJournal()
    journal.max_clock_leap, journal.server_time = leap, server
    with mock.patch.object(clock_module.time, "time_ns", return_value=4 * DAY_US * 1000):
        if verdict is None:
            assert time_of_commit(journal, head, system_time) == max(4 * DAY_US, head.recorded_at)
        else:
            with pytest.raises(verdict):
                time_of_commit(journal, head, system_time)


@pytest.mark.parametrize("microseconds", [INSTANT_MAX + 1, 2**62, 10**30])
@pytest.mark.parametrize("head", [EMPTY, Head(1, b"", 5)])
def test_times_end_in_9999_whatever_is_believed(microseconds: int, head: Head) -> None:
    journal = MemoryJournal()
    journal.max_clock_leap = None
    with pytest.raises(ClockLeap, match="nothing was recorded"):
        time_of_commit(journal, head, lambda: microseconds)
    assert time_of_commit(journal, head, lambda: INSTANT_MAX) == INSTANT_MAX


def test_a_receipt_of_the_last_moment(url: str | Path, clock: Clock) -> None:
    with Ledger.open(url, clock=clock, max_clock_leap=None) as ledger:
        ledger.register_token(Token("USD"))
        clock.now = datetime.max.replace(tzinfo=UTC)
        receipt = ledger.mint("USD", "alice", 1, idempotency_key="last")
        assert receipt.recorded_at == receipt.occurred_at == clock.now
        clock.now = START
        assert ledger.mint("USD", "alice", 1).recorded_at == receipt.recorded_at
        assert ledger.audit().ok


READS: list[Callable[[Ledger], Any]] = [
    lambda ledger: ledger.entry(2),
    lambda ledger: ledger.transaction(2),
    lambda ledger: ledger.status(),
    lambda ledger: ledger.receipt("key"),
    lambda ledger: ledger.holds(),
    lambda ledger: ledger.history("USD", "alice"),
    lambda ledger: list(ledger.find("reference")),
    lambda ledger: ledger.balance("USD", "alice"),
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("time", [INSTANT_MAX + 1, 2**62, -(2**62)])
def test_a_time_that_cannot_have_been_recorded_is_a_corrupt_journal(read: Callable[[Ledger], Any], time: int) -> None:
    journal = MemoryJournal()
    with ledger_on(journal) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic("key", reference="reference") as tx:
            tx.mint("USD", "alice", 10)
            tx.reserve("USD", "alice", "shop", 3)
    digest = EMPTY.digest
    for number, row in enumerate(journal._rows):
        forged = row._replace(recorded_at=time) if number else row
        digest = digest_of(digest, forged)
        journal._rows[number] = forged._replace(digest=digest)
    with ledger_on(journal) as ledger:
        with pytest.raises(CorruptJournal):
            read(ledger)
        assert [finding.position for finding in ledger.verify().findings] == [2]
