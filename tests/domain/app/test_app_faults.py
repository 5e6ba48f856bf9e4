"""Apps at the edges: amounts and names nobody should get through, others coming in between, and odd older states."""

import json
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    Balances,
    Conflict,
    InvalidAccount,
    InvalidAmount,
    InvalidCurve,
    InvalidRequest,
    InvalidToken,
    Ledger,
    MeaninglessCell,
    NameInUse,
    NoHolders,
    SquareRootCurve,
    Token,
    UnknownCurve,
)
from tallystick.infrastructure.cli.differences import differences
from tallystick.infrastructure.imports.tea_state import import_tea_state
from tests.support.books.app_book import TOKENS, T, do
from tests.support.books.contract_book import elsewhere


@pytest.mark.parametrize("amount", [0, -5, True, 1.5, "x", None, 2**256])
@pytest.mark.parametrize("target", [("TEA", "bob"), ("alice", "TeaParty")])
def test_move_takes_amounts_alone(book: Ledger, target: tuple[str, str], amount: Any) -> None:
    position = book.verify().position
    with pytest.raises(InvalidAmount):
        do(book, lambda tx: tx.move(("TEA", "alice"), target, amount))
    with pytest.raises(InvalidRequest):
        do(book, lambda tx: tx.move(("TEA", "alice"), target, 5, memo=amount if amount != "x" else 5))
    assert book.verify().position == position


class Odd:
    """A curve whose name and parameters are up to the test."""

    def __init__(self, name: Any = "odd", parameters: Any = (1,)) -> None:
        self.name = name
        self.parameters = parameters

    def price(self, supply: int) -> int:
        return 1

    def cost(self, supply: int, amount: int) -> int:
        return amount

    def proceeds(self, supply: int, amount: int) -> int:
        return amount

    def amount_for(self, supply: int, payment: int) -> int:
        return payment


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("odd", (1.5,)), ("odd", ("x",)), ("odd", (True,)), ("odd", ({},)), ("odd", 5), ("odd", None)]
    + [(name, (1,)) for name in (5, None, "", "\ud800", "x" * 129)],
)
def test_a_curve_that_no_journal_can_keep(name: Any, parameters: Any) -> None:
    with pytest.raises(InvalidToken):
        Token("X", role="app", curve=Odd(name, parameters))


def broken(*parameters: int) -> Any:
    raise AttributeError("somebody's own mistake")


