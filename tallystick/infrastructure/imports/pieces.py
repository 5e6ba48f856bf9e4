"""Importing piece by piece: an input is cut into pieces, and each is one commit under an idempotency key of its own.

An import that was stopped, however hard, is simply run again: pieces that are in the ledger are passed over, and the rest
follows, so the outcome is the same as of one run. A piece is known again by its key alone, which is made from its place and
all content up to it. So how an input is cut, and what of it goes into the keys, is a format: cut in another way it would not
be recognised, and be recorded twice.

A piece of which the books refused every row leaves nothing behind by which to know it. An import that may pass over rows
therefore surveys its pieces first: whatever lies before the last one that is in the ledger was tried, and is not tried again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from tallystick.domain.errors import DuplicateIdempotencyKey
from tallystick.infrastructure.imports.report import ImportReport, Progress
from tallystick.infrastructure.ledger.ledger import Ledger

BATCH_ROWS = 250
"""How many rows of a list are a piece. An import that another number began is not recognised any more."""

_encode = msgspec.json.Encoder().encode

Row = TypeVar("Row")
Rows = TypeVar("Rows", bound=Sized)


class Piece(NamedTuple, Generic[Rows]):
    """Rows of an input that are one commit, and the idempotency key that they are recorded under."""

    key: str
    rows: Rows


class Survey(NamedTuple):
    """Up to which piece, counted from 1, an input was imported before, and the key of its last one: "" where it has none."""

    before: int
    last_key: str


def in_batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """A list of rows in parts of `BATCH_ROWS`."""
    return (rows[start : start + BATCH_ROWS] for start in range(0, len(rows), BATCH_ROWS))


def keyed(kind: str, parts: Iterable[Rows], content: Callable[[Rows], Any] = lambda rows: rows) -> Iterator[Piece[Rows]]:
    """The parts of an input of this kind as pieces; `content` gives what of a part its key is made from, written as JSON."""
    chain = hashlib.sha256(kind.encode())
    for place, rows in enumerate(parts):
        chain.update(_encode(content(rows)))
        yield Piece(f"import:{kind}:{place}:{chain.hexdigest()}", rows)


def survey_pieces(ledger: Ledger, pieces: Iterable[Piece[Rows]], progress: Progress | None = None) -> Survey:
    """Goes through all pieces and writes nothing. Raises what reading them does, and the errors of storage."""
    before = done = 0
    key = ""
    for place, (key, rows) in enumerate(pieces, 1):
        if _recorded_before(ledger, key) is not None:
            before = place
        done += len(rows)
        if progress is not None:
            progress(done)
    return Survey(before, key)


def import_pieces(
    ledger: Ledger,
    pieces: Iterable[Piece[Rows]],
    record: Callable[[str, Rows], int],
    report: ImportReport,
    progress: Progress | None = None,
    count: Callable[[Rows, int], None] | None = None,
    before: int = 0,
) -> str:
    """Records the pieces that are not in the ledger, and adds all to `report`'s batches; gives the key of the last one.

    `record(key, rows)` commits rows under their key and says how many transactions they became. `count` gets the rows of
    each piece and the number of transactions that they became, in this run or one before it. Of the first `before` pieces,
    as a survey found, none is recorded. Raises what reading and `record` do; the pieces before that stand.
    """
    done = 0
    key = ""
    for place, (key, rows) in enumerate(pieces, 1):
        if place <= before:
            transactions, is_there = _recorded_before(ledger, key) or 0, True
        else:
            transactions, is_there = _record_once(record, key, rows)
        report.batches += 1
        report.batches_before += is_there
        if count is not None:
            count(rows, transactions)
        done += len(rows)
        if progress is not None:
            progress(done)
    return key


def _recorded_before(ledger: Ledger, key: str) -> int | None:
    """How many transactions stand under a key, where it is in the ledger already."""
    try:
        with ledger.atomic(idempotency_key=key):
            return None
    except DuplicateIdempotencyKey as error:
        return _transactions_of(error)


def _record_once(record: Callable[[str, Rows], int], key: str, rows: Rows) -> tuple[int, bool]:
    """How many transactions rows became, and whether they were there already."""
    try:
        return record(key, rows), False
    except DuplicateIdempotencyKey as error:
        return _transactions_of(error), True


def _transactions_of(error: DuplicateIdempotencyKey) -> int:
    return len(error.fields["receipt"].transaction_ids)
