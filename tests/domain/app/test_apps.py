"""Apps in the double map: the worked examples, what each cell is counted in, and every refusal. TEA settles."""

from collections.abc import Callable
from typing import Any

import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    FixedPriceCurve,
    InsufficientFunds,
    InvalidAccount,
    InvalidAmount,
    InvalidRequest,
    InvalidToken,
    Ledger,
    LedgerError,
    MeaninglessCell,
    NameInUse,
    NoHolders,
    NotAnApp,
    SquareRootCurve,
    SupplyExhausted,
    Token,
    TokenAlreadyRegistered,
    TokenNotAccepted,
    TokenNotFound,
)
from tests.support.books.app_book import BONDING, TOKENS, T, do

# The worked examples.


def test_deposit_and_refund(book: Ledger) -> None:
    do(book, lambda tx: tx.app("TeaParty").deposit("alice", 100 * T))
    assert book.state["TEA"]["alice"] == 900 * T
    assert book.state["alice"]["TeaParty"] == 100 * T
    do(book, lambda tx: tx.app("TeaParty").refund("alice", 100 * T))
    assert (book.state["TEA"]["alice"], book.state["alice"]["TeaParty"]) == (1_000 * T, 0)
    with pytest.raises(TokenNotAccepted, match="DAI"):
        do(book, lambda tx: tx.app("TeaParty").pay("alice", 5, token="DAI"))


def test_buy_global_token(book: Ledger) -> None:
    (minted,) = do(book, lambda tx: tx.app("GlobalToken").buy("alice", 100 * T))
    curve = SquareRootCurve(10, 10, 12, 12)
    assert curve.cost(0, minted) <= 100 * T < curve.cost(0, minted + 1)
    assert book.state["TEA"]["alice"] == 900 * T
    assert book.state["GlobalToken"][BONDING] == 100 * T
    assert book.state["GlobalToken"]["alice"] == minted
    assert book.state["GlobalToken"][TOTAL_SUPPLY_RESERVE] == TOKENS[3].max_supply - minted
    assert book.supply("GlobalToken").circulating == minted


def test_sell_global_token(book: Ledger) -> None:
    (minted,) = do(book, lambda tx: tx.app("GlobalToken").buy("alice", 100 * T))
    (paid,) = do(book, lambda tx: tx.app("GlobalToken").sell("alice", minted))
    assert paid == SquareRootCurve(10, 10, 12, 12).proceeds(minted, minted)
    assert 99 * T < paid <= 100 * T
    assert book.state["TEA"]["alice"] == 900 * T + paid
    assert book.state["GlobalToken"][BONDING] == 100 * T - paid
    assert (book.state["GlobalToken"]["alice"], book.supply("GlobalToken").circulating) == (0, 0)


def test_consume_tea_in_tea_party_and_its_cron(book: Ledger) -> None:
    (first, second) = do(
        book, lambda tx: tx.app("TeaParty").buy("alice", 75 * T), lambda tx: tx.app("TeaParty").buy("bob", 25 * T)
    )
    do(book, lambda tx: tx.app("TeaParty").pay("alice", 100 * T))
    assert book.state["TEA"]["alice"] == 825 * T
    assert book.state["TEA"]["TeaParty"] == 100 * T
    bonded, of_dev = book.state["TeaParty"][BONDING], book.state["TEA"]["dev"]
    do(book, lambda tx: tx.app("TeaParty").distribute_income(memo="cron"))
    assert book.state["TEA"]["TeaParty"] == 0
    assert book.state["TeaParty"][BONDING] + book.state["TEA"]["dev"] == bonded + of_dev + 100 * T
    minted = book.supply("TeaParty").circulating - first - second
    gained = book.state["TeaParty"]["alice"] - first, book.state["TeaParty"]["bob"] - second
    assert sum(gained) == minted > 0
    assert abs(gained[0] * (first + second) - minted * first) <= first + second
    do(book, lambda tx: tx.app("TeaParty").distribute_income())
    assert book.supply("TeaParty").circulating == first + second + minted


@pytest.mark.parametrize("token", ["USDT", "TEA"])
def test_top_up(book: Ledger, token: str) -> None:
    before, reserve = book.state[token]["alice"], book.state[token][TOTAL_SUPPLY_RESERVE]
    do(book, lambda tx: tx.topup(token, "alice", 10))
    assert (book.state[token]["alice"], book.state[token][TOTAL_SUPPLY_RESERVE]) == (before + 10, reserve - 10)
    do(book, lambda tx: tx.withdraw(token, "alice", 10))
    assert (book.state[token]["alice"], book.state[token][TOTAL_SUPPLY_RESERVE]) == (before, reserve)


