"""A call without a block means exactly its block: the same journal, byte by byte, and the same refusals."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    AccountIsFrozen,
    AlreadyReversed,
    DuplicateIdempotencyKey,
    HoldExpired,
    HoldNotFound,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidAccount,
    InvalidAmount,
    InvalidAuthority,
    InvalidRequest,
    Ledger,
    LedgerClosed,
    LedgerError,
    NotAnApp,
    NotReversible,
    Receipt,
    Token,
    TokenNotFound,
    TransactionClosed,
    UnknownCurve,
)
from tallystick.infrastructure.commit import row_details
from tests.support.books.app_book import TOKENS, T
from tests.support.books.behind import journal_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CODES = ("TEA", "USDT", "DAI", "TeaParty", "unknown")
ACCOUNTS = ("alice", "bob", "keeper", "TeaParty", "", "two words", TOTAL_SUPPLY_RESERVE, 7)
AMOUNTS = (1, 3, 250, T, 0, -1, True, 1.5, 2**256)
MEMOS = ("", "rent", None, "x" * 65_537)
APPS = ("GlobalToken", "TeaParty")


def often(*usual: Any) -> st.SearchStrategy[Any]:
    """Mostly the first ones, that something happens at all."""
    return st.sampled_from(usual[:3] * 6 + usual)


ACCOUNT, AMOUNT, CODE, MEMO = often(*ACCOUNTS), often(*AMOUNTS), often(*CODES), st.sampled_from(("",) * 6 + MEMOS)
HOLD = st.none() | st.integers(0, 3)
PICK = often(0, 1, 2, 3, 4, 5, None)
STEP = st.one_of(
    st.tuples(st.sampled_from(("mint", "burn")), CODE, ACCOUNT, AMOUNT, MEMO),
    st.tuples(st.just("transfer"), CODE, ACCOUNT, ACCOUNT, AMOUNT, MEMO),
    st.tuples(st.just("reserve"), CODE, ACCOUNT, ACCOUNT, AMOUNT, st.none() | st.integers(0, 4), MEMO),
    st.tuples(st.just("settle"), CODE, often("keeper", "alice", "bob"), ACCOUNT, AMOUNT, HOLD, MEMO),
    st.tuples(st.just("release"), st.integers(0, 3), st.none() | AMOUNT, MEMO),
    st.tuples(st.just("expire"), often(1, 2, 1000, 0, None)),
    st.tuples(st.sampled_from(("deposit", "refund")), st.sampled_from(APPS), ACCOUNT, AMOUNT, MEMO),
    st.tuples(st.just("pay"), st.sampled_from(APPS), ACCOUNT, AMOUNT, st.none() | CODE, MEMO),
    st.tuples(
        st.sampled_from(("buy", "sell")),
        st.sampled_from(APPS),
        ACCOUNT,
        often(T, 250, 10 * T, 1, 0),
        often(1, 2, 3, 10 * T, 0),
        MEMO,
    ),
    st.tuples(st.just("reserve_in"), CODE, ACCOUNT, ACCOUNT, AMOUNT, often(1, 3, 30 * 24, 0, -1), MEMO),
    st.tuples(st.just("reverse"), st.sampled_from(("entry", "transaction")), PICK, st.none() | AMOUNT, MEMO),
    st.tuples(st.just("reverse"), st.just("transaction"), PICK, st.none() | AMOUNT, MEMO),
    st.tuples(st.just("freeze"), ACCOUNT, st.none() | CODE, st.booleans(), st.booleans(), MEMO),
    st.tuples(st.just("unfreeze"), ACCOUNT, st.none() | CODE),
)
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        "occurred_at": st.none() | st.sampled_from((-30, 0, 24, 25)).map(lambda hours: timedelta(hours=hours)),
        "reference": st.sampled_from((None, "order 7", "", 5)),
        "metadata": st.sampled_from((None, {"note": "Zoë"}, {}, [1], {"n": float("nan")})),
    },
)
KEY = st.none() | st.sampled_from(("a", "b", "c", "")) | st.just(5)
STEPS = st.lists(st.tuples(STEP, KEY, st.sampled_from((None, None, 1, 2)), st.just({}) | DETAILS), max_size=25)


class Book:
    """A ledger whose clock goes on by an hour a step, and whose holds and entries are counted."""

    def __init__(self, ledger: Ledger, clock: list[datetime]) -> None:
        self.ledger = ledger
        self._clock = clock
        self.holds: list[str] = []
        self.entries: list[Receipt] = []
        for token in TOKENS:
            ledger.register_token(token)
        with ledger.atomic() as tx:
            for account in ("alice", "bob"):
                for code, amount in (("TEA", 100 * T), ("USDT", 1000), ("DAI", 1000)):
                    tx.mint(code, account, amount)

    def played(self, step: tuple[Any, ...], key: Any, request: Any, details: dict[str, Any], *, directly: bool) -> Any:
        """What became of it: a receipt, or the error's type, message and receipt. `occurred_at` is told from the clock."""
        self._clock[0] += timedelta(hours=1)
        options = {"idempotency_key": key, "request": request, **details}
        if options.get("occurred_at") is not None:
            options["occurred_at"] += self._clock[0]
        try:
            receipt = self._directly(step, options) if directly else self._in_a_block(step, options)
        except LedgerError as error:
            return type(error), str(error), getattr(error, "receipt", None)
        if receipt is not None:
            self.holds += receipt.hold_ids
            self.entries.append(receipt)
        return receipt

    def _directly(self, step: tuple[Any, ...], options: dict[str, Any]) -> Receipt | None:
        calls: Any = self.ledger.app(step[1]) if is_of_an_app(step) else self.ledger
        return self._asked(calls, step, **options)

    def _in_a_block(self, step: tuple[Any, ...], options: dict[str, Any]) -> Receipt | None:
        with self.ledger.atomic(**options) as tx:
            self._asked(tx.app(step[1]) if is_of_an_app(step) else tx, step)
        return tx.receipt

    def _asked(self, calls: Any, step: tuple[Any, ...], **options: Any) -> Any:
        match step:
            case ("expire", limit):
                return calls.expire(limit, **options)
            case ("reserve", code, payer, keeper, amount, hours, memo):
                due = None if hours is None else self._clock[0] + timedelta(hours=hours)
                return calls.reserve(code, payer, keeper, amount, due, memo=memo, **options)
            case ("reserve_in", code, payer, keeper, amount, hours, memo):
                return calls.reserve(code, payer, keeper, amount, expires_in=timedelta(hours=hours), memo=memo, **options)
            case ("reverse", "entry", pick, amount, memo):
                return calls.reverse(entry=self._entry(pick), memo=memo, **options)
            case ("reverse", "transaction", pick, amount, memo):
                return calls.reverse(transaction=self._transaction(pick), amount=amount, memo=memo, **options)
            case ("freeze", account, code, debits, credits, reason):
                return calls.freeze(account, code, debits=debits, credits=credits, reason=reason, **options)
            case ("unfreeze", account, code):
                return calls.unfreeze(account, code, **options)
            case ("settle", code, keeper, receiver, amount, hold, memo):
                return calls.settle(code, keeper, receiver, amount, self._hold(hold), memo=memo, **options)
            case ("release", hold, amount, memo):
                return calls.release(self._hold(hold), amount, memo=memo, **options)
            case (name, *arguments, memo):
                return getattr(calls, name)(*arguments[is_of_an_app(step) :], memo=memo, **options)

    def _hold(self, pick: int | None) -> Any:
        return None if pick is None else self.holds[-1 - pick] if pick < len(self.holds) else "unknown"

    def _entry(self, pick: int | None) -> Any:
        return None if pick is None else self.entries[-1 - pick].entry_id if pick < len(self.entries) else 10**6

    def _transaction(self, pick: int | None) -> Any:
        ids = [id for receipt in self.entries for id in receipt.transaction_ids]
        return None if pick is None else ids[-1 - pick] if pick < len(ids) else 1


