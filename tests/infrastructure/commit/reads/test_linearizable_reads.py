"""Reads are linearizable: whoever asks after somebody was told or shown a commit is told no less, in whichever ledger."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tallystick import AsyncLedger, Ledger, Token, TransactionContext
from tests.support.books.behind import core_of, journal_of, keeper_of

READS: dict[str, Callable[[Ledger], Any]] = {
    "balance": lambda ledger: ledger.balance("USD", "shop").total,
    "balances": lambda ledger: {account: balance.total for account, balance in ledger.balances("USD").items()},
    "of an account": lambda ledger: ledger.balances_of("shop")["USD"].total,
    "total": lambda ledger: ledger.total("USD", "sh").total,
    "supply": lambda ledger: ledger.supply("USD").circulating,
    "cell": lambda ledger: ledger.state["USD"]["shop"],
    "in a block": lambda ledger: in_a_block(ledger, lambda tx: tx.balance("USD", "shop").total),
    "history": lambda ledger: [line.change for line in ledger.history("USD", "shop")],
    "receipt": lambda ledger: ledger.receipt("order").entry_id,  # type: ignore[union-attr]
    "reference": lambda ledger: [entry.id for entry in ledger.find("order")],
    "fragments": lambda ledger: len(ledger.fragments("USD", "shop")),
}


def in_a_block(ledger: Ledger, ask: Callable[[TransactionContext], Any]) -> Any:
    """What a block is told that records nothing, and so waits for no turn."""
    told: list[Any] = []
    with suppress(LookupError), ledger.atomic() as tx:
        told.append(ask(tx))
        raise LookupError
    return told[0]


def pay(tx: TransactionContext) -> None:
    tx.mint("USD", "bank", 5)
    tx.transfer("USD", "bank", "shop", 10)


@pytest.fixture(params=["a store", "memory:linearizable"])
def urls(request: pytest.FixtureRequest, shared_url: str | Path) -> str | Path:
    return shared_url if request.param == "a store" else request.param


@contextmanager
def paused_in_append(ledger: Ledger, *, when: str) -> Generator[tuple[Event, Event]]:
    """Its next commit stops before or after the store takes it: gives what says that it did, and what lets it go on."""
    journal = journal_of(ledger)
    append, there, go = journal.append, Event(), Event()

    def pausing(*arguments: Any) -> None:
        if when == "after":
            append(*arguments)
        there.set()
        go.wait()
        if when == "before":
            append(*arguments)

    journal.append = pausing  # type: ignore[method-assign]
    try:
        yield there, go
    finally:
        go.set()
        journal.append = append  # type: ignore[method-assign]


def funded(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic() as tx:
            tx.mint("USD", "bank", 100)
            tx.transfer("USD", "bank", "shop", 1)


def answered_or_waits(ledger: Ledger, ask: Callable[[], Any]) -> tuple[Thread, list[Any]]:
    """Asks in a thread, and returns when it has an answer or waits for the commit that is pending."""
    told, waits, keeper = [], Event(), keeper_of(ledger)
    wait = keeper.wait

    def waiting() -> None:
        if keeper.pending is not None:
            waits.set()
        wait()

    def asking() -> None:
        try:
            told.append(ask())
        finally:
            waits.set()

    keeper.wait = waiting  # type: ignore[method-assign]
    thread = Thread(target=asking)
    thread.start()
    waits.wait()
    keeper.wait = wait  # type: ignore[method-assign]
    return thread, told


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_who_asks_after_another_was_shown_a_commit_is_told_no_less(urls: str | Path, read: Callable[[Ledger], Any]) -> None:
    with ExitStack() as opened:
        first, second = (opened.enter_context(Ledger.open(urls)) for _ in range(2))
        funded(urls)
        assert read is READS["receipt"] or read(first) == read(second)
        with paused_in_append(first, when="after") as (there, go):
            committing = Thread(target=lambda: first.run(pay, "order", reference="order"))
            committing.start()
            there.wait()
            shown = read(second)
            asking, told = answered_or_waits(first, lambda: read(first))
            go.set()
            asking.join()
            committing.join()
        assert told == [shown]
        assert read(second) == shown


@pytest.mark.parametrize("name", ["balance", "balances", "of an account", "total", "supply", "cell", "in a block"])
def test_what_no_store_has_yet_is_not_waited_for(urls: str | Path, name: str) -> None:
    read = READS[name]
    with ExitStack() as opened:
        ledger = opened.enter_context(Ledger.open(urls))
        funded(urls)
        before = read(ledger)
        with paused_in_append(ledger, when="before") as (there, go):
            committing = Thread(target=lambda: ledger.run(pay))
            committing.start()
            there.wait()
            assert read(ledger) == before
            go.set()
            committing.join()
        assert read(ledger) != before


def test_tasks_are_told_no_less(shared_url: str | Path) -> None:
    async def main() -> None:
        async with AsyncLedger.open(shared_url) as first:
            with Ledger.open(shared_url) as second:
                blocking = Ledger(core_of(first))
                with paused_in_append(blocking, when="after") as (there, go):
                    committing = asyncio.create_task(first.mint("USD", "shop", 7))
                    await asyncio.to_thread(there.wait)
                    shown = second.balance("USD", "shop")
                    told: list[Any] = []

                    def ask() -> Any:
                        return asyncio.run_coroutine_threadsafe(first.balance("USD", "shop"), loop).result()

                    asking, told = await asyncio.to_thread(answered_or_waits, blocking, ask)
                    go.set()
                    await asyncio.to_thread(asking.join)
                    await committing
                assert told == [shown]

    funded(shared_url)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
