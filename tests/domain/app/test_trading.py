"""Trades on curves, one's own among them, and the seats' taxes and pools."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    Conflict,
    FixedPriceCurve,
    InsufficientFunds,
    InvalidAccount,
    InvalidCurve,
    InvalidRequest,
    Ledger,
    LedgerError,
    SquareRootCurve,
    StorageFull,
    Token,
    TransactionClosed,
    UnknownCurve,
)
from tests.support.books.app_book import BONDING, TOKENS, T, do
from tests.support.books.behind import draft_of, journal_of
from tests.support.books.contract_book import elsewhere

# Trades.


def test_the_spread_goes_to_the_owner(book: Ledger) -> None:
    (minted,) = do(book, lambda tx: tx.app("TeaParty").buy("alice", 100 * T))
    curve = SquareRootCurve(10, 7, 12, 12)
    spread = curve.cost(0, minted) - curve.proceeds(minted, minted)
    assert book.state["TEA"]["dev"] == spread > 0
    assert book.state["TeaParty"][BONDING] == 100 * T - spread >= curve.proceeds(minted, minted)


def test_a_trade_at_a_worse_price_is_a_conflict(book: Ledger) -> None:
    with book.atomic() as tx:
        told = tx.app("GlobalToken").buy("alice", 10 * T)
        tx.rollback()

    with pytest.raises(Conflict, match="GlobalToken"), book.atomic() as tx:
        tx.app("GlobalToken").buy("alice", 10 * T, at_least=told)
        elsewhere(book, lambda other: other.app("GlobalToken").buy("bob", 50 * T))
    with book.atomic() as tx:
        least = tx.app("GlobalToken").buy("alice", 10 * T, at_least=1)
        elsewhere(book, lambda other: other.app("GlobalToken").buy("bob", 50 * T))
        assert least == 1
    assert 0 < book.state["GlobalToken"]["alice"] < told


class Generous:
    """A curve of somebody's own, which sells dearer than it buys."""

    name = "generous"
    parameters = (3,)

    def price(self, supply: int) -> int:
        return 1

    def cost(self, supply: int, amount: int) -> int:
        return amount

    def proceeds(self, supply: int, amount: int) -> int:
        return 3 * amount

    def amount_for(self, supply: int, payment: int) -> int:
        return payment


class Liar(Generous):
    """A curve that gives more than it says a payment buys."""

    def proceeds(self, supply: int, amount: int) -> int:
        return amount

    def amount_for(self, supply: int, payment: int) -> int:
        return 2 * payment


class Confused(Generous):
    """A curve that answers in floating point."""

    def amount_for(self, supply: int, payment: int) -> Any:
        return payment / 2


class Hoarder(Generous):
    """A curve that pays double to who sells everything."""

    def cost(self, supply: int, amount: int) -> int:
        return 2 * amount

    def proceeds(self, supply: int, amount: int) -> int:
        return 2 * amount if amount == supply else amount

    def amount_for(self, supply: int, payment: int) -> int:
        return payment // 2


class Failing(Generous):
    """A curve that cannot be asked."""

    def cost(self, supply: int, amount: int) -> int:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (Generous, InsufficientFunds),
        (Liar, InvalidCurve),
        (Confused, InvalidCurve),
        (Failing, InvalidCurve),
        (None, UnknownCurve),
    ],
)
def test_no_curve_can_promise_more_than_there_is(kind: Any, verdict: type[LedgerError]) -> None:
    curves = {"generous": lambda factor: kind()} if kind else {}
    with Ledger.open("memory:", curves=curves) as ledger:
        ledger.register_token(TOKENS[0])
        ledger.register_token(Token("Wild", role="app", curve=Generous(), owner="dev"))
        do(ledger, lambda tx: tx.topup("TEA", "alice", 1_000))
        with pytest.raises(verdict):
            do(ledger, lambda tx: tx.app("Wild").buy("alice", 100))
        assert ledger.balance("TEA", "alice").available == 1_000


