"""The awaited ledger: what every ledger does, and what is asyncio's own: tasks, cancellation, and loops that end."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    AsyncLedger,
    DuplicateIdempotencyKey,
    InsufficientFunds,
    InvalidRequest,
    Ledger,
    LedgerClosed,
    NotALedger,
    StorageFull,
    StorageUnavailable,
    Token,
    TransactionClosed,
)
from tallystick.infrastructure.journal.port import Overtaken
from tallystick.infrastructure.ledger.asyncio.ledger import Opening
from tallystick.infrastructure.ledger.core import LedgerCore
from tests.support.books.behind import core_of, core_on, keeper_of, ledger_on, queue_of
from tests.support.faults.held_journal import PATIENCE_SECONDS, HeldJournal, Lost
from tests.support.suites.ledger_cases import LedgerCases


class TestAsyncLedger(LedgerCases):
    @asynccontextmanager
    async def opened(self, url: str | Path, **options: Any) -> AsyncIterator[Any]:
        async with AsyncLedger.open(url, **options) as ledger:
            yield ledger

    async def elsewhere(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            return await work()

        return await asyncio.create_task(main())


def held(clock: Callable[[], int] = lambda: 1) -> tuple[HeldJournal, Opening]:
    """A journal whose appends the test holds, and a ledger on it; alice has 1,000."""
    journal = HeldJournal()

    def open_core() -> LedgerCore:
        core = core_on(journal, clock)
        ledger = Ledger(core)
        ledger.register_token(Token("USD"))
        ledger.mint_many("USD", ["alice"], [1000])
        return core

    return journal, Opening(open_core)


async def transfer(ledger: AsyncLedger, receiver: str, amount: int = 1, key: str | None = None) -> Any:
    async with ledger.atomic(key) as tx:
        tx.transfer("USD", "alice", receiver, amount)
    return tx


async def wait_for_append(journal: HeldJournal) -> None:
    await asyncio.to_thread(journal.wait_for_append)


def within_patience(work: Callable[[], Any]) -> Any:
    """Runs it, and fails where it hangs."""
    return asyncio.run(asyncio.wait_for(work(), PATIENCE_SECONDS))


# Names.


def test_every_public_call_of_the_blocking_ledger_is_there_with_the_same_arguments() -> None:
    names = {name for name in dir(Ledger) if not name.startswith("_")}
    assert names - set(dir(AsyncLedger)) == {"follow"}  # it never ends, and would keep a thread that others wait for
    for name in sorted(names - {"follow"}):
        call, awaited = getattr(Ledger, name), getattr(AsyncLedger, name)
        if not callable(call):
            assert not callable(awaited), name
            continue
        assert list(inspect.signature(call).parameters) == list(inspect.signature(awaited).parameters), name
        assert inspect.iscoroutinefunction(awaited) or name in ("open", "atomic", "fork", "expire_every"), name


# Opening and closing.


def test_a_ledger_is_opened_by_await_or_by_async_with(tmp_path: Path) -> None:
    async def main() -> None:
        ledger = await AsyncLedger.open(tmp_path / "books.db")
        await ledger.register_token(Token("USD"))
        await ledger.close()
        await ledger.close()
        async with AsyncLedger.open(tmp_path / "books.db") as ledger, ledger:
            assert [token.code for token in await ledger.tokens()] == ["USD"]
        with pytest.raises(LedgerClosed):
            await ledger.tokens()
        (tmp_path / "other.db").write_bytes(b"something else, long enough to be looked at" * 100)
        with pytest.raises(NotALedger):
            await AsyncLedger.open(tmp_path / "other.db")

    within_patience(main)


def test_opening_that_is_cancelled_closes_what_it_opened() -> None:
    journal, go = HeldJournal(), threading.Event()
    opened: list[LedgerCore] = []

    def open_core() -> LedgerCore:
        assert go.wait(PATIENCE_SECONDS)
        opened.append(core_on(journal))
        return opened[0]

    async def main() -> None:
        opening = asyncio.ensure_future(Opening(open_core)._open())
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        go.set()
        while not (opened and opened[0]._is_journal_closed):
            await asyncio.sleep(0.001)

    within_patience(main)


def test_closing_waits_for_the_tasks_in_the_queue() -> None:
    async def main() -> None:
        journal, opening = held()
        ledger = await opening
        journal.holds = True
        tasks = [asyncio.create_task(transfer(ledger, f"receiver-{k}")) for k in range(5)]
        await wait_for_append(journal)
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0)
        with pytest.raises(LedgerClosed):
            await ledger.balance("USD", "alice")
        journal.let_go()
        await closing
        assert all(tx.receipt is not None for tx in await asyncio.gather(*tasks))
        with pytest.raises(LedgerClosed):
            await transfer(ledger, "late")

    within_patience(main)


def test_a_loop_that_ends_before_its_commits_neither_loses_them_nor_hangs_the_end() -> None:
    """Stopped where a transaction is in the queue and nobody was asked to look at it yet."""
    journal, opening = held()
    loop = asyncio.new_event_loop()

    async def opened() -> AsyncLedger:
        return await opening

    ledger = loop.run_until_complete(opened())

    def stop_when_queued() -> None:
        loop.stop() if queue_of(ledger)._waiting else loop.call_soon(stop_when_queued)

    task = loop.create_task(transfer(ledger, "bob"))
    loop.call_soon(stop_when_queued)
    loop.run_forever()
    loop.close()
    closing = threading.Thread(target=ledger.blocking.close, daemon=True)
    closing.start()
    closing.join(PATIENCE_SECONDS)
    assert not closing.is_alive()
    with ledger_on(journal) as again:
        assert again.balance("USD", "bob").total == 1
    assert not task.done()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    task.get_coro().close()


def test_another_loop_than_the_one_it_was_opened_in_is_refused_and_changes_nothing() -> None:
    async def use(ledger: AsyncLedger) -> None:
        with pytest.raises(InvalidRequest):
            await transfer(ledger, "bob", 1, "key")
        with pytest.raises(InvalidRequest):
            await ledger.balance("USD", "bob")
        await ledger.close()

    async def main() -> None:
        journal, opening = held()
        ledger = await opening
        await transfer(ledger, "carol")
        await asyncio.to_thread(lambda: asyncio.run(use(ledger)))
        with ledger_on(journal) as again:
            assert sorted(again.balances("USD")) == ["alice", "carol"]

    within_patience(main)


# Cancellation.


def test_cancelled_in_the_block_nothing_is_recorded_and_the_key_is_free() -> None:
    async def main() -> None:
        _, opening = held()
        async with opening as ledger:
            planned = asyncio.Event()

            async def linger() -> None:
                async with ledger.atomic("key") as tx:
                    tx.transfer("USD", "alice", "bob", 1)
                    planned.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(linger())
            await planned.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await ledger.balance("USD", "bob")).total == 0
            assert (await transfer(ledger, "bob", 1, "key")).receipt is not None

    within_patience(main)


def test_cancelled_in_the_queue_the_transaction_is_done_all_the_same() -> None:
    async def main() -> None:
        journal, opening = held()
        async with opening as ledger:
            journal.holds = True
            first = asyncio.create_task(transfer(ledger, "first"))
            await wait_for_append(journal)
            contexts: list[Any] = []

            async def queue() -> None:
                async with ledger.atomic("key") as tx:
                    tx.transfer("USD", "alice", "bob", 1)
                    contexts.append(tx)

            tasks = [asyncio.create_task(queue())]
            while not queue_of(ledger)._waiting:
                await asyncio.sleep(0)
            tasks[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[0]
            assert contexts[0].receipt is None
            journal.let_go()
            await first
            with pytest.raises(DuplicateIdempotencyKey) as caught:
                await transfer(ledger, "bob", 1, "key")
            assert caught.value.receipt == contexts[0].receipt
            assert (await ledger.balance("USD", "bob")).total == 1

    within_patience(main)


def test_a_task_cancelled_while_it_enters_can_open_a_block_again() -> None:
    async def main() -> None:
        _, opening = held()
        async with opening as ledger:

            async def enter_twice() -> None:
                keeper_of(ledger).drop()  # so that entering has to read, and be awaited
                with pytest.raises(asyncio.CancelledError):
                    async with ledger.atomic("key"):
                        raise AssertionError("it was entered")
                asyncio.current_task().uncancel()  # type: ignore[union-attr]
                await transfer(ledger, "bob", 1, "key")

            task = asyncio.create_task(enter_twice())
            await asyncio.sleep(0)
            task.cancel()
            await task
            assert (await ledger.balance("USD", "bob")).total == 1

    within_patience(main)


# Tasks.


def test_a_thousand_tasks_are_committed_in_few_groups() -> None:
    async def main() -> None:
        journal, opening = held()
        async with opening as ledger:
            before = len(journal.rows_stored)
            contexts = await asyncio.gather(*(transfer(ledger, f"receiver-{k}", 1, f"key-{k}") for k in range(1000)))
            assert len({tx.receipt.transaction_ids for tx in contexts}) == 1000
            assert len(journal.rows_stored) - before < 100
            assert (await ledger.balance("USD", "alice")).total == 0
            with pytest.raises(InsufficientFunds):
                await transfer(ledger, "late")
            assert (await ledger.audit()).ok

    within_patience(main)


def test_a_block_is_entered_by_a_task_and_by_nothing_else() -> None:
    async def main() -> None:
        async with AsyncLedger.open("memory:") as ledger:
            loop = asyncio.get_running_loop()
            refusal: asyncio.Future[Any] = loop.create_future()

            def enter() -> None:
                try:
                    ledger.atomic().__aenter__().send(None)
                except InvalidRequest as error:
                    refusal.set_result(str(error))

            loop.call_soon(enter)
            assert await refusal == "a block of an AsyncLedger is entered by a task, and none is running"

    within_patience(main)


def test_blocks_nest_in_no_task_but_stand_side_by_side_in_several() -> None:
    async def main() -> None:
        _, opening = held()
        async with opening as ledger:
            async with ledger.atomic() as outer:
                outer.transfer("USD", "alice", "outer", 1)
                inner = await asyncio.gather(*(transfer(ledger, name) for name in ("one", "two")))
                assert all(tx.receipt is not None for tx in inner)
                with pytest.raises(TransactionClosed):
                    async with ledger.atomic():
                        raise AssertionError("it was entered")
                with ledger.blocking.atomic() as tx:
                    tx.transfer("USD", "alice", "three", 1)
            assert outer.receipt is not None
            assert sorted(await ledger.balances("USD")) == ["alice", "one", "outer", "three", "two"]

    within_patience(main)


def test_a_block_left_in_another_task_than_it_was_entered_in_leaves_both_free() -> None:
    async def main() -> None:
        _, opening = held()
        async with opening as ledger:
            context = ledger.atomic()
            tx = await context.__aenter__()
            tx.transfer("USD", "alice", "bob", 1)

            async def leave() -> None:
                await context.__aexit__(None, None, None)
                await transfer(ledger, "bob")

            await asyncio.create_task(leave())
            await transfer(ledger, "bob")
            assert (await ledger.balance("USD", "bob")).total == 3

    within_patience(main)


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (StorageFull("full"), StorageFull),
        (Lost(stands=False), StorageUnavailable),
        (Lost(stands=True), None),
        (MemoryError(), MemoryError),
        (KeyboardInterrupt(), StorageUnavailable),
        (SystemExit(), StorageUnavailable),
        (Overtaken(), None),
    ],
)
def test_tasks_are_told_of_an_append_that_fails(failure: BaseException, verdict: type[BaseException] | None) -> None:
    async def main() -> None:
        journal, opening = held()
        async with opening as ledger:
            journal.outcomes.append(failure)
            told = await asyncio.gather(*(transfer(ledger, name) for name in ("one", "two")), return_exceptions=True)
            if verdict is None:
                assert all(tx.receipt is not None for tx in told)
            else:
                assert [type(error) for error in told] == [verdict] * 2
            await transfer(ledger, "three")
            names = ["alice", "three"] if verdict else ["alice", "one", "three", "two"]
            assert sorted(await ledger.balances("USD")) == names

    within_patience(main)


@pytest.mark.parametrize("error", [ValueError("a clock"), StorageUnavailable("a clock"), KeyboardInterrupt()])
def test_tasks_are_told_of_a_clock_that_raises(error: BaseException) -> None:
    """On the queue's own thread there is nobody who sees it; nor may the thread try for ever."""
    broken: list[BaseException] = []

    def clock() -> int:
        if broken:
            raise broken[0]
        return 1

    async def main() -> None:
        _, opening = held(clock)
        async with opening as ledger:
            broken.append(error)
            told = await asyncio.gather(*(transfer(ledger, name) for name in ("one", "two")), return_exceptions=True)
            assert [type(each) for each in told] == [type(error) if isinstance(error, Exception) else StorageUnavailable] * 2
            broken.clear()
            await transfer(ledger, "three")
            assert sorted(await ledger.balances("USD")) == ["alice", "three"]

    within_patience(main)


