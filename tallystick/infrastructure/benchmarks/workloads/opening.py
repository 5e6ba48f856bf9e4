"""What opening costs a process that has just begun: from a snapshot, and without one from the journal's beginning.

The process itself takes the seconds of opening and of its first question, without those of starting Python and importing, and
then the memory that was resident at most, with all of it.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Space
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.ledger.ledger import Ledger

EVENTS = 10_000_000
ACCOUNTS = 1_000_000
FRAGMENTS = 1_000_000
OWNERS = 10_000
ROWS = 500_000
UNIT = 100_00

WITHOUT_SNAPSHOT = Baseline(
    "without a snapshot", "opens the same file", "use a snapshot: it reads and checks all of the journal"
)

_OPEN = """
import resource, sys, time
from pathlib import Path
from tallystick import Ledger
started = time.perf_counter()
ledger = Ledger.open(Path(sys.argv[1]))
ledger.balance("PLAIN", "account-0")
seconds = time.perf_counter() - started
status = Path("/proc/self/status")
if status.exists():  # what resource says begins with what the process had that started this one
    resident = int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
else:
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(seconds, resident)
ledger.close()
"""


class Opened(NamedTuple):
    """What a fresh process needed: seconds to open and answer, and the bytes that were resident at most."""

    seconds: float
    bytes: int


def opening(settings: Settings) -> Iterator[Figure | Space]:
    """Opening a journal of many events, accounts and fragments."""
    path = settings.folder / "books.db"
    events = _make(path, settings.scale)
    cache, kept = Path(f"{path}.cache"), settings.folder / "kept"
    cache.rename(kept)
    with_it: list[Opened] = []
    without: list[Opened] = []
    for run in range(settings.runs + 1):
        shutil.copytree(kept, cache)
        found = _opened(path), _opened_without(path, cache)
        if run:
            with_it.append(found[0])
            without.append(found[1])
    size = f"{events:,} events, {ACCOUNTS // settings.scale:,} accounts, {FRAGMENTS // settings.scale:,} fragments"
    rates, baseline = ([events / opened.seconds for opened in found] for found in (with_it, without))
    yield Figure("opening from a snapshot", size, "events", rates, {WITHOUT_SNAPSHOT: baseline})
    for name, found in (("from a snapshot", with_it), ("without one", without)):
        yield Space(f"in memory at most, opening {name}", size, "process", float(max(opened.bytes for opened in found)))


def _make(path: Path, scale: int) -> int:
    """Makes the journal and its snapshot; gives the number of its events."""
    accounts, owners, chance = ACCOUNTS // scale, OWNERS // scale, np.random.default_rng(1)
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("PLAIN"))
        ledger.register_token(Token("FRAGMENTED", unit=UNIT))
        names = [f"account-{number}" for number in range(accounts)]
        ledger.mint_many("FRAGMENTED", names[:owners], [UNIT * (FRAGMENTS // OWNERS)] * owners)
        handles, position = ledger.handles("PLAIN", names), 0
        for start in range(0, accounts, ROWS):
            chosen = handles[start : start + ROWS]
            position = ledger.mint_many("PLAIN", chosen, [10**9] * len(chosen)).position
        while position < EVENTS // scale:
            rows = min(ROWS, EVENTS // scale - position)
            senders, receivers = handles[chance.integers(0, accounts, (2, rows))]
            position = ledger.transfer_many("PLAIN", senders, receivers, chance.integers(1, 51, rows)).position
        ledger.snapshot()
        return position


def _opened_without(path: Path, cache: Path) -> Opened:
    shutil.rmtree(cache)
    opened = _opened(path)
    shutil.rmtree(cache, ignore_errors=True)
    return opened


def _opened(path: Path) -> Opened:
    done = subprocess.run([sys.executable, "-c", _OPEN, path], capture_output=True, text=True, check=True)
    seconds, resident = done.stdout.split()
    return Opened(float(seconds), int(resident))


WORKLOADS = (Workload("opening", "opening in a fresh process, from a snapshot and without", opening, (WITHOUT_SNAPSHOT,)),)