class Flat:
    """A curve of somebody's own: one for one."""

    name = "flat"

    def __init__(self, factor: int = 1) -> None:
        self.parameters = (factor,)

    def price(self, supply: int) -> int:
        return self.parameters[0]

    def cost(self, supply: int, amount: int) -> int:
        return amount * self.parameters[0]

    def proceeds(self, supply: int, amount: int) -> int:
        return amount * self.parameters[0]

    def amount_for(self, supply: int, payment: int) -> int:
        return payment // self.parameters[0]


def test_a_curve_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path, curves={"flat": Flat}) as ledger:
        ledger.register_token(TOKENS[0])
        ledger.register_token(Token("Own", role="app", curve=Flat(3)))
        do(ledger, lambda tx: tx.topup("TEA", "alice", 100))
        assert do(ledger, lambda tx: tx.app("Own").buy("alice", 10)) == [3]
    with Ledger.open(path) as ledger:
        assert ledger.balance("Own", "alice").available == 3
        assert ledger.token("Own").curve is not None
        ledger.register_token(Token("Own", role="app", curve=Flat(3)))
        with pytest.raises(UnknownCurve, match="flat"):
            do(ledger, lambda tx: tx.app("Own").sell("alice", 3))
        assert ledger.audit().ok
    with Ledger.open(path, curves={"flat": Flat}) as ledger:
        assert do(ledger, lambda tx: tx.app("Own").sell("alice", 2)) == [6]
    with Ledger.open(path, curves={"flat": Flat(3)}) as ledger:
        assert do(ledger, lambda tx: tx.app("Own").sell("alice", 1)) == [3]


def test_an_app_is_used_in_its_block_alone(book: Ledger) -> None:
    with book.atomic() as tx:
        app, seats = tx.app("TeaParty"), tx.seats
    for use in (lambda: app.buy("alice", T), lambda: seats.collect_memory_tax("TeaParty", 1), lambda: tx.app("TeaParty")):
        with pytest.raises(TransactionClosed):
            use()


# The seats.


def test_taxes_and_pools(book: Ledger) -> None:
    do(
        book,
        lambda tx: tx.app("TeaParty").buy("bob", T),
        lambda tx: tx.app("TeaParty").pay("alice", 1_000),
        lambda tx: tx.seats.collect_memory_tax("TeaParty", 1_000),
    )
    assert (book.state["TEA"]["TeaParty"], book.state["TEA"][SEAT_COLLECTION_POOL]) == (0, 1_000)
    alice = book.state["TEA"]["alice"]
    do(book, lambda tx: tx.seats.share_income({"carol": 33, "dave": 0, "alice": 400}))
    assert (book.state["TEA"]["carol"], book.state["TEA"]["dave"]) == (300, 333)
    assert book.state["TEA"]["alice"] == alice - 67
    assert book.state["TEA"][SEAT_COLLECTION_POOL] == 1
    assert book.state["TEA"][SEAT_DISTRIBUTION_POOL] == 433
    with pytest.raises(InsufficientFunds, match="carol"):
        do(book, lambda tx: tx.seats.share_income({"dave": 5, "carol": 301}))
    do(book, lambda tx: tx.seats.pay_public_service("host", 33))
    assert (book.state["TEA"]["host"], book.state["TEA"][SEAT_DISTRIBUTION_POOL]) == (33, 400)
    do(book, lambda tx: tx.topup("TEA", DAO_RESERVED_ACCOUNT, 500), lambda tx: tx.seats.pay_public_service("host", 600))
    assert (book.state["TEA"]["host"], book.state["TEA"][SEAT_DISTRIBUTION_POOL]) == (633, 0)
    assert book.state["TEA"][DAO_RESERVED_ACCOUNT] == 300
    do(book, lambda tx: tx.app("TeaParty").pay("bob", T), lambda tx: tx.seats.collect_memory_tax("TeaParty", T))
    do(book, lambda tx: tx.seats.share_income({"bob": T}))
    before, bonded = book.state["TeaParty"]["bob"], book.state["TeaParty"][BONDING]
    do(book, lambda tx: tx.seats.share_distribution_pool("TeaParty", T))
    assert (book.state["TEA"][SEAT_DISTRIBUTION_POOL], book.state["TEA"][SEAT_COLLECTION_POOL]) == (0, 0)
    assert book.state["TeaParty"]["bob"] > before
    assert book.state["TeaParty"][BONDING] > bonded


