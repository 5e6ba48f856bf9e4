"""Forks of a process whose ledgers are in use: what the child can do at once, and that nobody loses or waits by it."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tallystick import AsyncLedger, Ledger, StorageUnavailable, Token
from tallystick.infrastructure.journal.stores.sqlite import shared_file
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.journal.stores.sqlite.shared_file import SharedFile
from tests.support.books.behind import core_of, journal_of
from tests.support.programs.processes import run_in_processes
from tests.support.suites.journal_cases import append

HANGS_SECONDS = 120
MINTED = 10**12


def in_a_child(work: Callable[[], Any]) -> Any:
    """What it gave; a child that hangs is ended, and so gives nothing."""

    def bounded(wait: Callable[[], None]) -> Any:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(HANGS_SECONDS)
        return work()

    return run_in_processes([bounded])[0]


def fund(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "bank", MINTED)


def pay(ledger: Ledger, times: int = 1) -> None:
    for _ in range(times):
        ledger.transfer("USD", "bank", "shop", 1)


def pay_in_a_ledger_of_its_own(url: str | Path, times: int = 2) -> int:
    with Ledger.open(url) as own:
        pay(own, times)
    return times


@contextmanager
def committing(ledger: Ledger, threads: int = 3) -> Generator[list[int]]:
    """Other threads commit all the time; their commits are counted."""
    stop, counted = Event(), [0] * threads

    def churn(number: int) -> None:
        while not stop.is_set():
            pay(ledger)
            counted[number] += 1

    started = [Thread(target=churn, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield counted
    finally:
        stop.set()
        for thread in started:
            thread.join()


def assert_shop_has(amount: int, url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        assert ledger.balance("USD", "shop").total == amount
        assert ledger.audit().ok


def test_children_forked_while_others_commit_all_commit_at_once(shared_url: str | Path) -> None:
    fund(shared_url)
    with Ledger.open(shared_url) as ledger, committing(ledger) as counted:
        paid = sum(in_a_child(lambda: pay_in_a_ledger_of_its_own(shared_url)) for _ in range(8))
    assert paid == 16
    assert_shop_has(paid + sum(counted), shared_url)


def test_a_pool_of_processes_in_a_service_that_commits(shared_url: str | Path) -> None:
    fund(shared_url)
    pool = ProcessPoolExecutor(4, mp_context=get_context("fork"))
    with Ledger.open(shared_url) as ledger, committing(ledger) as counted, pool:
        paid = sum(pool.map(pay_in_a_ledger_of_its_own, [shared_url] * 12, timeout=HANGS_SECONDS))
    assert paid == 24
    assert_shop_has(paid + sum(counted), shared_url)


@pytest.mark.parametrize("closes", ["before they begin", "in their midst", "after them"])
def test_workers_of_a_process_that_had_the_ledger_open_lose_nothing_when_it_closes(shared_url: str | Path, closes: str) -> None:
    """SQLite would remove the log that they write to, if they had no locks of their own."""
    fund(shared_url)
    parent = Ledger.open(shared_url)
    pay(parent)
    ready, said = os.pipe()
    waits, go_on = os.pipe()
    children: list[int] = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.alarm(HANGS_SECONDS)
                os.close(go_on)
                with closing(Ledger.open(shared_url)) as own:
                    if closes == "in their midst":
                        pay(own)
                    os.write(said, b".")
                    os.read(waits, 1)
                    pay(own, 2 if closes == "in their midst" else 3)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    os.close(waits)
    told = 0
    while told < 3:
        told += len(os.read(ready, 3))
    if closes != "after them":
        parent.close()
    os.close(go_on)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    parent.close()
    os.close(ready)
    os.close(said)
    assert_shop_has(10, shared_url)


def test_a_fork_waits_for_the_commit_of_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "books.db"
    fund(path)
    in_commit, forking = Event(), Event()
    commit, rest = SharedFile.commit, SharedFile.rest_before_fork

    def slow_commit(file: SharedFile) -> None:
        in_commit.set()
        assert forking.wait(HANGS_SECONDS)
        commit(file)

    def noted_rest(file: SharedFile) -> None:
        forking.set()
        rest(file)

    with Ledger.open(path) as ledger:
        monkeypatch.setattr(SharedFile, "commit", slow_commit)
        monkeypatch.setattr(SharedFile, "rest_before_fork", noted_rest)
        payer = Thread(target=pay, args=(ledger,))
        payer.start()
        assert in_commit.wait(HANGS_SECONDS)
        assert in_a_child(lambda: pay_in_a_ledger_of_its_own(path)) == 2
        payer.join()
        pay(ledger)
    assert_shop_has(4, path)


def test_a_child_forked_in_the_midst_of_a_commit_of_its_own_thread_is_told(tmp_path: Path) -> None:
    """As by a signal's handler. The parent's commit stands."""
    path = tmp_path / "books.db"
    with closing(SQLiteJournal(path)) as journal, closing(SQLiteJournal(tmp_path / "spare.db")) as spare:
        (row,) = append(spare, 1)

        def work() -> str:
            try:
                SQLiteJournal(path).close()
            except StorageUnavailable as error:
                return str(error)
            return "it was opened"

        with journal.writing():
            assert "forked in the midst" in in_a_child(work)
            journal.append(row, [])
        assert journal.row_at(1) == row
        assert in_a_child(work) == "it was opened"


def test_a_fork_does_not_wait_for_ever_for_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_file, "FORK_PATIENCE_S", 0.01)
    path, held, let_go = tmp_path / "books.db", Event(), Event()
    fund(path)
    with closing(SQLiteJournal(path)) as journal:

        def hold() -> None:
            with journal.writing():
                held.set()
                let_go.wait()

        holder = Thread(target=hold)
        holder.start()
        assert held.wait(HANGS_SECONDS)

        def work() -> str:
            try:
                Ledger.open(path).close()
            except StorageUnavailable as error:
                return str(error)
            return "it was opened"

        told = in_a_child(work)
        let_go.set()
        holder.join()
    assert "forked in the midst" in told
    assert pay_in_a_ledger_of_its_own(path) == 2


def test_a_thread_that_reads_while_a_child_is_forked_keeps_nothing_from_it(shared_url: str | Path) -> None:
    """It has the lock of the books for ever, where the child is concerned."""
    fund(shared_url)
    held, let_go = Event(), Event()
    with Ledger.open(shared_url) as ledger:

        def hold() -> None:
            with core_of(ledger).locked():
                held.set()
                let_go.wait()

        holder = Thread(target=hold)
        holder.start()
        assert held.wait(HANGS_SECONDS)

        def work() -> list[str]:
            told: list[str] = []
            for call in (lambda: ledger.balance("USD", "shop"), lambda: pay(ledger), lambda: ledger.audit(), ledger.close):
                try:
                    call()
                    told.append("done")
                except Exception as error:
                    told.append(f"{type(error).__name__}: {error}")
            return told

        *refused, closed = in_a_child(work)
        let_go.set()
        holder.join()
    assert closed == "done"
    for told in refused:
        assert told.startswith("LedgerClosed: ")
        assert told.endswith("forked: open it here")


@pytest.mark.parametrize("url_of", ["a store", "memory:"])
def test_a_child_has_an_awaited_ledger_refuse_and_close(url_of: str, shared_url: str | Path) -> None:
    url = "memory:" if url_of == "memory:" else shared_url
    with closing(asyncio.new_event_loop()) as loop:
        ledger = loop.run_until_complete(_opened(url))

        async def use() -> list[str]:
            told: list[str] = []
            for call in (ledger.balance("USD", "bank"), ledger.mint("USD", "bank", 1), ledger.close()):
                try:
                    await asyncio.wait_for(call, HANGS_SECONDS / 4)
                    told.append("done")
                except Exception as error:
                    told.append(type(error).__name__)
            return told

        refusal = "InvalidRequest" if url == "memory:" else "LedgerClosed"
        assert in_a_child(lambda: asyncio.run(use())) == [refusal, refusal, "done"]
        loop.run_until_complete(ledger.mint("USD", "bank", 1))
        loop.run_until_complete(ledger.close())


async def _opened(url: str | Path) -> AsyncLedger:
    ledger = await AsyncLedger.open(url)
    await ledger.register_token(Token("USD"))
    await ledger.mint("USD", "bank", 1)
    return ledger


def test_a_copy_in_memory_is_never_of_a_commit_half_done() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "bank", MINTED)

        def work() -> bool:
            before = ledger.balance("USD", "shop").total
            pay(ledger, 2)
            shop, bank = ledger.balance("USD", "shop").total, ledger.balance("USD", "bank").total
            return (shop, bank) == (before + 2, MINTED - before - 2) and ledger.verify().position == shop + 2

        with committing(ledger):
            assert all(in_a_child(work) for _ in range(10))


def test_forks_of_several_threads_at_once(shared_url: str | Path) -> None:
    fund(shared_url)
    paid: list[int] = []
    with Ledger.open(shared_url) as ledger, Ledger.open("memory:") as other, committing(ledger) as counted:
        assert other.tokens() == []

        def fork_some() -> None:
            for _ in range(3):
                paid.append(in_a_child(lambda: pay_in_a_ledger_of_its_own(shared_url)))

        threads = [Thread(target=fork_some) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert paid == [2] * 9
    assert_shop_has(18 + sum(counted), shared_url)


CHILD_ENDS_AS_PROCESSES_DO = """
    import os, sys
    from tallystick import Ledger

    ledger = Ledger.open(sys.argv[1])
    ledger.balance("USD", "shop")
    if os.fork() == 0:
        sys.exit()  # what it inherited is freed
    os.wait()
    ledger.transfer("USD", "bank", "shop", 1)
    print(ledger.balance("USD", "shop").total)
    ledger.close()
"""


def test_a_child_that_ends_closes_nothing_of_its_parents(shared_url: str | Path) -> None:
    fund(shared_url)
    command = [sys.executable, "-c", textwrap.dedent(CHILD_ENDS_AS_PROCESSES_DO), str(shared_url)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_SECONDS, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_the_turn_falls_with_its_holder_though_a_child_of_the_holder_lives(shared_url: str | Path) -> None:
    fund(shared_url)
    ready, said = os.pipe()
    holder = os.fork()
    if holder == 0:
        with Ledger.open(shared_url) as ledger, journal_of(ledger).writing():
            if os.fork() == 0:
                gc.collect()
                os.write(said, b"%d " % os.getpid())
            signal.pause()
        os._exit(1)
    grandchild = int(os.read(ready, 100))
    try:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        assert pay_in_a_ledger_of_its_own(shared_url) == 2
    finally:
        os.kill(grandchild, signal.SIGKILL)
        os.close(ready)
        os.close(said)
