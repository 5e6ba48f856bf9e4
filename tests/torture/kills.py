"""Processes that write to an SQLite file and are killed at a counted call of the disk; then it is opened and looked at.

The call is one that SQLite makes to change a file, or one by which Python opens, renames or removes something beside it, in any
thread: before it, after it, or when half of what it writes is written. What was said goes into a file, from which a kill takes
nothing. Several kills in a row hit one journal, so that recoveries are killed too; now and then two processes write at once.
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple
from unittest import mock

from tallystick import Ledger
from tallystick.infrastructure.indexes import keys
from tallystick.infrastructure.journal.stores.sqlite import file as sqlite_file
from tallystick.infrastructure.snapshots import keeper
from tests.torture.disk.calls import Call, Counter, watched
from tests.torture.findings import Report
from tests.torture.writing.witness import Witness
from tests.torture.writing.writer import MANNERS, Manner, write

KILLS_A_JOURNAL = 10
Moment = Literal["before", "after", "half"]
MOMENTS: tuple[Moment, ...] = ("before", "after", "half")
FILE_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
"""Python's names for what it is about to do to files."""

Plant = Callable[[], AbstractContextManager[object]]
"""A fault for the writing processes."""


class Kill(NamedTuple):
    """The call that kills, counted from 1, and when in it."""

    call: int
    moment: Moment


class Killer:
    """Watches the disk and kills this process."""

    def __init__(self, kill: Kill) -> None:
        self._moment = kill.moment
        self._counter = Counter(kill.call)
        self._dies_after = False

    def before(self, call: Call, write_part: Callable[[int], object]) -> None:
        """Counts the call."""
        if not self._counter.is_it():
            return
        if self._moment == "after":
            self._dies_after = True
        else:
            if self._moment == "half":
                write_part(len(call.content) // 2)
            _die()

    def after(self, call: Call) -> None:
        """Kills after the call that was counted, or one that another thread made meanwhile."""
        if self._dies_after:
            _die()

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """What Python does with files counts as well."""
        if event in FILE_EVENTS and self._counter.is_it():
            _die()


@contextmanager
def small_sizes(chance: Random) -> Iterator[None]:
    """Snapshots, checkpoints of the log and merges of runs come every few commits."""
    with (
        mock.patch.object(keeper, "GROWTH_BYTES_MIN", chance.choice([10_000, 40_000])),
        mock.patch.object(keys, "RECENT", 32),
        mock.patch.object(sqlite_file, "CHECKPOINT_PAGES", chance.choice([8, 20, 1000])),
    ):
        yield


def run(tries: int, seed: int, folder: Path, *, first: int = 0, plant: Plant = nullcontext) -> Report:
    """Kills so many processes; `first` is the number of the first kill, to see one again."""
    report = Report("kill -9, SQLite", seed, first - first % KILLS_A_JOURNAL)
    last, acknowledged = first + tries, 0
    with report.timed():
        for journal in range(first // KILLS_A_JOURNAL, -(-last // KILLS_A_JOURNAL)):
            place = folder / f"killed-{journal}"
            place.mkdir(parents=True)
            witness = Witness()
            for number in range(journal * KILLS_A_JOURNAL, min(last, (journal + 1) * KILLS_A_JOURNAL)):
                with report.trying():
                    _kill_and_look(number, Random(f"{seed} kill {number}"), place, witness, plant, report)
            shutil.rmtree(place)
            acknowledged += len(witness.done)
    report.notes = f"{acknowledged} entries were acknowledged"
    return report


def _kill_and_look(number: int, chance: Random, place: Path, witness: Witness, plant: Plant, report: Report) -> None:
    books = place / "books.db"
    url = f"sqlite:///{books}"
    manner = chance.choice(MANNERS)
    writers = 2 if chance.random() < 0.25 else 1
    said = [place / f"said-{number}-{writer}" for writer in range(writers)]
    children = [_start(url, manner, chance, path, plant) for path in said]
    for child in children:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != -signal.SIGKILL:
            report.find("wrong", f"a writer ended with {status}")
    for path in said:
        witness.hear(path.read_text().splitlines())
    if chance.random() < 0.2:
        shutil.rmtree(f"{books}.cache", ignore_errors=True)
    with Ledger.open(url) as ledger:
        witness.check(ledger, report)


def _start(url: str, manner: Manner, chance: Random, said: Path, plant: Plant) -> int:
    """Forks a process that writes until it is killed."""
    kill = Kill(int(2 ** chance.uniform(0, 10.5)), chance.choice(MOMENTS))
    child = os.fork()
    if child == 0:
        try:
            file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            killer = Killer(kill)
            with small_sizes(chance), plant(), watched(killer):
                sys.addaudithook(killer.hear)
                write(url, manner, said.name, lambda line: os.write(file, f"{line}\n".encode()))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def _die() -> None:
    """Does not come back: no thread of the process does anything more."""
    os.kill(os.getpid(), signal.SIGKILL)
