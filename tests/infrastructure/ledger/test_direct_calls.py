"""A call without a block means exactly its block: the same journal, byte by byte, and the same refusals."""

import copy
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    AppState,
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
    Receipt,
    Token,
    TokenNotFound,
    TransactionClosed,
    UnknownCurve,
)
from tests.support.books.app_book import BONDING, TOKENS, T
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
)
KEY = st.none() | st.sampled_from(("a", "b", "c", "")) | st.just(5)
STEPS = st.lists(st.tuples(STEP, KEY, st.sampled_from((None, None, 1, 2))), max_size=25)


class Book:
    """A ledger whose clock goes on by an hour a step, and whose holds are counted."""

    def __init__(self, ledger: Ledger, clock: list[datetime]) -> None:
        self.ledger = ledger
        self._clock = clock
        self.holds: list[str] = []
        for token in TOKENS:
            ledger.register_token(token)
        with ledger.atomic() as tx:
            for account in ("alice", "bob"):
                for code, amount in (("TEA", 100 * T), ("USDT", 1000), ("DAI", 1000)):
                    tx.mint(code, account, amount)

    def played(self, step: tuple[Any, ...], key: Any, request: Any, *, directly: bool) -> Any:
        """What became of it: a receipt, or the error's type, message and receipt."""
        self._clock[0] += timedelta(hours=1)
        try:
            receipt = self._directly(step, key, request) if directly else self._in_a_block(step, key, request)
        except LedgerError as error:
            return type(error), str(error), getattr(error, "receipt", None)
        if receipt is not None:
            self.holds += receipt.hold_ids
        return receipt

    def _directly(self, step: tuple[Any, ...], key: Any, request: Any) -> Receipt | None:
        calls: Any = self.ledger.app(step[1]) if is_of_an_app(step) else self.ledger
        return self._asked(calls, step, idempotency_key=key, request=request)

    def _in_a_block(self, step: tuple[Any, ...], key: Any, request: Any) -> Receipt | None:
        with self.ledger.atomic(key, request) as tx:
            self._asked(tx.app(step[1]) if is_of_an_app(step) else tx, step)
        return tx.receipt

    def _asked(self, calls: Any, step: tuple[Any, ...], **options: Any) -> Any:
        match step:
            case ("expire", limit):
                return calls.expire(limit, **options)
            case ("reserve", code, payer, keeper, amount, hours, memo):
                due = None if hours is None else self._clock[0] + timedelta(hours=hours)
                return calls.reserve(code, payer, keeper, amount, due, memo=memo, **options)
            case ("settle", code, keeper, receiver, amount, hold, memo):
                return calls.settle(code, keeper, receiver, amount, self._hold(hold), memo=memo, **options)
            case ("release", hold, amount, memo):
                return calls.release(self._hold(hold), amount, memo=memo, **options)
            case (name, *arguments, memo):
                return getattr(calls, name)(*arguments[is_of_an_app(step) :], memo=memo, **options)

    def _hold(self, pick: int | None) -> Any:
        return None if pick is None else self.holds[-1 - pick] if pick < len(self.holds) else "unknown"


def is_of_an_app(step: tuple[Any, ...]) -> bool:
    return step[0] in ("deposit", "refund", "pay", "buy", "sell")


@contextmanager
def book_at(url: str | Path) -> Iterator[Book]:
    clock = [NOW]
    ids = iter(f"hold-{number}" for number in range(10**6))
    with Ledger.open(url, clock=lambda: clock[0], ids=ids.__next__) as ledger:
        yield Book(ledger, clock)


def rows_of(book: Book) -> list[Any]:
    return list(journal_of(book.ledger).rows())


@given(STEPS)
def test_direct_calls_make_the_journal_of_their_blocks(steps: list[tuple[Any, Any, Any]]) -> None:
    with book_at("memory:") as direct, book_at("memory:") as blocks:
        for step, key, request in steps:
            assert direct.played(step, key, request, directly=True) == blocks.played(step, key, request, directly=False)
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
        ]
    )


