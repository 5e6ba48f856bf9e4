"""What the journal says of a batch: receipts, keys, transactions and history."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick import (
    DuplicateIdempotencyKey,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidPosition,
    Ledger,
    Token,
    TransactionNotFound,
    Transactions,
)
from tests.support.books.batch_book import BatchRow, columns_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ROWS: list[BatchRow] = [("alice", "bob", 5), ("alice", "bob", 900), ("bob", "bob", 3), ("bob", "carol", 2), ("zed", "bob", 1)]

# Receipts and keys.


def test_a_receipt(url: str | Path) -> None:
    with Ledger.open(url, clock=lambda: NOW) as ledger:
        ledger.register_token(Token("PLN"))
        first = ledger.mint_many("PLN", ["alice", "bob"], [10, 20])
        assert (first.position, first.accepted, first.refused, first.recorded_at) == (3, 2, (), NOW)
        assert list(first.transaction_ids) == [2, 3]
        second = ledger.transfer_many("PLN", *columns_of(ROWS), on_refusal="skip")
        assert (second.position, second.accepted, [row.index for row in second.refused]) == (6, 3, [1, 4])
        assert list(second.transaction_ids) == [4, 5, 6]
        assert str(second.refused[0].reason) == "alice has 5 PLN to give of the 900 required"
        index, reason = second.refused[1]
        assert (index, reason.fields["account"]) == (4, "zed")
        nothing = ledger.burn_many("PLN", ["zed"], [1], on_refusal="skip")
        assert (nothing.position, nothing.accepted, nothing.recorded_at, len(nothing.refused)) == (6, 0, None, 1)


def test_a_receipt_of_fragments(ledger: Ledger) -> None:
    """The events by which fragments carry a batch have positions after its rows', and are no transactions."""
    first = ledger.mint_many("USD", ["alice", "bob"], [500_00, 1])
    ids = list(first.transaction_ids)
    assert ids[1] == ids[0] + 1 < first.position == ledger.verify().position
    second = ledger.transfer_many("USD", ["alice"] * 3, ["bob", "carol", "alice"], [120_00, 1, 1])
    assert list(second.transaction_ids) == [first.position + 1, first.position + 2, first.position + 3]
    assert second.position == ledger.verify().position > first.position + 3
    for receipt in (first, second):
        for position in range(receipt.transaction_ids[-1] + 1, receipt.position + 1):
            with pytest.raises(TransactionNotFound):
                ledger.transaction(position)
    assert [ledger.transaction(id).receiver for id in second.transaction_ids] == ["bob", "carol", "alice"]


@pytest.mark.parametrize("again", ["transfer_many", "mint_many", "burn_many", "atomic"])
def test_a_key_is_used_once(ledger: Ledger, token: str, url: str | Path, again: str) -> None:
    receipt = ledger.mint_many(token, ["alice", "bob"], [5, 6], idempotency_key="key")

    def repeat(ledger: Ledger) -> None:
        if again == "atomic":
            with ledger.atomic("key"):
                raise AssertionError
        columns = [["alice"]] * (2 if again == "transfer_many" else 1)
        getattr(ledger, again)(token, *columns, [1], idempotency_key="key")

    ledgers = [ledger] if isinstance(url, str) else [ledger, Ledger.open(url)]
    for each in ledgers:
        with pytest.raises(DuplicateIdempotencyKey) as caught:
            repeat(each)
        first = caught.value.receipt
        assert (first.position, first.recorded_at, first.hold_ids) == (receipt.position, receipt.recorded_at, ())
        assert list(first.transaction_ids) == list(receipt.transaction_ids)
        assert each.supply(token).circulating == 11
    for other in ledgers[1:]:
        other.close()


def test_a_used_key_is_told_before_anything_is_read(ledger: Ledger) -> None:
    """As on entering a block: the caller repeats itself, whatever became of the tokens and accounts since."""
    ledger.mint_many("PLN", ["alice"], [5], idempotency_key="key")
    with pytest.raises(DuplicateIdempotencyKey):
        ledger.transfer_many("XXX", ["a b"], [None], [0], idempotency_key="key")


