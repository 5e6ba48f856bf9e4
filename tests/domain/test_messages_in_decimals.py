"""What errors say of money is written as people write it, and what programs read of them stays exact."""

import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from tallystick import FixedPriceCurve, Ledger, LedgerError, PlannedContract, Token, TransactionContext

DEPOSIT = 4  # the position of bob's mint


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ids = iter(["hold-1", "hold-2"])
    with Ledger.open("memory:", ids=lambda: next(ids)) as ledger:
        ledger.register_token(Token("USD", decimals=2, max_supply=1_000_00, unit=100_00))
        ledger.register_token(Token("TEA", decimals=3, role="settlement"))
        ledger.register_token(Token("APP", decimals=1, role="app", curve=FixedPriceCurve(20), max_supply=1_000))
        with ledger.atomic() as tx:
            tx.mint("USD", "bob", 5_00)
            tx.mint("TEA", "bob", 10_000)
            tx.reserve("USD", "bob", "shop", 1_00, expires_in=timedelta(days=1))
            tx.app("APP").deposit("bob", 4_000)
        yield ledger


def in_pool(call: Callable[[PlannedContract], None]) -> Callable[[Ledger], None]:
    """The call on a contract with 3.00 USD, of which bob is allocated 1.00."""

    def block(ledger: Ledger) -> None:
        with ledger.atomic() as tx:
            pool = tx.register_contract("pool", backed_by="USD")
            pool.fund("bob", 3_00)
            pool.alloc("bob")
            pool.shadow_up("bob", 1_00)
        with ledger.atomic() as tx:
            call(tx.contract("pool"))

    return block


def told_of_less(ledger: Ledger) -> None:
    def block(tx: TransactionContext) -> None:
        tx.balance("USD", "bob")
        other = Thread(target=ledger.transfer, args=("USD", "bob", "other", 1))
        other.start()
        other.join()
        tx.mint("USD", "bob", 1)

    ledger.run(block, attempts=1)


@pytest.mark.parametrize(
    ("call", "verdict", "fields"),
    [
        (lambda ledger: ledger.transfer("USD", "bob", "a", 7_00), "bob has 4.00 USD to give of the 7.00 required",
         {"required": 7_00, "available": 4_00}),
        (lambda ledger: ledger.burn("TEA", "bob", 7_001), "bob has 6.000 TEA to give of the 7.001 required",
         {"required": 7_001, "available": 6_000}),
        (lambda ledger: ledger.reserve("USD", "no", "shop", 1), "no has 0.00 USD to give of the 0.01 required",
         {"required": 1, "available": 0}),
        (lambda ledger: ledger.settle("USD", "shop", "a", 2_00), "shop has 1.00 USD to give of the 2.00 required",
         {"required": 2_00, "available": 1_00}),
        (lambda ledger: ledger.release("hold-1", 2_00), "shop has 1.00 USD to give of the 2.00 required",
         {"required": 2_00, "available": 1_00}),
        (lambda ledger: ledger.mint("USD", "bob", 996_00), "996.00 USD exceed the 995.00 left in the supply reserve",
         {"required": 996_00, "reserve": 995_00}),
        (lambda ledger: ledger.mint_many("USD", ["bob"], [996_00]), "row 0: 996.00 USD exceed the 995.00 left",
         {"required": 996_00, "reserve": 995_00, "row": 0}),
        (lambda ledger: ledger.transfer_many("USD", ["bob"], ["a"], [7_00]), "row 0: bob has 4.00 USD to give of the 7.00",
         {"required": 7_00, "available": 4_00, "row": 0}),
        (lambda ledger: ledger.app("APP").sell("bob", 5), "bob has 0.0 APP to give of the 0.5 required",
         {"required": 5, "available": 0}),
        (lambda ledger: ledger.app("APP").buy("bob", 6_000), "exceed the 100.0 left", {"reserve": 1_000}),
        (lambda ledger: ledger.app("APP").buy("bob", 10, at_least=900), "is 0.5 APP, and less than 90.0", {}),
        (lambda ledger: ledger.app("APP").refund("bob", 4_001), "has 4.000 TEA to give of the 4.001 required",
         {"required": 4_001}),
        (lambda ledger: ledger.reverse(transaction=DEPOSIT, amount=5_01), "5.01 of transaction 4 cannot be taken back: 5.00 is",
         {"amount": 5_01, "left": 5_00}),
        (in_pool(lambda pool: pool.shadow_up("bob", 2_01)), "2.01 more than the 1.00 allocated exceed the balance of 3.00",
         {"amount": 2_01, "allocs_sum": 1_00, "balance": 3_00}),
        (in_pool(lambda pool: pool.shadow_up_all(2_01)), "2.01 more than the 1.00 allocated exceed the balance of 3.00",
         {"amount": 2_01}),
        (in_pool(lambda pool: pool.shadow_down("bob", 1_01)), "1.01 cannot leave the shadow space of contract 'pool': "
         "the allocation of bob is 1.0000000000", {"amount": 1_01}),
        (in_pool(lambda pool: pool.shadow_down_all(1_01)), "1.01 cannot leave the shadow space of contract 'pool': "
         "all allocations sum to 1.00", {"amount": 1_01}),
        (in_pool(lambda pool: pool.defund("bob", 2_01)), "2.01 off the balance of 3.00 of contract 'pool' would not leave",
         {"amount": 2_01, "balance": 3_00, "allocs_sum": 1_00}),
        (in_pool(lambda pool: pool.defund("bob", 3_01)), "3.01 exceeds the balance of 3.00 of contract 'pool'",
         {"amount": 3_01, "balance": 3_00}),
        (told_of_less, "(available, reserved) was told to this transaction as (4.00, 0.00) and is now (3.99, 0.00)",
         {"told": (4_00, 0), "now": (3_99, 0)}),
    ],
)  # fmt: skip
def test_messages_have_decimals_and_fields_smallest_units(
    ledger: Ledger, call: Callable[[Ledger], Any], verdict: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(LedgerError) as caught:
        call(ledger)
    error = caught.value
    assert verdict in str(error)
    assert {name: error.fields[name] for name in fields} == fields
    assert "decimals" not in error.fields
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.fields, copy.decimals) == (str(error), error.fields, error.decimals)


@pytest.mark.parametrize(
    ("block", "verdict", "remainder"),
    [
        (lambda tx: tx.money("USD", "bob", 3_00).slice(1_00).transfer_to("a"), "2.00 USD of the money taken from bob", 2_00),
        (lambda tx: tx.money("USD", "bob", 3_00).slice(3_00), "a slice of 3.00 USD of bob was not consumed", 3_00),
    ],
)
def test_money_that_is_left(ledger: Ledger, block: Callable[[TransactionContext], Any], verdict: str, remainder: int) -> None:
    with pytest.raises(LedgerError) as caught, ledger.atomic() as tx:
        block(tx)
    assert verdict in str(caught.value)
    assert caught.value.fields["remainder"] == remainder


def test_a_slice_too_large(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match=r"4\.00 USD cannot be sliced from the 3\.00 remaining"), ledger.atomic() as tx:
        tx.money("USD", "bob", 3_00).slice(4_00)


def test_a_refused_row_says_the_same(ledger: Ledger) -> None:
    receipt = ledger.transfer_many("USD", ["bob"], ["a"], [7_00], on_refusal="skip")
    reason = receipt.refused[0].reason
    assert str(reason) == "bob has 4.00 USD to give of the 7.00 required"
    assert str(reason.at_row(5)) == "row 5: bob has 4.00 USD to give of the 7.00 required"
    assert reason.at_row(5).decimals == 2
