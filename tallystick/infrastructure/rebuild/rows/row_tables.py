"""The row tables that come with the package: movements of money, what is known of each block beside them, and lines."""

from collections.abc import Callable, Iterator
from typing import Any

from tallystick.domain.values.instant import to_microseconds
from tallystick.infrastructure.rebuild.columns import CHUNK_ROWS, batch_of, pyarrow, schema_of
from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.rows.line_rows import LINES, lines_table
from tallystick.infrastructure.rebuild.rows.row_table import Rows, RowTable, last_position
from tallystick.infrastructure.rebuild.source import Source, movements_upto
from tallystick.projections.tables import Shape


def _transactions(source: Source, after: int, upto: int, rounds: Rounds) -> Iterator[Rows]:
    """The movements, but for shares of distributions, which are no transactions."""
    arrow, compute, schema = pyarrow(), pyarrow("compute"), schema_of(TRANSACTIONS.shape)
    for batch in rounds.following(movements_upto(source, upto, after), last_position):
        recorded = batch.filter(compute.is_valid(batch.column("transaction_id")))
        columns = [recorded.column("transaction_id" if name == "id" else name) for name in schema.names]
        yield Rows(arrow.record_batch(columns, schema=schema), last_position(batch))


def _entries(source: Source, after: int, upto: int, rounds: Rounds) -> Iterator[Rows]:
    """What is known of each entry beside its events."""
    rows: list[tuple[Any, ...]] = []
    last = after
    for commit in rounds.following(source.commits(upto, after), lambda commit: commit.first_position):
        for entry in commit.entries:
            times = to_microseconds(entry.recorded_at), to_microseconds(entry.occurred_at)
            rows.append((entry.id, entry.last_position, *times, entry.key, entry.reference, entry.has_metadata))
            last = entry.last_position
        if len(rows) >= CHUNK_ROWS:  # only here, so that a chunk ends with a commit
            yield Rows(batch_of(ENTRIES.shape, rows), last)
            rows = []
    if rows:
        yield Rows(batch_of(ENTRIES.shape, rows), last)


TRANSACTIONS = RowTable(
    Shape(
        "transactions",
        {
            "id": "int",
            "entry_id": "int",
            "recorded_at": "time",
            "occurred_at": "time",
            "kind": "text",
            "token": "text",
            "sender": "text",
            "receiver": "text",
            "amount": "amount",
            "memo": "text",
            "reference": "text",
            "hold": "text",
        },
        ("id",),
    ),
    1,
    _transactions,
)
ENTRIES = RowTable(
    Shape(
        "entries",
        {
            "id": "int",
            "last_position": "int",
            "recorded_at": "time",
            "occurred_at": "time",
            "key": "text",
            "reference": "text",
            "has_metadata": "bool",
        },
        ("id",),
    ),
    1,
    _entries,
)
ROW_TABLES: dict[str, Callable[[], RowTable]] = {
    TRANSACTIONS.name: lambda: TRANSACTIONS,
    ENTRIES.name: lambda: ENTRIES,
    LINES.name: lines_table,
}
"""What makes each row table; the rows of one may go on where its last rows ended."""
