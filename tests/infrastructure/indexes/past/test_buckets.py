"""Touches and changes in buckets, in files and in the tail, and dense columns: they say what was gathered, however wide."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.infrastructure.indexes.past.buckets.bucket import Bucket
from tallystick.infrastructure.indexes.past.buckets.changes import FragmentChange, HoldChange
from tallystick.infrastructure.indexes.past.buckets.dense import DenseColumns, TokenColumns, write_dense
from tallystick.infrastructure.indexes.past.buckets.gathering import NOTHING, Gathering, OccurredSpan
from tallystick.infrastructure.indexes.past.buckets.tail import Tail
from tallystick.infrastructure.indexes.past.cells import (
    AVAILABLE,
    CIRCULATING,
    CONTRACTS,
    HELD,
    SAID,
    Cells,
    handle_of,
    part_of,
    token_of,
)
from tallystick.infrastructure.indexes.past.column_blocks import ColumnFile, write_columns
from tallystick.infrastructure.indexes.past.past_index import _with_touches
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.format import Head
from tests.support.faults.run_files import flip

CELLS = [
    Cells.of(token, part).cell(handle) for token in (0, 3, CONTRACTS) for part in (AVAILABLE, HELD) for handle in (0, 1, 5)
]
BEFORE = 2**33
values = st.one_of(st.integers(0, 300), st.sampled_from([2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64, 2**130, 2**255]))
commits = st.lists(
    st.tuples(
        st.integers(1, 300),
        st.dictionaries(st.sampled_from(CELLS), values, max_size=5),
        st.lists(st.tuples(st.sampled_from(CELLS), st.integers(0, 2**40), st.integers(-(2**70), 2**70)), max_size=3),
        st.booleans(),
    ),
    max_size=25,
)
"""How many positions each takes, the cells that it touched with what they are worth then, changes of holds, and whether the
touches come in columns.
"""


class Model:
    """What was gathered, as dictionaries."""

    def __init__(self, drawn: list[Any]) -> None:
        self.gathering = Gathering()
        self.ends = [Head(BEFORE, bytes(32), 0)]
        self.touches: list[tuple[int, dict[int, int]]] = []
        self.changes: list[tuple[int, int, HoldChange]] = []
        self.spans: list[OccurredSpan] = []
        for drawn_commit in drawn:
            self.add(*drawn_commit)

    def add(self, length: int, touched: dict[int, int], changes: list[Any], in_columns: bool) -> None:
        """One commit."""
        position = self.ends[-1].position + length
        if in_columns and touched and max(touched.values()) < 2**63:
            cells, worth = np.array(list(touched), dtype=np.uint64), np.array(list(touched.values()), dtype=np.int64)
            self.gathering.add_column(cells, worth, position)
        else:
            self.gathering.add(list(touched), list(touched.values()), position)
        for cell, opened, amount in changes:
            self.gathering.add_change("holds", cell, HoldChange(opened, amount), position)
            self.gathering.add_change("fragments", cell, FragmentChange(opened, 1, abs(amount), 0, 0), position)
            self.changes.append((position, cell, HoldChange(opened, amount)))
        self.spans.append(OccurredSpan(position, length, 2 * length))
        self.gathering.add_span(self.spans[-1])
        self.touches.append((position, touched))
        self.ends.append(Head(position, bytes([len(self.ends)]) * 32, len(self.ends)))

    def check(self, buckets: tuple[Any, ...]) -> None:
        """Holds buckets that follow one another against it."""
        moments = sorted({at for head in self.ends for at in (head.position - 1, head.position, head.position + 7)})
        for at in (*moments, BEFORE - 5, 2**62):
            worth: dict[int, int] = {}
            for position, touched in self.touches:
                worth |= touched if position <= at else {}
            for cell in CELLS:
                found = [found for bucket in reversed(buckets) if (found := bucket.value(cell, at)) is not None]
                assert (found[0] if found else None) == worth.get(cell)
                parts = [part for bucket in buckets if (part := bucket.changes("holds", cell, at))]
                came = [HoldChange(*map(int, each)) for part in parts for each in zip(*part, strict=True)]
                assert came == [change for position, of, change in self.changes if of == cell and position <= at]
            for token, part in ((0, AVAILABLE), (3, HELD), (CONTRACTS, AVAILABLE)):
                column: Any = np.zeros(6, dtype=np.int64)
                for bucket in buckets:
                    column = _with_touches(column, bucket, Cells.of(token, part), at)
                cells = map(Cells.of(token, part).cell, range(6))
                assert [int(value) for value in column] == [worth.get(cell, 0) for cell in cells]
            for cells in (tuple(CELLS[:2]), tuple(CELLS[7:8]), (), tuple(CELLS)):
                found = [position for bucket in buckets for position in bucket.touched(cells, BEFORE + 40, at)]
                wanted = [position for position, touched in self.touches if not touched.keys().isdisjoint(cells)]
                assert found == [position for position in wanted if BEFORE + 40 < position <= at]
        said = [OccurredSpan(*map(int, each)) for bucket in buckets for each in zip(*bucket.occurred(), strict=True)]
        assert said == self.spans


@settings(max_examples=25)
@given(drawn=commits)
def test_a_bucket_says_what_was_gathered_in_memory_and_in_a_file(drawn: list[Any]) -> None:
    model = Model(drawn)
    gathered = model.gathering.between(NOTHING, model.gathering.mark())
    for with_table in (False, True):
        bucket = Bucket.of(model.ends[0], model.ends[-1], gathered, with_table=with_table)
        model.check((bucket,))
    with tempfile.TemporaryDirectory() as folder:
        bucket.save(Path(folder) / "one")
        loaded = Bucket.load(Path(folder) / "one")
    assert (loaded.before, loaded.end, loaded.size) == (model.ends[0], model.ends[-1], bucket.size)
    model.check((loaded,))


@settings(max_examples=25)
@given(drawn=commits, asked=st.lists(st.booleans(), min_size=25, max_size=25))
def test_a_tail_says_what_was_gathered_whenever_it_was_asked(drawn: list[Any], asked: list[bool]) -> None:
    model = Model([])
    tail = Tail(model.ends[0])
    for commit, is_asked in zip(drawn, asked, strict=False):
        model.add(*commit)
        if is_asked:
            model.check(tail.runs(model.gathering, model.ends[-1]))
    runs = tail.runs(model.gathering, model.ends[-1])
    model.check(runs)
    assert len(runs) <= 8
    model.check((tail.full(model.gathering, model.ends[-1]),))


columns = st.lists(values, max_size=6)


@settings(max_examples=40)
@given(tokens=st.lists(st.tuples(columns, columns, values), max_size=5), figures=st.lists(values, max_size=9))
def test_dense_columns_say_what_was_written(tokens: list[Any], figures: list[int]) -> None:
    given_columns = [TokenColumns(_narrowed(one), _narrowed(other), circulating) for one, other, circulating in tokens]
    with tempfile.TemporaryDirectory() as folder:
        write_dense(Path(folder) / "dense", Head(5, bytes(32), 7), given_columns, figures)
        dense = DenseColumns(Path(folder) / "dense")
    assert dense.head == Head(5, bytes(32), 7)
    for token in range(len(tokens) + 1):
        available, held, circulating = tokens[token] if token < len(tokens) else ([], [], None)
        assert dense.value(Cells.of(token, CIRCULATING).first) == circulating
        for part, cells in ((AVAILABLE, available), (HELD, held)):
            assert [int(value) for value in dense.column(token, part)] == cells
            asked = [dense.value(Cells.of(token, part).cell(handle)) for handle in range(len(cells) + 2)]
            assert asked == [*cells, None, None]
    assert [dense.value(Cells.of(CONTRACTS).cell(place)) for place in range(len(figures) + 1)] == [*figures, None]


def _narrowed(cells: list[int]) -> Any:
    return np.array(cells, dtype=np.int64) if max(cells, default=0) < 2**63 else cells


class Facts(msgspec.Struct):
    names: list[str]


def read(path: Path) -> list[Any]:
    """All that a file of columns says."""
    file = ColumnFile(path)
    return [file.facts(Facts).names, *(file.column(name).all().tolist() for name in ("bytes", "words", "wide", "none"))]


@pytest.mark.parametrize("rows", [0, 1, 9, 3_000])
def test_every_flipped_byte_of_a_file_is_found(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "columns"
    written = {
        "bytes": np.arange(rows, dtype=np.uint64).astype(np.uint8),
        "words": np.arange(rows, dtype=np.int64) << 40,
        "wide": np.frombuffer(bytes(range(17)) * min(rows, 9), dtype="V17"),
        "none": np.zeros(0, dtype=np.int32),
    }
    write_columns(path, Facts(["zażółć", "plain"]), written)
    right = read(path)
    assert right == [["zażółć", "plain"], *(column.tolist() for column in written.values())]
    size = path.stat().st_size
    for place in range(0, size, 1 if rows < 10 else 97):
        for bits in (0x01, 0x80, 0xFF):
            flip(path, place, bits)
            with pytest.raises(DamagedRun):
                read(path)
            flip(path, place, bits)
    for cut in (0, 1, 31, 32, size - 1, size - 8):
        (tmp_path / "cut").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(DamagedRun):
            read(tmp_path / "cut")
    assert read(path) == right


def test_a_part_is_read_though_another_is_damaged(tmp_path: Path) -> None:
    """Blocks are looked at when something in them is asked for."""
    path = tmp_path / "columns"
    write_columns(path, Facts([]), {"words": np.arange(20_000, dtype=np.int64)})
    flip(path, path.stat().st_size - 1)
    column = ColumnFile(path).column("words")
    assert column.part(0, 9_000).tolist() == list(range(9_000))
    for ask in (lambda: column.one(19_999), lambda: column.part(0, 20_000), column.all):
        with pytest.raises(DamagedRun):
            ask()


@given(
    token=st.one_of(st.integers(0, 9), st.integers(0, CONTRACTS)),
    part=st.sampled_from([AVAILABLE, HELD, CIRCULATING, SAID]),
    handle=st.one_of(st.integers(0, 9), st.integers(0, 2**38 - 1)),
)
def test_the_number_of_a_cell_says_whose_it_is(token: int, part: int, handle: int) -> None:
    cells = Cells.of(token, part)
    cell = cells.cell(handle)
    assert (token_of(cell), part_of(cell), handle_of(cell)) == (token, part, handle)
    assert cells.first <= cell < cells.end <= 2**64
    following = (token, part + 1) if part < SAID else (token + 1, AVAILABLE)
    if following[0] <= CONTRACTS:
        assert Cells.of(*following).first == cells.end


def test_no_token_has_the_number_of_the_contracts() -> None:
    with pytest.raises(OverflowError):
        Cells.of(CONTRACTS + 1)
