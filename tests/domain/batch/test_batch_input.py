"""What a batch is not: every wrong column, row, account, amount, id and word, the error that it is, and nothing done."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    InvalidAccount,
    InvalidAmount,
    InvalidRequest,
    InvalidToken,
    Ledger,
    LedgerClosed,
    LedgerError,
    MeaninglessCell,
    Token,
    TokenNotFound,
)
from tests.support.books.app_book import BONDING, T

ROWS = 8_000
BAD = 5_000
CONTRACT = "pool"


@pytest.fixture
def url() -> str:
    """One store is enough: nothing here gets as far as that."""
    return "memory:"


@pytest.fixture
def busy(book: Ledger) -> Ledger:
    """The apps' book, with deposits, trades, a contract and a plain token."""
    book.register_token(Token("PLN"))
    with book.atomic() as tx:
        tx.register_contract(CONTRACT, backed_by="PLN")
        tx.mint("PLN", "alice", 10**6)
        tx.mint("DAI", "alice", 10**6)
        tx.contract(CONTRACT).fund("alice", 10)
        tx.app("TeaParty").deposit("alice", 5 * T)
        tx.app("TeaParty").pay("alice", 5, token="USDT")
        tx.app("GlobalToken").buy("alice", 10 * T)
    return book


def check_refused(ledger: Ledger, call: Callable[..., Any], verdict: type[LedgerError], row: int | None) -> LedgerError:
    """The call is refused for exactly that, names its row, and leaves everything as it was, with its key free."""
    state = [(token.code, ledger.balances(token.code), ledger.supply(token.code)) for token in ledger.tokens()]
    position = ledger.verify().position
    with pytest.raises(verdict) as caught:
        call(idempotency_key=f"key-{position}")
    error = caught.value
    assert type(error) is verdict
    assert getattr(error, "row", None) == row
    assert row is None or str(error).startswith(f"row {row}: ")
    assert [(token.code, ledger.balances(token.code), ledger.supply(token.code)) for token in ledger.tokens()] == state
    assert ledger.verify().position == position
    assert ledger.mint_many("PLN", ["alice"], [1], idempotency_key=f"key-{position}").accepted == 1
    return error


# Amounts.

WRONG_AMOUNTS = [
    (-1, "above zero, not -1"),
    (-(2**63) - 1, "above zero"),
    (-(2**70), "above zero"),
    (0, "above zero, not 0"),
    (1.0, "not 1.0"),
    (float("nan"), "not nan"),
    (True, "not True"),
    (False, "not False"),
    (None, "not None"),
    (Decimal(5), "not Decimal"),
    ("5", "not '5'"),
    (b"5", "not b'5'"),
    ([5], "not \\[5\\]"),
    (2**256, "at most 2\\*\\*256 - 1"),
]


@pytest.mark.parametrize(("amount", "words"), WRONG_AMOUNTS)
@pytest.mark.parametrize("others", [1, 2**70])
@pytest.mark.parametrize("operation", ["transfer", "mint", "burn"])
def test_one_wrong_amount(ledger: Ledger, operation: str, amount: Any, others: int, words: str) -> None:
    amounts = [others] * ROWS
    amounts[BAD] = amount
    accounts = [["alice"] * ROWS] * (2 if operation == "transfer" else 1)
    call = getattr(ledger, f"{operation}_many")
    error = check_refused(
        ledger, lambda **key: call("PLN", *accounts, amounts, on_refusal="skip", **key), InvalidAmount, row=BAD
    )
    with pytest.raises(InvalidAmount, match=words):
        raise error


def with_one(content: Any, dtype: Any, usual: Any = 1) -> Any:
    column = np.full(ROWS, usual, dtype=dtype)
    column[BAD] = content
    return column


@pytest.mark.parametrize(
    ("amounts", "row"),
    [
        (with_one(0, np.int64), BAD),
        (with_one(-5, np.int8), BAD),
        (with_one(0, np.uint64), BAD),
        (with_one(0, ">i4"), BAD),
        (with_one(np.nan, np.float64), BAD),
        (with_one(1.5, np.float32), BAD),
        (with_one(1, np.float64), 0),
        (with_one(True, np.bool_, usual=True), 0),
        (with_one(1.0, object), BAD),
        (with_one(None, object), BAD),
        (with_one(True, object), BAD),
        (with_one(1j, np.complex128), 0),
        (with_one("5", "U2", usual="7"), 0),
        (with_one(1, "datetime64[s]"), 0),
    ],
)
def test_one_wrong_amount_in_an_array(ledger: Ledger, amounts: Any, row: int) -> None:
    check_refused(ledger, lambda **key: ledger.mint_many("PLN", ["bob"] * ROWS, amounts, **key), InvalidAmount, row)


def test_the_first_wrong_amount_is_named(ledger: Ledger) -> None:
    check_refused(ledger, partial(ledger.mint_many, "PLN", ["bob"] * 3, [1, True, 0]), InvalidAmount, 1)


