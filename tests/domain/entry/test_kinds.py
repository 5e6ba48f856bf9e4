"""Kinds of movements, told from an entry's events alone: every call, alone, beside every other, and in any order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    InvalidAmount,
    Ledger,
    Refused,
    Token,
)
from tallystick.domain.batch.batch import expanded
from tallystick.domain.entry.kinds import KINDS, RULES, kind_of_row, movements
from tallystick.domain.entry.reversibility import entry_not_reversible, kind_not_reversible
from tallystick.domain.entry.trades import Trade, trades
from tallystick.domain.events import EVENT_TYPES, RECORDED, Distributed, Event
from tests.support.books.behind import core_of, drafted
from tests.support.books.entry_book import apps_of, kinds_of, newest, open_entry_book


@pytest.fixture(scope="module")
def book() -> Iterator[Ledger]:
    with open_entry_book("memory:") as ledger:
        yield ledger


def reserve_and(then: Callable[[Any, str], Any]) -> Callable[[Any], Any]:
    return lambda tx: then(tx, tx.reserve("CUP", "alice", "bob", 25))


def in_hand(token: str, use: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda tx: use(tx.money(token, "alice", 35))


CALLS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    **{f"mint {token}": (lambda tx, t=token: tx.mint(t, "alice", 33), ["mint"]) for token in ("TEA", "CUP")},
    "mint with a memo": (lambda tx: tx.mint("CUP", "alice", 33, memo="rent"), ["mint"]),
    "mint to the DAO": (lambda tx: tx.mint("TEA", DAO_RESERVED_ACCOUNT, 5), ["seats"]),
    "topup": (lambda tx: tx.topup("BTC", "dev", 3), ["mint"]),
    "burn": (lambda tx: tx.burn("CUP", "alice", 33), ["burn"]),
    "withdraw": (lambda tx: tx.withdraw("TEA", "alice", 3), ["burn"]),
    **{f"transfer {token}": (lambda tx, t=token: tx.transfer(t, "alice", "dev", 33), ["transfer"]) for token in ("TEA", "CUP")},
    "transfer to oneself": (lambda tx: tx.transfer("CUP", "alice", "alice", 33), ["transfer"]),
    "transfer of an app's token": (lambda tx: tx.transfer("Spread", "alice", "dev", 3), ["transfer"]),
    "transfer as a spread": (lambda tx: tx.transfer("TEA", "alice", "dev", 300), ["transfer"]),
    "move": (lambda tx: tx.move(("TEA", "alice"), ("TEA", "bob"), 3), ["transfer"]),
    "move into a deposit": (lambda tx: tx.move(("TEA", "alice"), ("alice", "Plain"), 3), ["deposit"]),
    "move out of a deposit": (lambda tx: tx.move(("alice", "Plain"), ("TEA", "alice"), 3), ["refund"]),
    "money sent": (in_hand("CUP", lambda money: money.transfer_to("bob")), ["transfer"]),
    "money split": (in_hand("CUP", lambda money: money.split({"bob": 1, "dev": 2})), ["transfer"]),
    "money burned": (in_hand("CUP", lambda money: money.burn()), ["burn"]),
    "money reserved": (in_hand("CUP", lambda money: money.reserve("bob")), ["reserve"]),
    "money sliced": (in_hand("TEA", lambda money: (money.slice(5).transfer_to("dev"), money.burn())), ["transfer", "burn"]),
    "reserve": (lambda tx: tx.reserve("CUP", "alice", "bob", 25), ["reserve"]),
    "reserve for oneself": (lambda tx: tx.reserve("TEA", "alice", "alice", 25), ["reserve"]),
    "settle": (lambda tx: (tx.reserve("TEA", "alice", "bob", 9), tx.settle("TEA", "bob", "dev", 9)), ["reserve", "settle"]),
    "settle a hold": (reserve_and(lambda tx, hold: tx.settle("CUP", "bob", "dev", 7, hold=hold)), ["reserve", "settle"]),
    "release": (reserve_and(lambda tx, hold: tx.release(hold, 7)), ["reserve", "release"]),
    "release of all": (reserve_and(lambda tx, hold: tx.release(hold)), ["reserve", "release"]),
    "expire": (lambda tx: tx.expire(1), ["expire"]),
    "expire some": (lambda tx: tx.expire(3), ["expire"]),
    **{f"buy {app}": (lambda tx, a=app: tx.app(a).buy("alice", 10**5), ["buy"]) for app in ("Spread", "Plain", "Owned")},
    "the owner buys": (lambda tx: tx.app("Spread").buy("dev", 10**5), ["buy"]),
    **{f"sell {app}": (lambda tx, a=app: tx.app(a).sell("alice", 10**5), ["sell"]) for app in ("Spread", "Plain")},
    "deposit": (lambda tx: tx.app("Plain").deposit("alice", 50), ["deposit"]),
    "refund": (lambda tx: tx.app("Plain").refund("alice", 5), ["refund"]),
    "consume a deposit": (lambda tx: tx.app("Plain").consume_deposit("alice", 5), ["consume_deposit"]),
    "pay": (lambda tx: tx.app("Spread").pay("alice", 5), ["pay"]),
    "pay in fragments": (lambda tx: tx.app("Spread").pay("alice", 33, "CUP"), ["pay"]),
    "pay in the app's own": (lambda tx: tx.app("Spread").pay("alice", 50, "Spread"), ["pay"]),
    "withdraw income": (lambda tx: tx.app("Spread").withdraw_income("BTC", 1), ["withdraw_income"]),
    "income with a spread": (
        lambda tx: (tx.app("Spread").pay("bob", 10**6), tx.app("Spread").distribute_income()),
        ["pay", "distribution"],
    ),
    "income without": (
        lambda tx: (tx.app("Plain").pay("bob", 10**6), tx.app("Plain").distribute_income()),
        ["pay", "distribution"],
    ),
    "income that is all spread": (
        lambda tx: (tx.app("Owned").pay("bob", 10**6), tx.app("Owned").distribute_income()),
        ["pay", "distribution"],
    ),
    "dividend": (
        lambda tx: (tx.app("Spread").pay("bob", 50, "Spread"), tx.app("Spread").distribute_dividend()),
        ["pay", "distribution"],
    ),
    "collect tax": (
        lambda tx: (tx.app("Plain").pay("bob", 10), tx.seats.collect_memory_tax("Plain", 10)),
        ["pay", "seats"],
    ),
    "share the pool": (
        lambda tx: (
            tx.app("Plain").pay("bob", 100),
            tx.seats.collect_memory_tax("Plain", 100),
            tx.seats.share_income({"alice": 10**6, "bob": 0}),
        ),
        ["pay", "seats"],
    ),
    "pay a service": (lambda tx: tx.seats.pay_public_service("dev", 1), ["seats"]),
    "share out": (lambda tx: tx.seats.share_distribution_pool("Spread", 50_000), ["seats", "seats", "distribution"]),
    "fund": (lambda tx: tx.contract("pool").fund("alice", 5), ["contract"]),
    "defund": (lambda tx: tx.contract("pool").defund("alice", 1), ["contract"]),
    "a contract's figure": (lambda tx: tx.contract("figure").balance_up(5), []),
    "an allocation": (lambda tx: tx.contract("figure").shadow_up("alice", 1), []),
}


"""Each with the kinds of its movements, the last as often as there are more of them."""


def play(ledger: Ledger, names: Sequence[str]) -> list[str]:
    """Plays calls in one block, passing over those that are refused, and gives the kinds that its movements must have."""
    due: list[str] = []
    with ledger.atomic() as tx:
        for name in names:
            call, kinds = CALLS[name]
            before = len(drafted(tx))
            try:
                with tx.savepoint():
                    call(tx)
            except (Refused, InvalidAmount):
                continue
            moved = sum(isinstance(event, (*RECORDED, Distributed)) for event in drafted(tx)[before:])
            assert moved >= len(kinds), name
            due += [*kinds, *kinds[-1:] * (moved - len(kinds))]
    return due


@pytest.mark.parametrize("name", CALLS)
def test_each_call_alone(book: Ledger, name: str) -> None:
    due = play(book, [name])
    assert {*due} == {*CALLS[name][1]}
    assert kinds_of(book, newest(book)) == due


def test_every_kind_but_openings_is_in_the_table() -> None:
    assert {kind for _, kinds in CALLS.values() for kind in kinds} == {*KINDS} - {"opening"}


@pytest.mark.parametrize("first", CALLS)
def test_each_call_beside_every_other(book: Ledger, first: str) -> None:
    for second in CALLS:
        due = play(book, [first, second])
        if due:
            assert kinds_of(book, newest(book)) == due, second


@given(st.lists(st.sampled_from([*CALLS]), min_size=3, max_size=12))
def test_calls_in_any_order(book: Ledger, names: list[str]) -> None:
    due = play(book, names)
    if due:
        assert kinds_of(book, newest(book)) == due


# What is taken over, and batches.


@pytest.mark.parametrize(
    "cells",
    [
        [("BTC", "alice", 5)],
        [("CUP", "alice", 33), ("CUP", "bob", 5)],
        [("TEA", "alice", 5), ("TEA", SEAT_COLLECTION_POOL, 5), ("TEA", DAO_RESERVED_ACCOUNT, 5)],
        [("Spread", HIDDEN_BONDING_CURVE_ACCOUNT, 10**6), ("Spread", "alice", 5), ("alice", "Spread", 5)],
        [("TEA", "Spread", 5), ("Spread", "Spread", 5), ("Owned", "alice", 5)],
    ],
)
@pytest.mark.parametrize("tokens", [(), ("New",)])
def test_what_is_taken_over_is_an_opening(book: Ledger, cells: list[tuple[str, str, int]], tokens: tuple[str, ...]) -> None:
    number = len(book.tokens())
    book.take_over([Token(f"{token}{number}") for token in tokens], cells)
    told = newest(book)
    assert kinds_of(book, told) == ["opening"] * len(cells)
    assert not trades(movements(told.events, told.first_position, apps_of(book)))


def test_a_memo_alone_makes_no_opening(book: Ledger) -> None:
    with book.atomic() as tx:
        tx.mint("BTC", "alice", 5, memo="taken over")
        tx.transfer("BTC", "alice", "bob", 5, memo="taken over")
        tx.app("Plain").buy("alice", 10**5, memo="taken over")
        tx.mint("TEA", DAO_RESERVED_ACCOUNT, 5, memo="taken over")
    assert kinds_of(book, newest(book)) == ["mint", "transfer", "buy", "buy", "seats"]


@pytest.mark.parametrize(
    ("call", "arguments", "kinds"),
    [
        ("transfer_many", ("BTC", ["alice", "bob"], ["bob", "alice"], [5, 6]), ["transfer", "transfer"]),
        ("transfer_many", ("CUP", ["alice", "bob"], ["bob", "dev"], [25, 6]), ["transfer", "transfer"]),
        ("transfer_many", ("Spread", ["alice"], ["bob"], [1]), ["transfer"]),
        ("mint_many", ("CUP", ["alice", "bob"], [25, 6]), ["mint", "mint"]),
        ("mint_many", ("TEA", ["alice", DAO_RESERVED_ACCOUNT], [25, 6]), ["mint", "seats"]),
        ("burn_many", ("BTC", ["alice", "bob"], [1, 2]), ["burn", "burn"]),
    ],
)
def test_batches(book: Ledger, call: str, arguments: tuple[Any, ...], kinds: list[str]) -> None:
    getattr(book, call)(*arguments)
    told = newest(book)
    assert kinds_of(book, told) == kinds[:1]
    rows = expanded(told.events, core_of(book).books.names_of)
    assert [kind_of_row(row) for row in rows if isinstance(row, RECORDED)] == kinds
    reason = entry_not_reversible(told.events, told.first_position, apps_of(book), core_of(book).books.names_of)
    assert reason == (
        None
        if "seats" not in kinds
        else f"transaction {told.first_position + 1} cannot be reversed: it touches the pools of the seats or the DAO's reserve"
    )


def test_kinds_ask_who_was_an_app_when_the_entry_was_made() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", role="settlement"))
        with ledger.atomic() as tx:
            tx.mint("TEA", "App", 5)
            tx.transfer("TEA", "App", "alice", 5)
        told = newest(ledger)
        ledger.register_token(Token("App", role="app"))
        assert kinds_of(ledger, told) == ["opening", "withdraw_income"]
        assert [found.kind for found in movements(told.events, 1, lambda name: False)] == ["mint", "transfer"]


def test_every_type_of_event_is_known_and_others_are_passed_over() -> None:
    class Unknown(Event, frozen=True):
        pass

    assert {*EVENT_TYPES} <= {*RULES}
    assert movements([object()], 1, lambda name: False) == []
    with pytest.raises(KeyError):
        movements([Unknown("USD")], 1, lambda name: False)


# Trades.


def trades_of(ledger: Ledger) -> list[Trade]:
    told = newest(ledger)
    return trades(movements(told.events, told.first_position, apps_of(ledger)))


def test_trades(book: Ledger) -> None:
    with book.atomic() as tx:
        tx.transfer("TEA", "alice", "dev", 3)
        bought = tx.app("Spread").buy("alice", 10**5)
        tx.mint("BTC", "alice", 3)
        owned = tx.app("Owned").buy("dev", 77)
        brought = tx.app("Plain").sell("bob", 10**4)
        tx.app("Plain").pay("bob", 5)
        again = tx.app("Spread").buy("alice", 10**5)
        tx.app("Plain").distribute_income()
    first = tx.receipt.transaction_ids[0]  # type: ignore[union-attr]
    assert trades_of(book) == [
        Trade("Spread", "buy", "alice", 10**5, bought, first + 1),
        Trade("Owned", "buy", "dev", 77, owned, first + 5),
        Trade("Plain", "sell", "bob", 10**4, brought, first + 7),
        Trade("Spread", "buy", "alice", 10**5, again, first + 10),
    ]


# What can be reversed.

REVERSIBLE = {"transfer", "mint", "burn", "settle", "reserve"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_reversed_by_its_kind(kind: Any) -> None:
    assert (kind_not_reversible(kind) is None) == (kind in REVERSIBLE)


@pytest.mark.parametrize("name", CALLS)
def test_what_can_be_reversed_as_an_entry(book: Ledger, name: str) -> None:
    due = play(book, ["transfer CUP", name])
    told = newest(book)
    reason = entry_not_reversible(told.events, told.first_position, apps_of(book), core_of(book).books.names_of)
    holds_a_step = name in ("a contract's figure", "an allocation")
    assert (reason is None) == ({*due} <= REVERSIBLE and not holds_a_step)


def test_an_entry_that_moves_nothing_cannot_be_reversed(book: Ledger) -> None:
    book.register_token(Token("Nothing"))
    told = newest(book)
    assert entry_not_reversible(told.events, told.first_position, apps_of(book), lambda token: ()) == "it moves no money"