def test_consume_usdt_in_tea_party(book: Ledger) -> None:
    do(book, lambda tx: tx.app("TeaParty").pay("alice", 10, token="USDT"))
    assert (book.state["USDT"]["alice"], book.state["USDT"]["TeaParty"]) == (90, 10)
    do(book, lambda tx: tx.app("TeaParty").distribute_income())
    assert book.state["USDT"]["TeaParty"] == 10
    do(book, lambda tx: tx.app("TeaParty").withdraw_income("USDT", 7))
    assert (book.state["USDT"]["TeaParty"], book.state["USDT"]["dev"]) == (3, 7)


def test_consume_tea_party_token_and_its_dividend(book: Ledger) -> None:
    do(book, lambda tx: tx.app("TeaParty").buy("alice", 75 * T), lambda tx: tx.app("TeaParty").buy("bob", 25 * T))
    circulating = book.supply("TeaParty").circulating
    do(book, lambda tx: tx.app("TeaParty").pay("alice", T, token="TeaParty"))
    alice, bob = book.state["TeaParty"]["alice"], book.state["TeaParty"]["bob"]
    assert book.state["TeaParty"]["TeaParty"] == T
    do(book, lambda tx: tx.app("TeaParty").distribute_dividend())
    assert book.state["TeaParty"]["TeaParty"] == 0
    gained = book.state["TeaParty"]["alice"] - alice, book.state["TeaParty"]["bob"] - bob
    assert sum(gained) == T
    assert abs(gained[1] * (alice + bob) - T * bob) <= alice + bob
    assert book.supply("TeaParty").circulating == circulating


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("TEA", BONDING),
        ("USDT", BONDING),
        ("GlobalToken", DAO_RESERVED_ACCOUNT),
        ("USDT", SEAT_COLLECTION_POOL),
        ("TeaParty", SEAT_DISTRIBUTION_POOL),
        ("alice", "bob"),
        ("alice", "USDT"),
        ("alice", TOTAL_SUPPLY_RESERVE),
        (BONDING, "TeaParty"),
    ],
)
def test_meaningless_cells(book: Ledger, first: str, second: str) -> None:
    with pytest.raises(MeaninglessCell) as caught:
        _ = book.state[first][second]
    assert (caught.value.first, caught.value.second) == (first, second)
    for source, target in (((first, second), ("TEA", "alice")), (("TEA", "alice"), (first, second))):
        with pytest.raises(MeaninglessCell):
            do(book, lambda tx, source=source, target=target: tx.move(source, target, 1))


def test_every_cell_that_has_something_is_found(book: Ledger) -> None:
    do(
        book,
        lambda tx: tx.app("TeaParty").deposit("alice", 3),
        lambda tx: tx.app("GlobalToken").deposit("alice", 4),
        lambda tx: tx.app("TeaParty").buy("bob", T),
        lambda tx: tx.mint("TEA", DAO_RESERVED_ACCOUNT, 9),
    )
    assert dict(book.state["alice"]) == {"TeaParty": 3, "GlobalToken": 4}
    assert dict(book.state["carol"]) == {}
    assert set(book.state["TeaParty"]) == {TOTAL_SUPPLY_RESERVE, BONDING, "bob"}
    assert set(book.state["TEA"]) == {TOTAL_SUPPLY_RESERVE, "alice", "bob", "dev", DAO_RESERVED_ACCOUNT}
    assert "alice TeaParty" not in book.balances("TEA")
    assert list(book.state) == [token.code for token in TOKENS]


