"""Kinds of movements, told from an entry's events alone: every call, alone, beside every other, and in any order."""

from collections.abc import Iterator, Sequence
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
from tallystick.domain.events import BATCHES, EVENT_TYPES, RECORDED, Distributed, Event
from tests.support.books.behind import core_of, drafted
from tests.support.books.entry_book import apps_of, kinds_of, newest, open_entry_book
from tests.support.books.entry_calls import CALLS


@pytest.fixture(scope="module")
def book() -> Iterator[Ledger]:
    with open_entry_book("memory:") as ledger:
        yield ledger


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
    second = told.first_position + 1
    why = f"its transaction {second} has no way back: it touches the pools of the seats or the DAO's reserve"
    assert reason == (why if "seats" in kinds else None)


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


def test_some_of_the_movements(book: Ledger) -> None:
    play(book, ["buy Spread", "fund", "transfer CUP", "income with a spread"])
    told = newest(book)
    whole = movements(told.events, told.first_position, apps_of(book))
    for position in {movement.position for movement in whole}:
        assert movements(told.events, told.first_position, apps_of(book), {position}) == [
            movement for movement in whole if movement.position == position
        ]


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


@pytest.mark.parametrize("kind", [*RECORDED, *BATCHES, Distributed])
def test_what_moves_money_has_a_rule(kind: type) -> None:
    assert RULES[kind] is not None


def test_rows_with_notes_are_movements() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("PLN"))
        minted = ledger.mint_many("PLN", ["alice"] * 2, [5, 6], ["a", "b"])
        moved = ledger.transfer_many("PLN", ["alice"] * 2, ["bob"] * 2, [1, 2], references=["x", "y"])
        burned = ledger.burn_many("PLN", ["bob"] * 2, [1, 1], ids=["one", "two"])
        told = [(each.kind, each.memo, each.reference) for each in ledger.entry(minted.transaction_ids[0]).transactions]
        assert told == [("mint", "a", None), ("mint", "b", None)]
        told = [(each.kind, each.memo, each.reference) for each in ledger.entry(moved.transaction_ids[0]).transactions]
        assert told == [("transfer", "", "x"), ("transfer", "", "y")]
        assert ledger.transaction(burned.transaction_ids[1]).kind == "burn"
        assert [line.kind for line in ledger.history("PLN", "bob")] == ["transfer", "transfer", "burn", "burn"]