# Accounts.


@pytest.mark.parametrize(
    ("account", "verdict"),
    [
        ("", InvalidAccount),
        ("a b", InvalidAccount),
        ("alice TeaParty", InvalidAccount),
        (f"TeaParty {BONDING}", InvalidAccount),
        (f"GlobalToken {BONDING}", InvalidAccount),
        ("line\n", InvalidAccount),
        ("x" * 129, InvalidAccount),
        ("cafe\u0301", InvalidAccount),
        ("heart\ufe0f", InvalidAccount),
        ("0x" + "01" * 32, MeaninglessCell),
        ("0X" + "FF" * 32, InvalidAccount),
        (5, InvalidAccount),
        (None, InvalidAccount),
        (b"alice", InvalidAccount),
        (["alice"], InvalidAccount),
        (True, InvalidAccount),
        (float("nan"), InvalidAccount),
        (TOTAL_SUPPLY_RESERVE, InvalidAccount),
        (SEAT_COLLECTION_POOL, InvalidAccount),
        (SEAT_DISTRIBUTION_POOL, InvalidAccount),
        (BONDING, MeaninglessCell),
        ("TeaParty", InvalidAccount),
        ("GlobalToken", InvalidAccount),
        (CONTRACT, InvalidAccount),
    ],
)
@pytest.mark.parametrize("code", ["TEA", "DAI"])
def test_one_wrong_account(busy: Ledger, code: str, account: Any, verdict: type[LedgerError]) -> None:
    if code == "DAI" and account in (SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL):
        verdict = MeaninglessCell
    usual, odd = ["alice"] * 60, ["alice"] * 60
    odd[7] = odd[9] = account
    calls: list[Callable[..., Any]] = [
        lambda **key: busy.transfer_many(code, odd, usual, [1] * 60, **key),
        lambda **key: busy.transfer_many(code, usual, odd, [1] * 60, **key),
        lambda **key: busy.mint_many(code, odd, [1] * 60, **key),
        lambda **key: busy.burn_many(code, odd, [1] * 60, **key),
        lambda **key: busy.handles(code, odd),
    ]
    for call in calls:
        check_refused(busy, call, verdict, row=7)


@pytest.mark.parametrize(("code", "verdict"), [("TEA", None), ("DAI", MeaninglessCell), ("PLN", MeaninglessCell)])
def test_the_reserve_of_the_dao_is_filled_by_minting_alone(busy: Ledger, code: str, verdict: type[LedgerError] | None) -> None:
    columns = ["alice", DAO_RESERVED_ACCOUNT], [1, 2]
    if verdict is None:
        assert busy.mint_many(code, *columns).accepted == 2
        assert busy.state[code][DAO_RESERVED_ACCOUNT] == 2
    else:
        check_refused(busy, lambda **key: busy.mint_many(code, *columns, **key), verdict, row=1)
    with pytest.raises(verdict or InvalidAccount):
        busy.burn_many(code, *columns)
    with pytest.raises(verdict or InvalidAccount):
        busy.transfer_many(code, ["alice"] * 2, *columns)
    with pytest.raises(verdict or InvalidAccount):
        busy.transfer_many(code, columns[0], ["alice"] * 2, columns[1])


def test_an_account_that_became_an_apps_or_a_contracts(ledger: Ledger) -> None:
    """Names that were looked up before are looked at again."""
    handles = ledger.handles("PLN", ["alice", "later", "Latte"])
    ledger.mint_many("PLN", ["alice"], [10])
    with ledger.atomic() as tx:
        tx.register_contract("later")
    ledger.register_token(Token("TEA", role="settlement"))
    ledger.register_token(Token("Latte", role="app"))
    for column in (handles, ["alice", "later", "Latte"]):
        for row in (1, 2):
            with pytest.raises(InvalidAccount) as caught:
                ledger.transfer_many("PLN", column[:1], column[row : row + 1], [1])
            assert caught.value.fields["row"] == 0
        check_refused(ledger, partial(ledger.mint_many, "PLN", column, [1] * 3), InvalidAccount, 1)


@pytest.mark.parametrize("code", ["TeaParty", "GlobalToken"])
def test_apps_tokens_are_moved_and_neither_minted_nor_burned(busy: Ledger, code: str) -> None:
    with busy.atomic() as tx:
        tx.app(code).buy("alice", T)
    check_refused(busy, lambda **key: busy.mint_many(code, ["alice"], [1], **key), InvalidToken, None)
    with pytest.raises(InvalidToken):
        busy.burn_many(code, ["alice"], [1])
    assert busy.transfer_many(code, ["alice", "bob"], ["bob", "carol"], [2, 1]).accepted == 2
    with pytest.raises(InvalidAccount):
        busy.transfer_many(code, ["alice"], [code], [1])


# Everything else.