def is_of_an_app(step: tuple[Any, ...]) -> bool:
    return step[0] in ("deposit", "refund", "pay", "buy", "sell")


@contextmanager
def book_at(url: str | Path) -> Iterator[Book]:
    """Hold ids count, and what is random in the digest of metadata is not, so that two journals can be compared."""
    clock = [NOW]
    ids = iter(f"hold-{number}" for number in range(10**6))
    salts = patch.object(row_details, "secrets", SimpleNamespace(token_bytes=bytes))
    with salts, Ledger.open(url, clock=lambda: clock[0], ids=ids.__next__) as ledger:
        yield Book(ledger, clock)


def rows_of(book: Book) -> list[Any]:
    return list(journal_of(book.ledger).rows())


@given(STEPS)
def test_direct_calls_make_the_journal_of_their_blocks(steps: list[tuple[Any, Any, Any, dict[str, Any]]]) -> None:
    with book_at("memory:") as direct, book_at("memory:") as blocks:
        for arguments in steps:
            assert direct.played(*arguments, directly=True) == blocks.played(*arguments, directly=False)
        assert rows_of(direct) == rows_of(blocks)
        assert direct.ledger.audit().ok


def random_step(chance: random.Random) -> tuple[Any, ...]:
    code, other = chance.choices(ACCOUNTS[:3], k=2)
    amount, pick = chance.choice(AMOUNTS[:5]), chance.randrange(3)
    return chance.choice(
        [
            ("transfer", chance.choice(CODES), code, other, amount, ""),
            ("mint", chance.choice(CODES), code, amount, "memo"),
            ("reserve", "DAI", code, "keeper", chance.choice((1, 3)), chance.choice((None, 2)), ""),
            ("settle", "DAI", "keeper", other, 1, chance.choice((None, pick)), ""),
            ("release", pick, None, ""),
            ("expire", 2),
            ("buy", "TeaParty", code, T, 1, ""),
            ("sell", "TeaParty", code, 1000, 1, ""),
            ("deposit", "TeaParty", code, amount, ""),
            ("reserve_in", "DAI", code, "keeper", chance.choice((1, 3)), 2, ""),
            ("reverse", chance.choice(("entry", "transaction")), pick, None, "wrong"),
            ("reverse", "transaction", pick, 1, ""),
            ("freeze", code, chance.choice(("DAI", "TEA", None)), True, chance.choice((True, False)), "court"),
            ("unfreeze", code, chance.choice(("DAI", "TEA", None))),
        ]
    )


