"""Batches mean their rows one after another: what they move, what they refuse, and how that stands in the journal."""

import random
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import (
    Fragments,
    InsufficientFunds,
    Ledger,
    LedgerClosed,
    SupplyExhausted,
    Token,
    Transactions,
)
from tallystick.domain.batch import carrying as batch_fragmentation
from tallystick.projections.invariants import fragments as fragment_invariants
from tests.support.books.batch_book import (
    CODES,
    BatchRow,
    check_replays,
    columns_of,
    differences,
    first_refusal,
    meaning,
    money,
    one_after_another,
    open_funded,
    verdicts_of,
)
from tests.support.books.behind import queue_of
from tests.support.strategies import ACCOUNTS, CROWD, supply_rows, transfer_rows

NOW = datetime(2030, 1, 1, tzinfo=UTC)
H = 2**62


def resolved(ledger: Ledger, token: str, rows: list[BatchRow]) -> list[BatchRow]:
    """The rows with amounts, where they ask for all that somebody has."""
    return [(*accounts, amount or ledger.balance(token, accounts[0]).available or 1) for *accounts, amount in rows]


@given(
    batches=st.lists(
        st.tuples(st.sampled_from(["transfer", "transfer", "mint", "burn"]), transfer_rows, supply_rows), max_size=5
    )
)
@settings(max_examples=60)
def test_on_a_plain_token_a_batch_is_its_rows_to_the_very_positions(batches: list[Any]) -> None:
    with Ledger.open("memory:", clock=lambda: NOW) as batching, Ledger.open("memory:", clock=lambda: NOW) as single:
        for ledger in (batching, single):
            ledger.register_token(Token("PLN", max_supply=2**63))
            with ledger.atomic() as tx:
                for account in ACCOUNTS:
                    tx.mint("PLN", account, 25_000)
        for operation, transfers, supplies in batches:
            rows = resolved(single, "PLN", transfers if operation == "transfer" else supplies)
            receipt = getattr(batching, f"{operation}_many")("PLN", *columns_of(rows), memo="why", on_refusal="skip")
            assert verdicts_of(receipt.refused) == one_after_another(single, operation, "PLN", rows, None, set(), "why")
        assert batching.replay(Transactions()).state == single.replay(Transactions()).state
        assert batching.verify().position == single.verify().position
        assert batching.balances("PLN") == single.balances("PLN")


@given(
    seed=st.integers(0, 2**32),
    token=st.sampled_from(CODES),
    operation=st.sampled_from(["transfer", "transfer", "mint", "burn"]),
)
@settings(max_examples=40)
def test_hundreds_of_rows_most_of_which_hang_on_others(seed: int, token: str, operation: str) -> None:
    chance = random.Random(seed)
    names = [*CROWD, *(f"account-{k}" for k in range(chance.choice([1, 8, 60])))]
    largest = chance.choice([50, 9_000, 40_000, 2**63 + 5])
    rows: list[BatchRow] = [
        (*chance.sample(names, 2 if operation == "transfer" else 1), chance.randint(1, largest)) for _ in range(300)
    ]
    ids = None if chance.random() < 0.3 else [chance.randrange(3_000) << chance.choice([0, 64]) for _ in rows]
    with open_funded("memory:", ACCOUNTS) as batching, open_funded("memory:", ACCOUNTS) as single:
        batching.mint_many(token, ["zed"], [7], ids=[5])
        one_after_another(single, "mint", token, [("zed", 7)], None, set())
        used = {5}
        refusal = first_refusal(single, operation, token, rows, ids, used)
        if refusal is not None:
            before = money(batching)
            with pytest.raises(refusal[1]) as caught:
                getattr(batching, f"{operation}_many")(token, *columns_of(rows), ids=ids)
            assert caught.value.fields == {**refusal[2], "row": refusal[0]}
            assert differences(batching, before) == []
        receipt = getattr(batching, f"{operation}_many")(token, *columns_of(rows), ids=ids, on_refusal="skip")
        assert verdicts_of(receipt.refused) == one_after_another(single, operation, token, rows, ids, used)
        assert differences(batching, single) == []
        assert meaning(batching) == meaning(single)
        check_replays(batching)
        report = batching.audit()
        assert report.ok, report.findings


