"""What contracts cost: proportional steps, reads that catch up, sweeps, many changes at once, and opening with many."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tallystick.domain.arithmetic import scaling
from tallystick.domain.arithmetic.scaling import ScaledValues
from tallystick.infrastructure.benchmarks.baselines.bare import HASHING, ROW_EACH, BareTable, read_and_hash
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, compare
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.ledger.ledger import Ledger

BATCH = 8_000
SAT = 10**8
CHANGE = "x" * 44

DICTIONARY = Baseline("a dictionary", "changes every allocation in it at each step", "check, record or keep anything")
STEPS_ALONE = Baseline("the steps alone", "does the arithmetic of the missed steps in a loop", "look anything up")
WITHOUT_SWEEPS = Baseline("without sweeps", "does the same", "forget any step, and so grows for ever")


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


def steps_on_all(settings: Settings) -> Iterator[Figure]:
    """`shadow_up_all`, on few allocations and on many."""
    for accounts in (10, 1_000, 1_000_000 // settings.scale):
        ledger = pool(settings.folder / f"all-{accounts}.db", accounts)
        allocations = {f"account-{number}": (1_000 + number) * SAT for number in range(accounts)}
        times = max(1, 100_000 // accounts)
        yield compare(
            "shadow_up_all, 100 in one transaction",
            f"{accounts:,} allocations",
            "steps",
            lambda ledger=ledger: at_once(ledger, 100, lambda contract: contract.shadow_up_all(1)),
            {DICTIONARY: lambda given=allocations, times=times: sum(scale_each(given, 10**9) for _ in range(times))},
            settings.runs,
        )
        ledger.close()


def reads_that_catch_up(settings: Settings) -> Iterator[Figure]:
    """Reading an allocation that has missed steps."""
    ledger = pool(settings.folder / "missed.db", 20_000 // settings.scale)
    unread = iter(range(20_000 // settings.scale))
    missed = 0
    for steps in (0, 1_000, 10_000 // settings.scale):
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
            {STEPS_ALONE: lambda steps=steps: sum(catch_up(1_000 * SAT, steps) for _ in range(20))},
            settings.runs,
        )
    ledger.close()


def catch_up(sati: int, steps: int) -> int:
    """The arithmetic of proportional steps; gives 1, for one read."""
    whole = 10**12
    for _ in range(steps):
        sati = sati * (whole + 1) // whole
        whole += 1
    return 1


def steps_with_sweeps(settings: Settings) -> Iterator[Figure]:
    """Steps on allocations of which no two are alike, so long that old steps must be forgotten."""
    for count in (10, 100, 1_000):
        steps = 20_000 // settings.scale

        def work(count: int = count, steps: int = steps) -> int:
            values, whole = ScaledValues(), 10**9
            for number in range(count):
                values.add(str(number), (10**6 + number) * SAT)
            for _ in range(steps):
                values.scale(whole, whole + 1)
                values.forget_steps()
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
            {WITHOUT_SWEEPS: without_sweeps},
            min(settings.runs, 3),
        )


def changes_at_once(settings: Settings) -> Iterator[Figure]:
    """8,000 changes of single allocations in one transaction."""
    count, chance = BATCH // settings.scale, random.Random(1)
    for accounts in (1_000, 10_000):
        ledger = pool(settings.folder / f"changes-{accounts}.db", accounts)
        names = [f"account-{number}" for number in range(accounts)]
        table = BareTable(settings.folder / f"changes-{accounts}-bare.db")
        yield compare(
            f"shadow_up of single accounts, {count:,} in one transaction",
            f"{accounts:,} allocations",
            "changes",
            lambda ledger=ledger, names=names: at_once(ledger, count, lambda pool: pool.shadow_up(chance.choice(names), 5)),
            {ROW_EACH: lambda table=table: table.insert_at_once(CHANGE, count)},
            settings.runs,
        )
        table.close()
        ledger.close()


def opening_with_many(settings: Settings) -> Iterator[Figure]:
    """Opening a ledger of few and of many contracts, and loading one of them."""
    for contracts in (10, 100_000 // settings.scale):
        path = settings.folder / f"contracts-{contracts}.db"
        with Ledger.open(path) as ledger:
            for start in range(0, contracts, BATCH):
                with ledger.atomic() as tx:
                    for number in range(start, min(contracts, start + BATCH)):
                        tx.register_contract(f"contract-{number}").balance_up(1)
            events = ledger.verify().position

        def reopen(path: Path = path, events: int = events) -> int:
            with Ledger.open(path) as ledger:
                ledger.contract("contract-7")
            return events

        yield compare(
            "opening a ledger with contracts, and loading one",
            f"{contracts:,} contracts, {events:,} events",
            "events",
            reopen,
            {HASHING: lambda path=path, events=events: read_and_hash(path, events)},
            settings.runs,
        )


WORKLOADS = (
    Workload("shadow-all", "proportional steps on every allocation of a contract", steps_on_all, (DICTIONARY,)),
    Workload("shadow-reads", "reading an allocation that has missed steps", reads_that_catch_up, (STEPS_ALONE,)),
    Workload("shadow-sweeps", "so many steps that old ones must be forgotten", steps_with_sweeps, (WITHOUT_SWEEPS,)),
    Workload("shadow-changes", "changes of single allocations, in one transaction", changes_at_once, (ROW_EACH,)),
    Workload("contracts", "opening a ledger of few and of many contracts", opening_with_many, (HASHING,)),
)
