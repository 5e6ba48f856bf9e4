"""What contracts cost: proportional steps, reads that catch up, sweeps, many changes at once, and opening with many."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bare import BareTable, read_and_hash
from benchmarks.timing import Result, compare
from tallystick import Ledger
from tallystick.domain import scaling
from tallystick.domain.scaling import ScaledValues

BATCH = 8_000
SAT = 10**8
CHANGE = "x" * 44


def pool(path: Path, accounts: int) -> Ledger:
    """A ledger with one contract, in which every account is allocated another amount."""
    ledger = Ledger.open(path)
    with ledger.atomic() as tx:
        tx.register_contract("pool").balance_up(10**15)
    for start in range(0, accounts, BATCH):
        with ledger.atomic() as tx:
            contract = tx.contract("pool")
            for number in range(start, min(accounts, start + BATCH)):
                contract.alloc(f"account-{number}")
                contract.shadow_up(f"account-{number}", 1_000 + number)
    return ledger


def at_once(ledger: Ledger, count: int, change: Callable[[Any], None]) -> int:
    """`count` changes of the contract in one transaction, to its durable receipt."""
    with ledger.atomic() as tx:
        contract = tx.contract("pool")
        for _ in range(count):
            change(contract)
    return count


def scale_each(allocations: dict[str, int], allocs_sum: int) -> int:
    """One proportional step on every allocation, at once."""
    for account, sati in allocations.items():
        allocations[account] = sati + sati // allocs_sum
    return 1


def steps_on_all(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """`shadow_up_all`, on few allocations and on many."""
    for accounts in (10, 1_000, 1_000_000 // scale):
        ledger = pool(folder / f"all-{accounts}.db", accounts)
        allocations = {f"account-{number}": (1_000 + number) * SAT for number in range(accounts)}
        times = max(1, 100_000 // accounts)
        yield compare(
            "shadow_up_all, 100 in one transaction",
            f"{accounts:,} allocations",
            "steps",
            lambda ledger=ledger: at_once(ledger, 100, lambda contract: contract.shadow_up_all(1)),
            lambda allocations=allocations, times=times: sum(scale_each(allocations, 10**9) for _ in range(times)),
            "changing every allocation in a dictionary at each step; checks, records and keeps nothing",
            runs,
        )
        ledger.close()


def reads_that_catch_up(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """Reading an allocation that has missed steps."""
    ledger = pool(folder / "missed.db", 20_000 // scale)
    unread = iter(range(20_000 // scale))
    missed = 0
    for steps in (0, 1_000, 10_000 // scale):
        at_once(ledger, max(1, steps - missed), lambda contract: contract.shadow_up_all(1))
        missed = max(1, steps)
        if not steps:
            ledger.contract("pool").allocations()

        def read(ledger: Ledger = ledger) -> int:
            for _ in range(20):
                ledger.allocation("pool", f"account-{next(unread)}")
            return 20

        yield compare(
            "reading an allocation",
            f"{steps:,} steps missed",
            "reads",
            read,
            lambda steps=steps: sum(catch_up(1_000 * SAT, steps) for _ in range(20)),
            "the arithmetic of the missed steps alone, in a loop",
            runs,
        )
    ledger.close()


def catch_up(sati: int, steps: int) -> int:
    """The arithmetic of proportional steps; gives 1, for one read."""
    whole = 10**12
    for _ in range(steps):
        sati = sati * (whole + 1) // whole
        whole += 1
    return 1


def steps_with_sweeps(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """Steps on allocations of which no two are alike, so long that old steps must be forgotten."""
    for count in (10, 100, 1_000):
        steps = 20_000 // scale

        def work(count: int = count, steps: int = steps) -> int:
            values, whole = ScaledValues(), 10**9
            for number in range(count):
                values.add(str(number), (10**6 + number) * SAT)
            for _ in range(steps):
                values.scale(whole, whole + 1)
                values.settle()
                whole += 1
            return steps

        def without_sweeps(work: Callable[[], int] = work) -> int:
            kept, scaling.STEPS_KEPT = scaling.STEPS_KEPT, 10**9
            try:
                return work()
            finally:
                scaling.STEPS_KEPT = kept

        yield compare(
            f"{steps:,} proportional steps in memory, swept as they come",
            f"{count:,} allocations",
            "steps",
            work,
            without_sweeps,
            "the same without sweeps; keeps every step for ever",
            min(runs, 3),
        )


def changes_at_once(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """8,000 changes of single allocations in one transaction."""
    count, chance = BATCH // scale, random.Random(1)
    for accounts in (1_000, 10_000):
        ledger = pool(folder / f"changes-{accounts}.db", accounts)
        names = [f"account-{number}" for number in range(accounts)]
        table = BareTable(folder / f"changes-{accounts}-bare.db")
        yield compare(
            f"shadow_up of single accounts, {count:,} in one transaction",
            f"{accounts:,} allocations",
            "changes",
            lambda ledger=ledger, names=names: at_once(ledger, count, lambda pool: pool.shadow_up(chance.choice(names), 5)),
            lambda table=table: table.insert_at_once(CHANGE, count),
            "a row a change of as many bytes, one commit; checks and keeps no allocation",
            runs,
        )
        table.close()
        ledger.close()


def opening_with_many(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """Opening a ledger of few and of many contracts, and loading one of them."""
    for contracts in (10, 100_000 // scale):
        path = folder / f"contracts-{contracts}.db"
        with Ledger.open(path) as ledger:
            for start in range(0, contracts, BATCH):
                with ledger.atomic() as tx:
                    for number in range(start, min(contracts, start + BATCH)):
                        tx.register_contract(f"contract-{number}").balance_up(1)
            events = ledger.verify().position

        def reopen(path: Path = path, events: int = events) -> int:
            with Ledger.open(path) as ledger:
                assert ledger.contract("contract-7").balance == 1
            return events

        yield compare(
            "opening a ledger with contracts, and loading one",
            f"{contracts:,} contracts, {events:,} events",
            "events",
            reopen,
            lambda path=path, events=events: read_and_hash(path, events),
            "reading and hashing the same rows alone",
            runs,
        )


WORKLOADS = {
    "shadow-all": steps_on_all,
    "shadow-reads": reads_that_catch_up,
    "shadow-sweeps": steps_with_sweeps,
    "shadow-changes": changes_at_once,
    "contracts": opening_with_many,
}
