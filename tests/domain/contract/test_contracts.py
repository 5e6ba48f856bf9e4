"""Contracts: every operation and refusal, known sequences to the sati-satoshi, backing, and rollback over all models."""

from collections.abc import Callable
from typing import Any

import pytest

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    AccountAlreadyAllocated,
    AccountNotAllocated,
    Allocation,
    AllocationBelowZero,
    AllocationNotZero,
    AllocationsExceedBalance,
    AllocationsSumBelowZero,
    BalanceBelowAllocations,
    BalanceBelowZero,
    ContractAlreadyRegistered,
    ContractIsBacked,
    ContractIsNotBacked,
    ContractNotFound,
    ContractView,
    InsufficientFunds,
    InvalidAccount,
    InvalidAmount,
    InvalidRequest,
    Ledger,
    LedgerError,
    NameInUse,
    NothingAllocated,
    Token,
    TokenNotFound,
)
from tallystick.domain.values.amount import AMOUNT_MAX
from tests.support.books.contract_book import SAT, STAKED, Step, figures, play

THREE: list[Step] = [("balance_up", 10**10), *(step for a in "abc" for step in (("alloc", a), ("shadow_up", a, 1)))]


@pytest.mark.parametrize(
    ("before", "step", "verdict"),
    [
        ([], ("balance_up", 5), (5, 0, 0)),
        ([], ("balance_up", AMOUNT_MAX), (AMOUNT_MAX, 0, 0)),
        ([("balance_up", 1)], ("balance_up", AMOUNT_MAX), InvalidAmount),
        ([], ("balance_down", 1), BalanceBelowZero),
        (STAKED, ("balance_down", 700), (300, 300, 1)),
        (STAKED, ("balance_down", 701), BalanceBelowAllocations),
        (STAKED, ("balance_down", 1000), BalanceBelowAllocations),
        (STAKED, ("balance_down", 1001), BalanceBelowZero),
        ([], ("fund", "alice", 1), ContractIsNotBacked),
        ([], ("defund", "alice", 1), ContractIsNotBacked),
        ([], ("alloc", "alice"), (0, 0, 1)),
        (STAKED, ("alloc", "bob"), (1000, 300, 2)),
        (STAKED, ("alloc", "alice"), AccountAlreadyAllocated),
        ([], ("dealloc", "alice"), AccountNotAllocated),
        ([("alloc", "alice")], ("dealloc", "alice"), (0, 0, 0)),
        (STAKED, ("dealloc", "bob"), AccountNotAllocated),
        (STAKED, ("dealloc", "alice"), AllocationNotZero),
        (STAKED, ("dealloc", "alice", True), AllocationNotZero),
        ([*STAKED, ("shadow_down", "alice", 300)], ("dealloc", "alice"), (1000, 0, 0)),
        ([*STAKED, ("shadow_down", "alice", 300)], ("dealloc", "alice", True), (1000, 0, 0)),
        ([*THREE, ("shadow_down_all", 1)], ("dealloc", "a"), AllocationNotZero),
        ([*THREE, ("shadow_down_all", 1)], ("dealloc", "a", True), (10**10, 2, 2)),
        (
            [*THREE, ("shadow_down_all", 1), ("dealloc", "a", True), ("dealloc", "b", True)],
            ("dealloc", "c", True),
            (10**10, 0, 0),
        ),
        ([], ("shadow_up", "alice", 1), AccountNotAllocated),
        (STAKED, ("shadow_up", "bob", 10_000), AccountNotAllocated),
        (STAKED, ("shadow_up", "alice", 700), (1000, 1000, 1)),
        (STAKED, ("shadow_up", "alice", 701), AllocationsExceedBalance),
        (STAKED, ("shadow_down", "bob", 10_000), AccountNotAllocated),
        (STAKED, ("shadow_down", "alice", 300), (1000, 0, 1)),
        (STAKED, ("shadow_down", "alice", 301), AllocationBelowZero),
        ([*STAKED, ("alloc", "bob")], ("shadow_down", "bob", 301), AllocationBelowZero),
        ([*THREE, ("shadow_down_all", 1)], ("shadow_down", "a", 1), AllocationBelowZero),
        (
            [*THREE, ("shadow_down_all", 1), ("shadow_up_all", 2 * 10**9)]
            + [("shadow_down", account, 666_666_670) for account in "ab"],
            ("shadow_down", "c", 666_666_670),
            AllocationsSumBelowZero,
        ),
        ([], ("shadow_up_all", 0), NothingAllocated),
        ([("balance_up", 5)], ("shadow_up_all", 10), NothingAllocated),
        ([("balance_up", 5), ("alloc", "alice")], ("shadow_up_all", 1), NothingAllocated),
        (STAKED, ("shadow_up_all", 0), (1000, 300, 1)),
        (STAKED, ("shadow_up_all", 700), (1000, 1000, 1)),
        (STAKED, ("shadow_up_all", 701), AllocationsExceedBalance),
        ([], ("shadow_down_all", 0), NothingAllocated),
        ([("alloc", "alice")], ("shadow_down_all", 1), NothingAllocated),
        (STAKED, ("shadow_down_all", 0), (1000, 300, 1)),
        (STAKED, ("shadow_down_all", 300), (1000, 0, 1)),
        (STAKED, ("shadow_down_all", 301), AllocationBelowZero),
        ([*STAKED, ("shadow_down_all", 300)], ("shadow_down_all", 1), NothingAllocated),
        ([], ("balance_up", 0), InvalidAmount),
        ([], ("balance_down", 0), InvalidAmount),
        (STAKED, ("shadow_up", "alice", 0), InvalidAmount),
        (STAKED, ("shadow_down", "alice", 0), InvalidAmount),
        (STAKED, ("shadow_up", "alice", 1.0), InvalidAmount),
        (STAKED, ("shadow_up", "alice", True), InvalidAmount),
        (STAKED, ("shadow_up_all", -1), InvalidAmount),
        (STAKED, ("shadow_up_all", 0.0), InvalidAmount),
        (STAKED, ("shadow_down_all", False), InvalidAmount),
        (STAKED, ("alloc", "two words"), InvalidAccount),
        (STAKED, ("alloc", None), InvalidAccount),
    ],
)
def test_an_operation(pool: Any, ledger: Ledger, before: list[Step], step: Step, verdict: Any) -> None:
    pool(before)
    position, was = ledger.verify().position, (figures(ledger), ledger.contract("pool").allocations())
    if isinstance(verdict, tuple):
        pool([step])
        assert figures(ledger) == verdict
    else:
        with pytest.raises(verdict) as caught:
            pool([step])
        assert type(caught.value) is verdict
        if not issubclass(verdict, InvalidRequest):
            assert caught.value.contract == "pool"
            assert "pool" in str(caught.value)
        assert (figures(ledger), ledger.contract("pool").allocations()) == was
        assert ledger.verify().position == position
    assert ledger.audit().ok


