"""Importing a file: all of it is read and checked first, then it goes into the ledger in batches, each once.

A batch is one commit under an idempotency key made from the batch's place and content. An import that was stopped, however
hard, is simply run again: batches that are there already are passed over, and the rest follows, so the outcome is the same
as of one run. Nothing is written before the last row was found good.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from tallystick.domain.errors import DuplicateIdempotencyKey
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.transaction import TransactionContext

BATCH_ROWS = 250

Entry = TypeVar("Entry")
Progress = Callable[[int], None]
"""Called with the number of rows that are done."""


class ImportReport(msgspec.Struct):
    """What an import did. `rows` were read, `skipped` moved nothing, `refused` were passed over because the books did not
    allow them; `batches_before` of `batches` were there already.

    The other counts are of the whole file, whether a row was recorded by this run or by one before it; `openings` are only
    those of this run.
    """

    rows: int = 0
    tokens: int = 0
    transfers: int = 0
    mints: int = 0
    burns: int = 0
    skipped: int = 0
    refused: int = 0
    openings: int = 0
    batches: int = 0
    batches_before: int = 0


def import_batches(
    ledger: Ledger,
    kind: str,
    entries: Sequence[Entry],
    record: Callable[[TransactionContext, Iterable[Entry]], int],
    report: ImportReport,
    progress: Progress | None,
) -> None:
    """Records `entries` by `record(tx, batch)`, which says how many openings it minted, a batch a commit."""
    chain = hashlib.sha256(kind.encode())
    for start in range(0, len(entries), BATCH_ROWS):
        batch = entries[start : start + BATCH_ROWS]
        chain.update(msgspec.json.encode(batch))
        key = f"import:{kind}:{start // BATCH_ROWS}:{chain.hexdigest()}"
        report.batches += 1
        try:
            report.openings += ledger.run(partial(_record, record, batch), idempotency_key=key)
        except DuplicateIdempotencyKey:
            report.batches_before += 1
        if progress is not None:
            progress(start + len(batch))


def _record(
    record: Callable[[TransactionContext, Iterable[Entry]], int], batch: Sequence[Entry], tx: TransactionContext
) -> int:
    return record(tx, batch)
