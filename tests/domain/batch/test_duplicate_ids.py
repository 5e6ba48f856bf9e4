"""An id of a row that was used: where it stands, and whether that says the same; also of ids that are text."""

import copy
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tallystick import DuplicateTransferId, Ledger, LedgerClosed
from tallystick.infrastructure.ledger.rows import first_uses
from tests.support.books.batch_book import open_funded

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [NEW_YEAR, NEW_YEAR + timedelta(days=1)]
PEOPLE = ("alice", "bob", "carol")


@pytest.fixture
def funded(url: str | Path) -> Iterator[Ledger]:
    with open_funded(url, PEOPLE) as ledger:
        yield ledger


@pytest.fixture
def one() -> Iterator[Ledger]:
    """One store is enough where none is asked."""
    with open_funded("memory:", PEOPLE) as ledger:
        yield ledger


def transfer(ledger: Ledger, rows: int, **notes: Any) -> Any:
    return ledger.transfer_many("PLN", ["alice"] * rows, ["bob"] * rows, list(range(1, rows + 1)), **notes)


def test_a_text_id_is_the_first_half_of_its_hash(one: Ledger) -> None:
    transfer(one, 2, ids=["order 7", "ø"])
    for text in ("order 7", "ø"):
        half = sha256(b"tallystick-id:" + text.encode()).digest()[:16]
        for id in (half, int.from_bytes(half, "big")):
            with pytest.raises(DuplicateTransferId) as caught:
                transfer(one, 1, ids=[id])
            assert not caught.value.same


SAYING: dict[str, Any] = {"memo": "m", "occurred_at": [NEW_YEAR], "references": ["r"]}
DIFFERENT: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"memo": ["m"]}, True),
    ({"occurred_at": NEW_YEAR, "references": "r"}, True),
    ({"memo": "n"}, False),
    ({"occurred_at": DAYS[1:2]}, False),
    ({"occurred_at": None}, False),
    ({"references": ["s"]}, False),
    ({"references": None}, False),
    ({"amounts": [2]}, False),
    ({"senders": ["bob"]}, False),
    ({"receivers": ["carol"]}, False),
]


@pytest.mark.parametrize(("change", "same"), DIFFERENT)
@pytest.mark.parametrize("id", ["order 7", 7])
def test_a_duplicate_id_says_where_it_stands(funded: Ledger, id: Any, change: dict[str, Any], same: bool) -> None:
    row: dict[str, Any] = {"senders": ["alice"], "receivers": ["bob"], "amounts": [1], "ids": [id], **SAYING}
    transfer(funded, 3, ids=[1, 2, 3])
    first = funded.transfer_many("PLN", **row).transaction_ids[0]
    for on_refusal in ("abort", "skip"):
        errors: list[Any] = []
        try:
            receipt = funded.transfer_many("PLN", **{**row, **change}, on_refusal=on_refusal)
            errors += [refused.reason for refused in receipt.refused]
        except DuplicateTransferId as error:
            errors.append(error)
        (error,) = errors
        assert (error.id, error.first_row, error.position, error.same) == (id, None, first, same)


def test_a_duplicate_id_of_another_token_or_kind_does_not_say_the_same(one: Ledger) -> None:
    one.mint_many("PLN", ["alice"], [1], ids=["x"])
    for call in (
        lambda: one.mint_many("WEI", ["alice"], [1], ids=["x"]),
        lambda: one.burn_many("PLN", ["alice"], [1], ids=["x"]),
    ):
        with pytest.raises(DuplicateTransferId) as caught:
            call()
        assert (caught.value.position, caught.value.same) == (one.verify().position, False)


def test_a_duplicate_within_a_batch_says_its_row(one: Ledger) -> None:
    rows = {"senders": ["alice"] * 4, "receivers": ["bob"] * 4, "amounts": [10**6, 5, 5, 6], "ids": ["a", "b", "b", "b"]}
    with pytest.raises(DuplicateTransferId) as caught:
        one.transfer_many("PLN", **{**rows, "amounts": [1, 5, 5, 6]})
    assert (caught.value.fields, caught.value.first_row) == ({"id": "b", "row": 2}, 1)
    assert (caught.value.position, caught.value.same) == (None, True)
    receipt = one.transfer_many("PLN", **rows, on_refusal="skip")
    found = [(row.reason.first_row, row.reason.position, row.reason.same) for row in receipt.refused[1:]]
    (first,) = receipt.transaction_ids
    assert found == [(1, first, True), (1, first, False)]


def test_thousands_of_duplicates_read_the_journal_once(one: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"id {row}" for row in range(3_000)]
    first = one.mint_many("PLN", ["alice"] * 3_000, [1] * 3_000, ids=ids).transaction_ids[0]
    reads: list[Any] = []
    rows_after: Callable[..., Any] = first_uses.rows_after
    monkeypatch.setattr(first_uses, "rows_after", lambda *given: (reads.append(given), rows_after(*given))[1])
    receipt = one.mint_many("PLN", ["alice"] * 3_000, [1] * 2_999 + [2], ids=ids, on_refusal="skip")
    assert reads == []
    found = [(row.reason.position, row.reason.same) for row in receipt.refused]
    assert found == [(first + row, row < 2_999) for row in range(3_000)]
    assert len(reads) == 1


def test_a_duplicate_that_is_sent_elsewhere_or_asked_too_late() -> None:
    ledger = open_funded("memory:", PEOPLE)
    transfer(ledger, 1, ids=["x"])
    with pytest.raises(DuplicateTransferId) as caught, ledger:
        transfer(ledger, 1, ids=["x"])
    with pytest.raises(LedgerClosed):
        _ = caught.value.position
    late = pickle.loads(pickle.dumps(caught.value))
    assert (late.fields, late.position, late.same) == ({"id": "x", "row": 0}, None, False)
    with open_funded("memory:", PEOPLE) as another:
        position = transfer(another, 1, ids=["x"]).transaction_ids[0]
        with pytest.raises(DuplicateTransferId) as caught:
            transfer(another, 1, ids=["x"])
        sent = [pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)]
    assert [(error.position, error.same) for error in sent] == [(position, True)] * 2