@pytest.mark.parametrize(
    ("arguments", "verdict", "row"),
    [
        ({"senders": ["alice"] * 2}, InvalidRequest, None),
        ({"receivers": []}, InvalidRequest, None),
        ({"amounts": [1] * 4}, InvalidRequest, None),
        ({"ids": [1, 2]}, InvalidRequest, None),
        ({"senders": "bob"}, InvalidRequest, None),
        ({"receivers": b"bob"}, InvalidRequest, None),
        ({"amounts": "111"}, InvalidRequest, None),
        ({"amounts": 5}, InvalidRequest, None),
        ({"senders": None}, InvalidRequest, None),
        ({"senders": {"alice", "bob", "carol"}}, InvalidRequest, None),
        ({"senders": iter(["alice"] * 3)}, InvalidRequest, None),
        ({"amounts": (amount for amount in (1, 1, 1))}, InvalidRequest, None),
        ({"ids": (id for id in (1, 2, 3))}, InvalidRequest, None),
        ({"senders": np.zeros((3, 1), dtype=np.int64)}, InvalidRequest, None),
        ({"amounts": np.ones((3, 3), dtype=np.int64)}, InvalidRequest, None),
        ({"amounts": np.array(5)}, InvalidRequest, None),
        ({"ids": np.ones((3, 2), dtype=np.int64)}, InvalidRequest, None),
        ({"token": "XXX"}, TokenNotFound, None),
        ({"token": "alice"}, TokenNotFound, None),
        ({"token": None}, TokenNotFound, None),
        ({"token": ["PLN"]}, TokenNotFound, None),
        ({"senders": np.array([0, 0, 99])}, InvalidAccount, 2),
        ({"receivers": np.array([0, -1, 0])}, InvalidAccount, 1),
        ({"receivers": np.array([0, 0, 2**64 - 1], dtype=np.uint64)}, InvalidAccount, 2),
        ({"receivers": np.array([0.0, 0.0, 0.0])}, InvalidAccount, 0),
        ({"receivers": np.array([True, False, True])}, InvalidAccount, 0),
        ({"senders": [0, 0, 0]}, InvalidAccount, 0),
        ({"on_refusal": "ignore"}, InvalidRequest, None),
        ({"on_refusal": None}, InvalidRequest, None),
        ({"on_refusal": ["skip"]}, InvalidRequest, None),
        ({"memo": None}, InvalidRequest, None),
        ({"memo": b"why"}, InvalidRequest, None),
        ({"memo": "\ud800"}, InvalidRequest, None),
        ({"memo": "x" * 65_537}, InvalidRequest, None),
        ({"ids": [1, -2, 3]}, InvalidRequest, 1),
        ({"ids": [1, 2, 2**128]}, InvalidRequest, 2),
        ({"ids": [1, "2", 3]}, InvalidRequest, 1),
        ({"ids": [1, 2.0, 3]}, InvalidRequest, 1),
        ({"ids": [1, None, 3]}, InvalidRequest, 1),
        ({"ids": [b"x" * 16, b"x" * 15, 3]}, InvalidRequest, 1),
        ({"ids": np.array([1, 2, -1])}, InvalidRequest, 2),
        ({"ids": np.array([1.0, 2.0, 3.0])}, InvalidRequest, 0),
        ({"ids": "abc"}, InvalidRequest, None),
    ],
)
def test_what_is_no_batch(ledger: Ledger, arguments: dict[str, Any], verdict: type[LedgerError], row: int | None) -> None:
    ledger.mint_many("PLN", ["alice"], [100])
    usual = {"token": "PLN", "senders": ["alice"] * 3, "receivers": ["bob"] * 3, "amounts": [1] * 3, "ids": [1, 2, 3]}
    check_refused(ledger, lambda **key: ledger.transfer_many(**{**usual, **arguments}, **key), verdict, row)
    assert ledger.transfer_many(**usual).accepted == 3


def test_swapped_arguments_are_named(ledger: Ledger) -> None:
    ledger.mint_many("PLN", ["alice"], [100])
    with pytest.raises(TokenNotFound, match="swapped"):
        ledger.mint_many("alice", ["PLN"], [1])


@pytest.mark.parametrize("key", ["", "x" * 257, 5, "a\n"])
def test_a_bad_key(ledger: Ledger, key: Any) -> None:
    with pytest.raises(InvalidRequest):
        ledger.mint_many("PLN", ["alice"], [1], idempotency_key=key)
    assert ledger.supply("PLN").circulating == 0


def test_a_closed_ledger(ledger: Ledger) -> None:
    ledger.close()
    for call in (
        lambda: ledger.transfer_many("PLN", ["a"], ["b"], [1]),
        lambda: ledger.mint_many("PLN", [], []),
        lambda: ledger.burn_many("PLN", ["a"], [1]),
        lambda: ledger.handles("PLN", ["a"]),
    ):
        with pytest.raises(LedgerClosed):
            call()