@pytest.mark.parametrize("name", ["balance_up", "alloc", "shadow_up_all"])
def test_a_contract_that_is_not_registered(ledger: Ledger, name: str) -> None:
    for unknown in ("nobody", "USD", None, ["pool"]):
        with pytest.raises(ContractNotFound), ledger.atomic() as tx:
            tx.contract(unknown)  # type: ignore[arg-type]
        with pytest.raises(ContractNotFound):
            ledger.contract(unknown)  # type: ignore[arg-type]
    with pytest.raises(ContractNotFound), ledger.atomic() as tx:
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            pool = tx.register_contract("pool")
            raise ZeroDivisionError
        getattr(pool, name)("alice" if name == "alloc" else 1)


@pytest.mark.parametrize(
    ("id", "backed_by", "verdict"),
    [
        ("fresh", None, None),
        ("fresh", "USD", None),
        ("0x" + "ab" * 32, "WEI", None),
        ("emptied", "USD", None),
        ("USD", "USD", NameInUse),
        ("pool", None, ContractAlreadyRegistered),
        ("pool", "EUR", ContractAlreadyRegistered),
        ("fresh", "EUR", TokenNotFound),
        ("fresh", 7, TokenNotFound),
        ("alice", "EUR", TokenNotFound),
        ("alice", None, NameInUse),
        ("alice", "USD", NameInUse),
        ("spent", "USD", NameInUse),
        ("keeper", None, NameInUse),
        ("TEA", None, NameInUse),
        (TOTAL_SUPPLY_RESERVE, None, InvalidAccount),
        ("two words", None, InvalidAccount),
        ("", None, InvalidAccount),
        (7, None, InvalidAccount),
    ],
)
@pytest.mark.parametrize("together", [False, True], ids=["afterwards", "in one transaction"])
def test_registering(ledger: Ledger, id: Any, backed_by: Any, verdict: type[LedgerError] | None, together: bool) -> None:
    ledger.register_token(Token("TEA", role="settlement"))
    first = ledger.atomic()
    with first as tx:
        tx.register_contract("pool")
        tx.mint("USD", "alice", 5)
        tx.mint("USD", "spent", 5)
        tx.mint("USD", "emptied", 5)
        tx.transfer("USD", "emptied", "alice", 5)
        tx.reserve("USD", "spent", "keeper", 5)
        if together and verdict is None:
            tx.register_contract(id, backed_by)
        elif together:
            with pytest.raises(verdict) as caught:
                tx.register_contract(id, backed_by)
    if not together and verdict is None:
        with ledger.atomic() as tx:
            tx.register_contract(id, backed_by=backed_by)
    elif not together:
        with pytest.raises(verdict) as caught, ledger.atomic() as tx:
            tx.register_contract(id, backed_by=backed_by)
    if verdict is None:
        assert list(ledger.contracts()) == ["pool", id]
        assert ledger.contracts()[id] == ContractView(0, 0, 0, backed_by)
    else:
        assert type(caught.value) is verdict
        assert list(ledger.contracts()) == ["pool"]
    assert ledger.audit().ok