def test_every_store_gets_the_journal_of_the_blocks(url: str | Path) -> None:
    """Keys are repeated, also for what is refused by now."""
    chance = random.Random(7)
    with book_at(url) as direct, book_at("memory:") as blocks:
        told: set[Any] = set()
        for _ in range(150):
            step, key = random_step(chance), chance.choice((None, *range(40)))
            arguments = (step, key and f"key-{key}", chance.choice((None, 1)))
            outcome = direct.played(*arguments, directly=True)
            assert outcome == blocks.played(*arguments, directly=False)
            told.add(outcome[0] if isinstance(outcome, tuple) else type(outcome))
        assert rows_of(direct) == rows_of(blocks)
        assert {Receipt, DuplicateIdempotencyKey, InsufficientFunds, TokenNotFound} <= told


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
        first = msgspec.structs.replace(other.mint("USD", "alice", 5, idempotency_key="k"), repeated=True)
        assert ledger.mint("USD", "alice", 5, idempotency_key="k", on_repeat="receipt") == first
        assert ledger.burn("USD", "alice", 9, idempotency_key="k", on_repeat="receipt") == first
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


# An app as it stands.


def test_an_app_as_it_stands_and_what_a_trade_would_bring(ledger: Ledger) -> None:
    for token in TOKENS:
        ledger.register_token(token)
    ledger.mint("TEA", "alice", 100 * T)
    app = ledger.app("TeaParty")
    assert app == ledger.app("TeaParty")
    assert hash(app) == hash(ledger.app("TeaParty"))
    assert app != ledger.app("GlobalToken")
    assert (app.code, app.owner, app.accepts, app.supply, app.reserve) == ("TeaParty", "dev", ("USDT",), 0, 0)
    for payment in (1, T, 3 * T):
        quoted, rows = app.quote_buy(payment), len(list(journal_of(ledger).rows()))
        assert len(list(journal_of(ledger).rows())) == rows
        before = ledger.balance("TeaParty", "alice").total
        app.buy("alice", payment, at_least=quoted)
        assert ledger.balance("TeaParty", "alice").total == before + quoted
    quoted, before = app.quote_sell(T // 2), ledger.balance("TEA", "alice").total
    app.sell("alice", T // 2, at_least=quoted)
    assert ledger.balance("TEA", "alice").total == before + quoted
    newest = ledger.app("TeaParty")
    assert (newest.supply, newest.reserve) == (ledger.supply("TeaParty").circulating, ledger.state["TeaParty"][BONDING])
    curve = ledger.token("TeaParty").curve
    assert curve is not None
    assert newest.price == curve.price(newest.supply)
    assert app.supply == 0, "it is as it was"


def test_an_app_that_was_pickled_has_its_figures_and_no_ledger(ledger: Ledger) -> None:
    for token in TOKENS:
        ledger.register_token(token)
    app = ledger.app("TeaParty")
    again = pickle.loads(pickle.dumps(app))
    assert (again, repr(again), again.to_dict()) == (app, repr(app), app.to_dict())
    assert repr(app).startswith("AppState(code='TeaParty', owner='dev', accepts=('USDT',), price=")
    assert repr(app).endswith("supply=0, reserve=0)")
    for ask in (lambda: again.quote_buy(1), lambda: again.quote_sell(1), lambda: again.buy("alice", 1)):
        with pytest.raises(LedgerClosed, match="TeaParty"):
            ask()
    for copied in (copy.copy(app), copy.deepcopy(app)):
        assert copied.quote_buy(T) == app.quote_buy(T)


def quotes(app: AppState) -> list[Any]:
    found: list[Any] = []
    for quote in (app.quote_buy, app.quote_sell):
        for amount in (0, 1.5, 10**60):
            with pytest.raises(LedgerError) as caught:
                quote(amount)  # type: ignore[arg-type]
            found.append(caught.type.__name__)
    return found


def test_a_quote_is_refused_as_the_trade(ledger: Ledger) -> None:
    for token in TOKENS:
        ledger.register_token(token)
    assert quotes(ledger.app("GlobalToken")) == [
        *["InvalidAmount"] * 2,
        "SupplyExhausted",
        *["InvalidAmount"] * 2,
        "InsufficientFunds",
    ]
    ledger.register_token(Token("Plain", role="app"))
    app = ledger.app("Plain")
    assert app.price is None
    with pytest.raises(UnknownCurve):
        app.quote_buy(1)