# Moving between cells.


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (("TEA", "alice"), ("TEA", "carol"), None),
        (("DAI", "alice"), ("DAI", "carol"), None),
        (("TEA", "alice"), ("alice", "TeaParty"), None),
        (("bob", "TeaParty"), ("TEA", "bob"), None),
        (("bob", "TeaParty"), ("TEA", "alice"), InvalidAccount),
        (("TEA", "alice"), ("bob", "TeaParty"), InvalidAccount),
        (("bob", "TeaParty"), ("bob", "GlobalToken"), InvalidAccount),
        (("TEA", "alice"), ("USDT", "alice"), MeaninglessCell),
        (("TEA", "alice"), ("TeaParty", BONDING), InvalidAccount),
        (("TeaParty", BONDING), ("TEA", "alice"), InvalidAccount),
        (("TEA", "alice"), ("TEA", TOTAL_SUPPLY_RESERVE), InvalidAccount),
        (("TEA", DAO_RESERVED_ACCOUNT), ("TEA", "alice"), InvalidAccount),
        (("TEA", SEAT_COLLECTION_POOL), ("TEA", "alice"), InvalidAccount),
        (("TEA", "alice"), ("TEA", "TeaParty"), InvalidAccount),
        (("TEA", "alice"), ("EUR", "alice"), MeaninglessCell),
        (("carol", "TeaParty"), ("TEA", "carol"), InsufficientFunds),
        ("TEA", ("TEA", "alice"), InvalidRequest),
        (("TEA",), ("TEA", "alice"), InvalidRequest),
        (("TEA", 7), ("TEA", "alice"), InvalidAccount),
    ],
)
def test_move(book: Ledger, source: Any, target: Any, verdict: type[LedgerError] | None) -> None:
    do(book, lambda tx: tx.app("TeaParty").deposit("bob", 50), lambda tx: tx.topup("TEA", DAO_RESERVED_ACCOUNT, 50))
    if verdict is None:
        before = book.state[source[0]][source[1]], book.state[target[0]][target[1]]
        do(book, lambda tx: tx.move(source, target, 20, memo="moved"))
        after = book.state[source[0]][source[1]], book.state[target[0]][target[1]]
        assert after == (before[0] - 20, before[1] + 20)
        return
    position = book.verify().position
    with pytest.raises(verdict):
        do(book, lambda tx: tx.move(source, target, 20))
    assert book.verify().position == position


# Refusals.


