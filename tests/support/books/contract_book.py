"""What the tests of contracts share: steps on a contract, its figures, and others who come in between."""

import threading
from collections.abc import Callable
from typing import Any

from tallystick import Ledger

SAT = 10**8

Step = tuple[Any, ...]
STAKED: list[Step] = [("balance_up", 1000), ("alloc", "alice"), ("shadow_up", "alice", 300)]


def play(contract: Any, steps: list[Step]) -> None:
    for name, *arguments in steps:
        getattr(contract, name)(*arguments)


def figures(ledger: Ledger, id: str = "pool") -> tuple[int, int, int]:
    view = ledger.contract(id)
    return view.balance, view.allocs_sum, view.num_allocs


def in_another_thread(work: Callable[[], object]) -> None:
    """Does `work`, to the end."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def elsewhere(ledger: Ledger, *work: Callable[[Any], object]) -> None:
    """Does `work` in a transaction of another thread, to the end."""

    def run() -> None:
        with ledger.atomic() as tx:
            for each in work:
                each(tx)

    in_another_thread(run)
