"""How the cost of a transfer grows with the size of its batch and the age of the journal, and what reading them back costs."""

from collections.abc import Iterator
from pathlib import Path

from tallystick.infrastructure.benchmarks.baselines.bare import DECODING, HASHING, SAME_BYTES, read_and_decode, read_and_hash
from tallystick.infrastructure.benchmarks.baselines.batch_baselines import COLUMNS, ONE_BY_ONE, ROW_BY_ROW
from tallystick.infrastructure.benchmarks.inputs.batch_books import ROWS
from tallystick.infrastructure.benchmarks.measuring.timing import Figure, Point, compare
from tallystick.infrastructure.benchmarks.measuring.workload import AGE, Settings, Workload
from tallystick.infrastructure.benchmarks.places.arena import Arena
from tallystick.infrastructure.benchmarks.workloads.batches import ALL, USUAL_ACCOUNTS
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.projections.balances import Balances

SIZES = (1, 10, 100, 1_000, ROWS, 100_000)
FASTER = (SAME_BYTES, ROW_BY_ROW, ONE_BY_ONE, COLUMNS)


def by_size(settings: Settings) -> Iterator[Figure]:
    """Batches of one row and of many."""
    with Arena(settings, USUAL_ACCOUNTS // settings.scale) as arena:
        for rows in sorted({max(1, size // settings.scale) for size in SIZES}):
            size = f"{rows:,} a batch"
            point = Point("rows a batch", rows, "lists")
            baselines = ALL if rows <= ROWS else FASTER
            yield arena.compare("batches of lists, by size", size, arena.books.by_kept_names, baselines, rows, point)
            point = Point("rows a batch", rows, "handles")
            yield arena.compare("batches of handles, by size", size, arena.books.by_handles, (SAME_BYTES, COLUMNS), rows, point)


def by_age(settings: Settings) -> Iterator[Figure]:
    """Batches on a journal that grows."""
    with Arena(settings, USUAL_ACCOUNTS // settings.scale) as arena:
        books = arena.books
        for part in (0, 1 / 100, 1 / 10, 1):
            books.grow(max(0, round(settings.age * part) - books.position))
            position = books.position
            for line, ours, baselines in (
                ("lists", books.by_kept_names, (SAME_BYTES, ROW_BY_ROW)),
                ("handles", books.by_handles, (SAME_BYTES, COLUMNS)),
                ("lists with ids", books.by_kept_names_with_ids, (SAME_BYTES,)),
            ):
                point = Point("events in the journal", position, line)
                yield arena.compare(f"batches of {line}, by age", f"{position:,} events before", ours, baselines, point=point)


def replay(settings: Settings) -> Iterator[Figure]:
    """Replaying batches to balances, and opening."""
    for transfers in (1_000_000 // settings.scale, 10_000_000 // settings.scale):
        with Arena(settings, USUAL_ACCOUNTS // settings.scale) as arena:
            books = arena.books
            books.grow(transfers, rows=ROWS, ids_each=0)
            path, rows = books.path, books.position

            def replayed(ledger: Ledger = books.ledger, rows: int = rows) -> int:
                ledger.replay(Balances())
                return rows

            def opened(path: Path = path, rows: int = rows) -> int:
                Ledger.open(path).close()
                return rows

            def decoded(path: Path = path, rows: int = rows) -> int:
                read_and_decode(path)
                return rows

            def hashed(path: Path = path, rows: int = rows) -> int:
                return read_and_hash(path, rows)

            baselines, size = {DECODING: decoded, HASHING: hashed}, f"{rows:,} rows"
            yield compare("batches replayed to balances", size, "rows", replayed, baselines, settings.runs)
            yield compare("opening a ledger of batches", size, "rows", opened, baselines, settings.runs)


WORKLOADS = (
    Workload("batch-sizes", "batches of 1 to 100,000 transfers", by_size, ALL, plotted=True),
    Workload(
        "batch-ages",
        f"batches on a journal that grows to --age, {AGE:,} where it is not given",
        by_age,
        (SAME_BYTES, ROW_BY_ROW, COLUMNS),
        plotted=True,
    ),
    Workload("batch-replay", "batches replayed to balances, and opening", replay, (DECODING, HASHING)),
)
