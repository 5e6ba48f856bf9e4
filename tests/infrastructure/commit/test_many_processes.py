"""Many processes on one store: nobody starves, nothing acknowledged is lost or doubled, and no refusal is false.

Written against the public API alone, for every store that processes can share: `shared_url` gives an empty one of each.
"""

import time
from pathlib import Path
from typing import Any

import pytest

from tallystick import Balances, Conflict, DuplicateIdempotencyKey, Ledger, Token
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tests.support.faults.held_journal import until
from tests.support.programs.processes import WaitForAll, run_in_processes

PROCESSES = 8
TURNS = 100  # of whoever is first to have had so many: enough to tell a third from chance
TURNS_OF_A_FILE = 500  # which takes so little time that others get many while a process is not scheduled
WRITERS = 3
LARGE = 8_000
SHARE = 1_000_000

Url = str | Path


def open_funded(url: Url, amounts: dict[str, int]) -> Ledger:
    ledger = Ledger.open(url)
    ledger.register_token(Token("USD", unit=1_000))
    with ledger.atomic() as tx:
        for account, amount in amounts.items():
            tx.mint("USD", account, amount)
    return ledger


def take_and_give_back(url: Url, number: int, turns: int, stop: Path, wait_for_all: WaitForAll) -> list[int]:
    """Takes 1 out of the hot account and puts it back, again and again; gives the position of every acknowledged commit.

    Who is the first to have had so many turns ends it for all, by `stop`. The hot account began with 1 for each process and
    each holds at most 1, so there is always 1 to take.
    """
    positions: list[int] = []
    mine = f"account-{number}"
    with Ledger.open(url) as ledger:
        wait_for_all()
        while not stop.exists():
            sender, receiver = ("hot", mine) if len(positions) % 2 == 0 else (mine, "hot")
            with ledger.atomic(f"{number}-{len(positions)}") as tx:
                tx.transfer("USD", sender, receiver, 1)
            assert tx.receipt is not None
            positions.append(tx.receipt.position)
            if len(positions) == turns:
                stop.touch()
    return positions


def test_processes_on_one_hot_account_get_their_share_and_lose_nothing(shared_url: Url, tmp_path: Path) -> None:
    open_funded(shared_url, {"hot": PROCESSES}).close()
    stop, turns = tmp_path / "stop", TURNS_OF_A_FILE if isinstance(shared_url, Path) else TURNS
    works = [
        lambda wait, number=number: take_and_give_back(shared_url, number, turns, stop, wait) for number in range(PROCESSES)
    ]
    acknowledged: list[list[int]] = run_in_processes(works)
    counts = sorted(len(positions) for positions in acknowledged)
    assert counts[0] * 3 >= counts[-1], f"commits of the processes: {counts}"
    with Ledger.open(shared_url) as ledger:
        report = ledger.audit()
        assert report.ok, report.findings
        balances = {account: balance.total for account, balance in ledger.balances("USD").items() if balance.total}
        assert sum(balances.values()) == PROCESSES
        for number, positions in enumerate(acknowledged):
            assert balances.get(f"account-{number}", 0) == len(positions) % 2
            for turn, position in enumerate(positions):
                assert position_of(ledger, f"{number}-{turn}") == position
            assert position_of(ledger, f"{number}-{len(positions)}") is None, "a commit that nobody was told of"
        assert len({position for positions in acknowledged for position in positions}) == sum(counts)


def position_of(ledger: Ledger, key: str) -> int | None:
    """The position of the commit that used the key."""
    try:
        with ledger.atomic(key):
            return None
    except DuplicateIdempotencyKey as error:
        return error.receipt.position


def pay_in(url: Url, number: int, stop: Path, wait_for_all: WaitForAll) -> int:
    """Pays 1 after another into the hot account until `stop` is there; gives how often."""
    paid = 0
    with Ledger.open(url) as ledger:
        wait_for_all()
        while not stop.exists():
            with ledger.atomic() as tx:
                tx.transfer("USD", f"writer-{number}", "hot", 1)
            paid += 1
    return paid


