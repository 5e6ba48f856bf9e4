"""A table of what happened, which grows with the journal: the rows that come, in chunks that do not become too many.

Whoever follows closely writes a row or two at a time. So the last chunk that was written here is extended until it has
`EXTENDED_ROWS`; before that its rows are remembered, for its digest is that of all of them.
"""

from collections.abc import Iterator
from typing import Any

from tallystick.infrastructure.rebuild.columns import digest_of, pyarrow
from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.rows.row_table import RowTable
from tallystick.infrastructure.rebuild.sinks.port import Chunk, Grown, Sink
from tallystick.infrastructure.rebuild.source import Source

EXTENDED_ROWS = 4096


class GrowingTable:
    """One of them, of which nothing was written here yet."""

    def __init__(self, table: RowTable) -> None:
        self._table = table
        self._last: Any = None

    def grown(self, source: Source, sink: Sink, after: int, upto: int) -> Iterator[Grown]:
        """What makes of the table up to position `after` that up to `upto`."""
        shape = self._table.shape
        for rows in self._table.rows(source, after, upto, Rounds(upto, 1, None)):
            if not rows.batch.num_rows:
                continue
            batch = sink.kept(rows.batch)
            extends = self._last is not None and self._last.num_rows + batch.num_rows <= EXTENDED_ROWS
            self._last = _joined(self._last, batch) if extends else batch
            yield Grown(shape, batch, Chunk(self._last.num_rows, rows.upto, digest_of([self._last])), extends)


def _joined(first: Any, second: Any) -> Any:
    table = pyarrow().Table.from_batches([first, second]).combine_chunks()
    return table.to_batches()[0]