DETAILS_OF_MANY: list[dict[str, Any]] = [
    {},
    {},
    {"reference": "order 7"},
    {"occurred_at": timedelta(hours=-30), "metadata": {"note": "Zoë"}},
    {"occurred_at": timedelta(hours=25)},
]


def test_every_store_gets_the_journal_of_the_blocks(url: str | Path) -> None:
    """Keys are repeated, also for what is refused by now."""
    chance = random.Random(7)
    with book_at(url) as direct, book_at("memory:") as blocks:
        told: set[Any] = set()
        for _ in range(200):
            step, key = random_step(chance), chance.choice((None, *range(40)))
            details = chance.choice(DETAILS_OF_MANY)
            arguments = (step, key and f"key-{key}", chance.choice((None, 1)), details)
            outcome = direct.played(*arguments, directly=True)
            assert outcome == blocks.played(*arguments, directly=False)
            told.add(outcome[0] if isinstance(outcome, tuple) else type(outcome))
        assert rows_of(direct) == rows_of(blocks)
        assert {Receipt, DuplicateIdempotencyKey, InsufficientFunds, TokenNotFound} <= told
        assert {AccountIsFrozen, AlreadyReversed, NotReversible} <= told
        assert direct.ledger.verify().ok
        assert direct.ledger.audit().ok


# Refusals.


REFUSED = [
    (lambda ledger: ledger.mint("unknown", "alice", 0), TokenNotFound),
    (lambda ledger: ledger.transfer("unknown", "two words", "bob", 0), TokenNotFound),
    (lambda ledger: ledger.transfer("TEA", "two words", "bob", 0), InvalidAccount),
    (lambda ledger: ledger.transfer("TEA", "alice", TOTAL_SUPPLY_RESERVE, 0), InvalidAccount),
    (lambda ledger: ledger.transfer("TEA", "alice", "bob", 0, memo=None), InvalidAmount),
    (lambda ledger: ledger.transfer("TEA", "alice", "bob", 1, memo=None), InvalidRequest),
    (lambda ledger: ledger.transfer("TEA", "alice", "TeaParty", 1), InvalidAccount),
    (lambda ledger: ledger.transfer("TEA", "alice", "bob", 101 * T), InsufficientFunds),
    (lambda ledger: ledger.transfer("TEA", "alice", "bob", 1, request=1), InvalidRequest),
    (lambda ledger: ledger.transfer("TEA", "alice", "bob", 1, on_repeat="ignore"), InvalidRequest),
    (lambda ledger: ledger.transfer("TEA", "alice", "bob", 1, at=1), TypeError),
    (lambda ledger: ledger.burn("USDT", "keeper", 1), InsufficientFunds),
    (lambda ledger: ledger.reserve("TEA", "alice", "keeper", 1, NOW.replace(tzinfo=None)), InvalidRequest),
    (lambda ledger: ledger.settle("TEA", "keeper", "bob", 1, 5), InvalidRequest),
    (lambda ledger: ledger.settle("TEA", "keeper", "bob", 1), InsufficientFunds),
    (lambda ledger: ledger.settle("TEA", "keeper", "bob", 1, "unknown"), HoldNotFound),
    (lambda ledger: ledger.settle("TEA", "bob", "bob", 1, "due"), InvalidAuthority),
    (lambda ledger: ledger.settle("USDT", "keeper", "bob", 1, "due"), HoldExpired),
    (lambda ledger: ledger.release("due", 11), InsufficientFunds),
    (lambda ledger: ledger.release("unknown"), HoldNotFound),
    (lambda ledger: ledger.expire(0), InvalidAmount),
    (lambda ledger: ledger.app("USDT"), NotAnApp),
    (lambda ledger: ledger.app("unknown"), TokenNotFound),
    (lambda ledger: ledger.app("TeaParty").buy("alice", T, 10 * T), InvalidAmount),
    (lambda ledger: ledger.app("TeaParty").sell("alice", 1), InsufficientFunds),
    (lambda ledger: ledger.app("Plain").buy("alice", 1), UnknownCurve),
]


