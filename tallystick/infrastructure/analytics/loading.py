"""Loading: tables of the journal into a DuckDB database, in batches of Arrow, so that no more of one is in memory at a time."""

from collections.abc import Iterable, Iterator
from typing import Any

from tallystick.infrastructure.analytics.engine import interruptible, translated
from tallystick.infrastructure.analytics.schema import JOURNAL, tables_made, values_of
from tallystick.infrastructure.analytics.tables import MOVEMENTS, Stream, reader_of, shapes_of, streams
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.source import Source

_GIVEN = "tallystick_given"


def make_tables(database: Any, names: Iterable[str]) -> None:
    """Makes these tables without rows, and the views over them."""
    names = list(names)
    with translated():
        for statement in tables_made(shapes_of(names), with_movements=MOVEMENTS in names):
            database.execute(statement)


def load(
    database: Any, source: Source, names: Iterable[str], head: tuple[int, str], progress: Progress | None = None
) -> dict[str, int]:
    """Fills tables that were made with what the journal gives up to `head`, and gives how many rows each has.

    Raises `CorruptJournal` and errors of storage.
    """
    rows: dict[str, int] = {}
    with translated():
        database.execute(f"INSERT INTO {JOURNAL} VALUES (?, ?)", list(head))
    for stream in streams(source, names, head[0], progress):
        rows[stream.name] = _fill(database, stream)
    return rows


def _fill(database: Any, stream: Stream) -> int:
    given = _Given(stream.batches)
    with translated():
        database.register(_GIVEN, reader_of(stream._replace(batches=given.batches())))
        try:
            inserted = f"INSERT INTO {stream.name} SELECT {values_of(stream.shape)} FROM {_GIVEN}"
            interruptible(database, lambda: database.execute(inserted))
        except BaseException:
            if given.failed is not None:
                raise given.failed from None
            raise
        finally:
            database.unregister(_GIVEN)
    return given.rows


class _Given:
    """Batches that DuckDB asks for, how many rows they had, and what they raised, of which it would tell the text alone."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches
        self.rows = 0
        self.failed: BaseException | None = None

    def batches(self) -> Iterator[Any]:
        try:
            for batch in self._batches:
                self.rows += batch.num_rows
                yield batch
        except BaseException as error:
            self.failed = error
            raise
