"""What the past costs: building its index, asking it, and committing while it is built.

It is asked at random positions from the first tenth of the journal on, or from where on the index is used, if that is later.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tallystick.infrastructure.benchmarks.baselines.bare import DECODING, read_and_decode
from tallystick.infrastructure.benchmarks.baselines.replayed import PRESENT, READ_THROUGH, REPLAYED, replay
from tallystick.infrastructure.benchmarks.inputs.batch_books import SEED
from tallystick.infrastructure.benchmarks.inputs.mixed_books import GOLD, USD, YEAR, MixedBooks, Traffic, contract_of, often
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Space, compare
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.indexes.past.sizes import WORTH_POSITIONS
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.reading.ledger_reads import LedgerReads

POSITIONS = 2_000_000
ACCOUNTS = 100_000
ASKS = 200
COLUMNS = 20
FORKS = 20
SINGLES, BLOCKS, BATCHES = 1_000, 200, 40

NOT_ASKED = Baseline(
    "nobody asked",
    "commits the same in a copy of the same journal, of which nobody has asked what there was",
    "build an index in the background",
)

Ask = Callable[[LedgerReads], object]


def past(settings: Settings) -> Iterator[Figure | Space]:
    """All of it, on one mixed journal and copies of it."""
    books = MixedBooks(settings.folder / "books.db", POSITIONS // settings.scale, ACCOUNTS // settings.scale)
    size = f"{books.positions:,} positions, {len(books.names):,} accounts"
    yield from _building(settings, books, size)
    with Ledger.open(books.path, max_clock_leap=None) as ledger:
        yield from _asking(settings, books, ledger, size)
    yield from _committing(settings, books, size)


def _building(settings: Settings, books: MixedBooks, size: str) -> Iterator[Figure | Space]:
    index = Path(f"{books.path}.cache") / "past"

    def built() -> int:
        shutil.rmtree(index, ignore_errors=True)
        with Ledger.open(books.path, max_clock_leap=None) as ledger:
            return ledger.index_past()

    def decoded() -> int:
        read_and_decode(books.path)
        return books.positions

    baselines = {DECODING: decoded, REPLAYED: partial(replay, books.path, books.positions)}
    yield compare("building the index of the past", size, "positions", built, baselines, settings.runs)
    taken = sum(path.stat().st_size for path in index.rglob("*") if path.is_file())
    if taken:  # what fills no bucket lies in memory
        yield Space("on disk, index of the past", size, "position", taken / books.positions)


def _asking(settings: Settings, books: MixedBooks, ledger: Ledger, size: str) -> Iterator[Figure]:
    chance = random.Random(SEED)
    rare, used = books.names[len(often(books.names)) :], often(books.names)
    ledger.index_past()

    lowest = min(max(books.positions // 10, WORTH_POSITIONS), books.positions * 9 // 10)

    def position() -> int:
        return chance.randrange(lowest, books.positions)

    def asked(count: int, ask: Ask) -> int:
        for _ in range(count):
            ask(ledger.as_of(position()))
        return count

    def asked_now(count: int, ask: Ask) -> int:
        for _ in range(count):
            ask(ledger)
        return count

    def replayed(at: Callable[[], int]) -> int:
        replay(books.path, at())
        return 1

    def read_through() -> int:
        read_and_decode(books.path)
        return 1

    views: tuple[tuple[str, int, Ask], ...] = (
        ("balance", ASKS, lambda reads: reads.balance(USD, chance.choice(books.names))),
        ("supply", ASKS, lambda reads: reads.supply(USD)),
        ("contract", ASKS, lambda reads: reads.contract(contract_of(chance.randrange(100)))),
        ("fragments", ASKS, lambda reads: reads.fragments(GOLD, chance.choice(used))),
        ("column", COLUMNS, lambda reads: reads.column(USD)),
    )
    for name, count, ask in views:
        baselines = {REPLAYED: partial(replayed, position), PRESENT: partial(asked_now, count, ask)}
        yield compare(f"as_of(p).{name}", size, "questions", partial(asked, count, ask), baselines, settings.runs)

    months = [(datetime(YEAR, month, 1, tzinfo=UTC), datetime(YEAR, month + 1, 1, tzinfo=UTC)) for month in range(1, 11)]
    pages: tuple[tuple[str, Ask], ...] = (
        (
            "history, the newest 20 lines, an account that is rarely used",
            lambda reads: reads.history(USD, chance.choice(rare), newest_first=True, limit=20),
        ),
        (
            "history, the newest 20 lines, an account that is often used",
            lambda reads: reads.history(USD, chance.choice(used), newest_first=True, limit=20),
        ),
        ("statement of a month", lambda reads: reads.statement(USD, chance.choice(books.names), *chance.choice(months))),
    )
    for name, ask in pages:
        yield compare(name, size, "questions", partial(asked_now, ASKS, ask), {READ_THROUGH: read_through}, settings.runs)

    def forked() -> int:
        for _ in range(FORKS):
            with ledger.fork() as fork:
                fork.balance(USD, books.names[0])
        return FORKS

    baselines = {REPLAYED: partial(replayed, lambda: books.positions)}
    yield compare("fork() at the head, and its first balance", size, "forks", forked, baselines, settings.runs)


def _committing(settings: Settings, books: MixedBooks, size: str) -> Iterator[Figure]:
    kinds: tuple[tuple[str, int, Callable[[Traffic], int]], ...] = (
        ("one transfer a commit", SINGLES, Traffic.single),
        ("blocks of 100 transfers", BLOCKS, Traffic.block),
        ("batches of handles", BATCHES, Traffic.batch),
    )
    for name, commits, commit in kinds:
        rates: list[float] = []
        baseline_rates: list[float] = []
        for run in range(settings.runs + 1):
            found = [_rate(settings, books, max(1, commits // settings.scale), commit, asks=asks) for asks in (True, False)]
            if run:
                rates.append(found[0])
                baseline_rates.append(found[1])
        title = f"{name} while the past is indexed in the background"
        yield Figure(title, size, "transfers", rates, {NOT_ASKED: baseline_rates})


def _rate(settings: Settings, books: MixedBooks, commits: int, commit: Callable[[Traffic], int], *, asks: bool) -> float:
    """Transfers a second in a new copy of the journal, which has a snapshot and no index."""
    path = settings.folder / "copy.db"
    shutil.copy(books.path, path)
    cache = Path(f"{path}.cache")
    shutil.copytree(f"{books.path}.cache", cache, ignore=shutil.ignore_patterns("past"))
    try:
        with Ledger.open(path, max_clock_leap=None) as ledger:
            traffic = Traffic(ledger, books.names)
            if asks:
                ledger.as_of(books.positions)
            started = time.perf_counter()
            done = sum(commit(traffic) for _ in range(commits))
            return done / (time.perf_counter() - started)
    finally:
        shutil.rmtree(cache)
        for file in settings.folder.glob("copy.db*"):
            file.unlink()


WORKLOADS = (
    Workload(
        "past",
        "the index of the past: building it, asking what there was, and committing while it is built",
        past,
        (DECODING, REPLAYED, READ_THROUGH, PRESENT, NOT_ASKED),
    ),
)