def test_what_goes_to_the_owner_backs_nothing() -> None:
    with Ledger.open("memory:", curves={"generous": Hoarder()}) as ledger:
        ledger.register_token(TOKENS[0])
        ledger.register_token(Token("Wild", role="app", curve=Hoarder(), owner="dev"))
        do(ledger, lambda tx: tx.topup("TEA", "alice", 1_000), lambda tx: tx.app("Wild").buy("alice", 20))
        with pytest.raises(InsufficientFunds) as caught:
            do(ledger, lambda tx: tx.app("Wild").buy("alice", 20))
        assert (caught.value.required, caught.value.available) == (40, 30)


# Several things in one transaction.


def test_a_plan_knows_what_its_distributions_give(book: Ledger) -> None:
    """Whatever the block is told along the way, of old holders and of new ones, it is what the books come to."""
    do(book, lambda tx: tx.app("TeaParty").buy("alice", 60 * T), lambda tx: tx.app("TeaParty").buy("bob", 30 * T))
    told: dict[str, int] = {}
    with book.atomic() as tx:
        party = tx.app("TeaParty")
        tx.transfer("TeaParty", "alice", "carol", T)
        tx.transfer("TeaParty", "bob", "new", 2 * T)
        party.pay("alice", 5 * T)
        party.distribute_income()
        tx.transfer("TeaParty", "new", "newer", T)
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            party.pay("bob", 9 * T)
            party.distribute_income()
            party.pay("carol", T, token="TeaParty")
            party.distribute_dividend()
            raise ZeroDivisionError
        party.pay("carol", 12_345, token="TeaParty")
        party.distribute_dividend()
        party.pay("bob", 7 * T)
        party.distribute_income()
        for user in ("alice", "bob", "carol", "new", "newer"):
            told[user] = tx.balance("TeaParty", user).available
    assert told == {user: book.balance("TeaParty", user).available for user in told}
    assert sum(told.values()) == book.supply("TeaParty").circulating


def test_money_in_hand_has_its_share_and_is_not_spent_twice(book: Ledger) -> None:
    do(book, lambda tx: tx.app("TeaParty").buy("alice", 60 * T))
    held = book.balance("TeaParty", "alice").available
    with book.atomic() as tx:
        money = tx.money("TeaParty", "alice", held)
        tx.app("TeaParty").pay("bob", 5 * T)
        tx.app("TeaParty").distribute_income()
        gained = tx.balance("TeaParty", "alice").available
        with pytest.raises(InsufficientFunds):
            tx.transfer("TeaParty", "alice", "bob", gained + 1)
        money.transfer_to("bob")
    assert gained > 0
    assert book.balance("TeaParty", "alice").available == gained
    assert book.balance("TeaParty", "bob").available == held


def test_an_owner_who_is_not_their_own_gets_no_spread(book: Ledger) -> None:
    do(book, lambda tx: tx.register_contract("dev"))
    with pytest.raises(InvalidAccount, match="dev"):
        do(book, lambda tx: tx.app("TeaParty").buy("alice", 60 * T))
    do(book, lambda tx: tx.app("TeaParty").pay("alice", 5, token="USDT"))
    with pytest.raises(InvalidAccount, match="dev"):
        do(book, lambda tx: tx.app("TeaParty").withdraw_income("USDT", 5))


