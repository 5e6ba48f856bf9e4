"""What a ledger takes on disk and in memory, counted: these figures need no baseline.

On disk it is all files of a ledger that was closed, less those of one without the transfers. In memory it is what Python and
numpy have allocated when a ledger was opened and has answered its first question, the names of accounts among it.
"""

import gc
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.baselines.batch_baselines import OneByOne
from tallystick.infrastructure.benchmarks.inputs.batch_books import FUNDS, ROWS, USD, BatchBooks, Prepare, name_of
from tallystick.infrastructure.benchmarks.measuring.timing import Space
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.benchmarks.workloads.batches import FRAGMENTED, FRAGMENTED_FUNDS, USUAL_ACCOUNTS
from tallystick.infrastructure.ledger.ledger import Ledger

BATCHES = 50
SINGLE = 2_000
FRAGMENTS_EACH = 100

Form = Callable[[BatchBooks], Prepare]


def space(settings: Settings) -> Iterator[Space]:
    """Bytes a transfer on disk, and bytes an account and a fragment in memory."""
    usual = USUAL_ACCOUNTS // settings.scale
    batches, single = max(1, BATCHES // settings.scale), SINGLE // settings.scale
    for name, accounts, token, form, rows, commits in (
        (f"batches of {ROWS:,}", usual, USD, _by_handles, ROWS, batches),
        (f"batches of {ROWS:,}", 100 * usual, USD, _by_handles, ROWS, batches),
        (f"batches of {ROWS:,} with ids", usual, USD, _with_ids, ROWS, batches),
        (f"batches of {ROWS:,}, fragmented", usual, FRAGMENTED, _by_handles, ROWS, batches),
        (f"transactions of {ROWS:,}", usual, USD, _in_transactions, ROWS, batches),
        ("one transfer a commit", usual, USD, _in_transactions, 1, single),
    ):
        with_transfers = _bytes_on_disk(settings, accounts, token, form, rows, commits)
        taken = with_transfers - _bytes_on_disk(settings, accounts, token, form, rows, 0)
        yield Space(f"on disk, {name}", f"{accounts:,} accounts", "transfer", taken / (rows * commits))
    yield from _in_memory(settings)


def _by_handles(books: BatchBooks) -> Prepare:
    return books.by_handles


def _with_ids(books: BatchBooks) -> Prepare:
    return books.by_handles_with_ids


def _in_transactions(books: BatchBooks) -> Prepare:
    return OneByOne(books).prepare


def _in_memory(settings: Settings) -> Iterator[Space]:
    accounts = 1_000_000 // settings.scale
    yield Space("in memory", f"{accounts:,} accounts", "account", _bytes_in_memory(settings, accounts, USD, FUNDS) / accounts)
    owners, unit = USUAL_ACCOUNTS // settings.scale, FRAGMENTED.unit or 0
    few = _bytes_in_memory(settings, owners, FRAGMENTED, unit)
    more = _bytes_in_memory(settings, owners, FRAGMENTED, unit * FRAGMENTS_EACH) - few
    fragments = owners * (FRAGMENTS_EACH - 1)
    yield Space("in memory", f"{fragments:,} fragments more", "fragment", more / fragments)


def _bytes_on_disk(settings: Settings, accounts: int, token: Token, form: Form, rows: int, commits: int) -> int:
    """What the files of a ledger take that so many commits were made in."""
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        books = BatchBooks(Path(folder) / "books.db", accounts, token, FUNDS if token.unit is None else FRAGMENTED_FUNDS)
        prepare = form(books)
        for _ in range(commits):
            prepare(books.draw(rows))()
        books.close()
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def _bytes_in_memory(settings: Settings, accounts: int, token: Token, funds: int) -> int:
    """What a ledger takes that is opened anew, in which so many accounts have `funds` each."""
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        path = Path(folder) / "books.db"
        BatchBooks(path, accounts, token, funds).close()
        gc.collect()
        tracemalloc.start()
        try:
            with Ledger.open(path) as ledger:
                ledger.balance(token.code, name_of(0))
                gc.collect()
                return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()


WORKLOADS = (Workload("space", "bytes on disk for each transfer, in memory for each account and fragment", space, ()),)
