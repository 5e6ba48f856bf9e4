"""Processes that build and extend the index of the past and are killed at a counted line; then it is asked, and a replay too.

The line is one of the code that makes the index, its files and the books that are kept with it, on whichever thread: so in the
midst of a file, before and after it gets its name, and between files that belong together. Each process goes on from what those
before it left. After each kill a copy is asked at positions old and new; it must say what the journal says, and need no replay
for it, for the index goes on from there or is begun anew.
"""

import os
import shutil
import signal
import sys
import threading
import traceback
from contextlib import nullcontext
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import tallystick
from tallystick import Ledger
from tests.support.books.varied_book import VariedBook
from tests.support.past.kept_past import shortly_told
from tests.support.past.past_book import replays_counted, small_index
from tests.torture.disk.calls import Counter
from tests.torture.findings import Report
from tests.torture.kills import Plant

KILLS_A_JOURNAL = 10
COMMITS_BEFORE = 12
BUCKET = 16
NEVER = 2**40
PACKAGE = Path(tallystick.__file__).parent / "infrastructure"
FOLDERS = tuple(
    f"{PACKAGE / name}" for name in ("indexes/past", "snapshots", "system/column_file.py", "indexes/runs/writer.py")
)
"""Where lines are counted."""


def run(tries: int, seed: int, folder: Path, *, first: int = 0, plant: Plant = nullcontext) -> Report:
    """Kills so many processes; `first` is the number of the first kill, to see one again."""
    report = Report("kill -9, past", seed, first - first % KILLS_A_JOURNAL)
    last, buckets = first + tries, 0
    with report.timed():
        for journal in range(first // KILLS_A_JOURNAL, -(-last // KILLS_A_JOURNAL)):
            place = folder / f"past-{journal}"
            place.mkdir(parents=True)
            chance = Random(f"{seed} past {journal}")
            book = VariedBook(place / "books.db", chance.randrange(2**32))
            list(book.play(COMMITS_BEFORE))
            book.ledger.close()
            for number in range(journal * KILLS_A_JOURNAL, min(last, (journal + 1) * KILLS_A_JOURNAL)):
                with report.trying():
                    _kill_and_ask(Random(f"{seed} past kill {number}"), place / "books.db", report, plant)
            buckets += len(list(place.rglob("*.bucket")))
            shutil.rmtree(place)
    report.notes = f"{buckets} buckets were left"
    return report


def _kill_and_ask(chance: Random, path: Path, report: Report, plant: Plant) -> None:
    status = _extend_until_killed(path, chance, int(2 ** chance.uniform(5, 17)), plant)
    if status != -signal.SIGKILL:
        report.find("wrong", f"who extended the index ended with {status}")
    if chance.random() < 0.1:
        shutil.rmtree(Path(f"{path}.cache") / "past", ignore_errors=True)
    copied = path.parent.with_suffix(".asked")  # so that the next process finds what this one left
    shutil.copytree(path.parent, copied)
    with Ledger.open(copied / path.name) as ledger:
        head = ledger.status().head.position
        asked = [chance.randint(1, head) for _ in range(4)] + [head]
        with small_index(worth=NEVER):
            expected = [shortly_told(ledger.as_of(position)) for position in asked]
        with small_index(BUCKET), replays_counted() as replays:
            for position, told in zip(asked, expected, strict=True):
                if shortly_told(ledger.as_of(position)) != told:
                    report.find("wrong", f"at position {position} the past is another one than the journal has")
        if replays:
            report.find("wrong", f"the index was not made anew: {dict(replays)}")
    shutil.rmtree(copied)


def _extend_until_killed(path: Path, chance: Random, line: int, plant: Plant) -> int:
    """Forks a process that commits and asks until it has come to a line, counted from when the index is first asked."""
    seed = chance.randrange(2**32)
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        with small_index(BUCKET), plant():
            _go_on(path, Random(seed), Counter(line))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _go_on(path: Path, chance: Random, counter: Counter) -> None:
    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(FOLDERS):
            return None
        if event == "line" and counter.is_it():
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    while True:
        with Ledger.open(path) as ledger:
            if chance.random() < 0.5:
                ledger.index_past()
            for _ in range(chance.randrange(1, 25)):
                ledger.mint("FRG", "eve", 70)
                amounts = [chance.choice((10, 70, 2**64)) for _ in range(5)]
                ledger.mint_many(chance.choice(("PLN", "WEI")), chance.choices(("eve", "frank", "grace"), k=5), amounts)
                if chance.random() < 0.2:
                    hold = ledger.reserve("FRG", "eve", "keeper", 10).hold_ids[0]
                    ledger.release(hold, chance.randrange(1, 11))
                if chance.random() < 0.3:
                    position = chance.randint(1, ledger.status().head.position)
                    ledger.as_of(position).tokens()