@pytest.mark.parametrize("role", ["external", "settlement"])
def test_a_token_cannot_have_a_contracts_name(ledger: Ledger, role: Any) -> None:
    with ledger.atomic() as tx:
        tx.register_contract("TEA")
    with pytest.raises(NameInUse, match="TEA"):
        ledger.register_token(Token("TEA", role=role))


# Known sequences.


def test_a_known_sequence(pool: Any, ledger: Ledger) -> None:
    def sati(account: str) -> int | None:
        allocation = ledger.contract("pool").allocation(account)
        return None if allocation is None else allocation.sati

    pool([("balance_up", 103_000), ("alloc", "A"), ("shadow_up", "A", 1000), ("shadow_down", "A", 500), ("shadow_up_all", 25)])
    assert (sati("A"), sati("B")) == (525 * SAT, None)
    pool([("shadow_down_all", 100)])
    assert sati("A") == 425 * SAT
    pool([("alloc", "B"), ("shadow_up_all", 100)])
    assert (sati("A"), sati("B")) == (525 * SAT, 0)
    pool([("shadow_down_all", 1)])
    assert sati("A") == 524 * SAT
    pool([("shadow_up", "B", 5), ("shadow_up_all", 100)])
    assert (sati("A"), sati("B")) == (62_305_482_041, 594_517_958)
    assert ledger.contract("pool").allocation("A") == Allocation(62_305_482_041, 623)
    assert figures(ledger) == (103_000, 629, 2)
    assert ledger.audit().ok


def test_one_satoshi_off_all_until_a_quarter_of_it_is_gone(pool: Any, ledger: Ledger) -> None:
    accounts, steps = 2_999, 74_976
    pool([("balance_up", 100 * accounts)])
    pool([step for k in range(accounts) for step in (("alloc", f"a{k}"), ("shadow_up", f"a{k}", 100))])
    for start in range(0, steps, 20_000):
        pool([("shadow_down_all", 1)] * min(20_000, steps - start))
    left = 100 * accounts - steps
    assert figures(ledger) == (100 * accounts, left, accounts)
    assert {allocation.sats for allocation in ledger.contract("pool").allocations().values()} == {75}
    pool([("shadow_down", f"a{k}", 75) for k in range(accounts - 1)])
    assert figures(ledger)[1] == left - 75 * (accounts - 1) < 75
    with pytest.raises(AllocationsSumBelowZero):
        pool([("shadow_down", f"a{accounts - 1}", 75)])
    assert ledger.audit().ok