# Worked examples.


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ([("alice", "bob", 100)], []),
        ([("alice", "bob", 101)], [0]),
        ([("bob", "carol", 100), ("alice", "bob", 100)], [0]),
        ([("alice", "bob", 100), ("bob", "carol", 100), ("carol", "alice", 100)], []),
        ([("alice", "bob", 60), ("alice", "bob", 60), ("bob", "alice", 60), ("alice", "carol", 100)], [1]),
        ([("alice", "bob", 101), ("bob", "carol", 1), ("alice", "carol", 100)], [0, 1]),
        ([("alice", "alice", 100), ("alice", "alice", 100), ("alice", "alice", 101)], [2]),
        ([("nobody", "nobody", 1)], [0]),
        ([("alice", "bob", H)] * 4, [0, 1, 2, 3]),
        ([("alice", "bob", 2**63 - 1), ("alice", "bob", 2**63 - 1), ("alice", "bob", 2)], [0, 1]),
        ([("alice", "bob", 2**256 - 1), ("alice", "bob", 100), ("bob", "alice", 2**64)], [0, 2]),
        ([("alice", "bob", 100)] + [("bob", "alice", 100), ("alice", "bob", 100)] * 500, []),
    ],
)
def test_transfers_one_after_another(ledger: Ledger, token: str, rows: list[BatchRow], refused: list[int]) -> None:
    ledger.mint_many(token, ["alice"], [100])
    before = ledger.balances(token)
    if refused:
        with pytest.raises(InsufficientFunds) as caught:
            ledger.transfer_many(token, *columns_of(rows))
        assert caught.value.fields["row"] == refused[0]
        assert ledger.balances(token) == before
    receipt = ledger.transfer_many(token, *columns_of(rows), on_refusal="skip")
    assert [row.index for row in receipt.refused] == refused
    assert receipt.accepted == len(rows) - len(refused)
    assert sum(balance.total for balance in ledger.balances(token).values()) == 100
    assert ledger.audit().ok


def test_money_that_wraps_a_machine_integer(ledger: Ledger) -> None:
    """Rows of 2**62 sum to nothing in 64 bits; what goes round is more than any balance."""
    ledger.mint_many("PLN", ["alice", "bob"], [H, H - 1])
    rounds = [("alice", "bob", H), ("bob", "carol", H), ("carol", "alice", H)] * 4
    assert ledger.transfer_many("PLN", *columns_of(rounds)).accepted == 12
    receipt = ledger.transfer_many("PLN", ["bob"] * 5, ["dave"] * 5, [H, H, H, H, H - 1], on_refusal="skip")
    assert [row.index for row in receipt.refused] == [0, 1, 2, 3]
    receipt = ledger.burn_many("PLN", ["alice"] * 4, [H] * 4, on_refusal="skip")
    assert [row.index for row in receipt.refused] == [1, 2, 3]
    check = {account: balance.total for account, balance in ledger.balances("PLN").items()}
    assert check == {"dave": H - 1}
    assert ledger.audit().ok


def test_a_token_widens_in_the_middle_of_batches() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("PLN", max_supply=2**66))
        ledger.mint_many("PLN", ["alice", "bob"], [2**63 - 2, 1])
        ledger.transfer_many("PLN", ["bob"], ["alice"], [1])
        receipt = ledger.mint_many("PLN", ["alice"] * 9, [2**63] * 9, on_refusal="skip")
        assert [row.index for row in receipt.refused] == [7, 8]
        assert receipt.refused[0].reason.fields == {"token": "PLN", "required": 2**63, "reserve": 1}
        assert ledger.transfer_many("PLN", ["alice"] * 2, ["bob"] * 2, [2**65, 2**63]).accepted == 2
        assert ledger.balance("PLN", "bob").total == 2**65 + 2**63
        assert ledger.burn_many("PLN", ["bob"], [2**65]).accepted == 1
        assert ledger.audit().ok


def test_minting_stops_at_the_last_unit(ledger: Ledger) -> None:
    ledger.register_token(Token("FEW", max_supply=10))
    with pytest.raises(SupplyExhausted) as caught:
        ledger.mint_many("FEW", ["a", "b", "c"], [6, 3, 2])
    assert caught.value.fields == {"token": "FEW", "required": 2, "reserve": 1, "row": 2}
    receipt = ledger.mint_many("FEW", ["a", "b", "c", "d", "e"], [6, 3, 2, 1, 1], on_refusal="skip")
    assert [row.index for row in receipt.refused] == [2, 4]
    assert ledger.supply("FEW").reserve == 0
    with pytest.raises(InsufficientFunds) as caught:
        ledger.burn_many("FEW", ["a", "b", "a"], [6, 3, 1])
    assert caught.value.fields == {"token": "FEW", "account": "a", "required": 1, "available": 0, "row": 2}
    assert ledger.burn_many("FEW", ["a", "b", "d"], [6, 3, 1]).accepted == 3
    assert ledger.supply("FEW").reserve == 10


