"""Batches at the same time: readers see whole ones only, and writers in threads and processes take turns."""

import os
import random
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from tallystick import Balances, DuplicateTransferId, InsufficientFunds, Ledger
from tests.support.books.batch_book import check_replays, open_funded, total

NAMES = [f"account-{k}" for k in range(30)]
FUNDS = 1_000
TOTAL = FUNDS * len(NAMES)


def pass_on(ledger: Ledger, token: str, seed: int, batches: int) -> int:
    """Batches of transfers between random accounts, by name or by handle; gives how many rows were done."""
    chance = random.Random(seed)
    handles = ledger.handles(token, NAMES)
    done = 0
    for turn in range(batches):
        rows = chance.choice([1, 20, 300])
        givers, takers = ([chance.randrange(len(NAMES)) for _ in range(rows)] for _ in "12")
        columns = [handles[givers], handles[takers]] if turn % 2 else [[NAMES[k] for k in side] for side in (givers, takers)]
        amounts = [chance.randint(1, FUNDS) for _ in range(rows)]
        done += ledger.transfer_many(token, *columns, amounts, on_refusal="skip").accepted
    return done


def watch(ledger: Ledger, token: str, sums: list[int], finished: Event) -> None:
    """What a reader sees of the sum of all balances."""
    while not finished.is_set() or not sums:
        sums.append(total(ledger, token))


def run_beside(work: Callable[[], object], *watching: Callable[[Event], None]) -> None:
    finished = Event()
    threads = [Thread(target=each, args=(finished,)) for each in watching]
    for thread in threads:
        thread.start()
    try:
        work()
    finally:
        finished.set()
        for thread in threads:
            thread.join()


def in_child(work: Callable[[], bool]) -> int:
    """Forks; the child's status is whether `work` was well."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("token", ["PLN", "CENT", "WEI"])
def test_threads_on_one_ledger(token: str) -> None:
    with open_funded("memory:", NAMES, FUNDS) as ledger:
        writers = [Thread(target=pass_on, args=(ledger, token, seed, 12)) for seed in range(3)]
        sums: list[int] = []

        def write() -> None:
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.join()

        run_beside(write, lambda finished: watch(ledger, token, sums, finished))
        assert set(sums) == {TOTAL}
        check_replays(ledger)
        assert ledger.audit().ok


def test_readers_of_a_file_see_whole_batches(tmp_path: Path) -> None:
    """Minting and burning in one batch each: what a reader sees is one of two sums, in this process and in another."""
    path = tmp_path / "books.db"
    open_funded(path, NAMES, FUNDS).close()
    stop, begun = tmp_path / "stop", [tmp_path / "begun-0", tmp_path / "begun-1"]

    def read_until_told(begun: Path) -> bool:
        sums: set[int] = set()
        with Ledger.open(path) as ledger:
            while not stop.exists():
                sums.add(total(ledger, "PLN"))
                sums.add(sum(ledger.replay(Balances()).state["PLN"]["available"].values()))
                begun.touch()
        return sums <= {TOTAL, TOTAL + 3_000}

    children = [in_child(lambda mark=mark: read_until_told(mark)) for mark in begun]
    sums: list[int] = []
    with Ledger.open(path) as ledger, Ledger.open(path) as reader:
        names = [f"new-{k}" for k in range(1_000)]

        def write() -> None:
            for turn in count():
                if turn >= 40 and all(mark.exists() for mark in begun):
                    break
                ledger.mint_many("PLN", names, [3] * 1_000)
                ledger.burn_many("PLN", names, [3] * 1_000)

        run_beside(
            write,
            lambda finished: watch(ledger, "PLN", sums, finished),
            lambda finished: watch(reader, "PLN", sums, finished),
        )
        stop.touch()
        assert [status_of(child) for child in children] == [0, 0]
        assert set(sums) <= {TOTAL, TOTAL + 3_000}
        assert ledger.audit().ok


@pytest.mark.parametrize("token", ["PLN", "CENT"])
def test_writers_in_processes_take_turns(tmp_path: Path, token: str) -> None:
    path = tmp_path / "books.db"
    open_funded(path, NAMES, FUNDS).close()

    def write(seed: int) -> bool:
        with Ledger.open(path) as ledger:
            return pass_on(ledger, token, seed, 20) > 0 and total(ledger, token) == TOTAL

    children = [in_child(lambda seed=seed: write(seed)) for seed in range(3)]
    assert [status_of(child) for child in children] == [0, 0, 0]
    with Ledger.open(path) as ledger:
        assert total(ledger, token) == TOTAL
        assert ledger.verify().ok
        check_replays(ledger)
        report = ledger.audit()
        assert report.ok, report.findings


def test_two_processes_after_the_same_money_and_ids(tmp_path: Path) -> None:
    """Each id is used by one of them, and the last unit is spent by one of them."""
    path = tmp_path / "books.db"
    open_funded(path, ["alice"], 400).close()

    def spend(name: str) -> bool:
        with Ledger.open(path) as ledger:
            for first in count(0, 5):
                ids = range(first, first + 5)
                receipt = ledger.transfer_many("PLN", ["alice"] * 5, [name] * 5, [1] * 5, ids=ids, on_refusal="skip")
                reasons = {type(row.reason) for row in receipt.refused}
                if InsufficientFunds in reasons:
                    return reasons == {InsufficientFunds}
                if reasons - {DuplicateTransferId}:
                    return False
        return False

    children = [in_child(lambda name=name: spend(name)) for name in ("left", "right")]
    assert [status_of(child) for child in children] == [0, 0]
    with Ledger.open(path) as ledger:
        shares = [ledger.balance("PLN", name).total for name in ("left", "right")]
        assert sum(shares) == 400
        assert ledger.balance("PLN", "alice").total == 0
        assert ledger.audit().ok


def test_a_plan_that_was_told_a_balance_is_told_of_a_batch(tmp_path: Path) -> None:
    """Two ledgers write in turn, a batch between the calls of a transaction and its end."""
    path = tmp_path / "books.db"
    with open_funded(path, NAMES, FUNDS) as one, Ledger.open(path) as other:
        for turn in range(20):
            with one.atomic() as tx:
                tx.transfer("PLN", NAMES[turn], "sink", 1)
                other.transfer_many("PLN", NAMES, NAMES[1:] + NAMES[:1], [turn + 1] * 30)
            with pytest.raises(InsufficientFunds), one.atomic() as tx:
                tx.transfer("CENT", NAMES[turn], "sink", FUNDS)
                other.burn_many("CENT", [NAMES[turn]], [1])
        assert one.balance("PLN", "sink").total == 20
        assert one.balances("PLN") == other.balances("PLN")
        assert one.audit().ok
