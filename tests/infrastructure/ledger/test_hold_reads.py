"""Holds are told whole, open or closed, and found by whatever is known of them."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tallystick import (
    HoldNotFound,
    InsufficientFunds,
    InvalidAccount,
    InvalidRequest,
    Ledger,
    Leg,
    TokenNotFound,
)
from tallystick.infrastructure.journal.format import JournalRow
from tests.support.books.behind import journal_of
from tests.support.books.tokens import FRAGMENTED, PLAIN, WIDE

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKENS = (PLAIN, FRAGMENTED, WIDE)


class Clock:
    """A clock that a test sets."""

    now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str | Path, clock: Clock):
    with Ledger.open(url, clock=clock, ids=map("hold {}".format, count()).__next__) as opened:
        for token in TOKENS:
            opened.register_token(token)
            with opened.atomic() as tx:
                for account in ("alice", "bob"):
                    tx.mint(token.code, account, 1_000_00)
        yield opened


def reserve(ledger: Ledger, token: str, payer: str, authority: str, amount: int, hours: int | None = None) -> str:
    with ledger.atomic() as tx:
        return tx.reserve(token, payer, authority, amount, None if hours is None else START + hours * HOUR)


def leg(kind: Any, receiver: str, amount: int, id: int, hours: int) -> Leg:
    return Leg(kind, receiver, amount, id, START + hours * HOUR)


def test_a_hold_is_told_with_every_leg(ledger: Ledger, token: str, clock: Clock) -> None:
    """Drawn in its own commit, in later ones, several times in one, and to its end by expiry."""
    with ledger.atomic() as tx:
        hold = tx.reserve(token, "alice", "keeper", 100, START + 9 * HOUR, memo='an "order"')
        tx.settle(token, "keeper", "seller", 10)
    clock.now += HOUR
    reserve(ledger, token, "bob", "keeper", 7)
    with ledger.atomic() as tx:
        tx.settle(token, "keeper", "seller", 20, hold)
        tx.release(hold, 5)
    told = ledger.hold(hold)
    assert (told.amount, told.remaining, told.memo, told.is_open) == (100, 65, 'an "order"', True)
    assert (told.reserved_at, told.expires_at) == (START, START + 9 * HOUR)
    ids = [each.transaction_id for each in told.legs]
    expected = [
        leg("settle", "seller", 10, ids[0], 0),
        leg("settle", "seller", 20, ids[1], 1),
        leg("release", "alice", 5, ids[2], 1),
    ]
    assert told.legs == tuple(expected)
    assert [ledger.transaction(id).hold for id in (told.position, *ids)] == [hold] * 4
    assert ledger.holds(token, "keeper")[0] == told
    assert [told.is_due(START + hours * HOUR) for hours in (8, 9)] == [False, True]

    clock.now = START + 9 * HOUR
    with ledger.atomic() as tx:
        tx.expire()
    closed = ledger.hold(hold)
    expected.append(leg("expire", "alice", 65, closed.legs[-1].transaction_id, 9))
    assert (closed.legs, closed.remaining, closed.is_open, closed.amount) == (tuple(expected), 0, False, 100)
    with pytest.raises(HoldNotFound, match="is not recorded"):
        ledger.hold(hold.upper())


FILTERS: list[tuple[dict[str, Any], list[int] | type[Exception]]] = [
    ({}, [0, 1, 2, 3, 4]),
    ({"token": "PLN"}, [0, 1, 3]),
    ({"authority": "keeper"}, [0, 2, 4]),
    ({"payer": "alice"}, [0, 1, 4]),
    ({"token": "PLN", "authority": "keeper"}, [0]),
    ({"token": "USD", "payer": "bob"}, [2]),
    ({"authority": "keeper", "payer": "alice"}, [0, 4]),
    ({"token": "PLN", "authority": "court", "payer": "bob"}, [3]),
    ({"due_before": START + 2 * HOUR}, [0]),
    ({"due_before": START + 2 * HOUR + timedelta(microseconds=1)}, [0, 2, 4]),
    ({"due_before": START + 2 * HOUR + timedelta(microseconds=1), "payer": "alice"}, [0, 4]),
    ({"due_before": START + 9 * HOUR, "authority": "court"}, [3]),
    ({"payer": "nobody"}, []),
    ({"authority": "alice"}, []),
    ({"token": "EUR"}, TokenNotFound),
    ({"payer": "no body"}, InvalidAccount),
    ({"due_before": START.replace(tzinfo=None)}, InvalidRequest),
]


@pytest.fixture
def five(ledger: Ledger) -> list[str]:
    """Five holds, of which the last was drawn from, and the first two stand in one commit with one that is closed."""
    with ledger.atomic() as tx:
        first = tx.reserve("PLN", "alice", "keeper", 1, START + HOUR)
        second = tx.reserve("PLN", "alice", "court", 2)
        tx.release(tx.reserve("PLN", "alice", "keeper", 3, START + HOUR))
    rest = [
        reserve(ledger, "USD", "bob", "keeper", 4, 2),
        reserve(ledger, "PLN", "bob", "court", 5, 8),
        reserve(ledger, "WEI", "alice", "keeper", 6, 2),
    ]
    with ledger.atomic() as tx:
        tx.release(rest[-1], 1)
    return [first, second, *rest]


@pytest.mark.parametrize(("filters", "verdict"), FILTERS)
def test_holds_are_found_by_any_of_their_sides(
    ledger: Ledger, five: list[str], filters: dict[str, Any], verdict: list[int] | type[Exception]
) -> None:
    if isinstance(verdict, type):
        with pytest.raises(verdict):
            ledger.holds(**filters)
    else:
        assert [hold.id for hold in ledger.holds(**filters)] == [five[number] for number in verdict]


def test_a_refused_block_and_a_reopened_ledger_change_nothing(
    url: str | Path, ledger: Ledger, five: list[str], clock: Clock
) -> None:
    """What is refused at execution was in the books for a moment, and is taken back: also what was closed is open again."""

    def spend_in_between() -> None:
        with ledger.atomic() as other:
            other.burn("PLN", "bob", ledger.balance("PLN", "bob").available)

    before = [ledger.holds(**filters) for filters, verdict in FILTERS if isinstance(verdict, list)]
    with pytest.raises(InsufficientFunds), ledger.atomic() as tx:
        tx.release(five[0])
        tx.release(five[4], 2)
        tx.settle("USD", "keeper", "carol", 4)
        tx.reserve("PLN", "alice", "new", 9)
        tx.transfer("PLN", "bob", "carol", 1)
        thread = threading.Thread(target=spend_in_between)
        thread.start()
        thread.join()
    assert [ledger.holds(**filters) for filters, verdict in FILTERS if isinstance(verdict, list)] == before
    if url != "memory:":
        ledger.snapshot()
        with Ledger.open(url, clock=clock) as again:
            assert [again.holds(**filters) for filters, verdict in FILTERS if isinstance(verdict, list)] == before
    assert ledger.audit().ok


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"expires_in": HOUR}, START + HOUR),
        ({"expires_in": timedelta(microseconds=1)}, START + timedelta(microseconds=1)),
        ({"expires_at": START + timedelta(microseconds=1)}, START + timedelta(microseconds=1)),
        ({}, None),
        ({"expires_at": START}, InvalidRequest),
        ({"expires_at": START - HOUR}, InvalidRequest),
        ({"expires_at": START + HOUR, "expires_in": HOUR}, InvalidRequest),
        ({"expires_in": timedelta()}, InvalidRequest),
        ({"expires_in": -HOUR}, InvalidRequest),
        ({"expires_in": 60}, InvalidRequest),
        ({"expires_in": timedelta.max}, InvalidRequest),
        ({"expires_at": datetime.max.replace(tzinfo=UTC)}, datetime.max.replace(tzinfo=UTC)),
        ({"expires_at": datetime.fromisoformat("9999-12-31T23:59:00-01:00")}, InvalidRequest),
    ],
)
def test_when_a_hold_falls_due(ledger: Ledger, options: dict[str, Any], verdict: object) -> None:
    calls = (
        lambda tx: tx.reserve("PLN", "alice", "keeper", 5, **options),
        lambda tx: tx.money("PLN", "alice", 5).reserve("keeper", **options),
        lambda tx: tx.money("PLN", "alice", 5).slice(5).reserve("keeper", **options),
    )
    for call in calls:
        if isinstance(verdict, type):
            with pytest.raises(verdict), ledger.atomic() as tx:  # type: ignore[type-var]
                call(tx)
        else:
            with ledger.atomic() as tx:
                hold = call(tx)
            assert ledger.hold(hold).expires_at == verdict


def test_a_date_that_passed_before_it_was_executed_is_recorded(ledger: Ledger, clock: Clock) -> None:
    """It was ahead when it was planned; what is in the hold can be released."""
    with ledger.atomic() as tx:
        hold = tx.reserve("PLN", "alice", "keeper", 5, expires_in=HOUR)
        clock.now += 2 * HOUR
    assert ledger.hold(hold).is_due(clock.now)
    with ledger.atomic() as tx:
        assert tx.expire() == 1


def test_ids_are_whole_texts_whatever_json_makes_of_them(url: str | Path) -> None:
    """Ids of which one begins another, and such as JSON writes with a backslash."""
    ids = ["1", "11", 'a "quoted" one', "back\\slash", "line\nend", "é", "settle"]
    with Ledger.open(url, ids=iter(ids).__next__) as ledger:
        ledger.register_token(PLAIN)
        with ledger.atomic() as tx:
            tx.mint("PLN", "alice", 1_000)
        for number, _ in enumerate(ids):
            reserve(ledger, "PLN", "alice", "keeper", 10 + number)
        with ledger.atomic() as tx:
            for number, id in enumerate(ids):
                tx.settle("PLN", "keeper", "seller", 9, id)
                tx.release(id, number or None)
        told = [ledger.hold(id) for id in ids]
        assert [(hold.id, hold.amount, hold.remaining) for hold in told] == [
            (id, 10 + number, 1 if number else 0) for number, id in enumerate(ids)
        ]
        assert [[each.amount for each in hold.legs] for hold in told] == [[9, number or 1] for number, _ in enumerate(ids)]


def test_many_holds_that_were_drawn_from_are_told_together(ledger: Ledger) -> None:
    holds = [reserve(ledger, "PLN", "alice", "keeper", 10) for _ in range(40)]
    for amount in (1, 2):
        for hold in reversed(holds):
            with ledger.atomic() as tx:
                tx.release(hold, amount)
    assert [(hold.id, [each.amount for each in hold.legs]) for hold in ledger.holds()] == [(hold, [1, 2]) for hold in holds]


def test_a_hold_is_told_as_the_books_had_it(ledger: Ledger) -> None:
    """Whoever draws from it while the journal is read changes nothing in what is told."""
    hold = reserve(ledger, "PLN", "alice", "keeper", 10)
    with ledger.atomic() as tx:
        tx.release(hold, 1)
    journal = journal_of(ledger)
    rows = journal.rows

    def draw_first(after: int = 0) -> Iterator[JournalRow]:
        with ledger.atomic() as tx:
            tx.release(hold, 2)
        return rows(after)

    with mock.patch.object(journal, "rows", draw_first):
        told = ledger.hold(hold)
    assert (told.remaining, [each.amount for each in told.legs]) == (9, [1])
    assert (ledger.hold(hold).remaining, [each.amount for each in ledger.hold(hold).legs]) == (7, [1, 2])