def test_a_key_of_a_transaction_is_no_batchs(ledger: Ledger, token: str) -> None:
    with ledger.atomic("key", request={"a": 1}) as tx:
        tx.mint(token, "alice", 5)
    with pytest.raises(DuplicateIdempotencyKey) as caught:
        ledger.mint_many(token, ["alice"], [1], idempotency_key="key")
    assert caught.value.receipt == tx.receipt
    with pytest.raises(IdempotencyMismatch), ledger.atomic("key", request={"a": 2}):
        pass


def test_a_batch_that_does_nothing_leaves_its_key_free(ledger: Ledger, token: str) -> None:
    with pytest.raises(InsufficientFunds):
        ledger.burn_many(token, ["alice"], [1], idempotency_key="key")
    assert ledger.burn_many(token, ["alice"], [1], idempotency_key="key", on_refusal="skip").accepted == 0
    assert ledger.mint_many(token, ["alice"], [1], idempotency_key="key").accepted == 1
    with pytest.raises(DuplicateIdempotencyKey):
        ledger.mint_many(token, [], [], idempotency_key="key")


# Transactions and history.


@pytest.fixture
def told(ledger: Ledger, token: str) -> tuple[Ledger, list[Any]]:
    """A ledger with batches and transactions in turn, and all its transactions in this token."""
    other = "PLN" if token != "PLN" else "USD"
    for turn in range(3):
        ledger.mint_many(token, ["alice", "bob"], [10, 5], memo=f"batch {turn}")
        ledger.mint_many(other, ["carol", "alice"], [10, 5])
        with ledger.atomic() as tx:
            tx.transfer(token, "alice", "carol", 1, memo="between")
            tx.reserve(token, "bob", "court", 1)
        ledger.transfer_many(token, *columns_of(ROWS), on_refusal="skip", memo='"Many",')
        ledger.burn_many(token, ["carol", "nobody", "alice"], [1, 5, 1], on_refusal="skip")
    everything = ledger.replay(Transactions()).state.values()
    return ledger, [transaction for transaction in everything if transaction.token == token]


def test_transactions_of_rows(told: tuple[Ledger, list[Any]]) -> None:
    ledger, everything = told
    assert len(everything) == 3 * (2 + 2 + 3 + 2)
    for transaction in everything:
        told = ledger.transaction(transaction.id)
        assert msgspec.structs.replace(told, entry_id=None, kind=None) == transaction
        assert ledger.transaction(told.entry_id).entry_id == told.entry_id <= told.id  # type: ignore[arg-type, operator]
        assert all(type(amount) is int for amount in (transaction.burned_amount, transaction.minted_amount, transaction.id))
    sender, receiver = [(t.sender, t.receiver) for t in everything if t.memo == '"Many",'][1]
    assert (sender, receiver) == ("bob", "bob")


@pytest.mark.parametrize("account", ["alice", "bob", "carol", "court", "zed", "nobody"])
def test_history_of_rows(told: tuple[Ledger, list[Any]], token: str, account: str) -> None:
    ledger, everything = told
    expected = [t.id for t in everything if account in (t.sender, t.receiver)]
    lines = list(ledger.history(token, account))
    assert [line.transaction_id for line in lines] == expected
    for after in range(ledger.verify().position + 1):
        later = [line for line in lines if line.position > after]
        assert list(ledger.history(token, account, after=after)) == later
        page = list(ledger.history(token, account, after=after, limit=2))
        assert page == later[: len(page)]
        assert len(page) >= min(2, len(later))
    with pytest.raises(InvalidPosition):
        ledger.history(token, account, after=-1)


def test_rows_that_another_ledger_wrote(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as one, Ledger.open(path) as other:
        one.register_token(Token("PLN"))
        receipt = one.mint_many("PLN", ["bob", "alice"], [1, 2])
        assert other.transaction(receipt.transaction_ids[1]).receiver == "alice"
        receipt = one.transfer_many("PLN", ["alice"], ["zoe"], [2])
        assert [t.position for t in other.history("PLN", "zoe")] == list(receipt.transaction_ids)


def test_names_that_look_like_a_batch(ledger: Ledger) -> None:
    """Rows are searched for the tag of a batch, which may be a name's end too."""
    ledger.register_token(Token("Many"))
    with ledger.atomic() as tx:
        tx.mint("Many", "HowMany", 5)
        tx.transfer("Many", "HowMany", "Many", 2)
    ledger.transfer_many("Many", ["HowMany"], ["Many"], [1])
    assert [line.change for line in ledger.history("Many", "Many")] == [2, 1]
    assert ledger.audit().ok
