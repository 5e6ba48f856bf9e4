"""What a keyed transfer costs by a direct call and by a block: by 1,000 tasks, and by one caller.

The tasks stand beside a bare loop of asyncio, the one caller beside a bare insert. Each figure has a ledger and a rival of its
own, which take turns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

from tallystick.infrastructure.benchmarks.baselines.asyncio_loop import LOOP, AsyncioLoop
from tallystick.infrastructure.benchmarks.inputs.caller_books import ACCOUNTS, FUNDS, CallerBooks, Payment
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Work, compare, prepared
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.benchmarks.places.chosen_places import databases, new_place
from tallystick.infrastructure.benchmarks.places.places import BARE_POSTGRES, BARE_SQLITE, SQLitePlace

TASKS = 1_000
TRANSFERS_BY_TASKS = 20_000
TRANSFERS_BY_ONE = 1_000


def by_tasks(settings: Settings) -> Iterator[Figure]:
    """Keyed transfers by many tasks, in blocks and by direct calls."""
    count, runs = TRANSFERS_BY_TASKS // settings.scale, settings.runs
    ways: Mapping[str, Callable[[CallerBooks, Sequence[Payment], int], int]] = {
        "blocks": CallerBooks.by_tasks,
        "direct calls": CallerBooks.by_calling_tasks,
    }
    for way, call in ways.items():
        with new_place(settings, SQLitePlace) as place, closing(CallerBooks(place.url)) as books:
            folder = place.url.parent
            with closing(AsyncioLoop(folder / "loop.db", [f"account-{n}" for n in range(ACCOUNTS)], FUNDS)) as loop:
                rival = prepared(lambda: books.draw(count), partial(loop.run, tasks=TASKS), runs)
                work = prepared(lambda: books.draw(count), partial(_called, call, books), runs)
                yield _figure(f"keyed {way} by 1,000 tasks, {place.name}", work, {LOOP: rival}, runs)


def by_one(settings: Settings) -> Iterator[Figure]:
    """Keyed transfers by one caller, in blocks and by direct calls."""
    count, runs = TRANSFERS_BY_ONE // settings.scale, settings.runs
    for database in databases(settings):
        for way, call in (("blocks", CallerBooks.by_one), ("direct calls", CallerBooks.by_calling)):
            with new_place(settings, database) as place, closing(CallerBooks(place.url)) as books:
                books.by_one(books.draw(count))
                commits = place.last_commits(count)
                with closing(place.make_bare()) as bare:
                    work = prepared(lambda: books.draw(count), partial(call, books), runs)
                    rival = partial(bare.insert_each, commits)
                    yield _figure(f"keyed {way} by 1 caller, {place.name}", work, {place.bare_baseline: rival}, runs)


def _called(call: Callable[[CallerBooks, Sequence[Payment], int], int], books: CallerBooks, payments: Sequence[Payment]) -> int:
    return call(books, payments, TASKS)


def _figure(name: str, work: Work, baselines: Mapping[Baseline, Work], runs: int) -> Figure:
    return compare(name, f"{ACCOUNTS:,} accounts", "transactions", work, baselines, runs)


def direct_calls(settings: Settings) -> Iterator[Figure]:
    """Both."""
    yield from by_tasks(settings)
    yield from by_one(settings)


WORKLOADS = (
    Workload(
        "callers-direct",
        "keyed transfers by direct calls and by blocks, 1,000 tasks beside a bare loop, 1 caller beside a bare insert",
        direct_calls,
        (LOOP, BARE_SQLITE, BARE_POSTGRES),
    ),
)
