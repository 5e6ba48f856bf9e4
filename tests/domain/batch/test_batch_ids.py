"""The ids of a batch's rows: each is used once in a journal, by whatever ledger and token, and only by a row that was done."""

import random
from pathlib import Path
from uuid import UUID

import pytest

from tallystick import CommitTooLarge, DuplicateTransferId, InsufficientFunds, Ledger
from tallystick.infrastructure.commit import group
from tallystick.infrastructure.indexes.runs import sorted_runs
from tests.support.books.batch_book import BatchRow, columns_of, open_funded, verdicts_of


@pytest.mark.parametrize(
    ("ids", "refused"),
    [
        ([10, 11, 12, 13], []),
        ([13, 12, 11, 10], []),
        ([10, 10, 11, 10], [1, 3]),
        ([0, 5, 7, 2**128 - 1], [1, 3]),
        ([2**64 + 5, 5, 2**64, 5 << 64], [1]),
        ([2**127, 2**127 + 1, 3, 2**127], [3]),
        ([1, 7, 2, 6], []),
    ],
)
@pytest.mark.parametrize("operation", ["transfer", "mint", "burn"])
def test_an_id_is_used_once_in_a_journal(ledger: Ledger, operation: str, ids: list[int], refused: list[int]) -> None:
    ledger.mint_many("USD", ["alice", "alice"], [1, 1], ids=[5, 2**128 - 1])
    ledger.mint_many("PLN", ["alice"], [100])
    rows: list[BatchRow] = [("alice", "bob", 1)] * 4 if operation == "transfer" else [("alice", 1)] * 4
    call = getattr(ledger, f"{operation}_many")
    if refused:
        with pytest.raises(DuplicateTransferId) as caught:
            call("PLN", *columns_of(rows), ids=ids)
        assert caught.value.fields == {"id": ids[refused[0]], "row": refused[0]}
    receipt = call("PLN", *columns_of(rows), ids=ids, on_refusal="skip")
    assert verdicts_of(receipt.refused) == [(row, DuplicateTransferId, {"id": ids[row]}) for row in refused]
    again = call("PLN", *columns_of(rows), ids=ids, on_refusal="skip")
    assert again.accepted == 0
    assert again.position == receipt.position == ledger.verify().position


@pytest.mark.parametrize(
    ("ids", "refused"),
    [
        ([1 << 64 | 1, 2, 1 << 64 | 1], [2]),
        ([6, 1 << 64 | 7, 8, 6], [3]),
        ([1 << 64 | 1, 1 << 64 | 2, 1 << 65], []),
        ([7, 6, 5], [2]),
        ([1 << 64, 5], [1]),
        ([6, 6], [1]),
    ],
)
def test_ids_that_begin_above_all_that_were_used(ledger: Ledger, ids: list[int], refused: list[int]) -> None:
    """Only where each is above the one before it need none be searched."""
    ledger.mint_many("PLN", ["alice"], [1], ids=[5])
    receipt = ledger.mint_many("PLN", ["alice"] * len(ids), [1] * len(ids), ids=ids, on_refusal="skip")
    assert [row.index for row in receipt.refused] == refused


def test_ids_below_the_largest_do_not_make_it_smaller(ledger: Ledger) -> None:
    ledger.mint_many("PLN", ["alice"] * 3, [1, 1, 1], ids=[10, 20, 30])
    ledger.mint_many("PLN", ["alice"], [1], ids=[15])
    receipt = ledger.mint_many("PLN", ["alice"] * 3, [1, 1, 1], ids=[20, 25, 30], on_refusal="skip")
    assert [row.index for row in receipt.refused] == [0, 2]


