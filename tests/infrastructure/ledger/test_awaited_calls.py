"""Calls without a block of an `AsyncLedger`: many tasks, in the order in which they came, cancelled or not."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    AsyncLedger,
    DuplicateIdempotencyKey,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidAmount,
    InvalidRequest,
    Ledger,
    LedgerClosed,
    Token,
    TokenNotFound,
    TransactionClosed,
)
from tests.support.books.app_book import TOKENS, T
from tests.support.books.behind import journal_of, queue_of
from tests.support.faults.held_journal import HeldJournal

Case = Callable[[AsyncLedger], Awaitable[None]]
TASKS = 1_000


def play(url: str | Path, case: Case) -> None:
    async def main() -> None:
        async with AsyncLedger.open(url) as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 500)
            await case(ledger)

    asyncio.run(main())


def test_a_thousand_tasks_are_served_until_the_money_is_gone_and_each_key_once(url: str | Path) -> None:
    async def case(ledger: AsyncLedger) -> None:
        def call(number: int) -> Any:
            return ledger.transfer("USD", "alice", f"b{number % 7}", 1, idempotency_key=f"k{number}")

        told = await asyncio.gather(*(call(number) for number in range(TASKS)), return_exceptions=True)
        assert [type(each) is InsufficientFunds for each in told] == [number >= 500 for number in range(TASKS)], "in order"
        again = await asyncio.gather(*(call(number) for number in range(TASKS)), return_exceptions=True)
        for first, repeat in zip(told, again, strict=True):
            if isinstance(repeat, DuplicateIdempotencyKey):
                assert repeat.receipt.transaction_ids == first.transaction_ids
            else:
                assert isinstance(repeat, InsufficientFunds)
                assert isinstance(first, InsufficientFunds)
        assert (await ledger.balance("USD", "alice")).total == 0
        assert (await ledger.audit()).ok

    play(url, case)


def test_calls_of_every_kind_are_awaited(url: str | Path) -> None:
    async def case(ledger: AsyncLedger) -> None:
        hold = (await ledger.reserve("USD", "alice", "keeper", 10)).hold_id
        assert hold is not None
        await ledger.settle("USD", "keeper", "bob", 4, hold)
        await ledger.release(hold, 5)
        await ledger.burn("USD", "bob", 3)
        assert await ledger.expire() is None
        assert (await ledger.balance("USD", "keeper")).reserved == 1
        for token in TOKENS:
            await ledger.register_token(token)
        await ledger.mint("TEA", "alice", 100 * T)
        app = await ledger.app("TeaParty")
        quoted = await app.quote_buy(T)
        await app.buy("alice", T, at_least=quoted)
        assert (await ledger.app("TeaParty")).supply == quoted
        paid, before = await app.quote_sell(quoted), (await ledger.balance("TEA", "alice")).total
        await app.sell("alice", quoted)
        await app.deposit("alice", 10)
        await app.refund("alice", 4)
        await app.pay("alice", 7)
        assert (await ledger.balance("TEA", "alice")).total == before + paid - 13

    play(url, case)


def test_a_key_is_reported_before_what_came_with_it_and_its_receipt_given(url: str | Path) -> None:
    async def case(ledger: AsyncLedger) -> None:
        first = await ledger.mint("USD", "bob", 5, idempotency_key="k", request=1)
        for token, amount in (("USD", 5), ("USD", 0), ("USD", 10**9), ("unknown", 1)):
            with pytest.raises(DuplicateIdempotencyKey):
                await ledger.transfer(token, "bob", "alice", amount, idempotency_key="k")
            again = await ledger.transfer(token, "bob", "alice", amount, idempotency_key="k", on_repeat="receipt")
            assert again.transaction_ids == first.transaction_ids
            with pytest.raises(IdempotencyMismatch):
                await ledger.transfer(token, "bob", "alice", amount, idempotency_key="k", request=2, on_repeat="receipt")
        with pytest.raises(InvalidAmount):
            await ledger.mint("USD", "bob", 0, idempotency_key="other")
        with pytest.raises(TokenNotFound):
            await ledger.mint("unknown", "bob", 0)
        assert (await ledger.balance("USD", "bob")).total == 5

    play(url, case)


def test_a_call_in_an_open_block_of_the_same_task_is_refused() -> None:
    async def case(ledger: AsyncLedger) -> None:
        async with ledger.atomic():
            with pytest.raises(TransactionClosed, match="do not nest"):
                await ledger.mint("USD", "bob", 1)
            await asyncio.create_task(ledger.mint("USD", "bob", 2))
        assert (await ledger.balance("USD", "bob")).total == 2

    play("memory:", case)


def test_a_token_that_another_registered_a_moment_ago_is_found(tmp_path: Path) -> None:
    async def case(ledger: AsyncLedger) -> None:
        with Ledger.open(tmp_path / "books.db") as other:
            other.register_token(Token("EUR"))
            await ledger.mint("EUR", "bob", 5)

    play(tmp_path / "books.db", case)


def test_a_closed_ledger_and_another_loop_take_no_calls() -> None:
    async def opened() -> AsyncLedger:
        return await AsyncLedger.open("memory:")

    async def called(ledger: AsyncLedger) -> Any:
        return await ledger.mint("USD", "bob", 1)

    with asyncio.Runner() as runner:
        ledger = runner.run(opened())
        with pytest.raises(InvalidRequest, match="event loop"):
            asyncio.run(called(ledger))
        runner.run(ledger.close())
        with pytest.raises(LedgerClosed):
            runner.run(called(ledger))


def test_a_cancelled_task_does_not_withdraw_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another in the same group is told as ever, and the key of the cancelled one says what became of it."""
    journal = HeldJournal()
    monkeypatch.setattr("tallystick.infrastructure.ledger.core.open_journal", lambda url, **options: journal)

    async def case(ledger: AsyncLedger) -> None:
        journal.holds = True
        held = asyncio.create_task(ledger.transfer("USD", "alice", "held", 1))
        await asyncio.to_thread(journal.wait_for_append)
        cancelled = asyncio.create_task(ledger.transfer("USD", "alice", "bob", 1, idempotency_key="k"))
        other = asyncio.create_task(ledger.transfer("USD", "alice", "carol", 1))
        while len(queue_of(ledger)._waiting) < 2:
            await asyncio.sleep(0)
        cancelled.cancel()
        journal.let_go()
        await asyncio.gather(held, other)
        assert cancelled.cancelled()
        receipt = await ledger.transfer("USD", "alice", "bob", 1, idempotency_key="k", on_repeat="receipt")
        assert receipt.transaction_ids == (4,)
        assert (await ledger.balance("USD", "bob")).total == 1
        assert len(list(journal_of(ledger).rows())) == 4

    play("memory:", case)