def test_where_no_thread_is_to_be_had_tasks_are_told() -> None:
    async def main() -> None:
        _, opening = held()
        async with opening as ledger:
            await transfer(ledger, "one")
            threads = queue_of(ledger)._threads
            threads.shutdown()
            with pytest.raises(StorageUnavailable):
                await transfer(ledger, "two")
            with ledger.blocking.atomic() as tx:
                tx.transfer("USD", "alice", "three", 1)
            assert sorted(await ledger.balances("USD")) == ["alice", "one", "three"]

    within_patience(main)


def test_a_ledger_is_closed_though_the_task_that_closes_it_is_cancelled() -> None:
    async def main() -> None:
        ledger = await AsyncLedger.open("memory:")
        busy = threading.Event()
        waiting = [asyncio.get_running_loop().run_in_executor(ledger._threads, busy.wait) for _ in range(8)]
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        busy.set()
        await asyncio.gather(*waiting)
        await ledger.close()
        assert core_of(ledger).is_closed
        await ledger.close()

    within_patience(main)


def test_the_loop_goes_on_while_a_commit_and_reads_wait() -> None:
    async def main() -> None:
        journal, opening = held()
        async with opening as ledger:
            journal.holds = True
            first = asyncio.create_task(transfer(ledger, "bob"))
            await wait_for_append(journal)
            assert (await ledger.balance("USD", "alice")).total == 1000
            waiting = asyncio.create_task(ledger.tokens())
            others = [asyncio.create_task(transfer(ledger, f"receiver-{k}", 1, f"key-{k}")) for k in range(50)]
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert not any(task.done() for task in (first, waiting, *others))
            journal.let_go()
            await asyncio.gather(first, waiting, *others)

    within_patience(main)