def test_what_is_held_for_others_cannot_be_spent(ledger: Ledger, token: str) -> None:
    ledger.mint_many(token, ["alice"], [100])
    with ledger.atomic() as tx:
        hold = tx.reserve(token, "alice", "bob", 60)
    receipt = ledger.transfer_many(token, ["bob", "alice", "alice"], ["carol"] * 3, [1, 40, 1], on_refusal="skip")
    assert [row.reason.fields["available"] for row in receipt.refused] == [0, 0]
    with ledger.atomic() as tx:
        tx.release(hold)
    assert ledger.transfer_many(token, ["alice"] * 2, ["bob"] * 2, [59, 1]).accepted == 2
    assert ledger.audit().ok


# Fragments.


def test_crowded_holdings_merge_as_they_do_one_by_one() -> None:
    crowding: list[BatchRow] = [("alice", "bob", 1 + k % 3) for k in range(2_200)]
    spending: list[BatchRow] = [("bob", "carol", 1_500), ("bob", "alice", 2_000), ("alice", "bob", 2)]
    with open_funded("memory:", ["alice"]) as batching, open_funded("memory:", ["alice"]) as single:
        for rows, pieces in ((crowding, 1_006), (spending, 151)):
            assert batching.transfer_many("CENT", *columns_of(rows)).accepted == len(rows)
            assert one_after_another(single, "transfer", "CENT", rows, None, set()) == []
            assert differences(batching, single) == []
            assert len(batching.fragments("CENT", "bob")) == pieces
        assert batching.audit().ok


def test_fragments_of_large_amounts_have_ids_of_their_own() -> None:
    """Each row makes some two thousand fragments, which is more than a position has ids."""
    rows: list[BatchRow] = [(*pair, 10**9 + k) for k, pair in enumerate(pairwise(["alice", "bob", "carol"] * 4))]
    with open_funded("memory:") as batching, open_funded("memory:") as single:
        for ledger in (batching, single):
            with ledger.atomic() as tx:
                for account in ("alice", "bob", "carol"):
                    tx.mint("CENT", account, 3 * 10**9 + 7)
        batching.transfer_many("CENT", *columns_of(rows))
        assert one_after_another(single, "transfer", "CENT", rows, None, set()) == []
        with batching.atomic() as tx:
            tx.transfer("CENT", "alice", "bob", 5)
        with single.atomic() as tx:
            tx.transfer("CENT", "alice", "bob", 5)
        batching.burn_many("CENT", ["bob", "carol"], [10**9, 10**9 + 1])
        assert one_after_another(single, "burn", "CENT", [("bob", 10**9), ("carol", 10**9 + 1)], None, set()) == []
        assert differences(batching, single) == []
        ids = [f.id for account in ("alice", "bob", "carol") for f in batching.fragments("CENT", account)]
        assert sorted(ids) == sorted(batching.replay(Fragments()).state)
        report = batching.audit()
        assert report.ok, report.findings


# Nothing.


def test_nothing_is_a_batch_too(ledger: Ledger, token: str) -> None:
    position = ledger.verify().position
    for receipt in (
        ledger.transfer_many(token, [], [], [], ids=[], idempotency_key="k"),
        ledger.mint_many(token, [], [], idempotency_key="k"),
        ledger.burn_many(token, (), (), on_refusal="skip", idempotency_key="k"),
    ):
        assert (receipt.position, receipt.accepted, receipt.refused, receipt.recorded_at) == (position, 0, (), None)
        assert list(receipt.transaction_ids) == []
    assert ledger.handles(token, []).tolist() == []
    assert ledger.verify().position == position


def test_ids_of_fragments_stay_below_the_next_position(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (batch_fragmentation, fragment_invariants):
        monkeypatch.setattr(module, "IDS_PER_EVENT", 2)
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD", unit=1))
        for rows in (1, 2, 3, 5, 8, 40):
            receipt = ledger.mint_many("USD", ["alice"] * rows, [7] * rows)
            receipt = ledger.transfer_many("USD", ["alice"] * rows, ["bob"] * rows, [6] * rows)
            assert max(fragment.id for fragment in ledger.fragments("USD", "bob")) < 2 * (receipt.position + 1)
        assert ledger.audit().ok


def test_the_ledger_is_closed_to_who_was_late(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "books.db")
    ledger.register_token(Token("USD"))
    queue_of(ledger).close()  # as another thread sees it in the middle of closing
    with pytest.raises(LedgerClosed):
        ledger.mint_many("USD", ["alice"], [1], ids=[1])
    ledger.close()


def test_a_library_that_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        assert ledger.mint_many("USD", ["alice"], [1]).accepted == 1
