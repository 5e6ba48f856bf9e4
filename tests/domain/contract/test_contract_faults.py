"""Contracts when something goes wrong half-way, or the ground moves under a plan: nothing wrong is said or recorded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tallystick import (
    AccountNotAllocated,
    BalanceBelowZero,
    Conflict,
    ContractView,
    InvalidAccount,
    InvalidAmount,
    InvalidRequest,
    Ledger,
    NotFound,
    ShadowSpaces,
    StorageError,
    Token,
)
from tallystick.domain.books.books import Books
from tallystick.infrastructure.journal.port import UnclearOutcome
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.snapshots.contract_shelf import SNAPSHOT_EVENTS
from tests.support.books.behind import core_of
from tests.support.books.contract_book import in_another_thread


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db"


@pytest.fixture
def two(path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """Two ledgers on one file, with a contract "c" in which "a" is allocated 100."""
    with Ledger.open(path) as one, Ledger.open(path) as other:
        one.register_token(Token("USD", decimals=2))
        with one.atomic() as tx:
            contract = tx.register_contract("c")
            contract.balance_up(10**6)
            contract.alloc("a")
            contract.shadow_up("a", 100)
        yield one, other


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_reading_on_is_interrupted(two: tuple[Ledger, Ledger], failure: type[BaseException]) -> None:
    one, other = two
    assert other.contract("c").allocs_sum == 100
    with one.atomic() as tx:
        tx.mint("USD", "u", 100)
        for _ in range(50):
            tx.contract("c").shadow_up("a", 1)
    real = Books.apply_commit

    def in_part(books: Books, events: Any, first_position: int) -> None:
        real(books, events[:30], first_position)
        raise failure

    with mock.patch.object(Books, "apply_commit", in_part), pytest.raises(failure):
        other.contract("c")
    assert (other.contract("c").allocs_sum, other.balance("USD", "u").total) == (150, 100)
    with pytest.raises(BalanceBelowZero), other.atomic() as tx:
        tx.contract("c").balance_down(10**6 + 1)
    assert other.audit().ok


def test_following_is_interrupted(two: tuple[Ledger, Ledger]) -> None:
    ledger, _ = two
    assert ledger.allocations_of("a").sats == 100
    with ledger.atomic() as tx:
        for _ in range(10):
            tx.contract("c").shadow_up("a", 1)
    real, calls = ShadowSpaces.apply, iter(range(100))

    def in_part(*arguments: Any) -> None:
        if next(calls) == 5:
            raise KeyboardInterrupt
        real(*arguments)

    with mock.patch.object(ShadowSpaces, "apply", in_part), pytest.raises(KeyboardInterrupt):
        ledger.allocations_of("a")
    assert ledger.allocations_of("a").sats == 110


def test_a_plan_goes_on_when_the_books_are_read_anew(path: Path) -> None:
    """Another thread's commit fails in a way that drops the books; what a plan knew of them is not used any more."""
    with Ledger.open(path, contracts_in_memory=1) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 10)
            for id in ("x", "y"):
                contract = tx.register_contract(id)
                contract.balance_up(10**6)
                contract.alloc("a")
            for _ in range(SNAPSHOT_EVENTS + 100):
                tx.contract("x").shadow_up("a", 1)
        allocated = SNAPSHOT_EVENTS + 100

        def drop_and_commit() -> None:
            with (
                mock.patch.object(SQLiteJournal, "append", side_effect=UnclearOutcome("disk")),
                pytest.raises(StorageError),
                ledger.atomic() as tx,
            ):
                tx.contract("x").shadow_up("a", 5)
                tx.mint("USD", "alice", 7)
            with ledger.atomic() as tx:
                tx.contract("x").shadow_up("a", 7_000)
                tx.mint("USD", "alice", 90)
                tx.register_contract("z")
            ledger.contract("y")

        ledger.contract("x")
        with ledger.atomic() as tx:
            tx.contract("x").balance_up(1)
            tx.transfer("USD", "alice", "bob", 1)
            in_another_thread(drop_and_commit)
            tx.contract("x").shadow_down("a", 5_000)
            tx.contract("z").balance_up(1)
            tx.transfer("USD", "alice", "bob", 99)
            ledger.contract("y")
        assert ledger.contract("x").allocs_sum == allocated + 2_000
        assert ledger.balance("USD", "bob").total == 100
    with Ledger.open(path) as ledger:
        assert ledger.contract("x") == ContractView(10**6 + 1, allocated + 2_000, 1)
        assert ledger.audit().ok


