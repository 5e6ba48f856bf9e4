"""Several threads on one ledger, several processes on one store."""

import os
import random
from pathlib import Path
from threading import Event, Thread

from tallystick import Conflict, InsufficientFunds, Ledger, Token

ACCOUNTS = [f"account-{k}" for k in range(6)]


def open_funded(url: str | Path) -> Ledger:
    ledger = Ledger.open(url)
    ledger.register_token(Token("USD", unit=50))
    with ledger.atomic() as tx:
        for account in ACCOUNTS:
            tx.mint("USD", account, 200)
    return ledger


def wander(ledger: Ledger, seed: int, rounds: int) -> int:
    """Transfers between random accounts, in pairs that a reader must never see half of; gives how many were done."""
    chance = random.Random(seed)
    done = 0
    for _ in range(rounds):
        one, two, three = chance.sample(ACCOUNTS, 3)
        try:
            with ledger.atomic() as tx:
                tx.transfer("USD", one, two, chance.randrange(1, 60))
                tx.transfer("USD", two, three, chance.randrange(1, 60))
            done += 1
        except (InsufficientFunds, Conflict):  # of the second transfer, or of the first when it is tried again at the head
            pass
    return done


def watch(ledger: Ledger, sums: list[int], finished: Event) -> None:
    """Collects what a reader sees of the sum of all balances."""
    while not finished.is_set() or not sums:
        sums.append(sum(balance.total for balance in ledger.balances("USD").values()))


def test_threads_on_one_ledger(url: str | Path) -> None:
    with open_funded(url) as ledger:
        threads = [Thread(target=wander, args=(ledger, seed, 60)) for seed in range(8)]
        sums: list[int] = []
        finished = Event()
        reader = Thread(target=lambda: watch(ledger, sums, finished))
        for thread in (reader, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        finished.set()
        reader.join()
        assert len(sums) > 1
        assert set(sums) == {1200}
        assert ledger.audit().ok


def test_processes_on_one_store(shared_url: str | Path) -> None:
    open_funded(shared_url).close()
    children: list[int] = []
    for seed in range(3):
        child = os.fork()
        if child == 0:
            status = 255
            try:
                with Ledger.open(shared_url) as ledger:
                    status = 0 if wander(ledger, seed, 150) > 75 else 1
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    with Ledger.open(shared_url) as ledger:
        assert sum(balance.total for balance in ledger.balances("USD").values()) == 1200
        assert ledger.verify().ok
        assert ledger.audit().ok


def test_processes_after_the_same_money(shared_url: str | Path) -> None:
    """Each of two processes moves one unit at a time off an account, until it is empty: none is refused too early."""
    open_funded(shared_url).close()
    children: list[int] = []
    for name in ("left", "right"):
        child = os.fork()
        if child == 0:
            status = 255
            try:
                with Ledger.open(shared_url) as ledger:
                    while True:
                        with ledger.atomic() as tx:
                            tx.transfer("USD", ACCOUNTS[0], name, 1)
            except InsufficientFunds:
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    with Ledger.open(shared_url) as ledger:
        assert ledger.balance("USD", ACCOUNTS[0]).available == 0
        shares = [ledger.balance("USD", name).available for name in ("left", "right")]
        assert sum(shares) == 200
        assert ledger.audit().ok
