"""The tables that a journal gives, each as Arrow batches, all of them as of one position.

They are those of a rebuild, and `movements`, of which the others are made. Row tables and movements are read while they are
asked for; a table of what there is comes out of its projection, to which all events are given first.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.rebuild.columns import batches_of, pyarrow, schema_of
from tallystick.infrastructure.rebuild.progress import Progress, Rounds
from tallystick.infrastructure.rebuild.rebuild import replay_into
from tallystick.infrastructure.rebuild.rows.row_tables import ROW_TABLES, RowTable
from tallystick.infrastructure.rebuild.selection import NAMES, Selection, selected
from tallystick.infrastructure.rebuild.source import Source, movements_upto
from tallystick.projections.movements.schema import movement_schema
from tallystick.projections.tables import Shape

MOVEMENTS = "movements"
TABLES = (MOVEMENTS, *NAMES)
"""All tables that there are."""
GROWING = (MOVEMENTS, *ROW_TABLES)
"""Those whose rows never change, and to which later events add others behind them."""


class Stream(NamedTuple):
    """A table on its way: what it is called, its Arrow schema, its batches, and its shape if it is a rebuild's."""

    name: str
    schema: Any
    batches: Iterator[Any]
    shape: Shape | None


def names_of(given: str | Iterable[str]) -> tuple[str, ...]:
    """The names of tables, each once and in the order of `TABLES`. Raises `InvalidRequest`."""
    names = (given,) if isinstance(given, str) else tuple(cast(Iterable[object], given))
    for name in names:
        if name not in TABLES:
            raise InvalidRequest(f"there is no table {name!r:.80}: {', '.join(TABLES)}")
    return tuple(name for name in TABLES if name in names)


def shapes_of(names: Iterable[str]) -> dict[str, Shape]:
    """The shapes of those that are a rebuild's."""
    wanted = [name for name in names if name != MOVEMENTS]
    if not wanted:
        return {}
    chosen = selected(wanted)
    shapes = {table.name: table.shape for table in chosen.row_tables}
    shapes |= {name: table.shape for each in chosen.projections for name, table in each.tables()}
    return {name: shapes[name] for name in wanted}


def streams(
    source: Source, names: Iterable[str], upto: int, progress: Progress | None = None, after: int = 0
) -> Iterator[Stream]:
    """The tables of these names up to a position, each to be read before the next is asked for.

    Of those that grow only the rows behind position `after`.
    """
    names = list(names)
    chosen = selected([name for name in names if name != MOVEMENTS]) if set(names) - {MOVEMENTS} else Selection([], [])
    rounds = Rounds(upto, (MOVEMENTS in names) + len(chosen.row_tables) + bool(chosen.projections), progress)
    if MOVEMENTS in names:
        found = rounds.following(movements_upto(source, upto, after), lambda batch: batch.column("position")[-1].as_py())
        yield Stream(MOVEMENTS, movement_schema(), found, None)
    for table in chosen.row_tables:
        yield Stream(table.name, schema_of(table.shape), _rows(table, source, upto, rounds, after), table.shape)
    if chosen.projections:
        replay_into(chosen, source, upto, rounds)
        for each in chosen.projections:
            for name, table in each.tables():
                yield Stream(name, schema_of(table.shape), batches_of(table.shape, table.rows), table.shape)


def _rows(table: RowTable, source: Source, upto: int, rounds: Rounds, after: int) -> Iterator[Any]:
    for rows in table.rows(source, after, upto, rounds):
        if rows.batch.num_rows:
            yield rows.batch


def reader_of(stream: Stream) -> Any:
    """The stream as a `pyarrow.RecordBatchReader`."""
    return pyarrow().RecordBatchReader.from_batches(stream.schema, stream.batches)