def test_a_plan_that_others_have_made_impossible_is_in_conflict(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    with pytest.raises(Conflict, match="contract c"), one.atomic() as tx:
        contract = tx.contract("c")
        contract.shadow_down("a", 100)
        contract.dealloc("a")
        with other.atomic() as before:
            before.contract("c").shadow_down("a", 100)
            before.contract("c").dealloc("a")
        _ = contract.balance
    with pytest.raises(AccountNotAllocated), one.atomic() as tx:
        tx.contract("c").dealloc("a")
    assert one.contract("c") == ContractView(10**6, 0, 0)


def test_a_plan_that_others_have_made_impossible_can_be_undone(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    with one.atomic() as tx:
        contract = tx.contract("c")
        with pytest.raises(Conflict), tx.savepoint():
            contract.shadow_down("a", 100)
            contract.dealloc("a")
            with other.atomic() as before:
                before.contract("c").shadow_up("a", 1)
            _ = contract.num_allocs
        contract.alloc("b")
        assert (contract.allocs_sum, contract.num_allocs) == (101, 2)
    assert one.contract("c") == ContractView(10**6, 101, 2)


def test_a_refused_commit_leaves_no_name_behind(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    with one.atomic() as tx:
        tx.mint("USD", "alice", 100)
    with pytest.raises(LookupError), one.atomic() as tx:
        tx.transfer("USD", "alice", "fresh", 10)
        raise LookupError
    for ledger in two:
        with pytest.raises(Conflict), ledger.atomic() as tx:
            tx.transfer("USD", "alice", "fresh", 10)
            tx.balance("USD", "alice")
            with (other if ledger is one else one).atomic() as before:
                before.burn("USD", "alice", 1)
    with one.atomic() as tx:
        tx.register_contract("fresh", backed_by="USD")
    assert other.audit().ok


def test_a_refused_commit_does_not_keep_contracts_in_memory(path: Path) -> None:
    with Ledger.open(path, contracts_in_memory=1) as ledger, Ledger.open(path) as other:
        with ledger.atomic() as tx:
            for number in range(50):
                tx.register_contract(f"c{number}").balance_up(5)
        with pytest.raises(BalanceBelowZero), ledger.atomic() as tx:
            tx.contract("c0").balance_up(5)
            tx.contract("c1").balance_down(5)
            with other.atomic() as before:
                before.contract("c1").balance_down(1)
        for number in range(50):
            ledger.contract(f"c{number}")
        assert len(list(core_of(ledger).books.contracts.in_memory())) == 1


def test_what_only_the_books_forbid_is_decided_at_the_head(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    with one.atomic() as tx:
        tx.contract("c").balance_up(2**256 - 1 - 10**6)
    with other.atomic() as tx:
        tx.contract("c").balance_down(10)
    with one.atomic() as tx:
        tx.contract("c").balance_up(5)
    assert other.contract("c").balance == 2**256 - 1 - 5


class Text(str):
    """Text of another type, as numpy's is."""


@pytest.mark.parametrize(
    ("call", "verdict"),
    [
        (lambda tx: tx.register_contract(Text("d")), InvalidAccount),
        (lambda tx: tx.contract(Text("c")).balance_up(1), NotFound),
        (lambda tx: tx.contract("c").alloc(Text("b")), InvalidAccount),
        (lambda tx: tx.contract("c").balance_up(1, memo=Text("memo")), InvalidRequest),
        (lambda tx: tx.mint(Text("USD"), "alice", 1), NotFound),
        (lambda tx: tx.mint("USD", Text("alice"), 1), InvalidAccount),
        (lambda tx: tx.release(Text("hold")), InvalidRequest),
        (lambda tx: tx.contract("c").balance_up(-(10**5000)), InvalidAmount),
        (lambda tx: tx.contract("c").balance_up(10**5000), InvalidAmount),
        (lambda tx: tx.contract("c").dealloc("a", drop_fraction="no"), InvalidRequest),
    ],
)
def test_a_callers_mistake(two: tuple[Ledger, Ledger], call: Callable[[Any], object], verdict: type[Exception]) -> None:
    one, _ = two
    position = one.verify().position
    with pytest.raises(verdict), one.atomic() as tx:
        call(tx)
    assert one.verify().position == position


def test_a_contract_that_is_not_there_has_a_default(two: tuple[Ledger, Ledger]) -> None:
    assert two[0].contracts().get("nobody") is None
    assert two[0].contracts().get("nobody", 7) == 7
    assert two[0].contracts().get("c") == two[0].contract("c")