@pytest.mark.parametrize("maker", [broken, lambda factor: 5, lambda factor: 1 // 0, 7, Odd("other"), SquareRootCurve, Odd])
def test_a_journal_is_read_whatever_makes_its_curves(tmp_path: Path, maker: Any) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path, curves={"odd": Odd()}) as ledger:
        ledger.register_token(TOKENS[0])
        ledger.register_token(Token("Own", role="app", curve=Odd(parameters=[1])))
        ledger.register_token(Token("Own", role="app", curve=Odd(parameters=[1])))
        do(ledger, lambda tx: tx.topup("TEA", "alice", 10), lambda tx: tx.app("Own").buy("alice", 10))
    with Ledger.open(path, curves={"odd": maker}) as ledger:
        assert ledger.balance("Own", "alice").available == 10
        with pytest.raises(UnknownCurve):
            do(ledger, lambda tx: tx.app("Own").sell("alice", 1))
        assert ledger.audit().ok
    with pytest.raises(InvalidRequest):
        Ledger.open(path, curves=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "code", [TOTAL_SUPPLY_RESERVE, HIDDEN_BONDING_CURVE_ACCOUNT, SEAT_COLLECTION_POOL, DAO_RESERVED_ACCOUNT]
)
@pytest.mark.parametrize("role", ["app", "external", "settlement"])
def test_a_predefined_account_is_no_token(code: str, role: Any) -> None:
    with pytest.raises(InvalidToken):
        Token(code, role=role)


def test_names_of_those_who_have_something_coming(book: Ledger) -> None:
    do(
        book,
        lambda tx: tx.topup("TEA", "payer", 100),
        lambda tx: tx.reserve("TEA", "payer", "court", 100),
        lambda tx: tx.app("TeaParty").deposit("bob", 1_000 * T),
    )
    with pytest.raises(NameInUse):
        book.register_token(Token("payer", role="app"))
    with pytest.raises(NameInUse):
        do(book, lambda tx: tx.transfer("USDT", "bob", "alice", 100), lambda tx: tx.register_contract("bob"))
    do(book, lambda tx: tx.register_contract("pool"))
    with pytest.raises(InvalidAccount, match="pool"):
        book.take_over((), [("pool", "TeaParty", 5)])
    do(book, lambda tx: tx.app("TeaParty").refund("bob", 1_000 * T))


def test_a_name_that_was_settled_in_the_same_plan_is_free(book: Ledger) -> None:
    with book.atomic() as tx:
        tx.topup("TEA", "payer", 5)
        hold = tx.reserve("TEA", "payer", "court", 5)
        tx.settle("TEA", "court", "bob", 5, hold=hold)
        tx.register_contract("payer")
    assert book.is_contract("payer")


@pytest.mark.parametrize("owner", ["GlobalToken", "TeaParty", TOTAL_SUPPLY_RESERVE, HIDDEN_BONDING_CURVE_ACCOUNT])
def test_an_owner_who_cannot_be_paid(book: Ledger, owner: str) -> None:
    with pytest.raises(InvalidAccount):
        book.update_app("TeaParty", owner=owner)
    with pytest.raises(InvalidAccount):
        book.register_token(Token("Other", role="app", owner=owner))


@pytest.mark.parametrize("change", ["balance_up", "alloc"])
def test_a_contract_registered_in_vain(book: Ledger, change: str) -> None:
    with pytest.raises(Conflict), book.atomic() as tx:
        getattr(tx.register_contract("c"), change)(5 if change == "balance_up" else "alice")
        tx.balance("TEA", "carol")
        elsewhere(book, lambda other: other.topup("TEA", "carol", 1))
    assert not book.is_contract("c")
    do(book, lambda tx: tx.register_contract("c").balance_up(5))


def test_a_contract_of_the_same_plan_has_no_share(book: Ledger) -> None:
    do(book, lambda tx: tx.app("TeaParty").buy("alice", 10 * T), lambda tx: tx.app("TeaParty").buy("bob", 10 * T))
    with book.atomic() as tx:
        tx.register_contract("c", backed_by="TeaParty").fund("alice", T)
        tx.app("TeaParty").pay("bob", T)
        tx.app("TeaParty").distribute_income()
        told = tx.balance("TeaParty", "bob").available
    assert told == book.balance("TeaParty", "bob").available
    with pytest.raises(NoHolders), book.atomic() as tx:
        tx.app("GlobalToken").buy("alice", 10 * T)
        every = tx.balance("GlobalToken", "alice").available
        tx.register_contract("d", backed_by="GlobalToken").fund("alice", every)
        tx.app("GlobalToken").pay("bob", T)
        tx.app("GlobalToken").distribute_income()


def test_a_split_that_is_refused_sends_nothing(book: Ledger) -> None:
    with book.atomic() as tx:
        money = tx.money("TEA", "alice", 10)
        with pytest.raises(InvalidAccount):
            money.split({"bob": 5, "TeaParty": 5})
        assert money.remaining == 10
        money.transfer_to("carol")
    assert book.balance("TEA", "carol").available == 10
    assert book.balance("TEA", "bob").available == 1_000 * T


def test_a_payment_that_buys_nothing_by_now_is_a_conflict(book: Ledger) -> None:
    with pytest.raises(Conflict, match="GlobalToken"), book.atomic() as tx:
        assert tx.app("GlobalToken").buy("alice", 1) > 0
        elsewhere(book, lambda other: other.app("GlobalToken").buy("bob", 900 * T))


def test_a_plan_of_a_ledger_that_is_behind(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as one, Ledger.open(path) as other:
        for token in TOKENS:
            one.register_token(token)
        do(
            one,
            lambda tx: tx.topup("TEA", "alice", 100 * T),
            lambda tx: tx.app("TeaParty").buy("alice", 10 * T),
            lambda tx: tx.app("TeaParty").pay("alice", T),
        )
        assert other.balance("TEA", "alice").available
        do(one, lambda tx: tx.app("TeaParty").pay("alice", T))
        with other.atomic() as tx:
            tx.app("TeaParty").distribute_income()
            told = tx.balance("TeaParty", "alice").available
        assert told == one.balance("TeaParty", "alice").available


def test_replayed_balances_are_compared_cell_by_cell(book: Ledger) -> None:
    do(book, lambda tx: tx.app("TeaParty").deposit("alice", 5), lambda tx: tx.app("TeaParty").buy("bob", T))
    rebuilt = book.replay(Balances())
    assert list(differences(book, rebuilt)) == []
    rebuilt.state["TEA"]["available"]["alice TeaParty"] += 1
    assert list(differences(book, rebuilt)) == [
        "state[alice][TeaParty]: (0.000000000005, 0.000000000000), replayed (0.000000000006, 0.000000000000)"
    ]


TEA = {"TEA": {"role": "settlement", "max_supply": 100}, "A": {"role": "app", "max_supply": 5}}


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ({"tea_state": {"ft_state": {"USDX": {"A": 5}}}, "tokens": TEA}, MeaninglessCell),
        ({"bonding_sate": {"A": 5}, "tokens": TEA}, InvalidRequest),
        ({"tea_state": {"ft_sate": {}}, "tokens": TEA}, InvalidRequest),
        ({"tokens": {"TEA": {"role": "settlement", "max_suply": 1}}}, InvalidRequest),
        ({"tokens": {"TEA": {"max_supply": "²"}}}, InvalidToken),
        ({"tokens": {"TEA": {"max_supply": "9" * 5_000}}}, InvalidToken),
        ({"tokens": {"A": {"role": "app", "curve": {"name": "square_root", "parameters": [0]}}}}, InvalidCurve),
        ('{"tea_state": {"ft_state": {"TEA": {"alice": 5, "alice": 7}}}}', InvalidRequest),
        ('{"bonding_state": ' + "[" * 100_000 + "]" * 100_000 + "}", InvalidRequest),
        ("\ud800", InvalidRequest),
    ],
)
def test_odd_older_states(tmp_path: Path, content: Any, verdict: type[Exception]) -> None:
    path = tmp_path / "state.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode(errors="surrogatepass"))
    with Ledger.open("memory:") as ledger:
        with pytest.raises(verdict):
            import_tea_state(ledger, path)
        assert ledger.tokens() == []


@pytest.mark.parametrize(("tokens", "cells"), [((), 5), ((), None), (5, ()), ("TEA", ()), ((), "abc")])
def test_what_is_no_older_book(book: Ledger, tokens: Any, cells: Any) -> None:
    with pytest.raises(InvalidRequest):
        book.take_over(tokens, cells)