def test_the_id_of_a_row_that_is_refused_stays_free(ledger: Ledger, token: str) -> None:
    ledger.mint_many(token, ["alice"], [10])
    receipt = ledger.transfer_many(token, ["alice"] * 3, ["bob"] * 3, [11, 4, 4], ids=[1, 1, 1], on_refusal="skip")
    assert [(row.index, type(row.reason)) for row in receipt.refused] == [(0, InsufficientFunds), (2, DuplicateTransferId)]
    with pytest.raises(InsufficientFunds):
        ledger.transfer_many(token, ["alice"] * 2, ["bob"] * 2, [1, 6], ids=[2, 3])
    assert ledger.transfer_many(token, ["alice"] * 2, ["bob"] * 2, [1, 1], ids=[3, 2]).accepted == 2


def test_money_that_a_refused_id_does_not_bring_is_not_there(ledger: Ledger, token: str) -> None:
    ledger.mint_many(token, ["alice"], [10], ids=[7])
    receipt = ledger.transfer_many(
        token, ["alice", "bob", "alice"], ["bob", "carol", "bob"], [5, 5, 5], ids=[7, 8, 9], on_refusal="skip"
    )
    assert [type(row.reason) for row in receipt.refused] == [DuplicateTransferId, InsufficientFunds]
    assert ledger.balance(token, "bob").total == 5


@pytest.mark.parametrize(
    "same",
    [
        5 << 64 | 7,
        UUID(int=5 << 64 | 7),
        (5 << 64 | 7).to_bytes(16, "big"),
    ],
)
def test_an_id_is_the_same_in_every_form(ledger: Ledger, same: object) -> None:
    ledger.mint_many("PLN", ["alice", "alice"], [1, 1], ids=[(5 << 64) + 7, 3])
    receipt = ledger.mint_many("PLN", ["bob", "bob"], [1, 1], ids=[same, 9], on_refusal="skip")
    assert verdicts_of(receipt.refused) == [(0, DuplicateTransferId, {"id": 5 << 64 | 7})]


def test_ids_stand_across_ledgers_and_reopening(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with open_funded(path, ["alice"]) as one, Ledger.open(path) as other:
        one.transfer_many("PLN", ["alice"] * 3, ["bob"] * 3, [1, 1, 1], ids=[30, 10, 20])
        with pytest.raises(DuplicateTransferId) as caught:
            other.transfer_many("WEI", ["alice"] * 2, ["bob"] * 2, [1, 1], ids=[15, 20])
        assert caught.value.fields == {"id": 20, "row": 1}
        other.transfer_many("WEI", ["alice"] * 2, ["bob"] * 2, [1, 1], ids=[15, 40])
        receipt = one.burn_many("CENT", ["alice"] * 4, [1] * 4, ids=[15, 16, 40, 50], on_refusal="skip")
        assert [row.index for row in receipt.refused] == [0, 2]
    with Ledger.open(path) as again:
        receipt = again.mint_many("CENT", ["alice"] * 7, [1] * 7, ids=[10, 15, 16, 17, 40, 50, 60], on_refusal="skip")
        assert [row.index for row in receipt.refused] == [0, 1, 2, 4, 5]
        assert again.audit().ok


def test_ids_are_searched_on_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "LONG", 64)
    chance = random.Random(3)
    ids = [chance.getrandbits(128) for _ in range(3_000)]
    with open_funded(tmp_path / "books.db", ["alice"]) as ledger:
        for start in range(0, 3_000, 100):
            assert ledger.mint_many("PLN", ["bob"] * 100, [1] * 100, ids=ids[start : start + 100]).accepted == 100
        used = set(chance.sample(range(3_000), 40))
        asked = [ids[k] if k in used else ids[k] ^ 1 << chance.randrange(128) for k in range(3_000)]
        receipt = ledger.mint_many("PLN", ["bob"] * 3_000, [1] * 3_000, ids=asked, on_refusal="skip")
        assert {row.index for row in receipt.refused} == used


def test_a_commit_that_fails_leaves_its_ids_free(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(group, "COMMIT_BYTES_MAX", 10)
        with pytest.raises(CommitTooLarge):
            ledger.mint_many("PLN", ["alice"] * 2, [1, 1], ids=[2, 1])
    assert ledger.mint_many("PLN", ["alice"] * 2, [1, 1], ids=[1, 2]).accepted == 2
