"""The check: whether tables are what the journal says, asked in two ways that know nothing of how they were written.

Each table is read back and held against what was written, chunk by chunk, so that whatever became of it since is found. And
what moves money is added up from all movements, which no projection has part in, and held against what the tables have.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from tallystick.domain.errors import RebuildDiffers
from tallystick.infrastructure.rebuild.columns import Cutter, digest_of, pyarrow, schema_of
from tallystick.infrastructure.rebuild.sinks.port import CHANGED, Chunk, Sink
from tallystick.infrastructure.rebuild.sums import Sum, sums_of
from tallystick.projections.tables import Shape


def check_stored(sink: Sink, version: int, shape: Shape) -> int:
    """Reads a table back, and gives how many rows it has. Raises `RebuildDiffers` where they are not what was written."""
    chunks = sink.chunks(version, shape.name)
    with readable(shape), closing(sink.read(version, shape)) as stored:
        if is_changed(chunks):
            return sum(batch.num_rows for batch in stored)
        _check_chunks(shape, chunks, Cutter(stored), "what stands there is not what was written")
    return sum(chunk.rows for chunk in chunks)


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


def check_sums(tables: Mapping[str, Callable[[], Iterator[Any]]], movements: Iterable[Any]) -> None:
    """Adds up the movements, and holds that against `balances` and `supply`, as far as they are among the tables.

    Each is called for its rows, as batches. Raises `RebuildDiffers`.
    """
    rules = {"balances": _check_balances, "supply": _check_supply}
    wanted = [(name, rule) for name, rule in rules.items() if name in tables]
    if not wanted:
        return
    sums = list(sums_of(movements)) if len(wanted) > 1 else sums_of(movements)
    for name, rule in wanted:
        rule(tables[name](), sums)


def _check_balances(batches: Iterator[Any], sums: Iterable[Sum]) -> None:
    """Both are gone through side by side, in one order."""
    rows = _ordered(batches, ("token", "account"), ("token", "account", "available", "reserved", "total"))
    row = next(rows, None)
    for found in sums:
        if found.account is None:
            continue
        cell = (found.token, found.account)
        while row is not None and row[:2] < cell:
            _check_balance(row, 0, 0)
            row = next(rows, None)
        if row is not None and row[:2] == cell:
            _check_balance(row, found.available, found.held)
            row = next(rows, None)
        elif found.available or found.held:
            has = f"{found.available} available and {found.held} reserved"
            raise RebuildDiffers(f"{found.account} has {has} of {found.token}, and no row", table="balances")
    while row is not None:
        _check_balance(row, 0, 0)
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


def _ordered(batches: Iterator[Any], order: tuple[str, ...], columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    arrow = pyarrow()
    read = list(batches)
    if not read:
        return
    table = arrow.Table.from_batches(read).select(list(columns)).sort_by([(name, "ascending") for name in order])
    for batch in table.to_batches(65_536):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
