"""Integers as callers have them: numpy's, and those of classes of their own, count as what they are, everywhere alike."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import (
    FixedPriceCurve,
    InvalidAmount,
    InvalidCurve,
    InvalidPosition,
    InvalidRequest,
    InvalidToken,
    Ledger,
    LedgerError,
    LinearCurve,
    SquareRootCurve,
    Supply,
    SupplyReserves,
    Token,
)
from tallystick.domain.integers import as_int
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal

START = datetime(2026, 1, 1, tzinfo=UTC)
T = 10**12


class Liar(int):
    """Says that it is 7 whatever it is asked."""

    def __add__(self, other: Any) -> Any:
        return 7

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __mod__ = __rfloordiv__ = __neg__ = __abs__ = __add__

    def __lt__(self, other: Any) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __eq__(self, other: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True

    def __hash__(self) -> int:
        return 7

    def __index__(self) -> int:
        return 7

    __int__ = __trunc__ = __index__

    def __repr__(self) -> str:
        return "7"

    __str__ = __repr__

    def __format__(self, wanted: str) -> str:
        return "7"


class Pretender:
    """Says that it is an int, and is none."""

    @property
    def __class__(self) -> Any:
        return int

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise AttributeError

    def __index__(self) -> int:
        return 7


class Coins(IntEnum):
    FIVE = 5


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (5, 5),
        (Liar(5), 5),
        (Liar(2**200), 2**200),
        (Coins.FIVE, 5),
        (np.int64(5), 5),
        (np.uint8(5), 5),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.array([5])[0], 5),
        (True, None),
        (np.True_, None),
        (5.0, None),
        (np.float64(5), None),
        (np.timedelta64(5), None),
        (np.array(5), None),
        ("5", None),
        (None, None),
        (Pretender(), None),
    ],
)
def test_what_is_an_integer(given: Any, value: int | None) -> None:
    found = as_int(given)
    assert found == value
    assert type(found) is type(value)


KINDS: dict[str, Callable[[int], Any]] = {"numpy": lambda value: np.int64(value), "liars": Liar}


def plain(value: int) -> int:
    return value


def calls(n: Callable[[int], Any]) -> Iterator[Callable[[Ledger], Any]]:
    """Calls with every number there is, made by `n`."""
    curve = SquareRootCurve(n(10), n(7))
    yield lambda ledger: ledger.register_token(Token("USD", n(2), n(10**9), n(100)))
    yield lambda ledger: ledger.register_token(Token("TEA", n(12), n(10**18), role="settlement"))
    yield lambda ledger: ledger.register_token(Token("App", 12, role="app", curve=curve, owner="dev"))
    yield lambda ledger: ledger.register_token(Token("Fix", role="app", curve=FixedPriceCurve(n(3))))
    yield lambda ledger: ledger.register_token(Token("Lin", role="app", curve=LinearCurve(n(3))))
    yield lambda ledger: ledger.take_over((), [("TEA", "alice", n(10**15))])
    yield lambda ledger: ledger.mint("USD", "alice", n(1000))
    yield lambda ledger: ledger.burn("USD", "alice", n(1), idempotency_key="k", request={"of": n(1)})
    yield lambda ledger: ledger.transfer("USD", "alice", "bob", n(100), idempotency_key="t")
    yield lambda ledger: ledger.reserve("USD", "alice", "court", n(50), expires_in=timedelta(minutes=90))
    yield lambda ledger: ledger.settle("USD", "court", "bob", n(20), "h0")
    yield lambda ledger: ledger.release("h0", n(5))
    yield lambda ledger: ledger.transfer_many("USD", ["alice", "bob"], ["bob", "alice"], [n(3), n(4)], ids=[n(1), n(2)])
    yield lambda ledger: ledger.mint_many("USD", ["alice"], [n(3)])
    yield lambda ledger: ledger.reverse(transaction=n(transfer_in(ledger)), amount=n(1))
    yield lambda ledger: ledger.app("App").buy("alice", n(10**14), n(2))
    yield lambda ledger: ledger.app("App").sell("alice", n(10**6), n(1))
    yield lambda ledger: ledger.app("App").deposit("alice", n(50))
    yield lambda ledger: ledger.app("App").refund("alice", n(20))
    yield lambda ledger: ledger.app("App").pay("alice", n(9))
    yield lambda ledger: ledger.run(lambda tx: block(tx, n, transfer_in(ledger)), attempts=n(3), timeout=n(9))
    yield lambda ledger: ledger.expire(n(10))


def transfer_in(ledger: Ledger) -> int:
    """The id of the transfer."""
    receipt = ledger.receipt("t")
    assert receipt is not None
    return receipt.transaction_ids[0]


def block(tx: Any, n: Callable[[int], Any], transfer: int) -> Any:
    """The same in a block."""
    tx.mint("USD", "alice", n(500))
    tx.require("USD", "alice", n(500))
    tx.move(("USD", "alice"), ("USD", "bob"), n(2))
    money = tx.money("USD", "alice", n(90))
    money.slice(n(10)).transfer_to("bob")
    money.slices({"x": n(1), "y": n(0)})["x"].split({"bob": n(2), "carol": n(1)})
    tx.reverse(transaction=n(transfer), amount=n(2))
    tx.release(tx.reserve("USD", "alice", "court", n(7)), n(7))
    tx.app("App").consume_deposit("alice", n(3))
    tx.app("App").buy("alice", n(10**12), at_least=n(1))
    tx.seats.collect_memory_tax("App", n(5))
    tx.seats.share_income({"bob": n(1), "carol": n(0)})
    contract = tx.register_contract("pool")
    contract.balance_up(n(100))
    contract.balance_down(n(9))
    contract.alloc("alice")
    contract.shadow_up("alice", n(30))
    contract.shadow_down("alice", n(3))
    contract.shadow_up_all(n(4))
    contract.shadow_down_all(n(2))
    contract.shadow_up_all(n(0))
    return tx.expire(n(3))


def answers(ledger: Ledger, n: Callable[[int], Any]) -> Iterator[Any]:
    """Answers to questions with numbers."""
    yield list(ledger.balances("USD", limit=n(2)))
    yield len(ledger.history("USD", "alice", after=n(8), before=n(30), limit=n(2)))
    yield ledger.entry(n(transfer_in(ledger))), ledger.transaction(n(transfer_in(ledger)))
    yield ledger.find("nothing", limit=n(1))
    yield ledger.replay(SupplyReserves(), upto=n(9)).state
    yield ledger.app("App").quote_buy(n(10**12)), ledger.app("App").quote_sell(n(10**3))
    yield Token("X", n(2)).format(n(1999))
    yield ledger.supply("USD")
    yield ledger.audit().ok


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_takes_them_by_value(kind: str, tmp_path: Path) -> None:
    bodies: list[list[bytes]] = []
    said: list[list[str]] = []
    for name, n in (("plain", plain), (kind, KINDS[kind])):
        minutes, ids = count(), count()
        clock = lambda minutes=minutes: START + timedelta(minutes=next(minutes))  # noqa: E731
        with Ledger.open(tmp_path / f"{name}.db", clock=clock, ids=lambda ids=ids: f"h{next(ids)}") as ledger:
            said.append([repr(call(ledger)) for call in calls(n)] + [repr(answer) for answer in answers(ledger, n)])
        with closing(SQLiteJournal(tmp_path / f"{name}.db")) as journal:
            bodies.append([row.body for row in journal.rows()])
    assert bodies[0] == bodies[1]
    assert said[0] == said[1]
    assert len(bodies[0]) > 20


@pytest.mark.parametrize("wrong", [True, 1.0, np.float64(1), np.True_, np.timedelta64(1), "1", Pretender()])
def test_what_is_no_integer_is_refused_everywhere(wrong: Any) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
        head = ledger.status().head
        asked: list[tuple[type[LedgerError], Callable[[], Any]]] = [
            (InvalidAmount, lambda: ledger.mint("USD", "alice", wrong)),
            (InvalidAmount, lambda: ledger.mint_many("USD", ["alice"], [None if type(wrong) is Pretender else wrong])),
            (InvalidAmount, lambda: ledger.expire(wrong)),
            (InvalidRequest, lambda: ledger.mint_many("USD", ["alice"], [1], ids=[None if wrong == "1" else wrong])),
            (InvalidRequest, lambda: ledger.balances("USD", limit=wrong)),
            (InvalidRequest, lambda: ledger.history("USD", "alice", limit=wrong)),
            (InvalidPosition, lambda: ledger.history("USD", "alice", after=wrong)),
            (InvalidPosition, lambda: ledger.replay(SupplyReserves(), upto=wrong)),
            (InvalidRequest, lambda: ledger.find("x", limit=wrong)),
            (InvalidRequest, lambda: ledger.run(lambda tx: None, attempts=wrong)),
            (InvalidAmount, lambda: ledger.run(lambda tx: tx.require("USD", "alice", wrong))),
            (InvalidRequest, lambda: Ledger.open("memory:", contracts_in_memory=wrong)),
            (InvalidRequest, lambda: ledger.entry(wrong)),
            (InvalidRequest, lambda: ledger.transaction(wrong)),
            (InvalidRequest, lambda: ledger.erase(wrong, "asked for")),
            (InvalidRequest, lambda: ledger.reverse(entry=wrong)),
            (InvalidRequest, lambda: ledger.reverse(transaction=wrong)),
            (InvalidToken, lambda: Token("X", decimals=wrong)),
            (InvalidToken, lambda: Token("X", max_supply=wrong)),
            (InvalidToken, lambda: Token("X", unit=wrong)),
            (InvalidCurve, lambda: FixedPriceCurve(wrong)),
            (InvalidAmount, lambda: Token("X").format(wrong)),
        ]
        for verdict, call in asked:
            with pytest.raises(verdict):
                call()
        assert ledger.status().head == head


@given(st.integers(0, 77), st.integers(0, 2**256 - 1))
def test_what_is_formatted_is_parsed_again(decimals: int, amount: int) -> None:
    token = Token("T", decimals)
    assert token.parse(token.format(amount)) == amount


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("19.99", 1999),
        ("0.05", 5),
        ("007", 700),
        ("1.5000", 150),
        ("1_000", None),
        ("+5", None),
        (" 5", None),
        ("5 ", None),
        ("5\n", None),
        ("-5", None),
        ("-0", None),
        ("1e3", None),
        ("1E+3", None),
        ("5.", None),
        (".5", None),
        (".", None),
        ("1,5", None),
        ("1.5.0", None),
        ("\u0665", None),
        ("\uff15", None),
        ("\u096b.\u096b", None),
        ("0x10", None),
        ("½", None),
        ("sNaN", None),
        ("inf", None),
        ("1" + "0" * 500, None),
        (b"5", None),
    ],
)
def test_amounts_are_read_as_they_are_written(text: Any, units: int | None) -> None:
    token = Token("USD", 2)
    if units is None:
        with pytest.raises(InvalidAmount):
            token.parse(text)
    else:
        assert token.parse(text) == units


def test_a_curve_of_a_users_own_may_answer_in_numpys_integers() -> None:
    class Flat:
        name = "flat"
        parameters = (3,)

        def price(self, supply: int) -> Any:
            return np.int64(3)

        def cost(self, supply: int, amount: int) -> Any:
            return np.int64(3 * amount)

        proceeds = cost

        def amount_for(self, supply: int, payment: int) -> Any:
            return np.uint32(payment // 3)

    with Ledger.open("memory:", curves={"flat": lambda price: Flat()}) as ledger:
        ledger.register_token(Token("TEA", role="settlement"))
        ledger.register_token(Token("App", role="app", curve=Flat()))
        ledger.mint("TEA", "alice", 100)
        ledger.app("App").buy("alice", 31)
        assert (ledger.app("App").price, ledger.balance("App", "alice").total) == (3, 10)
        assert ledger.supply("TEA") == Supply(2**128 - 1, 2**128 - 101, 100)
        assert ledger.audit().ok


def test_rounds_of_expiry_are_of_any_number() -> None:
    with Ledger.open("memory:") as ledger:
        for seconds in (np.int64(60), np.float64(60.5), 60, 60.5):
            assert ledger.expire_every(seconds) is not None  # type: ignore[arg-type]
        ledger.expire_every(None)
        for wrong in (True, 0, np.float64("nan"), "60", np.timedelta64(60)):
            with pytest.raises(InvalidRequest):
                ledger.expire_every(wrong)  # type: ignore[arg-type]