def plan_slowly(url: Url, stop: Path, wait_for_all: WaitForAll) -> int:
    """One large transaction that touches the hot account, in whose plan others pay in often; gives how often they did."""
    try:
        with Ledger.open(url) as ledger:
            wait_for_all()
            before = ledger.balance("USD", "hot").total
            seen = before
            with ledger.atomic("large") as tx:
                for row in range(LARGE):
                    tx.transfer("USD", "hot", f"receiver-{row % 100}", 1)
                    if row % 400 == 0:
                        until(lambda seen=seen: ledger.balance("USD", "hot").total > seen)
                        seen = ledger.balance("USD", "hot").total
            return ledger.balance("USD", "hot").total + LARGE - before
    finally:
        stop.touch()


def test_a_slow_planner_of_a_large_transaction_commits_beside_quick_writers(shared_url: Url, tmp_path: Path) -> None:
    state = {"hot": LARGE} | {f"writer-{number}": SHARE for number in range(WRITERS)}
    open_funded(shared_url, state).close()
    stop = tmp_path / "stop"
    writers = [lambda wait, number=number: pay_in(shared_url, number, stop, wait) for number in range(WRITERS)]
    meanwhile, *paid = run_in_processes([lambda wait: plan_slowly(shared_url, stop, wait), *writers])
    assert meanwhile > WRITERS, "nobody else committed while it was planned"
    assert min(paid) > 0
    with Ledger.open(shared_url) as ledger:
        assert ledger.balance("USD", "hot").total == sum(paid)
        assert sum(ledger.balance("USD", f"receiver-{number}").total for number in range(100)) == LARGE
        assert position_of(ledger, "large") is not None
        report = ledger.audit()
        assert report.ok, report.findings


def sweep(url: Url, stop: Path, wait_for_all: WaitForAll) -> dict[str, Any]:
    """Tries to empty the hot account by the balance that it was told; gives how often, and where it committed, if it did."""
    tried: list[TransactionContext] = []

    def empty(tx: TransactionContext) -> int:
        tried.append(tx)
        told = tx.balance("USD", "hot").available
        time.sleep(0.05)
        tx.transfer("USD", "hot", "swept", told)
        return told

    try:
        with Ledger.open(url) as ledger:
            wait_for_all()
            try:
                told = ledger.run(empty, "sweep", attempts=4)
            except Conflict:
                return {"attempts": len(tried), "position": None}
            receipt = tried[-1].receipt
            assert receipt is not None
            return {"attempts": len(tried), "position": receipt.position, "told": told}
    finally:
        stop.touch()


@pytest.mark.parametrize("writers", [0, WRITERS])
def test_who_was_told_a_balance_that_changes_conflicts_or_is_right(shared_url: Url, tmp_path: Path, writers: int) -> None:
    state = {"hot": 100} | {f"writer-{number}": SHARE for number in range(writers)}
    open_funded(shared_url, state).close()
    stop = tmp_path / "stop"
    works = [lambda wait, number=number: pay_in(shared_url, number, stop, wait) for number in range(writers)]
    outcome, *paid = run_in_processes([lambda wait: sweep(shared_url, stop, wait), *works])
    with Ledger.open(shared_url) as ledger:
        swept = ledger.balance("USD", "swept").total
        assert position_of(ledger, "sweep") == outcome["position"]
        assert ledger.balance("USD", "hot").total + swept == 100 + sum(paid)
        if outcome["position"] is None:
            assert (outcome["attempts"], swept) == (4, 0)
        else:
            assert outcome["told"] == swept
            then = ledger.replay(Balances(), upto=outcome["position"])
            assert then.state["USD"]["available"]["hot"] == 0, "it took what it was told, and there was more"
        if not writers:
            assert outcome == {"attempts": 1, "position": outcome["position"], "told": 100}
        assert ledger.audit().ok
