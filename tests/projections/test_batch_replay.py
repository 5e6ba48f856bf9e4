"""Replays of batches: by columns as row by row, up to any row, and whatever the sums."""

import copy
from itertools import pairwise
from typing import Any

import pytest

from tallystick import Balances, Fragments, Ledger, SupplyReserves, Transactions
from tests.support.books.batch_book import CODES, RowByRow, check_replays, open_funded

H = 2**62
CHAIN = ["alice", "bob", "carol", "new", "newer", "alice"]


def told(ledger: Ledger) -> None:
    """Batches of all kinds and tokens, ordinary transactions before, between and after them."""
    for code in CODES:
        ledger.mint_many(code, ["alice", "bob", "first"], [2_500, 7, 1])
        with ledger.atomic() as tx:
            tx.reserve(code, "alice", "court", 30)
        ledger.transfer_many(code, CHAIN[:-1], CHAIN[1:], [900, 901, 20, 19, 18])
        ledger.burn_many(code, ["bob", "carol", "alice"], [3, 1, 4])
        with ledger.atomic() as tx:
            tx.transfer(code, "alice", "bob", 6)


@pytest.fixture
def full() -> Ledger:
    ledger = open_funded("memory:", ["alice"])
    told(ledger)
    return ledger


@pytest.mark.parametrize("kind", [Balances, SupplyReserves, Transactions, Fragments])
def test_up_to_every_position(full: Ledger, kind: Any) -> None:
    states: dict[int, Any] = {0: copy.deepcopy(kind().state)}
    full.replay(RowByRow(kind(), lambda position, projection: states.update({position: copy.deepcopy(projection.state)})))
    head = full.verify().position
    assert list(states) == list(range(head + 1))
    for upto in range(head + 1):
        assert full.replay(kind(), upto=upto).state == states[upto]
        assert full.replay(RowByRow(kind()), upto=upto).state == states[upto]
    states_of_rows = [states[position] for position in range(head + 1)]
    assert kind not in (Balances, Transactions) or sum(one != other for one, other in pairwise(states_of_rows)) > head // 2


def test_a_replay_gives_every_row_once(full: Ledger) -> None:
    """A projection without a rule for columns is given events it knows, at positions that only rise."""
    given: list[tuple[int, str]] = []

    class Noted:
        name, version, state = "noted", 1, given

        def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
            given.append((position, type(event).__name__))

    full.replay(Noted())
    assert not [kind for _, kind in given if kind.endswith("Many")]
    movements = [position for position, kind in given if kind in ("Minted", "Moved", "Burned", "Reserved")]
    assert movements == list(full.replay(Transactions()).state)
    assert [position for position, _ in given] == sorted(position for position, _ in given)


def test_fragments_are_those_of_the_books(full: Ledger) -> None:
    expected = {
        fragment.id: [fragment.token, fragment.owner, fragment.amount, fragment.hold]
        for account in {*CHAIN, "first", "court"}
        for fragment in full.fragments("CENT", account)
    }
    assert full.replay(Fragments()).state == full.replay(RowByRow(Fragments())).state == expected


@pytest.mark.parametrize(
    "batches",
    [
        [[H] * 4],
        [[H], [H], [H], [H]],
        [[H, H - 1], [1, 1], [H]],
        [[2**63 - 1], [2**63 - 1]],
        [[2**63], [5], [2**64]],
        [[1], [2**255], [H, H, H], [3]],
    ],
)
def test_sums_that_no_machine_integer_holds(batches: list[list[int]]) -> None:
    with open_funded("memory:") as ledger:
        for amounts in batches:
            ledger.mint_many("WEI", ["alice"] * len(amounts), amounts)
            check_replays(ledger)
        for amounts in batches:
            ledger.transfer_many("WEI", ["alice"] * len(amounts), ["bob"] * len(amounts), amounts)
            check_replays(ledger)
        assert ledger.balance("WEI", "bob").total == sum(map(sum, batches))
        reserve = ledger.supply("WEI").reserve
        assert ledger.replay(SupplyReserves()).state["WEI"] == reserve == 2**256 - 1 - sum(map(sum, batches))
        assert ledger.audit().ok
