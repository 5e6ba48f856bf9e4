"""Power cuts: a real run is recorded, and the ledger is opened on what a cut at any step of it may leave.

A recording is made by a process whose SQLite is watched, over three sessions of one journal, some of which close it. A cut
takes the steps before it and loses what no sync covers (`tests/torture/disk/images.py`). A cache is to be believed even less:
an image gets none, or one of the run's own, of before the cut or of after it, whole or damaged. The image is opened, looked at,
written to, and looked at once more without a cache.
"""

import contextlib
import os
import shutil
import traceback
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Literal

from tallystick import Ledger
from tests.torture.disk.calls import watched
from tests.torture.disk.images import FATES, SECTORS_BYTES, Cut, Folder
from tests.torture.disk.recording import Recorder, Step, load
from tests.torture.findings import Report
from tests.torture.kills import Plant, small_sizes
from tests.torture.writing.witness import Witness
from tests.torture.writing.writer import MANNERS, Manner, write

IMAGES_A_RECORDING = 10
NORMAL_EVERY = 5
"""Of so many recordings one promises only that nothing is half there."""
SESSIONS = 3
ENTRIES = 25
Durability = Literal["full", "normal"]


def run(
    tries: int, seed: int, folder: Path, *, first: int = 0, plant: Plant = nullcontext, loses_syncs: bool = False
) -> Report:
    """Opens so many images; `first` is the number of the first one, to see one again. `loses_syncs`: the disk lies."""
    report = Report("power cut, SQLite", seed, first)
    lost = acknowledged = 0
    last = first + tries
    with report.timed():
        for number in range(first // IMAGES_A_RECORDING, -(-last // IMAGES_A_RECORDING)):
            place = folder / f"recorded-{number}"
            durability: Durability = "normal" if number % NORMAL_EVERY == NORMAL_EVERY - 1 else "full"
            steps = record(place, durability, Random(f"{seed} recording {number}"), plant, Recorder(loses_syncs=loses_syncs))
            begin = number * IMAGES_A_RECORDING
            for image in range(max(first, begin), min(last, begin + IMAGES_A_RECORDING)):
                with report.trying():
                    chance = Random(f"{seed} image {image}")
                    witness, unsure = _cut_and_look(steps, place, chance, durability == "full", report)
                    lost += unsure
                    acknowledged += len(witness.done)
            shutil.rmtree(place)
    report.notes = f"{acknowledged} entries were acknowledged before the cuts, and {lost} calls were not synced"
    return report


def record(place: Path, durability: Durability, chance: Random, plant: Plant, recorder: Recorder) -> list[Step]:
    """A run in the folder, which is made, with copies of its cache; gives its steps."""
    place.mkdir(parents=True)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with small_sizes(chance), plant(), watched(recorder):
                _write_in_sessions(place, durability, chance, recorder)
                recorder.save(place / "recording")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise RuntimeError(f"the process that is recorded ended with {status}")
    return load(place / "recording")


def _write_in_sessions(place: Path, durability: Durability, chance: Random, recorder: Recorder) -> None:
    books = place / "books.db"
    for session in range(SESSIONS):
        manner: Manner = chance.choice(MANNERS)
        entries, closes = chance.randint(1, 2 * ENTRIES), chance.random() < 0.5
        url = f"sqlite:///{books}?durability={durability}"
        write(url, manner, f"{session}", recorder.say, entries, closes=closes)
        cache = Path(f"{books}.cache")
        if cache.exists():
            with contextlib.suppress(shutil.Error):  # one that was not closed is still writing there: what is there is copied
                shutil.copytree(cache, place / f"cache-{session}", dirs_exist_ok=True)


def _cut_and_look(steps: list[Step], place: Path, chance: Random, durable: bool, report: Report) -> tuple[Witness, int]:
    """One image of the recording."""
    cut = Cut(chance.randint(1, len(steps)), chance.choice(FATES), chance.choice(SECTORS_BYTES), chance.random() < 0.5)
    image = place / "image"
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    unsure = Folder(steps[: cut.steps], strict=cut.strict).write(image, cut, chance)
    _leave_a_cache(place, image, chance)
    before, all_of_it = Witness(), Witness()
    before.hear(step.path for step in steps[: cut.steps] if step.kind == "said")
    all_of_it.hear(step.path for step in steps if step.kind == "said")
    with Ledger.open(image / "books.db") as ledger:
        before.check(ledger, report, durable=durable)
        for key in all_of_it.intents.keys() - before.intents.keys():
            if ledger.receipt(key) is not None:
                report.find("wrong", f"{key} stands and was not begun when the power was cut")
        for key in ("after", "after that") if before.standing else ():
            ledger.transfer("PLN", "account-0", "account-1", 1, idempotency_key=key)
            ledger.transfer("PLN", "account-1", "account-0", 1, idempotency_key=f"{key}, back")
    shutil.rmtree(image / "books.db.cache", ignore_errors=True)
    with Ledger.open(image / "books.db") as ledger:
        before.check(ledger, report, durable=durable)
    return before, unsure


def _leave_a_cache(place: Path, image: Path, chance: Random) -> None:
    """None, or one of the run's, whole or damaged: it may be older than the journal is, or newer."""
    caches = sorted(place.glob("cache-*"))
    if not caches or chance.random() < 0.3:
        return
    cache = image / "books.db.cache"
    shutil.copytree(chance.choice(caches), cache)
    for file in sorted(path for path in cache.rglob("*") if path.is_file()):
        size = file.stat().st_size
        match chance.choice(["whole", "whole", "whole", "cut", "zeros", "garbage", "gone"]):
            case "cut":
                os.truncate(file, chance.randint(0, size))
            case "gone":
                file.unlink()
            case "zeros" | "garbage" as damage:
                at = chance.randint(0, size) // SECTORS_BYTES[0] * SECTORS_BYTES[0]
                length = min(SECTORS_BYTES[0], size - at)
                with file.open("r+b") as opened:
                    opened.seek(at)
                    opened.write(bytes(length) if damage == "zeros" else chance.randbytes(length))
            case _:
                pass
