"""Escrow: reserving, settling, releasing and expiring, alike for plain and fragmented tokens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallystick import (
    Balance,
    HoldExpired,
    HoldNotFound,
    InsufficientFunds,
    InvalidAmount,
    InvalidAuthority,
    InvalidRequest,
    Ledger,
)
from tests.support.books.tokens import FRAGMENTED, PLAIN, WIDE

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str | Path, clock: Clock):
    with Ledger.open(url, clock=clock) as opened:
        for token in (PLAIN, FRAGMENTED, WIDE):
            opened.register_token(token)
            with opened.atomic() as tx:
                tx.mint(token.code, "alice", 1_000_00)
                tx.mint(token.code, "bob", 1_000_00)
        yield opened


def reserve(ledger: Ledger, token: str, amount: int, owner: str = "alice", expires_at: datetime | None = None) -> str:
    with ledger.atomic() as tx:
        hold = tx.reserve(token, owner, "keeper", amount, expires_at)
    assert tx.receipt is not None
    assert tx.receipt.hold_ids == (hold,)
    return hold


def test_reserving_moves_money_into_the_authoritys_keeping(ledger: Ledger, token: str) -> None:
    hold = reserve(ledger, token, 200_00)
    assert ledger.balance(token, "alice") == Balance(800_00, 0, 800_00)
    assert ledger.balance(token, "keeper") == Balance(0, 200_00, 200_00)
    assert ledger.state[token]["keeper"] == 200_00
    found = ledger.hold(hold)
    assert (found.token, found.payer, found.authority, found.amount, found.remaining, found.expires_at) == (
        token,
        "alice",
        "keeper",
        200_00,
        200_00,
        None,
    )
    assert ledger.holds(token, "keeper") == [found]
    with pytest.raises(InsufficientFunds), ledger.atomic() as tx:
        tx.transfer(token, "keeper", "bob", 1)


@pytest.mark.parametrize(
    ("amount", "own_hold", "verdict"),
    [
        (120, True, (80, 120)),
        (200, True, (0, 200)),
        (120, False, (80, 120)),
        (201, True, InsufficientFunds),
        (201, False, InsufficientFunds),
        (0, True, InvalidAmount),
    ],
)
def test_settling(ledger: Ledger, token: str, amount: int, own_hold: bool, verdict: object) -> None:
    hold = reserve(ledger, token, 200)
    if isinstance(verdict, tuple):
        with ledger.atomic() as tx:
            tx.settle(token, "keeper", "seller", amount, hold=hold if own_hold else None, memo="delivered")
        assert (ledger.balance(token, "keeper").reserved, ledger.balance(token, "seller").available) == verdict
    else:
        assert isinstance(verdict, type)
        with pytest.raises(verdict), ledger.atomic() as tx:
            tx.settle(token, "keeper", "seller", amount, hold=hold if own_hold else None)
        assert ledger.hold(hold).remaining == 200
    assert ledger.audit().ok


@pytest.mark.parametrize(("amount", "verdict"), [(None, 0), (50, 150), (200, 0), (201, InsufficientFunds), (0, InvalidAmount)])
def test_releasing_gives_back_to_the_payer(ledger: Ledger, token: str, amount: int | None, verdict: object) -> None:
    hold = reserve(ledger, token, 200)
    if isinstance(verdict, int):
        with ledger.atomic() as tx:
            tx.release(hold, amount)
        assert ledger.balance(token, "keeper").reserved == verdict
        assert ledger.balance(token, "alice").available == 1_000_00 - verdict
    else:
        assert isinstance(verdict, type)
        with pytest.raises(verdict), ledger.atomic() as tx:
            tx.release(hold, amount)
    assert ledger.audit().ok


def test_a_used_up_hold_is_not_open(ledger: Ledger, token: str) -> None:
    hold = reserve(ledger, token, 200)
    with ledger.atomic() as tx:
        tx.settle(token, "keeper", "keeper", 150, hold=hold)
        tx.release(hold)
        with pytest.raises(HoldNotFound):
            tx.release(hold)
    assert ledger.balance(token, "keeper") == Balance(150, 0, 150)
    for unknown in ("unknown", "\ud800"):
        with pytest.raises(HoldNotFound, match="is not recorded"):
            ledger.hold(unknown)
    for wrong in (5, None, b"hold"):
        with pytest.raises(InvalidRequest, match="the id of a hold"):
            ledger.hold(wrong)  # type: ignore[arg-type]
    with pytest.raises(HoldNotFound), ledger.atomic() as tx:
        tx.settle(token, "keeper", "seller", 1, hold=hold)
    with pytest.raises(InvalidRequest), ledger.atomic() as tx:
        tx.release(5)  # type: ignore[arg-type]


def test_settling_without_a_hold_draws_from_the_oldest_that_are_not_due(ledger: Ledger, token: str, clock: Clock) -> None:
    due = reserve(ledger, token, 100, "alice", START + HOUR)
    first = reserve(ledger, token, 200, "bob")
    second = reserve(ledger, token, 300, "alice", START + 3 * HOUR)
    clock.now = START + HOUR
    with ledger.atomic() as tx:
        tx.settle(token, "keeper", "seller", 250)
    assert [(hold.id, hold.remaining) for hold in ledger.holds(token, "keeper")] == [(due, 100), (second, 250)]
    assert len(tx.receipt.transaction_ids) == 2  # type: ignore[union-attr]
    assert not ledger.hold(first).is_open
    with pytest.raises(InsufficientFunds) as caught, ledger.atomic() as tx:
        tx.settle(token, "keeper", "seller", 251)
    assert caught.value.available == 250
    with pytest.raises(HoldExpired, match="it is 2030-01-01 01:00:00") as expired, ledger.atomic() as tx:
        tx.settle(token, "keeper", "seller", 1, hold=due)
    assert (expired.value.expires_at, expired.value.now) == (START + HOUR, START + HOUR)
    with ledger.atomic() as tx:
        tx.release(due, 40)
    assert ledger.hold(due).remaining == 60


def test_an_authority_settles_its_own_holds_alone(ledger: Ledger, token: str) -> None:
    hold = reserve(ledger, token, 200)
    other = "PLN" if token != "PLN" else "USD"
    for wrong_token, authority in ((token, "other"), (other, "keeper")):
        with pytest.raises(InvalidAuthority), ledger.atomic() as tx:
            tx.settle(wrong_token, authority, "seller", 1, hold=hold)


def test_expiring_releases_what_is_due(ledger: Ledger, token: str, clock: Clock) -> None:
    holds = [reserve(ledger, token, 10 + k, "alice", START + k * HOUR) for k in (3, 1, 2)]
    reserve(ledger, token, 5)
    with ledger.atomic() as tx:
        assert tx.expire() == 0
    assert tx.receipt is None
    clock.now = START + 2 * HOUR
    with ledger.atomic() as tx:
        assert tx.expire(limit=1) == 1
        assert tx.balance(token, "keeper").reserved == 10 + 3 + 10 + 2 + 5
    assert {hold.id for hold in ledger.holds(token, "keeper")} >= {holds[0], holds[2]}
    with ledger.atomic() as tx:
        tx.expire()
    assert [hold.amount for hold in ledger.holds(token, "keeper")] == [13, 5]
    released = ledger.history(token, "keeper")[-1]
    assert (released.kind, released.counterparty, released.reserved_change, released.hold) == ("expire", "alice", -12, holds[2])
    assert ledger.audit().ok


def test_replay_does_not_read_the_clock(ledger: Ledger, token: str, clock: Clock, url: str | Path) -> None:
    hold = reserve(ledger, token, 10, "alice", START + HOUR)
    clock.now = START + 10 * HOUR
    if isinstance(url, Path):
        with Ledger.open(url, clock=clock) as again:
            assert again.hold(hold).remaining == 10
    assert ledger.audit().ok


def test_holds_within_one_transaction(ledger: Ledger, token: str) -> None:
    with ledger.atomic() as tx:
        hold = tx.reserve(token, "alice", "keeper", 100)
        tx.settle(token, "keeper", "seller", 30)
        tx.settle(token, "keeper", "seller", 30, hold=hold)
        assert tx.balance(token, "keeper") == Balance(0, 40, 40)
        with pytest.raises(InsufficientFunds):
            tx.settle(token, "keeper", "seller", 41)
        tx.release(hold, 10)
    assert ledger.hold(hold).remaining == 30
    assert ledger.audit().ok


def test_money_and_slices_reserve(ledger: Ledger, token: str) -> None:
    with ledger.atomic() as tx:
        money = tx.money(token, "alice", 100)
        first = money.slice(40).reserve("keeper", START + HOUR)
        second = money.reserve("keeper")
    assert [ledger.hold(str(id)).amount for id in (first, second)] == [40, 60]


@pytest.mark.parametrize("wrong", [datetime(2031, 1, 1), "2031-01-01", 5])  # noqa: DTZ001
def test_an_expiry_is_an_aware_datetime(ledger: Ledger, wrong: datetime) -> None:
    with pytest.raises(InvalidRequest), ledger.atomic() as tx:
        tx.reserve("PLN", "alice", "keeper", 1, wrong)


def test_times_never_decrease(ledger: Ledger, clock: Clock) -> None:
    reserve(ledger, "PLN", 1)
    clock.now = START - HOUR
    with ledger.atomic() as tx:
        tx.transfer("PLN", "alice", "bob", 1)
    assert tx.receipt is not None
    assert tx.receipt.recorded_at == START
    assert ledger.verify().ok
