"""Dust under the name of a contract is swept before it is registered; what is somebody's is not."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    AccountIsFrozen,
    AsyncLedger,
    Conflict,
    ContractAlreadyRegistered,
    InvalidAccount,
    InvalidAmount,
    InvalidRequest,
    Ledger,
    NameInUse,
    NotReversible,
    Token,
    TokenNotFound,
)
from tests.support.books.contract_book import elsewhere

MOST = {"EUR": 5, "CUP": 20}


@pytest.fixture
def dusty(url: str | Path) -> Any:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("EUR"))
        ledger.register_token(Token("CUP", unit=8))
        for account in ("pool", "alice", "keeper"):
            ledger.mint("EUR", account, 3)
        ledger.mint_many("CUP", ["pool", "alice"], [20, 100])
        yield ledger


def sweep(ledger: Ledger, name: str = "pool", **keywords: Any) -> None:
    with ledger.atomic() as tx:
        tx.register_contract(name, **({"sweep_to": "treasury", "at_most": MOST} | keywords))


def given(ledger: Ledger) -> None:
    ledger.transfer("EUR", "pool", "alice", 1)


def given_in_a_batch(ledger: Ledger) -> None:
    ledger.transfer_many("CUP", ["alice", "pool"], ["pool", "alice"], [2, 5])


def burned(ledger: Ledger) -> None:
    ledger.burn("EUR", "pool", 1)


def paid_into_a_hold(ledger: Ledger) -> None:
    ledger.reserve("EUR", "pool", "keeper", 1)


def keeps_a_hold(ledger: Ledger) -> None:
    ledger.reserve("EUR", "alice", "pool", 1)


def kept_a_hold(ledger: Ledger) -> None:
    hold = ledger.reserve("EUR", "alice", "pool", 1).hold_id
    assert hold is not None
    ledger.release(hold)


def allocated(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.register_contract("fund").alloc("pool")


def frozen(ledger: Ledger) -> None:
    ledger.freeze("pool")


def has_more(ledger: Ledger) -> None:
    ledger.mint("EUR", "pool", 3)


def receives_nothing(ledger: Ledger) -> None:
    ledger.freeze("treasury", credits=True)


def registered(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.register_contract("pool", sweep_to="alice", at_most=MOST)


@pytest.mark.parametrize("backed_by", [None, "EUR", "CUP"])
def test_dust_is_swept(dusty: Ledger, backed_by: str | None) -> None:
    with dusty.atomic() as tx:
        pool = tx.register_contract("pool", backed_by, sweep_to="treasury", at_most=MOST)
        if backed_by is not None:
            pool.fund("alice", 2)
    assert [dusty.balance(code, "treasury").total for code in ("EUR", "CUP")] == [3, 20]
    assert dusty.contract("pool").balance == (0 if backed_by is None else 2)
    assert [line.kind for line in dusty.history("EUR", "treasury")] == ["contract"]
    assert sum(fragment.amount for fragment in dusty.fragments("CUP", "treasury")) == 20
    assert tx.receipt is not None
    for transaction in tx.receipt.transaction_ids[:2]:
        with pytest.raises(NotReversible):
            dusty.reverse(transaction=transaction)
    with pytest.raises(NotReversible):
        dusty.reverse(entry=tx.receipt.entry_id)
    assert dusty.audit().ok


@pytest.mark.parametrize(
    ("before", "keywords", "verdict"),
    [
        (given, {}, NameInUse),
        (given_in_a_batch, {}, NameInUse),
        (burned, {}, NameInUse),
        (paid_into_a_hold, {}, NameInUse),
        (keeps_a_hold, {}, NameInUse),
        (kept_a_hold, {}, NameInUse),
        (allocated, {}, NameInUse),
        (frozen, {}, NameInUse),
        (has_more, {}, NameInUse),
        (None, {"at_most": {"EUR": 3}}, NameInUse),
        (None, {"at_most": {"EUR": 3, "CUP": 19}}, NameInUse),
        (None, {"at_most": {}}, NameInUse),
        (None, {"sweep_to": None, "at_most": None}, NameInUse),
        (None, {"sweep_to": None}, InvalidRequest),
        (None, {"at_most": None}, InvalidRequest),
        (None, {"at_most": 5}, InvalidRequest),
        (None, {"at_most": {"EUR": 0}}, InvalidAmount),
        (None, {"at_most": {"EUR": 1.5}}, InvalidAmount),
        (None, {"at_most": {"USD": 1}}, TokenNotFound),
        (None, {"sweep_to": "pool"}, InvalidAccount),
        (None, {"sweep_to": "no body"}, InvalidAccount),
        (receives_nothing, {}, AccountIsFrozen),
        (registered, {}, ContractAlreadyRegistered),
    ],
)
def test_refusals(
    dusty: Ledger, before: Callable[[Ledger], None] | None, keywords: dict[str, Any], verdict: type[Exception]
) -> None:
    if before is not None:
        before(dusty)
    stood = dusty.verify()
    with pytest.raises(verdict):
        sweep(dusty, **keywords)
    assert dusty.verify() == stood


def test_a_name_under_which_nothing_lies_needs_no_sweep(dusty: Ledger) -> None:
    """Even one that gave all it had: as without sweeping."""
    dusty.transfer("EUR", "alice", "bob", 3)
    dusty.burn("CUP", "alice", 100)
    for name in ("alice", "nobody"):
        sweep(dusty, name)
    assert set(dusty.contract_ids()) == {"alice", "nobody"}
    assert dusty.balance("EUR", "treasury").total == 0


def test_what_changes_meanwhile(dusty: Ledger) -> None:
    """More dust is swept too while it is no more than may be; what was given meanwhile was somebody's."""
    with dusty.atomic() as tx:
        tx.register_contract("pool", sweep_to="treasury", at_most=MOST)
        elsewhere(dusty, lambda other: other.mint("EUR", "pool", 2))
    assert dusty.balance("EUR", "treasury").total == 5
    dusty.mint("EUR", "second", 3)
    with pytest.raises(Conflict, match="second"), dusty.atomic() as tx:
        tx.register_contract("second", sweep_to="treasury", at_most=MOST)
        elsewhere(dusty, lambda other: other.transfer("EUR", "second", "bob", 1))
    dusty.mint("EUR", "third", 3)
    with pytest.raises(NameInUse, match="third"), dusty.atomic() as tx:
        tx.register_contract("third", sweep_to="treasury", at_most=MOST)
        elsewhere(dusty, lambda other: other.mint("EUR", "third", 3))
    assert dusty.contract_ids() == ["pool"]
    assert dusty.audit().ok


def test_a_transfer_of_that_memo_is_a_transfer(dusty: Ledger) -> None:
    receipt = dusty.transfer("EUR", "alice", "bob", 1, memo="swept")
    assert dusty.history("EUR", "bob")[-1].kind == "transfer"
    dusty.reverse(entry=receipt.entry_id)


def test_it_is_awaited(url: str | Path) -> None:
    async def case() -> None:
        async with AsyncLedger.open(url) as ledger:
            await ledger.register_token(Token("EUR"))
            await ledger.mint("EUR", "pool", 3)
            async with ledger.atomic() as tx:
                pool = await tx.register_contract("pool", sweep_to="treasury", at_most={"EUR": 3})
                pool.balance_up(7)
                tx.register_contract("other").balance_up(1)
            assert (await ledger.balance("EUR", "treasury")).total == 3
            with pytest.raises(InvalidRequest):
                async with ledger.atomic() as tx:
                    await tx.register_contract("third", sweep_to="treasury")  # type: ignore[call-overload]

    asyncio.run(case())
