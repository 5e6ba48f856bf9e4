"""Rows of batches whose accounts are frozen are refused alone, or name the row, and move nothing meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest

from tallystick import AccountIsFrozen, DuplicateTransferId, InsufficientFunds, Ledger, SupplyExhausted, Token
from tallystick.domain.memory import freezes
from tests.support.books.app_book import do

Rows = list[tuple[Any, ...]]
CREDITS = {"debits": False, "credits": True}


@pytest.fixture
def funded(ledger: Ledger, token: str) -> Ledger:
    """Alice, Bob and Carol have 100 each."""
    do(ledger, *[lambda tx, account=account: tx.mint(token, account, 100) for account in ("alice", "bob", "carol")])
    return ledger


CASES: list[tuple[str, list[tuple[str, dict[str, bool]]], str, Rows, list[tuple[int, type]]]] = [
    ("a giver", [("alice", {})], "transfer", [("alice", "bob", 5), ("bob", "alice", 5)], [(0, AccountIsFrozen)]),
    ("a taker", [("alice", CREDITS)], "transfer", [("alice", "bob", 5), ("bob", "alice", 5)], [(1, AccountIsFrozen)]),
    (
        "both ways",
        [("alice", {"credits": True})],
        "transfer",
        [("alice", "bob", 5), ("bob", "alice", 5), ("bob", "carol", 5)],
        [(0, AccountIsFrozen), (1, AccountIsFrozen)],
    ),
    ("a mint", [("alice", CREDITS)], "mint", [("alice", 5), ("bob", 5)], [(0, AccountIsFrozen)]),
    ("a mint to who may get", [("alice", {})], "mint", [("alice", 5), ("bob", 5)], []),
    ("a burn", [("alice", {})], "burn", [("bob", 5), ("alice", 5)], [(1, AccountIsFrozen)]),
    ("a burn of who may give", [("alice", CREDITS)], "burn", [("bob", 5), ("alice", 5)], []),
    (
        "whose money is not taken, nor theirs who would get it",
        [("alice", {})],
        "transfer",
        [("alice", "bob", 80), ("bob", "carol", 150), ("bob", "carol", 100), ("carol", "dave", 200), ("carol", "dave", 1)],
        [(0, AccountIsFrozen), (1, InsufficientFunds), (4, InsufficientFunds)],
    ),
    (
        "who takes and comes short",
        [("bob", CREDITS)],
        "transfer",
        [("alice", "bob", 60), ("alice", "carol", 60), ("alice", "carol", 60)],
        [(0, AccountIsFrozen), (2, InsufficientFunds)],
    ),
    (
        "more than it has",
        [("alice", {})],
        "transfer",
        [("alice", "bob", 10**4), ("alice", "bob", 1)],
        [(0, AccountIsFrozen), (1, AccountIsFrozen)],
    ),
    (
        "one that nobody knew",
        [("erin", CREDITS)],
        "transfer",
        [("alice", "erin", 5), ("alice", "bob", 5)],
        [(0, AccountIsFrozen)],
    ),
]


@pytest.mark.parametrize("url", ["memory:"])
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("as_handles", [False, True])
@pytest.mark.parametrize(("name", "frozen", "operation", "rows", "refused"), CASES, ids=lambda case: str(case)[:30])
def test_rows(
    funded: Ledger,
    token: str,
    name: str,
    frozen: list[tuple[str, dict[str, bool]]],
    operation: str,
    rows: Rows,
    refused: list[tuple[int, type]],
    as_handles: bool,
    everywhere: bool,
) -> None:
    for account, ways in frozen:
        do(funded, lambda tx, account=account, ways=ways: tx.freeze(account, None if everywhere else token, **ways))
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    if as_handles:
        columns = [*(funded.handles(token, names) for names in columns[:-1]), columns[-1]]
    call = getattr(funded, f"{operation}_many")
    if refused:
        before = funded.balances(token)
        with pytest.raises(refused[0][1]) as caught:
            call(token, *columns)
        assert caught.value.fields["row"] == refused[0][0]
        assert funded.balances(token) == before
    receipt = call(token, *columns, on_refusal="skip")
    assert [(row.index, type(row.reason)) for row in receipt.refused] == refused
    assert receipt.accepted == len(rows) - len(refused)
    assert funded.audit().ok


def test_what_a_refused_row_says(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice", token, reason="court"))
    with pytest.raises(AccountIsFrozen, match=rf"^row 1: alice is frozen: no {token} leaves it \(court\)$") as refused:
        funded.transfer_many(token, ["bob", "alice"], ["carol", "carol"], [1, 1])
    expected = {"account": "alice", "token": token, "direction": "debits", "reason": "court", "row": 1}
    assert refused.value.fields == expected


def test_an_id_of_a_refused_row_stays_free(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice"))
    senders, receivers = ["bob", "alice", "bob", "alice"], ["carol", "carol", "carol", "carol"]
    receipt = funded.transfer_many(token, senders, receivers, [1] * 4, ids=[7, 8, 8, 7], on_refusal="skip")
    assert [(row.index, type(row.reason)) for row in receipt.refused] == [(1, AccountIsFrozen), (3, DuplicateTransferId)]


def test_a_mint_that_exceeds_the_reserve_beside_a_frozen_row(ledger: Ledger) -> None:
    ledger.register_token(Token("FEW", max_supply=10))
    do(ledger, lambda tx: tx.freeze("alice", **CREDITS))
    receipt = ledger.mint_many("FEW", ["alice", "bob", "bob"], [10, 6, 6], on_refusal="skip")
    assert [(row.index, type(row.reason)) for row in receipt.refused] == [(0, AccountIsFrozen), (2, SupplyExhausted)]


@pytest.mark.parametrize("kept", [0, 1, freezes.CHANGES_KEPT])
def test_marks_come_and_go(funded: Ledger, token: str, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many changes are told of, a batch minds the freezes that there are by then."""
    monkeypatch.setattr(freezes, "CHANGES_KEPT", kept)

    def refused() -> list[int]:
        receipt = funded.transfer_many(token, ["alice", "bob", "carol"], ["bob", "carol", "alice"], [1] * 3, on_refusal="skip")
        return [row.index for row in receipt.refused]

    steps: list[tuple[Callable[[Any], Any], list[int]]] = [
        (lambda tx: tx.freeze("alice"), [0]),
        (lambda tx: tx.freeze("bob", token), [0, 1]),
        (lambda tx: tx.freeze("alice", **CREDITS), [1, 2]),
        (lambda tx: (tx.unfreeze("alice"), tx.freeze("alice", token)), [0, 1]),
        (lambda tx: tx.unfreeze("bob", token), [0]),
        (lambda tx: [tx.freeze(f"somebody-{number}") for number in range(200)], [0]),
        (lambda tx: [tx.unfreeze(f"somebody-{number}") for number in range(200)], [0]),
        (lambda tx: tx.unfreeze("alice"), [0]),
        (lambda tx: tx.unfreeze("alice", token), []),
    ]
    assert refused() == []
    for step, expected in steps:
        do(funded, step)
        assert refused() == expected
        assert refused() == expected


def test_handles_of_frozen_accounts_are_given(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice", credits=True))
    assert len(funded.handles(token, ["alice", "bob"])) == 2
