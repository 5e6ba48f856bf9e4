"""The check: whether tables are what the journal says, asked in two ways that know nothing of how they were written.

Each table is read back and held against what was written, chunk by chunk, so that whatever became of it since is found. And
what moves money is added up from all movements, which no projection has part in, and held against what the tables have.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from tallystick.domain.errors import RebuildDiffers
from tallystick.infrastructure.rebuild.columns import Cutter, digest_of, pyarrow, schema_of
from tallystick.infrastructure.rebuild.line_sums import LineSums
from tallystick.infrastructure.rebuild.sinks.port import CHANGED, BuiltTable, Chunk, Sink
from tallystick.infrastructure.rebuild.sums import Sum, sums_of
from tallystick.projections.tables import Shape

Row = tuple[Any, ...]


class Stored(NamedTuple):
    """Tables that were read back: how many `rows` each has, and what its `lines` add up to, if that is among them."""

    rows: dict[str, int]
    lines: LineSums | None


def check_all_stored(sink: Sink, version: int, tables: Mapping[str, BuiltTable]) -> Stored:
    """Reads tables back. Raises `RebuildDiffers` where they are not what was written."""
    rows: dict[str, int] = {}
    lines: LineSums | None = None
    for name, table in tables.items():
        if name == table.projection == "lines":
            lines = LineSums()
            rows[name] = check_stored(sink, version, table.shape, lines.add)
        else:
            rows[name] = check_stored(sink, version, table.shape)
    return Stored(rows, lines)


def check_stored(sink: Sink, version: int, shape: Shape, seen: Callable[[Any], object] | None = None) -> int:
    """Reads a table back, and gives how many rows it has; batches of them are `seen` on the way.

    Raises `RebuildDiffers` where they are not what was written.
    """
    chunks = sink.chunks(version, shape.name)
    with readable(shape), closing(sink.read(version, shape)) as stored:
        if is_changed(chunks):
            return sum(batch.num_rows for batch in stored)
        _check_chunks(shape, chunks, Cutter(_shown(stored, seen)), "what stands there is not what was written")
    return sum(chunk.rows for chunk in chunks)


def _shown(batches: Iterable[Any], seen: Callable[[Any], object] | None) -> Iterator[Any]:
    for batch in batches:
        if seen is not None:
            seen(batch)
        yield batch


def check_given(sink: Sink, version: int, shape: Shape, batches: Iterable[Any]) -> None:
    """Holds rows that were worked out anew against those that were written. Raises `RebuildDiffers`."""
    chunks = sink.chunks(version, shape.name)
    if is_changed(chunks):
        _check_same(sink, version, shape, batches)
        return
    given = Cutter(sink.kept(batch) for batch in batches)
    _check_chunks(shape, chunks, given, "what was written is not what the journal gives now")


def is_changed(chunks: Sequence[Chunk]) -> bool:
    """Whether rows were replaced by others since they were written; then they are in no certain order."""
    return any(chunk.digest == CHANGED for chunk in chunks)


def _check_same(sink: Sink, version: int, shape: Shape, batches: Iterable[Any]) -> None:
    """Holds rows that stand in a table against those that were worked out, in whatever order."""
    given = in_order(shape, map(sink.kept, batches))
    with readable(shape), closing(sink.read(version, shape)) as stored:
        if digest_of(given) != digest_of(in_order(shape, stored)):
            raise RebuildDiffers("what stands there is not what the journal gives now", table=shape.name)


def in_order(shape: Shape, batches: Iterable[Any]) -> Iterable[Any]:
    """The same rows, ordered by all columns."""
    table = pyarrow().Table.from_batches(batches, schema_of(shape))
    return table.sort_by([(name, "ascending") for name in shape.columns]).to_batches()


def _check_chunks(shape: Shape, chunks: Iterable[Chunk], rows: Cutter, reason: str) -> None:
    first = 0
    for chunk in chunks:
        if digest_of(rows.take(chunk.rows)) != chunk.digest:
            where = f"among its rows {first + 1} to {first + chunk.rows}"
            raise RebuildDiffers(f"{reason}, {where}", table=shape.name)
        first += chunk.rows
    if rows.has_more():
        raise RebuildDiffers(f"{reason}, which was {first} rows and no more", table=shape.name)


@contextmanager
def readable(shape: Shape) -> Generator[None]:
    try:
        yield
    except (pyarrow().ArrowException, ValueError, KeyError) as error:
        raise RebuildDiffers(f"it cannot be read: {error}", table=shape.name) from error


def check_sums(
    tables: Mapping[str, Callable[[], Iterator[Any]]], movements: Iterable[Any], lines: LineSums | None = None
) -> None:
    """Adds up the movements, and holds that against `balances` and `supply`, as far as they are among the tables, and `lines`.

    Each table is called for its rows, as batches. Raises `RebuildDiffers`.
    """
    sums = sums_of(movements)
    if "balances" in tables:
        _check_balances(tables["balances"](), sums)
    if "supply" in tables:
        _check_supply(tables["supply"](), sums)
    if lines is not None:
        _check_lines(lines, sums)


def _check_balances(batches: Iterator[Any], sums: Iterable[Sum]) -> None:
    rows = _ordered(batches, ("token", "account"), ("token", "account", "available", "reserved", "total"))
    for found, row in _side_by_side(sums, rows):
        if row is not None:
            _check_balance(row, found.available, found.held)
        elif found.available or found.held:
            has = f"{found.available} available and {found.held} reserved"
            raise RebuildDiffers(f"{found.account} has {has} of {found.token}, and no row", table="balances")


def _side_by_side(sums: Iterable[Sum], rows: Iterator[Row]) -> Iterator[tuple[Sum, Row | None]]:
    """The sums of accounts, each with its row, which begins with token and account: both come in that order.

    A row of which there is no sum has one of nothing.
    """
    row = next(rows, None)
    for found in sums:
        if found.account is None:
            continue
        cell = (found.token, found.account)
        while row is not None and row[:2] < cell:
            yield Sum(row[0], row[1], 0, 0), row
            row = next(rows, None)
        if row is not None and row[:2] == cell:
            yield found, row
            row = next(rows, None)
        else:
            yield found, None
    while row is not None:
        yield Sum(row[0], row[1], 0, 0), row
        row = next(rows, None)


def _check_balance(row: tuple[Any, ...], available: int, held: int) -> None:
    token, account, *told = row
    summed = [available, held, available + held]
    if told != [str(each) for each in summed]:
        says, has = "/".join(map(str, told)), "/".join(map(str, summed))
        raise RebuildDiffers(
            f"{account} has {says} of {token} (available/reserved/total), and its movements sum to {has}", table="balances"
        )


def _check_supply(batches: Iterator[Any], sums: Iterable[Sum]) -> None:
    left = {found.token: -found.available for found in sums if found.account is None}
    for token, most, circulating, reserve in _ordered(batches, ("token",), ("token", "max", "circulating", "reserve")):
        minted = left.pop(token, 0)
        if [circulating, reserve] != [str(minted), str(int(most) - minted)]:
            reason = f"{circulating} {token} are in circulation and {reserve} are left, and movements sum to {minted} of {most}"
            raise RebuildDiffers(reason, table="supply")
    if any(left.values()):
        raise RebuildDiffers(f"there is no row of {min(left)}, which was minted", table="supply")


def _check_lines(lines: LineSums, sums: Iterable[Sum]) -> None:
    """The lines of every account sum to what its movements sum to, and its last says that it has that."""
    for found, row in _side_by_side(sums, (tuple(sum) for sum in lines.changes)):
        added = (0, 0) if row is None else row[2:]
        if added != (found.available, found.held):
            raise _lines_differ(found, "lines sum to {0}/{1}", *added)
    for found, row in _side_by_side(sums, map(tuple, lines.lasts())):
        if row is not None and row[2:] != (str(found.available), str(found.held)):
            raise _lines_differ(found, "last line has {0}/{1}", *row[2:])


def _lines_differ(found: Sum, says: str, *told: object) -> RebuildDiffers:
    told_of = f"{found.account}: its {says.format(*told)} of {found.token} (available/reserved)"
    return RebuildDiffers(f"{told_of}, and its movements sum to {found.available}/{found.held}", table="lines")


def _ordered(batches: Iterator[Any], order: tuple[str, ...], columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    arrow = pyarrow()
    read = list(batches)
    if not read:
        return
    table = arrow.Table.from_batches(read).select(list(columns)).sort_by([(name, "ascending") for name in order])
    for batch in table.to_batches(65_536):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