@pytest.mark.parametrize(("call", "error"), REFUSED)
def test_what_is_refused_records_nothing(call: Any, error: type[Exception]) -> None:
    clock = [NOW]
    with Ledger.open("memory:", clock=lambda: clock[0], ids=lambda: "due") as ledger:
        book = Book(ledger, clock)
        ledger.register_token(Token("Plain", role="app"))
        ledger.reserve("USDT", "alice", "keeper", 10, NOW + timedelta(hours=1))
        clock[0] += timedelta(hours=2)
        before = rows_of(book)
        with pytest.raises(error):
            call(ledger)
        assert rows_of(book) == before


def test_a_call_in_an_open_block_is_refused_and_the_block_goes_on(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 5)
        with pytest.raises(TransactionClosed, match="do not nest"):
            ledger.mint("USD", "alice", 1)
    assert ledger.balance("USD", "alice").total == 5


def test_a_token_that_another_registered_a_moment_ago_is_found(shared_url: str | Path) -> None:
    with Ledger.open(shared_url) as ledger, Ledger.open(shared_url) as other:
        other.register_token(Token("USD"))
        assert ledger.mint("USD", "alice", 5).transaction_ids == (2,)
        other.transfer("USD", "alice", "bob", 5)
        with pytest.raises(InsufficientFunds, match="alice has 0 USD"):
            ledger.transfer("USD", "alice", "bob", 1)


def test_a_closed_ledger_takes_no_calls() -> None:
    ledger = Ledger.open("memory:")
    ledger.close()
    with pytest.raises(LedgerClosed):
        ledger.mint("USD", "alice", 5)


# Keys.


def test_a_key_that_was_used_is_raised_or_gives_the_first_receipt(ledger: Ledger) -> None:
    first = ledger.mint("USD", "alice", 5, idempotency_key="k", request={"n": 1})
    for amount in (5, 10**9, 0):  # what came with it does not matter
        with pytest.raises(DuplicateIdempotencyKey) as caught:
            ledger.burn("USD", "alice", amount, idempotency_key="k", request={"n": 1})
        assert caught.value.receipt == first
        again = ledger.burn("USD", "alice", amount, idempotency_key="k", on_repeat="receipt")
        assert again.transaction_ids == first.transaction_ids
        for on_repeat in ("raise", "receipt"):
            with pytest.raises(IdempotencyMismatch):
                ledger.burn("USD", "alice", amount, idempotency_key="k", request={"n": 2}, on_repeat=on_repeat)
    assert ledger.balance("USD", "alice").total == 5


def test_a_key_used_by_another_process_is_found(shared_url: str | Path) -> None:
    with Ledger.open(shared_url) as ledger, Ledger.open(shared_url) as other:
        other.register_token(Token("USD"))
        first = {**other.mint("USD", "alice", 5, idempotency_key="k"), "repeated": True}
        assert dict(ledger.mint("USD", "alice", 5, idempotency_key="k", on_repeat="receipt")) == first
        assert dict(ledger.burn("USD", "alice", 9, idempotency_key="k", on_repeat="receipt")) == first
        assert ledger.balance("USD", "alice").total == 5


def test_what_records_nothing_gives_none_and_uses_no_key(ledger: Ledger) -> None:
    assert ledger.expire(idempotency_key="k") is None
    assert ledger.mint("USD", "alice", 5, idempotency_key="k").hold_id is None


def test_the_receipt_names_the_hold(ledger: Ledger) -> None:
    ledger.mint("USD", "alice", 5)
    receipt = ledger.reserve("USD", "alice", "keeper", 3)
    assert receipt.hold_id is not None
    assert ledger.hold(receipt.hold_id).amount == 3
    ledger.settle("USD", "keeper", "bob", 2, receipt.hold_id)
    ledger.release(receipt.hold_id)
    assert ledger.balance("USD", "alice").total == 3
