"""Contracts in transactions: others coming in between, savepoints and rollback over all models, and reading them."""

from collections.abc import Callable
from typing import Any

import pytest

from tallystick import (
    Allocation,
    AllocationsExceedBalance,
    BalanceBelowZero,
    Conflict,
    ContractNotFound,
    ContractView,
    InvalidAccount,
    Ledger,
    ShadowSpaces,
    TransactionClosed,
)
from tests.support.books.contract_book import SAT, STAKED, elsewhere, figures, play


def test_a_movement_planned_before_the_contract_was_there_is_refused(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 5)
    with pytest.raises(InvalidAccount, match="pool"), ledger.atomic() as tx:
        tx.transfer("USD", "alice", "pool", 5)
        elsewhere(ledger, lambda other: other.register_contract("pool", backed_by="USD"))
    assert ledger.balance("USD", "alice").total == 5
    assert ledger.audit().ok


def test_what_the_block_was_told_must_still_be_so(pool: Any, ledger: Ledger) -> None:
    pool(STAKED)
    readings: list[Callable[[Any], Any]] = [
        lambda contract: contract.balance,
        lambda contract: contract.allocs_sum,
        lambda contract: contract.num_allocs,
        lambda contract: contract.allocation("alice"),
        lambda contract: contract.allocation("bob"),
    ]
    for reading in readings:
        with ledger.atomic() as tx:
            reading(tx.contract("pool"))
            tx.contract("pool").balance_up(1)
    for reading in readings:
        with pytest.raises(Conflict, match="pool"), ledger.atomic() as tx:
            reading(tx.contract("pool"))
            elsewhere(ledger, lambda other: other.contract("pool").shadow_up_all(1))
            elsewhere(ledger, lambda other: play(other.contract("pool"), [("alloc", "bob"), ("shadow_up", "bob", 1)]))
            tx.contract("pool").balance_up(1)
        pool([("shadow_down", "bob", 1), ("dealloc", "bob", True)])


def test_steps_are_executed_on_the_newest_state(pool: Any, ledger: Ledger) -> None:
    pool(STAKED)
    with ledger.atomic() as tx:
        contract = tx.contract("pool")
        contract.shadow_up_all(100)
        elsewhere(ledger, lambda other: play(other.contract("pool"), [("alloc", "bob"), ("shadow_up", "bob", 100)]))
        contract.shadow_down("alice", 50)
        with pytest.raises(AllocationsExceedBalance):
            contract.shadow_up("alice", 600)
    assert figures(ledger) == (1000, 450, 2)
    assert {a: s.sati for a, s in ledger.contract("pool").allocations().items()} == {"alice": 325 * SAT, "bob": 125 * SAT}


def test_what_was_undone_stays_undone_when_others_come_in_between(pool: Any, ledger: Ledger) -> None:
    pool(STAKED)
    with ledger.atomic() as tx:
        contract = tx.contract("pool")
        contract.shadow_up_all(100)
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            contract.shadow_down("alice", 100)
            contract.alloc("carol")
            raise ZeroDivisionError
        elsewhere(ledger, lambda other: other.contract("pool").shadow_up("alice", 100))
        assert contract.allocation("alice") == Allocation(500 * SAT, 500)
        assert contract.allocation("carol") is None
    assert figures(ledger) == (1000, 500, 1)


def test_savepoints_and_rollback_over_all_models(ledger: Ledger) -> None:
    def everything(tx: Any, contract: Any) -> str:
        tx.mint("PLN", "bob", 7)
        tx.money("USD", "alice", 100_00).split({"bob": 1, "carol": 2})
        hold = tx.reserve("USD", "bob", "keeper", 5)
        contract.fund("alice", 10)
        contract.shadow_up("alice", 20)
        contract.shadow_up_all(7)
        contract.alloc("bob")
        contract.shadow_down_all(3)
        tx.register_contract("another").balance_up(1)
        return hold

    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 1_000_00)
        pool = tx.register_contract("pool", backed_by="USD")
        play(pool, [("fund", "alice", 300), ("alloc", "alice"), ("shadow_up", "alice", 100)])

    def state() -> Any:
        codes = ("PLN", "USD")
        return (
            [ledger.balances(code) for code in codes],
            [ledger.fragments("USD", account) for account in ("alice", "bob", "pool")],
            {id: (view, view.allocations()) for id, view in ledger.contracts().items()},
            ledger.holds("USD", "keeper"),
        )

    before, position = state(), ledger.verify().position
    with ledger.atomic() as tx:  # the last execution, and then all
        pool = tx.contract("pool")
        everything(tx, pool)
        with pytest.raises(BalanceBelowZero), tx.savepoint():
            tx.mint("PLN", "bob", 1)
            pool.shadow_up_all(1)
            pool.dealloc("bob")
            pool.defund("alice", 10**9)
        assert (pool.balance, pool.allocs_sum, pool.num_allocs) == (310, 124, 2)
        assert pool.allocation("bob") == Allocation(0, 0)
        tx.rollback()
        assert (pool.balance, pool.allocs_sum, pool.num_allocs) == (300, 100, 1)
        with pytest.raises(ContractNotFound):
            tx.contract("another")
    assert (state(), ledger.verify().position) == (before, position)
    with pytest.raises(AllocationsExceedBalance), ledger.atomic() as tx:  # refused at its end, after all was executed
        everything(tx, tx.contract("pool"))
        elsewhere(ledger, lambda other: other.contract("pool").shadow_up_all(200))
    with ledger.atomic() as tx:
        tx.contract("pool").shadow_down_all(200)
    assert state()[:2] == before[:2]
    assert state()[2:] == before[2:]
    assert ledger.audit().ok


def test_a_contract_is_used_in_its_block_alone(pool: Any, ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        contract = tx.contract("pool")
    for use in (lambda: contract.balance_up(1), lambda: contract.balance, lambda: contract.allocation("alice")):
        with pytest.raises(TransactionClosed):
            use()
    with pytest.raises(TransactionClosed):
        tx.contract("pool")


# Reading.


def test_reading(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        for id, amount in (("one", 100), ("two", 200)):
            contract = tx.register_contract(id)
            play(contract, [("balance_up", 1000), ("alloc", "alice"), ("shadow_up", "alice", amount), ("alloc", id)])
    assert list(ledger.contracts()) == ["one", "two"]
    assert len(ledger.contracts()) == 2
    assert dict(ledger.contracts()) == {
        id: ContractView(1000, amount, 2, None, id) for id, amount in (("one", 100), ("two", 200))
    }
    assert "three" not in ledger.contracts()
    assert ledger.contract("one").allocation("bob") is None
    found = ledger.allocations_of("alice")
    assert found == {"one": Allocation(100 * SAT, 100), "two": Allocation(200 * SAT, 200)}
    assert (found.sati, found.sats) == (300 * SAT, 300)
    assert ledger.allocations_of("nobody") == {}
    with ledger.atomic() as tx:
        play(tx.contract("one"), [("shadow_up_all", 50), ("dealloc", "one")])
        play(tx.contract("two"), [("shadow_down_all", 200), ("dealloc", "alice")])
    assert ledger.allocations_of("alice") == {"one": Allocation(150 * SAT, 150)}
    assert ledger.allocations_of("two") == {"two": Allocation(0, 0)}
    state = ledger.replay(ShadowSpaces()).state
    assert state["one"] == {"balance": 1000, "allocs_sum": 150, "num_allocs": 1, "allocations": {"alice": 150 * SAT}}
    assert state["two"] == {"balance": 1000, "allocs_sum": 0, "num_allocs": 1, "allocations": {"two": 0}}
