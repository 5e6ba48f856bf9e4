"""Which rows of a table that was built are not what the journal gives: the first few, beside those that should stand there.

A check says that a table differs, by digests of thousands of rows. Here both are read side by side up to the first row that is
another, and from there on compared by the key of the table, so that a row that is missing does not make all that follow differ.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tallystick.domain.errors import RebuildDiffers
from tallystick.infrastructure.rebuild.check import in_order, is_changed
from tallystick.infrastructure.rebuild.columns import CHUNK_ROWS, Cutter, batches_of
from tallystick.infrastructure.rebuild.given import Given
from tallystick.infrastructure.rebuild.rebuild import replay_into, rounds_of
from tallystick.infrastructure.rebuild.selection import Selection, selected
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.source import Source
from tallystick.infrastructure.rebuild.upkeep import live_tables
from tallystick.projections.tables import Shape

WINDOW = 2_000
"""So many rows behind the first that differs are looked at."""


class DifferingRow(NamedTuple):
    """A row as the journal `gives` it and as it `stands` there, by its columns; None where there is none."""

    where: str
    gives: dict[str, Any] | None
    stands: dict[str, Any] | None


def differing_rows(source: Source, given: Given, into: str | Path, table: str, most: int) -> tuple[int, list[DifferingRow]]:
    """Up to which position the table in use was built, and its first rows that differ, `most` of them.

    None are given where what stands there cannot be read as rows.
    """
    wanted = selected(given)
    with open_sink(into) as sink:
        for live in live_tables(sink, wanted.versions()):
            if table not in live.tables:
                continue
            build, shape = live.build, live.tables[table].shape
            made = _given(source, wanted.of(live.names), table, build.upto) if source.has(build.upto, build.digest) else ()
            gives: Iterable[Any] = map(sink.kept, made)
            try:
                with closing(sink.read(build.version, shape)) as stands:
                    if is_changed(sink.chunks(build.version, table)):
                        found = _first_of(shape, Cutter(in_order(shape, gives)), Cutter(in_order(shape, stands)), most)
                    else:
                        found = _first_of(shape, Cutter(gives), Cutter(stands), most)
            except RebuildDiffers:
                found = []
            return build.upto, found
    return 0, []


def _given(source: Source, wanted: Selection, table: str, upto: int) -> Iterator[Any]:
    """The rows of a table as the journal gives them, in batches."""
    rounds = rounds_of(wanted, upto, None)
    for each in wanted.row_tables:
        if each.name == table:
            yield from (rows.batch for rows in each.rows(source, 0, upto, rounds))
            return
    replay_into(wanted, source, upto, rounds)
    for projection in wanted.projections:
        for _, made in projection.tables():
            if made.name == table:
                yield from batches_of(made.shape, made.rows)


def _first_of(shape: Shape, gives: Cutter, stands: Cutter, most: int) -> list[DifferingRow]:
    passed = 0
    while True:
        ours, theirs = _rows(gives.take(CHUNK_ROWS)), _rows(stands.take(CHUNK_ROWS))
        if ours == theirs and ours:
            passed += len(ours)
            continue
        same = next((at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
        same = min(len(ours), len(theirs)) if same is None else same
        ours, theirs = ours[same:] + _rows(gives.take(WINDOW)), theirs[same:] + _rows(stands.take(WINDOW))
        return list(_apart(shape, passed + same, ours, theirs))[:most]


def _rows(batches: Iterable[Any]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def _apart(
    shape: Shape, passed: int, ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]
) -> Iterator[DifferingRow]:
    """Rows of two windows that differ. Where rows go on, what has no like in the second halves may have it there."""
    are_all = len(ours) < WINDOW and len(theirs) < WINDOW
    first, second = _by_key(shape, ours[:WINDOW]), _by_key(shape, theirs[:WINDOW])
    trusted = WINDOW if are_all else WINDOW // 2
    for key, (at, row) in first.items():
        other = second.get(key)
        if (other is None and at < trusted) or (other is not None and other[1] != row):
            yield DifferingRow(_where(shape, passed + at, row), row, None if other is None else other[1])
    for key, (at, row) in second.items():
        if key not in first and at < trusted:
            yield DifferingRow(_where(shape, passed + at, row), None, row)


def _by_key(shape: Shape, rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], tuple[int, dict[str, Any]]]:
    """The rows by their key and how many had it before, each with its place."""
    seen = defaultdict[tuple[Any, ...], int](int)
    found: dict[tuple[Any, ...], tuple[int, dict[str, Any]]] = {}
    for at, row in enumerate(rows):
        key = tuple(row[name] for name in (shape.key or row))
        found[*key, seen[key]] = (at, row)
        seen[key] += 1
    return found


def _where(shape: Shape, at: int, row: dict[str, Any]) -> str:
    if shape.key:
        return f"{shape.name}[{', '.join(f'{name}={row[name]!r}' for name in shape.key)}]"
    return f"{shape.name}[row {at + 1}]"