@pytest.mark.parametrize(
    ("reserve", "amount", "verdict"), [(15, 5, True), (15, 1, True), (14, 1, False), (14, 5, False), (0, 5, False)]
)
def test_a_reserve_that_does_not_cover_all(reserve: int, amount: int, verdict: bool) -> None:
    """Taken over from an older book: five tokens at 3 each, and less in the bonding cell."""
    with Ledger.open("memory:") as ledger:
        tokens = [TOKENS[0], Token("Old", role="app", curve=FixedPriceCurve(3 * T))]
        ledger.take_over(tokens, [("Old", "alice", 5), *([("Old", BONDING, reserve)] if reserve else [])])
        if verdict:
            assert do(ledger, lambda tx: tx.app("Old").sell("alice", amount)) == [3 * amount]
            return
        with pytest.raises(InsufficientFunds) as caught:
            do(ledger, lambda tx: tx.app("Old").sell("alice", amount))
        assert caught.value.account == f"Old {BONDING}"
        assert ledger.balance("Old", "alice").available == 5


def test_what_could_not_be_stored_did_not_happen(book: Ledger) -> None:
    do(book, lambda tx: tx.app("TeaParty").buy("bob", 60 * T), lambda tx: tx.app("TeaParty").pay("bob", 60 * T))
    before = book.token("TeaParty"), book.balances("TeaParty"), book.supply("TeaParty")
    with mock.patch.object(type(journal_of(book)), "append", side_effect=StorageFull("disk")):
        for work in (
            lambda: book.update_app("TeaParty", owner="thief"),
            lambda: book.register_token(Token("New", role="app")),
            lambda: do(book, lambda tx: tx.app("TeaParty").distribute_income()),
        ):
            with pytest.raises(StorageFull):
                work()
    assert (book.token("TeaParty"), book.balances("TeaParty"), book.supply("TeaParty")) == before
    do(book, lambda tx: tx.topup("TEA", "New", 5), lambda tx: tx.app("TeaParty").distribute_income())


@pytest.mark.parametrize(
    "cell", [("TEA", "alice"), ("TEA", "alice", 0), ("TEA", "alice", 1.5), ("TEA", None, 1), (None, "alice", 1), None, 7]
)
def test_what_cannot_be_taken_over(book: Ledger, cell: Any) -> None:
    position = book.verify().position
    with pytest.raises(InvalidRequest):
        book.take_over((), [("TEA", "alice", 1), cell])
    with pytest.raises(InvalidRequest):
        book.take_over([cell], ())
    assert book.verify().position == position


@pytest.mark.parametrize("way", ["transfer", "money", "balance"])
def test_what_others_made_more_of_can_be_given(tmp_path: Path, way: str) -> None:
    """A distribution brings more by now than the block was told, because somebody paid the app in the meantime."""
    with Ledger.open(tmp_path / "books.db") as ours, Ledger.open(tmp_path / "books.db") as theirs:
        for token in TOKENS:
            ours.register_token(token)
        with ours.atomic() as tx:
            for user in ("ann", "bob"):
                tx.mint("TEA", user, 1000 * T)
        with ours.atomic() as tx:
            told = tx.app("TeaParty").buy("ann", 100 * T)
            tx.app("TeaParty").pay("bob", 100 * T)
        try:
            with ours.atomic() as tx:
                tx.app("TeaParty").distribute_income()
                told = draft_of(tx).token_state("TeaParty").available_of("ann")
                with theirs.atomic() as other:
                    other.app("TeaParty").pay("bob", 300 * T)
                wanted = told + told // 10
                if way == "money":
                    tx.money("TeaParty", "ann", wanted).transfer_to("carl")
                else:
                    tx.transfer("TeaParty", "ann", "carl", wanted)
                    if way == "balance":
                        tx.balance("TeaParty", "ann")
        except Conflict:
            assert way == "balance"
        else:
            assert ours.balance("TeaParty", "carl").total == wanted
        assert ours.audit().ok