@pytest.mark.parametrize("bitcoins", [1, 1_844, 1_845, 21_000_000, 10**60])
def test_large_amounts_are_exact(pool: Any, ledger: Ledger, bitcoins: int) -> None:
    total = bitcoins * SAT
    small, large = total // 3, total // 2
    pool([("balance_up", 2 * total), ("alloc", "a"), ("alloc", "b"), ("shadow_up", "a", small), ("shadow_up", "b", large)])
    expected = {"a": small * SAT, "b": large * SAT}
    allocated = small + large
    for step in (total // 7, -total // 11, total - 1, -total // 2):
        pool([("shadow_up_all" if step > 0 else "shadow_down_all", abs(step))])
        sign = 1 if step > 0 else -1
        expected = {account: value + sign * (value * abs(step) // allocated) for account, value in expected.items()}
        allocated += step
    assert {account: a.sati for account, a in ledger.contract("pool").allocations().items()} == expected
    assert ledger.contract("pool").allocs_sum == allocated
    assert ledger.audit().ok


# Contracts that are backed by a token.


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        (("fund", "alice", 200), (700, 100, 1)),
        (("fund", "alice", 501), InsufficientFunds),
        (("fund", "nobody", 1), InsufficientFunds),
        (("fund", "pool", 1), InvalidAccount),
        (("fund", "alice", 0), InvalidAmount),
        (("defund", "bob", 400), (100, 100, 1)),
        (("defund", "bob", 401), BalanceBelowAllocations),
        (("defund", "bob", 501), BalanceBelowZero),
        (("defund", "pool", 1), InvalidAccount),
        (("defund", TOTAL_SUPPLY_RESERVE, 1), InvalidAccount),
        (("balance_up", 1), ContractIsBacked),
        (("balance_down", 1000), ContractIsBacked),
        (("shadow_up_all", 400), (500, 500, 1)),
        (("shadow_up_all", 401), AllocationsExceedBalance),
    ],
)
def test_a_backed_contract(ledger: Ledger, token: str, step: Step, verdict: Any) -> None:
    with ledger.atomic() as tx:
        tx.mint(token, "alice", 1000)
        pool = tx.register_contract("pool", backed_by=token)
        pool.fund("alice", 500, memo="stake")
        play(pool, [("alloc", "bob"), ("shadow_up", "bob", 100)])
    before = figures(ledger), ledger.balances(token)
    if isinstance(verdict, tuple):
        with ledger.atomic() as tx:
            play(tx.contract("pool"), [step])
        assert figures(ledger) == verdict
    else:
        with pytest.raises(verdict) as caught, ledger.atomic() as tx:
            play(tx.contract("pool"), [step])
        assert type(caught.value) is verdict
        assert (figures(ledger), ledger.balances(token)) == before
    assert ledger.balance(token, "pool").available == ledger.state[token]["pool"] == ledger.contract("pool").balance
    assert ledger.history(token, "pool")[0].memo == "stake"
    assert sum(f.amount for f in ledger.fragments(token, "pool")) in (0, ledger.contract("pool").balance)
    assert ledger.audit().ok


@pytest.mark.parametrize(
    "call",
    [
        lambda tx, token: tx.transfer(token, "pool", "alice", 1),
        lambda tx, token: tx.transfer(token, "alice", "pool", 1),
        lambda tx, token: tx.mint(token, "pool", 1),
        lambda tx, token: tx.burn(token, "pool", 1),
        lambda tx, token: tx.reserve(token, "pool", "keeper", 1),
        lambda tx, token: tx.reserve(token, "alice", "pool", 1),
        lambda tx, token: tx.settle(token, "keeper", "pool", 1),
        lambda tx, token: tx.money(token, "alice", 2).split({"bob": 1, "pool": 1}),
        lambda tx, token: tx.money(token, "pool", 1).transfer_to("alice"),
    ],
)
def test_nothing_else_moves_a_contracts_money(ledger: Ledger, token: str, call: Callable[[Any, str], Any]) -> None:
    with ledger.atomic() as tx:
        tx.mint(token, "alice", 1000)
        tx.reserve(token, "alice", "keeper", 5)
        tx.register_contract("pool", backed_by=token).fund("alice", 500)
    before = ledger.balances(token)
    with pytest.raises(InvalidAccount, match="pool"), ledger.atomic() as tx:
        call(tx, token)
    assert ledger.balances(token) == before
