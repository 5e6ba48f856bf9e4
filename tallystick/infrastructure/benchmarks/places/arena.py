"""An arena: books, and in turn with them whatever a batch is compared with, all given the same rows.

Everything is in a folder of its own, which is removed when the arena is left. What is slow does fewer batches a run.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.baselines.bare import SAME_BYTES
from tallystick.infrastructure.benchmarks.baselines.batch_baselines import (
    COLUMNS,
    ONE_BY_ONE,
    ROW_BY_ROW,
    Columns,
    OneByOne,
    RowByRow,
    SameBytes,
)
from tallystick.infrastructure.benchmarks.baselines.eventsourcing_application import EVENTSOURCING, EventsourcingApplication
from tallystick.infrastructure.benchmarks.baselines.umadb_server import UMADB, UmaDBServer, why_absent
from tallystick.infrastructure.benchmarks.inputs.batch_books import FUNDS, ROWS, USD, BatchBooks, Prepare, Rows
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Point, Work, compare
from tallystick.infrastructure.benchmarks.measuring.workload import Settings

ROWS_A_RUN = 80_000
ROWS_A_RUN_IF_SLOW = 8_190
BATCHES_A_RUN_MAX = 200
SLOW = (EVENTSOURCING, UMADB)


class Arena:
    """Books with so many accounts, and their rivals."""

    def __init__(
        self, settings: Settings, accounts: int, token: Token = USD, funds: int = FUNDS, penniless: int = 0, wider_by: int = 0
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._wider_by = wider_by
        self._open = ExitStack()
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(dir=settings.folder)))
        self.books = self._open.enter_context(closing(BatchBooks(self._folder / "books.db", accounts, token, funds, penniless)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._open.close()

    def compare(
        self,
        name: str,
        size: str,
        ours: Prepare,
        baselines: Sequence[Baseline],
        rows: int = ROWS,
        point: Point | None = None,
        *,
        ids: bool = False,
    ) -> Figure:
        """A batch of so many rows as `ours` gives it to the ledger, beside the baselines of those named that are to be had."""
        with ExitStack() as rivals:
            folder = Path(rivals.enter_context(tempfile.TemporaryDirectory(dir=self._folder)))
            made = {
                baseline: self._rival(baseline, folder, rivals, ours, rows, ids)
                for baseline in baselines
                if baseline is not UMADB or why_absent() is None
            }
            # The rows are drawn, and with them their ids, when the rivals have put into the journal what they must.
            rounds = self._rounds(rows)
            works = {baseline: in_turn(rounds, prepare, self._batches(rows, baseline)) for baseline, prepare in made.items()}
            ours_in_turn = in_turn(rounds, ours, self._batches(rows))
            return compare(name, size, "transfers", ours_in_turn, works, self._settings.runs, point)

    def _rival(self, baseline: Baseline, folder: Path, rivals: ExitStack, ours: Prepare, rows: int, ids: bool) -> Prepare:
        books, enter = self.books, rivals.enter_context
        make: dict[Baseline, Callable[[], Prepare]] = {
            SAME_BYTES: lambda: enter(closing(SameBytes(folder, books, ours, rows))).prepare,
            ROW_BY_ROW: lambda: enter(closing(RowByRow(folder, books, ids=ids, wider_by=self._wider_by))).prepare,
            ONE_BY_ONE: lambda: OneByOne(books, wider_by=self._wider_by).prepare,
            COLUMNS: lambda: Columns(self._accounts, FUNDS).prepare,
            EVENTSOURCING: lambda: enter(closing(EventsourcingApplication(folder, books))).prepare,
            UMADB: lambda: enter(closing(UmaDBServer(folder, books))).prepare,
        }
        return make[baseline]()

    def _rounds(self, rows: int) -> list[list[Rows]]:
        """What each run does, the one to warm up among them; no batch is done twice."""
        batches = self._batches(rows)
        return [[self.books.draw(rows) for _ in range(batches)] for _ in range(self._settings.runs + 1)]

    def _batches(self, rows: int, baseline: Baseline | None = None) -> int:
        """How many batches of so many rows are timed together: one commit alone says more about the disk's mood."""
        rows_a_run = ROWS_A_RUN_IF_SLOW if baseline in SLOW else ROWS_A_RUN
        return max(1, min(rows_a_run // rows, BATCHES_A_RUN_MAX) // self._settings.scale)


def in_turn(rounds: list[list[Rows]], prepare: Prepare, batches: int) -> Work:
    """The work of one round after another, so many batches of each, all put into their form before any is timed."""
    works: Iterator[list[Work]] = iter([[prepare(rows) for rows in drawn[:batches]] for drawn in rounds])
    return lambda: sum(work() for work in next(works))
