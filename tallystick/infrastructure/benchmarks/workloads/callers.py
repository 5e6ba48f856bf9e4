"""What many callers cost who share a ledger, on SQLite and, where a server is named, on PostgreSQL.

Each figure has a ledger of its own. What is committed together is no other work than what is committed alone: whoever calls is
told so when its transaction is durable.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tallystick.infrastructure.benchmarks.baselines.eventsourcing_callers import EventsourcingCallers
from tallystick.infrastructure.benchmarks.inputs.caller_books import ACCOUNTS, FUNDS, THREADS, CallerBooks, Payment
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Work, compare, prepared
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.benchmarks.places.chosen_places import databases, new_place
from tallystick.infrastructure.benchmarks.places.places import (
    BARE_POSTGRES,
    BARE_SQLITE,
    EVENTSOURCING_POSTGRES,
    EVENTSOURCING_SQLITE,
    Place,
)

BARE_ROWS = 1_000
EVENTSOURCING_TRANSACTIONS = 400
OLD_PARTS = 10
YOUNG_PARTS = 100
TRANSFERS_A_KEY = 50
FRAGMENT = 100_00
FRAGMENTED_FUNDS = 1_000_00
TRANSFERS_A_RUN = 16_000
TRANSFERS_A_RUN_IF_SLOW = 2_000

Call = Callable[[CallerBooks, Sequence[Payment]], int]


class Callers(NamedTuple):
    """Who calls, how many transactions they do in a run, and how."""

    name: str
    transactions: int
    call: Call


def _by_tasks(tasks: int) -> Call:
    return lambda books, payments: books.by_tasks(payments, tasks)


CALLERS = (
    Callers("1 caller", 1_000, CallerBooks.by_one),
    Callers(f"{THREADS} threads", 4_000, CallerBooks.by_threads),
    Callers("64 tasks", 8_000, _by_tasks(64)),
    Callers("1,000 tasks", 20_000, _by_tasks(1_000)),
)


def keyed_transfers(settings: Settings) -> Iterator[Figure]:
    """Transactions of one transfer under a key, on a young journal and on one ten times older."""
    for database in databases(settings):
        for callers in CALLERS:
            for parts in (YOUNG_PARTS, OLD_PARTS):
                transfers = settings.age // parts
                yield _keyed(settings, database, callers, transfers, transfers // TRANSFERS_A_KEY)


def _keyed(settings: Settings, database: Callable[[Path], Place], callers: Callers, transfers: int, keys: int) -> Figure:
    count, runs, scale = callers.transactions // settings.scale, settings.runs, settings.scale
    with new_place(settings, database) as place, closing(CallerBooks(place.url)) as books, ExitStack() as rivals:
        books.grow(transfers, keys)
        books.by_one(books.draw(BARE_ROWS // scale))
        baselines = _baselines(place, rivals, BARE_ROWS // scale, 1, EVENTSOURCING_TRANSACTIONS // scale, 1, runs)
        return compare(
            f"keyed transfers by {callers.name}, {place.name}",
            f"{transfers:,} transfers and {keys:,} keys before",
            "transactions",
            prepared(lambda: books.draw(count), partial(callers.call, books), runs),
            baselines,
            runs,
        )


def many_at_once(settings: Settings) -> Iterator[Figure]:
    """Transactions of a hundred transfers and of thousands by one caller, of a plain and of a fragmented token."""
    for database in databases(settings):
        for kind, unit, funds in (("plain", None, FUNDS), ("fragmented", FRAGMENT, FRAGMENTED_FUNDS)):
            for transfers in (100, 8_000 // settings.scale):
                yield _at_once(settings, database, kind, unit, funds, transfers)


def _at_once(
    settings: Settings, database: Callable[[Path], Place], kind: str, unit: int | None, funds: int, transfers: int
) -> Figure:
    count, slow = (max(1, rows // settings.scale // transfers) for rows in (TRANSFERS_A_RUN, TRANSFERS_A_RUN_IF_SLOW))
    with new_place(settings, database) as place, closing(CallerBooks(place.url, unit, funds)) as books, ExitStack() as rivals:
        books.at_once([books.draw(transfers) for _ in range(count)])
        return compare(
            f"{kind} transfers by 1 caller, {place.name}",
            f"{transfers:,} a transaction",
            "transfers",
            prepared(lambda: [books.draw(transfers) for _ in range(count)], books.at_once, settings.runs),
            _baselines(place, rivals, count, transfers, slow, transfers, settings.runs),
            settings.runs,
        )


def _baselines(
    place: Place, rivals: ExitStack, rows: int, transfers_a_row: int, transactions: int, transfers: int, runs: int
) -> Mapping[Baseline, Work]:
    """The newest `rows` of the journal inserted again, and as many of the library's transactions as there is time for."""
    commits = place.last_commits(rows)
    bare = rivals.enter_context(closing(place.make_bare()))
    if transfers > place.eventsourcing_transfers_max:
        transactions, transfers = (
            transactions * transfers // place.eventsourcing_transfers_max,
            place.eventsourcing_transfers_max,
        )
    library = rivals.enter_context(
        closing(EventsourcingCallers(place.eventsourcing_environment(), place.eventsourcing_threads, ACCOUNTS, FUNDS))
    )
    return {
        place.bare_baseline: lambda: bare.insert_each(commits) * transfers_a_row,
        place.eventsourcing_baseline: prepared(lambda: library.draw(transactions, transfers), library.do, runs),
    }


BASELINES = (BARE_SQLITE, EVENTSOURCING_SQLITE, BARE_POSTGRES, EVENTSOURCING_POSTGRES)
WORKLOADS = (
    Workload("callers", "keyed transactions by one caller, threads and tasks, young and old", keyed_transfers, BASELINES),
    Workload("callers-many", "100 and 8,000 transfers a transaction on both databases", many_at_once, BASELINES),
)
