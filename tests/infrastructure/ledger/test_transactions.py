"""Receipts, recorded transactions, idempotency keys, conflicts, and several users of one ledger."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from tallystick import (
    AsyncLedger,
    Balance,
    Conflict,
    DuplicateIdempotencyKey,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidAccount,
    InvalidPosition,
    InvalidRequest,
    Ledger,
    Receipt,
    Token,
    TransactionNotFound,
)


def in_thread(function: Callable[[], object]) -> None:
    thread = Thread(target=function)
    thread.start()
    thread.join()


def deposit(ledger: Ledger, token: str, account: str, amount: int, **options: object) -> Receipt:
    with ledger.atomic(**options) as tx:  # type: ignore[arg-type]
        tx.mint(token, account, amount, memo="deposit")
    assert tx.receipt is not None
    return tx.receipt


def test_a_receipt_and_its_transactions(ledger: Ledger, token: str) -> None:
    first = deposit(ledger, token, "alice", 100)
    with ledger.atomic() as tx:
        tx.transfer(token, "alice", "bob", 30, memo="rent")
        hold = tx.reserve(token, "bob", "keeper", 10)
        tx.burn(token, "alice", 5)
    receipt = tx.receipt
    assert receipt is not None
    assert receipt.position == ledger.verify().position > first.position
    assert receipt.hold_ids == (hold,)
    found = [ledger.transaction(id) for id in receipt.transaction_ids]
    assert [(t.sender, t.receiver, t.burned_amount, t.minted_amount, t.memo, t.hold) for t in found] == [
        ("alice", "bob", 30, 30, "rent", None),
        ("bob", "keeper", 10, 10, "", hold),
        ("alice", None, 5, 0, "", None),
    ]
    assert all(t.recorded_at == receipt.recorded_at and t.position == t.id for t in found)
    minted = ledger.transaction(first.transaction_ids[0])
    assert (minted.sender, minted.receiver, minted.burned_amount, minted.minted_amount) == (None, "alice", 0, 100)


@pytest.mark.parametrize("unknown", [0, -1, 1, 10**9, 2**70])
def test_an_unknown_transaction(ledger: Ledger, unknown: int) -> None:
    with pytest.raises(TransactionNotFound):  # position 1 registers a token
        ledger.transaction(unknown)


@pytest.mark.parametrize("wrong", ["1", None, 1.0, True])
def test_an_id_that_is_no_integer(ledger: Ledger, wrong: object) -> None:
    with pytest.raises(InvalidRequest, match="the id of a transaction is an int"):
        ledger.transaction(wrong)  # type: ignore[arg-type]


def test_history(ledger: Ledger, token: str) -> None:
    other = "PLN" if token != "PLN" else "USD"
    deposit(ledger, other, "alice", 5)
    ids = [deposit(ledger, token, "alice", k).transaction_ids[0] for k in (1, 2, 3)]
    with ledger.atomic() as tx:
        tx.transfer(token, "alice", "bob", 1)
        tx.transfer(token, "bob", "carol", 1)
    assert [line.transaction_id for line in ledger.history(token, "alice")] == [*ids, tx.receipt.transaction_ids[0]]  # type: ignore[union-attr]
    assert [line.transaction_id for line in ledger.history(token, "alice", after=ids[0], limit=2)] == ids[1:]
    assert [line.change for line in ledger.history(token, "bob")] == [1, -1]
    assert ledger.history(token, "bob", after=tx.receipt.transaction_ids[0], limit=5)[0].counterparty == "carol"  # type: ignore[union-attr]
    assert len(ledger.history(token, "nobody")) == 0
    assert len(ledger.history(token, "alice", limit=0)) == 0
    for wrong in (-1, "1", 1.0, True):
        with pytest.raises(InvalidPosition):
            ledger.history(token, "alice", after=wrong)  # type: ignore[arg-type]


def test_a_key_is_used_once(ledger: Ledger, url: str | Path) -> None:
    first = deposit(ledger, "USD", "alice", 100, idempotency_key="k")
    ran = False
    with pytest.raises(DuplicateIdempotencyKey) as caught, ledger.atomic("k") as tx:
        ran = True
        tx.burn("USD", "alice", tx.balance("USD", "alice").available)
    assert not ran
    assert caught.value.receipt == first
    with pytest.raises(DuplicateIdempotencyKey):
        ledger.run(lambda tx: tx.mint("USD", "alice", 1), idempotency_key="k")
    if isinstance(url, Path):
        with Ledger.open(url) as again:
            with pytest.raises(DuplicateIdempotencyKey) as caught, again.atomic("k"):
                pass
            assert caught.value.receipt == first
    assert ledger.balance("USD", "alice").available == 100


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, DuplicateIdempotencyKey),
        ({"a": 1}, {"a": 2}, IdempotencyMismatch),
        ("x", "y", IdempotencyMismatch),
        (None, "y", DuplicateIdempotencyKey),
        ("x", None, DuplicateIdempotencyKey),
    ],
)
def test_a_key_stands_for_one_request(ledger: Ledger, first: object, second: object, verdict: type[Exception]) -> None:
    receipt = deposit(ledger, "USD", "alice", 1, idempotency_key="k", request=first)
    with pytest.raises(verdict) as caught, ledger.atomic("k", request=second):
        pass
    assert caught.value.receipt == receipt  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("key", "request_"), [("", None), ("x" * 257, None), (5, None), ("a\n", None), ("k", object()), (None, {"a": 1})]
)
def test_a_bad_key_or_request(ledger: Ledger, key: str, request_: object) -> None:
    with pytest.raises(InvalidRequest):
        ledger.atomic(key, request=request_)


def test_a_failed_empty_or_rolled_back_plan_leaves_its_key_free(ledger: Ledger) -> None:
    with pytest.raises(InsufficientFunds), ledger.atomic("k") as tx:
        tx.transfer("USD", "alice", "bob", 1)
    with ledger.atomic("k") as tx:
        tx.balance("USD", "alice")
    assert tx.receipt is None
    with ledger.atomic("k") as tx:
        tx.mint("USD", "alice", 1)
        tx.rollback()
    assert tx.receipt is None
    deposit(ledger, "USD", "alice", 2, idempotency_key="k")
    assert ledger.balance("USD", "alice").available == 2


def test_of_two_with_one_key_at_once_the_second_gets_it_at_commit(ledger: Ledger) -> None:
    with pytest.raises(DuplicateIdempotencyKey), ledger.atomic("k") as tx:
        tx.mint("USD", "alice", 1)
        in_thread(lambda: deposit(ledger, "USD", "alice", 5, idempotency_key="k"))
    assert ledger.balance("USD", "alice").available == 5


ONCE = {
    "the hold is closed": lambda tx: tx.settle("USD", "shop", "seller", 30, hold="one"),
    "the money is spent": lambda tx: tx.transfer("USD", "bob", "carol", 8),
    "the money in hand is spent": lambda tx: tx.money("USD", "bob", 8).transfer_to("carol"),
}
"""What can be done once, and is refused when it is tried again."""


@pytest.mark.parametrize("user", ["thread", "task"])
@pytest.mark.parametrize("when", ["planned", "executed"])
@pytest.mark.parametrize("what", ONCE)
@pytest.mark.parametrize(("request_", "verdict"), [("same", DuplicateIdempotencyKey), ("other", IdempotencyMismatch)])
def test_what_a_key_has_done_meanwhile_is_told_as_that(
    url: str | Path,
    user: str,
    when: str,
    what: str,
    request_: str,
    verdict: type[DuplicateIdempotencyKey | IdempotencyMismatch],
) -> None:
    """A block that its key's first use gets before is not refused as if that was somebody else's doing."""
    function = ONCE[what]

    def in_block(tx: Any, first: Callable[[], object]) -> None:
        if when == "executed":
            function(tx)
        first()
        if when == "planned":
            function(tx)

    async def play() -> None:
        async with AsyncLedger.open(url, ids=lambda: "one") as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 30)
            await ledger.mint("USD", "bob", 8)
            await ledger.reserve("USD", "alice", "shop", 30)
            receipts: list[Receipt | None] = []

            def first() -> None:
                in_thread(lambda: receipts.append(ledger.blocking.once(function, "k", request="same")))

            def again() -> None:
                with ledger.blocking.atomic("k", request=request_) as tx:
                    in_block(tx, first)

            with pytest.raises(verdict) as caught:
                if user == "thread":
                    await asyncio.to_thread(again)
                else:
                    async with ledger.atomic("k", request=request_) as tx:
                        in_block(tx, first)
            assert [caught.value.receipt] == receipts
            assert (await ledger.balance("USD", "bob")).available == (8 if what == "the hold is closed" else 0)

    asyncio.run(play())


def test_a_key_that_another_ledger_used_meanwhile_is_refused_alone_in_its_group(shared_url: str | Path) -> None:
    keys = [f"k{number}" for number in range(20)]

    async def play(two: Ledger) -> list[object]:
        async with AsyncLedger.open(shared_url) as one:
            entered = asyncio.Barrier(len(keys) + 1)
            used = asyncio.Event()

            async def mint(key: str) -> None:
                async with one.atomic(key) as tx:
                    tx.mint("USD", key, 1)
                    await entered.wait()
                    await used.wait()

            tasks = [asyncio.create_task(mint(key)) for key in keys]
            await entered.wait()
            await asyncio.to_thread(deposit, two, "USD", "alice", 5, idempotency_key="k7")
            used.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    with Ledger.open(shared_url) as two:
        two.register_token(Token("USD"))
        outcomes = dict(zip(keys, asyncio.run(play(two)), strict=True))
        refused = {key: outcome for key, outcome in outcomes.items() if outcome is not None}
        assert list(refused) == ["k7"]
        error = refused["k7"]
        assert isinstance(error, DuplicateIdempotencyKey)
        assert error.receipt.position == 2
        assert two.supply("USD").circulating == 5 + len(keys) - 1
        assert two.audit().ok


def test_two_threads_spending_the_same_money(ledger: Ledger, token: str) -> None:
    deposit(ledger, token, "alice", 100)
    barrier = Barrier(2)
    outcomes: list[object] = []

    def spend(receiver: str) -> None:
        try:
            with ledger.atomic() as tx:
                tx.money(token, "alice", 100).transfer_to(receiver)
                barrier.wait(120)
            outcomes.append(receiver)
        except InsufficientFunds as error:
            outcomes.append(error)

    threads = [Thread(target=spend, args=(receiver,)) for receiver in ("bob", "carol")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [outcome for outcome in outcomes if isinstance(outcome, InsufficientFunds)]
    winners = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert (len(refused), len(winners)) == (1, 1)
    assert ledger.balance(token, winners[0]).available == 100
    assert ledger.audit().ok


@pytest.mark.parametrize("change", ["deposit", "withdrawal"])
def test_a_balance_told_to_a_block_must_still_hold(ledger: Ledger, token: str, change: str) -> None:
    deposit(ledger, token, "alice", 100)
    with pytest.raises(Conflict), ledger.atomic("sweep") as tx:
        amount = tx.balance(token, "alice").available
        in_thread(lambda: _change(ledger, token, change))
        tx.transfer(token, "alice", "bob", min(amount, 90))
    assert ledger.balance(token, "bob").available == 0
    attempts = 0

    def sweep(tx: object) -> int:
        nonlocal attempts
        attempts += 1
        everything = tx.balance(token, "alice").available  # type: ignore[attr-defined]
        if attempts == 1:
            in_thread(lambda: _change(ledger, token, change))
        with tx.savepoint():  # type: ignore[attr-defined]
            tx.transfer(token, "alice", "bob", everything)  # type: ignore[attr-defined]
        return everything

    if change == "deposit":
        swept = ledger.run(sweep, idempotency_key="sweep")
        assert attempts == 2
        assert swept == 120
        assert ledger.balance(token, "bob").available == 120
        assert ledger.balance(token, "alice").available == 0


def _change(ledger: Ledger, token: str, change: str) -> None:
    with ledger.atomic() as tx:
        if change == "deposit":
            tx.mint(token, "alice", 10)
        else:
            tx.burn(token, "alice", 10)


def test_run_gives_up_after_its_attempts(ledger: Ledger) -> None:
    calls = 0

    def losing(tx: object) -> None:
        nonlocal calls
        calls += 1
        tx.balance("USD", "alice")  # type: ignore[attr-defined]
        in_thread(lambda: deposit(ledger, "USD", "alice", 1))
        tx.mint("USD", "bob", 1)  # type: ignore[attr-defined]

    with pytest.raises(Conflict):
        ledger.run(losing, attempts=3)
    assert calls == 3
    with pytest.raises(InvalidRequest):
        ledger.run(losing, attempts=0)


def test_a_call_is_decided_on_the_newest_state(ledger: Ledger, token: str) -> None:
    with ledger.atomic() as tx:
        with pytest.raises(InsufficientFunds):
            tx.transfer(token, "alice", "bob", 5)
        in_thread(lambda: deposit(ledger, token, "alice", 5))
        tx.transfer(token, "alice", "bob", 5)
    assert ledger.balance(token, "bob").available == 5


def test_two_ledgers_on_one_file_see_each_other(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as one, Ledger.open(tmp_path / "books.db") as two:
        one.register_token(Token("USD", unit=100))
        deposit(two, "USD", "alice", 250)
        assert one.balance("USD", "alice").available == 250
        with one.atomic("k") as tx:
            tx.transfer("USD", "alice", "bob", 30)
            deposit(two, "USD", "carol", 1)
        with pytest.raises(DuplicateIdempotencyKey), two.atomic("k"):
            pass
        with two.atomic() as tx:
            with pytest.raises(InsufficientFunds):
                tx.transfer("USD", "dave", "bob", 7)
            deposit(one, "USD", "dave", 7)
            tx.transfer("USD", "dave", "bob", 7)
        with pytest.raises(Conflict), one.atomic() as tx:
            tx.mint("USD", "erin", tx.balance("USD", "bob").available)
            deposit(two, "USD", "bob", 1)
        assert one.balances("USD") == two.balances("USD")
        assert [one.fragments("USD", a) for a in ["alice", "bob"]] == [two.fragments("USD", a) for a in ["alice", "bob"]]
        assert one.audit().ok


NAMED = ("assets:bank", "assets:cash", "assets", "bob", "équité")
CHOSEN: list[tuple[dict[str, Any], list[str] | type[Exception]]] = [
    ({}, [*NAMED]),
    ({"prefix": "assets:"}, ["assets:bank", "assets:cash"]),
    ({"prefix": "nobody"}, []),
    ({"limit": 2}, ["assets", "assets:bank"]),
    ({"limit": 2, "after": "assets:bank"}, ["assets:cash", "bob"]),
    ({"prefix": "assets", "after": "assets", "limit": 1}, ["assets:bank"]),
    ({"limit": 0}, []),
    ({"limit": -1}, InvalidRequest),
    ({"limit": True}, InvalidRequest),
    ({"prefix": None}, InvalidRequest),
    ({"after": 5}, InvalidRequest),
]


@pytest.mark.parametrize(("chosen", "verdict"), CHOSEN)
def test_balances_by_the_beginning_of_names_and_in_pages(ledger: Ledger, chosen: Any, verdict: Any) -> None:
    with ledger.atomic() as tx:
        for amount, account in enumerate(NAMED, 1):
            tx.mint("PLN", account, amount)
        tx.reserve("PLN", "bob", "assets:cash", 1)
    if isinstance(verdict, list):
        found = ledger.balances("PLN", **chosen)
        assert list(found) == verdict
        assert all(found[account] == ledger.balance("PLN", account) for account in verdict)
    else:
        with pytest.raises(verdict):
            ledger.balances("PLN", **chosen)


def test_what_accounts_have_together_and_what_one_has_of_all_tokens(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("PLN", "assets:bank", 5)
        tx.mint("PLN", "assets:cash", 7)
        tx.mint("PLN", "bob", 9)
        tx.mint("USD", "bob", 200)
        tx.reserve("PLN", "bob", "assets:cash", 4)
    assert ledger.total("PLN", "assets:") == Balance(12, 4, 16)
    assert ledger.total("PLN") == Balance(17, 4, 21)
    assert ledger.balances_of("bob") == {"PLN": Balance(5, 0, 5), "USD": Balance(200, 0, 200)}
    assert ledger.balances_of("nobody") == {}
    with pytest.raises(InvalidAccount):
        ledger.balances_of("no body")