@pytest.mark.parametrize(
    ("call", "verdict"),
    [
        (lambda tx: tx.mint("TeaParty", "alice", 1), InvalidToken),
        (lambda tx: tx.burn("TeaParty", "bob", 1), InvalidToken),
        (lambda tx: tx.transfer("TEA", "alice", "TeaParty", 1), InvalidAccount),
        (lambda tx: tx.transfer("TEA", "TeaParty", "alice", 1), InvalidAccount),
        (lambda tx: tx.transfer("TEA", BONDING, "alice", 1), MeaninglessCell),
        (lambda tx: tx.transfer("TeaParty", BONDING, "alice", 1), InvalidAccount),
        (lambda tx: tx.transfer("TEA", SEAT_COLLECTION_POOL, "alice", 1), InvalidAccount),
        (lambda tx: tx.transfer("TEA", "alice", "alice TeaParty", 1), InvalidAccount),
        (lambda tx: tx.mint("TEA", "TeaParty", 1), InvalidAccount),
        (lambda tx: tx.money("TEA", "alice", 2).split({"bob": 1, "TeaParty": 1}), InvalidAccount),
        (lambda tx: tx.reserve("TEA", "alice", "TeaParty", 1), InvalidAccount),
        (lambda tx: tx.app("TEA"), NotAnApp),
        (lambda tx: tx.app("USDT"), NotAnApp),
        (lambda tx: tx.app("alice"), TokenNotFound),
        (lambda tx: tx.app("TeaParty").pay("alice", 1, token="DAI"), TokenNotAccepted),
        (lambda tx: tx.app("GlobalToken").pay("alice", 1, token="USDT"), TokenNotAccepted),
        (lambda tx: tx.app("TeaParty").pay("alice", 1, token="GlobalToken"), TokenNotAccepted),
        (lambda tx: tx.app("TeaParty").pay("alice", 1, token="EUR"), TokenNotFound),
        (lambda tx: tx.app("TeaParty").pay("alice", 101, token="USDT"), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").pay("GlobalToken", 1), InvalidAccount),
        (lambda tx: tx.app("TeaParty").deposit("alice", 10**6 * T), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").deposit("USDT", 1), MeaninglessCell),
        (lambda tx: tx.app("TeaParty").deposit("TeaParty", 1), MeaninglessCell),
        (lambda tx: tx.app("TeaParty").deposit(TOTAL_SUPPLY_RESERVE, 1), MeaninglessCell),
        (lambda tx: tx.app("TeaParty").refund("bob", 51), InsufficientFunds),
        (lambda tx: tx.app("GlobalToken").refund("bob", 1), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").refund("alice", 1), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").consume_deposit("bob", 51), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").buy("alice", 10**6 * T), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").buy("alice", 1), InvalidAmount),
        (lambda tx: tx.app("TeaParty").buy("alice", T, at_least=10**30), InvalidAmount),
        (lambda tx: tx.app("TeaParty").buy("alice", T, at_least=0), InvalidAmount),
        (lambda tx: tx.app("TeaParty").buy("alice", 1.5), InvalidAmount),
        (lambda tx: tx.app("TeaParty").buy("GlobalToken", T), InvalidAccount),
        (lambda tx: tx.app("TeaParty").sell("alice", 1), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").sell("bob", 10**30), InsufficientFunds),
        (lambda tx: tx.app("TeaParty").sell("bob", T, at_least=10**30), InvalidAmount),
        (lambda tx: tx.app("TeaParty").withdraw_income("TEA", 1), InvalidToken),
        (lambda tx: tx.app("TeaParty").withdraw_income("TeaParty", 1), InvalidToken),
        (lambda tx: tx.app("TeaParty").withdraw_income("USDT", 1), InsufficientFunds),
        (lambda tx: tx.app("GlobalToken").withdraw_income("USDT", 1), InvalidAccount),
        (lambda tx: tx.app("TeaParty").withdraw_income("EUR", 1), TokenNotFound),
        (lambda tx: tx.seats.collect_memory_tax("TeaParty", 1), InsufficientFunds),
        (lambda tx: tx.seats.collect_memory_tax("USDT", 1), NotAnApp),
        (lambda tx: tx.seats.share_income({}), InvalidAmount),
        (lambda tx: tx.seats.share_income({"alice": -1}), InvalidAmount),
        (lambda tx: tx.seats.share_income({"TeaParty": 1}), InvalidAccount),
        (lambda tx: tx.seats.share_income({"carol": 1}), InsufficientFunds),
        (lambda tx: tx.seats.pay_public_service("alice", 1), InsufficientFunds),
        (lambda tx: tx.seats.pay_public_service("TeaParty", 1), InvalidAccount),
        (lambda tx: tx.seats.share_distribution_pool("TeaParty", 1), InsufficientFunds),
        (lambda tx: tx.register_contract("TeaParty"), NameInUse),
        (lambda tx: tx.register_contract("c", backed_by="TeaParty").fund("TeaParty", 1), InvalidAccount),
    ],
)
def test_refusals(book: Ledger, call: Callable[[Any], object], verdict: type[LedgerError]) -> None:
    do(book, lambda tx: tx.app("TeaParty").buy("bob", 10 * T), lambda tx: tx.app("TeaParty").deposit("bob", 50))
    before = {code: (book.balances(code), book.supply(code)) for code in ("TEA", "USDT", "TeaParty", "GlobalToken")}
    position = book.verify().position
    with pytest.raises(verdict) as caught:
        do(book, call)
    assert type(caught.value) is verdict
    assert {code: (book.balances(code), book.supply(code)) for code in before} == before
    assert book.verify().position == position


def test_nobody_to_share_with(book: Ledger) -> None:
    do(book, lambda tx: tx.app("GlobalToken").pay("alice", T))
    with pytest.raises(NoHolders, match="GlobalToken"):
        do(book, lambda tx: tx.app("GlobalToken").distribute_income())
    assert book.state["TEA"]["GlobalToken"] == T
    do(book, lambda tx: tx.app("GlobalToken").buy("alice", T))
    do(book, lambda tx: tx.app("GlobalToken").distribute_income())
    assert book.state["TEA"]["GlobalToken"] == 0


def test_held_money_has_no_share(book: Ledger) -> None:
    do(book, lambda tx: tx.app("GlobalToken").buy("alice", T))
    held = book.state["GlobalToken"]["alice"]
    do(book, lambda tx: tx.reserve("GlobalToken", "alice", "court", held), lambda tx: tx.app("GlobalToken").pay("bob", T))
    with pytest.raises(NoHolders):
        do(book, lambda tx: tx.app("GlobalToken").distribute_income())


def test_an_app_whose_supply_is_exhausted(book: Ledger) -> None:
    book.register_token(Token("Rare", decimals=12, max_supply=T, role="app", curve=FixedPriceCurve(T)))
    with pytest.raises(SupplyExhausted):
        do(book, lambda tx: tx.app("Rare").buy("alice", 2 * T))
    assert do(book, lambda tx: tx.app("Rare").buy("alice", T)) == [T]


def test_selling_for_nothing(book: Ledger) -> None:
    book.register_token(Token("Cheap", decimals=12, role="app", curve=FixedPriceCurve(1)))
    assert do(book, lambda tx: tx.app("Cheap").buy("alice", 5)) == [6 * T - 1]
    with pytest.raises(InvalidAmount, match="Cheap"):
        do(book, lambda tx: tx.app("Cheap").sell("alice", T - 1))
    assert do(book, lambda tx: tx.app("Cheap").sell("alice", T)) == [1]


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"role": "app", "curve": SquareRootCurve(10)}, None),
        ({"role": "app", "curve": SquareRootCurve(10, 7), "owner": "dev"}, None),
        ({"role": "app"}, None),
        ({"role": "app", "curve": SquareRootCurve(10, 7)}, InvalidToken),
        ({"role": "app", "curve": "square_root"}, InvalidToken),
        ({"role": "app", "curve": SquareRootCurve}, InvalidToken),
        ({"role": "app", "unit": 5}, InvalidToken),
        ({"role": "app", "owner": "two words"}, InvalidToken),
        ({"role": "app", "accepts": ["USDT"]}, None),
        ({"role": "app", "accepts": "USDT"}, InvalidToken),
        ({"role": "app", "accepts": ("two words",)}, InvalidToken),
        ({"curve": SquareRootCurve(10)}, InvalidToken),
        ({"owner": "dev"}, InvalidToken),
        ({"accepts": ("USDT",)}, InvalidToken),
        ({"role": "settlement", "curve": SquareRootCurve(10)}, InvalidToken),
        ({"role": "bank"}, InvalidToken),
    ],
)
def test_definitions(fields: dict[str, Any], verdict: type[LedgerError] | None) -> None:
    if verdict is None:
        assert Token("X", **fields).role == "app"
    else:
        with pytest.raises(verdict):
            Token("X", **fields)


