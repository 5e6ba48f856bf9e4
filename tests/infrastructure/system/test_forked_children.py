"""What a forked child can do with a ledger that its parent has open."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tallystick import AsyncLedger, Ledger, Token
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.books.behind import journal_of
from tests.support.programs.processes import run_in_processes


def error_of(work: Callable[[], Any]) -> str:
    """The name of the error's class."""
    try:
        work()
    except Exception as error:
        return type(error).__name__
    return "none"


def commit_in(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 5)


def in_a_child(work: Callable[[], Any]) -> Any:
    return run_in_processes([lambda wait: work()])[0]


def open_funded(url: str | Path) -> Ledger:
    ledger = Ledger.open(url)
    ledger.register_token(Token("USD", unit=50))
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 100)
    return ledger


@pytest.mark.parametrize(
    ("work", "verdict"),
    [
        (commit_in, "LedgerClosed"),
        (lambda ledger: ledger.balance("USD", "alice"), "LedgerClosed"),
        (lambda ledger: ledger.snapshot(), "LedgerClosed"),
        (lambda ledger: JournalRecorder(journal_of(ledger)).max_notification_id(), "InterfaceError"),
        (Ledger.close, "none"),
    ],
)
def test_a_child_does_not_use_its_parents_ledger(shared_url: str | Path, work: Callable[[Ledger], Any], verdict: str) -> None:
    with open_funded(shared_url) as ledger:
        assert in_a_child(lambda: error_of(lambda: work(ledger))) == verdict
        commit_in(ledger)
        assert ledger.balance("USD", "alice").total == 105


def test_a_block_open_when_a_child_is_forked_is_committed_once(shared_url: str | Path) -> None:
    with open_funded(shared_url) as ledger:
        tx = ledger.atomic()
        tx.__enter__()
        tx.mint("USD", "alice", 5)
        assert in_a_child(lambda: error_of(lambda: tx.__exit__(None, None, None))) == "LedgerClosed"
        tx.__exit__(None, None, None)
        assert ledger.balance("USD", "alice").total == 105


def test_a_child_opens_the_ledger_again(shared_url: str | Path) -> None:
    def work() -> int:
        with Ledger.open(shared_url) as own:
            commit_in(own)
            return own.balance("USD", "alice").total

    with open_funded(shared_url) as ledger:
        assert in_a_child(work) == 105
        assert ledger.balance("USD", "alice").total == 105
        assert ledger.audit().ok


def test_a_ledger_in_memory_is_copied() -> None:
    with open_funded("memory:") as ledger:

        def work() -> int:
            commit_in(ledger)
            return ledger.balance("USD", "alice").total

        assert in_a_child(work) == 105
        assert ledger.balance("USD", "alice").total == 100


def test_a_childs_threads_commit_in_its_copy_of_a_ledger_in_memory() -> None:
    """Its threads may get the number of the one that committed for the parent's tasks."""

    def commit_in_threads() -> list[str]:
        told: list[str] = []
        threads = [Thread(target=lambda: told.append(error_of(lambda: commit_in(blocking)))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [*told, str(blocking.balance("USD", "alice").total)]

    async def commit_as_a_task() -> Ledger:
        ledger = await AsyncLedger.open("memory:")
        await ledger.register_token(Token("USD"))
        async with ledger.atomic() as tx:
            tx.mint("USD", "alice", 5)
        return ledger.blocking

    with closing(asyncio.new_event_loop()) as loop:
        blocking = loop.run_until_complete(commit_as_a_task())
    with blocking:
        assert in_a_child(commit_in_threads) == [*["none"] * 12, "65"]
