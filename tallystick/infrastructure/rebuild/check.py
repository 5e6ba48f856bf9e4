"""The check: whether tables are what the journal says, asked in two ways that know nothing of how they were written.

Each table is read back and held against what was written, chunk by chunk, so that whatever became of it since is found. And
what moves money is added up from all movements, which no projection has part in, and held against what the tables have.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import numpy as np

from tallystick.domain.errors import RebuildDiffers
from tallystick.infrastructure.rebuild.columns import Cutter, digest_of, pyarrow, schema_of
from tallystick.infrastructure.rebuild.exact_sums import ExactColumn, Numbered, limbs_of
from tallystick.infrastructure.rebuild.line_sums import LineSums
from tallystick.infrastructure.rebuild.sinks.port import CHANGED, BuiltTable, Chunk, Sink
from tallystick.infrastructure.rebuild.sums import Sums, told_by
from tallystick.projections.tables import Shape


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
    sums = Sums(Numbered() if lines is None else lines.accounts)
    for batch in movements:
        sums.add(batch)
    if "balances" in tables:
        _check_balances(tables["balances"], sums)
    if "supply" in tables:
        _check_supply(tables["supply"](), sums)
    if lines is not None:
        _check_lines(lines, sums)


def _check_balances(read: Callable[[], Iterator[Any]], sums: Sums) -> None:
    differing = _first_wrong_total(read()) or sums.differing(told_by(sums.accounts, read()))
    if differing is None:
        return
    token, account = differing
    available, held = sums.of(token, account)
    rows = list(_rows_of(read(), token, account))
    for row in rows:
        told = [row["available"], row["reserved"], row["total"]]
        summed = [str(available), str(held), str(available + held)]
        if told != summed:
            says, has = "/".join(told), "/".join(summed)
            reason = f"{account} has {says} of {token} (available/reserved/total), and its movements sum to {has}"
            raise RebuildDiffers(reason, table="balances")
    has = f"{available} available and {held} reserved"
    raise RebuildDiffers(f"{account} has {has} of {token}, and {len(rows) or 'no'} row{'s'[: len(rows)]}", table="balances")


def _first_wrong_total(batches: Iterator[Any]) -> tuple[str, str] | None:
    """The first token and account, in the order of the rows, whose total is not what it has available and reserved."""
    for batch in batches:
        rows, total, told = np.arange(len(batch)), ExactColumn(), ExactColumn()
        for name in ("available", "reserved"):
            total.add(rows, limbs_of(batch.column(name)))
        told.add(rows, limbs_of(batch.column("total")))
        wrong = np.flatnonzero(total.differing(told, len(batch)))
        if len(wrong):
            row = batch.slice(int(wrong[0]), 1).to_pylist()[0]
            return row["token"], row["account"]
    return None


def _rows_of(batches: Iterator[Any], token: str, account: str) -> Iterator[dict[str, Any]]:
    compute = pyarrow("compute")
    for batch in batches:
        is_it = compute.and_(compute.equal(batch.column("token"), token), compute.equal(batch.column("account"), account))
        yield from batch.filter(is_it).to_pylist()


def _check_supply(batches: Iterator[Any], sums: Sums) -> None:
    known: set[str] = set()
    for batch in batches:
        for row in batch.to_pylist():
            token, most, circulating, reserve = row["token"], row["max"], row["circulating"], row["reserve"]
            minted = sums.minted(token)
            known.add(token)
            if [circulating, reserve] != [str(minted), str(int(most) - minted)]:
                sums_to = f"movements sum to {minted} of {most}"
                reason = f"{circulating} {token} are in circulation and {reserve} are left, and {sums_to}"
                raise RebuildDiffers(reason, table="supply")
    for token in sorted(sums.tokens() - known):
        if sums.minted(token):
            raise RebuildDiffers(f"there is no row of {token}, which was minted", table="supply")


def _check_lines(lines: LineSums, sums: Sums) -> None:
    """The lines of every account sum to what its movements sum to, and its last says that it has that."""
    for told, says in ((lines.changes(), "lines sum to"), (lines.last(), "last line has")):
        differing = sums.differing(told)
        if differing is not None:
            token, account = differing
            available, held = told.of(lines.accounts.number(token, account))
            told_of = f"{account}: its {says} {available}/{held} of {token} (available/reserved)"
            has = "{}/{}".format(*sums.of(token, account))
            raise RebuildDiffers(f"{told_of}, and its movements sum to {has}", table="lines")