def test_names_in_use(book: Ledger) -> None:
    app = {"role": "app", "curve": SquareRootCurve(10)}
    do(book, lambda tx: tx.topup("TEA", "carol", 5))
    do(book, lambda tx: tx.app("TeaParty").deposit("carol", 5), lambda tx: tx.register_contract("pool"))
    for name in ("alice", "carol", "pool"):
        with pytest.raises(NameInUse, match=name):
            book.register_token(Token(name, **app))
    with pytest.raises(NameInUse, match="carol"):
        book.register_token(Token("carol"))
    book.register_token(Token("alice"))
    with pytest.raises(TokenAlreadyRegistered, match="settlement"):
        book.register_token(Token("TEA2", role="settlement"))
    book.register_token(TOKENS[4])
    with pytest.raises(TokenAlreadyRegistered):
        book.register_token(Token("TeaParty", decimals=12, role="app", curve=SquareRootCurve(10, 8), owner="dev"))


def test_updating_an_app(book: Ledger) -> None:
    book.update_app("GlobalToken", accepts=["DAI"], owner="dao")
    book.update_app("GlobalToken")
    assert (book.token("GlobalToken").accepts, book.token("GlobalToken").owner) == (("DAI",), "dao")
    do(book, lambda tx: tx.app("GlobalToken").pay("alice", 9, token="DAI"))
    do(book, lambda tx: tx.app("GlobalToken").withdraw_income("DAI", 9))
    assert book.balance("DAI", "dao").available == 9
    for wrong, verdict in (("TEA", NotAnApp), ("EUR", TokenNotFound)):
        with pytest.raises(verdict):
            book.update_app(wrong, owner="dao")
    for accepts in ("DAI", 5, ["two words"]):
        with pytest.raises(InvalidRequest):
            book.update_app("GlobalToken", accepts=accepts)  # type: ignore[arg-type]


def test_a_book_without_a_settlement_token() -> None:
    with Ledger.open("memory:") as ledger:
        with pytest.raises(TokenNotFound, match="settlement"):
            ledger.register_token(Token("App", role="app", curve=SquareRootCurve(10)))
        ledger.register_token(Token("App", role="app"))
        for call in (
            lambda app: app.buy("alice", 5),
            lambda app: app.deposit("alice", 5),
            lambda app: app.pay("alice", 5),
            lambda app: app.distribute_income(),
        ):
            with pytest.raises(TokenNotFound, match="settlement"), ledger.atomic() as tx:
                call(tx.app("App"))
        with pytest.raises(MeaninglessCell):
            _ = ledger.state["alice"]["App"]
