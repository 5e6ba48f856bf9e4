"""Files of runs: whatever happens to their bytes, they give no answer that the pairs written do not give."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.runs.file import Layout
from tallystick.infrastructure.indexes.runs.filter import FilterWriter, filter_exponent, masks_of
from tallystick.infrastructure.indexes.runs.pairs import Pairs, sorted_pairs
from tallystick.infrastructure.indexes.runs.writer import keep_in, new_path, open_file, write_file
from tests.support.faults.run_files import chance_pairs, columns, flip

SMALL = [(0, 5), (0, 6), (3, 2**64 - 1), (2**20, 0), (2**63, 1), (2**63, 1), (2**64 - 2, 7), (2**64 - 1, 2**64 - 1)]


def written(folder: Path, keys: np.ndarray, values: np.ndarray, part: int = 1_000) -> Path:
    pairs = sorted_pairs([Pairs(keys, values)])
    parts = (Pairs(pairs.keys[at : at + part], pairs.values[at : at + part]) for at in range(0, len(keys), part))
    path = write_file(new_path(folder), parts, len(keys)).path
    assert path is not None
    return path


def answers(file: Path, keys: np.ndarray, values: np.ndarray) -> list[object]:
    """What the file answers about these pairs and others, or that it is damaged; each question to the file opened anew."""
    found: list[object] = []
    for question in (
        lambda run: run.has(keys, values).tolist(),
        lambda run: run.has(keys, values ^ np.uint64(1)).tolist(),
        lambda run: run.has_keys(keys ^ np.uint64(1)).tolist(),
        lambda run: [run.values_of(int(key)) for key in keys[:50]],
        lambda run: [column.tolist() for column in run.between(0, len(run))],
        len,
    ):
        try:
            found.append(question(open_file(file)))
        except DamagedRun:
            found.append(DamagedRun)
    return found


def are_right_or_refused(found: list[object], right: list[object]) -> bool:
    return all(answer in (DamagedRun, wanted) for answer, wanted in zip(found, right, strict=True))


@pytest.mark.parametrize("part", [1, 3, 1_000])
def test_a_run_says_what_was_written(tmp_path: Path, part: int) -> None:
    keys, values = columns(SMALL)
    run = open_file(written(tmp_path, keys, values, part))
    assert len(run) == len(SMALL)
    assert run.has(keys, values).all()
    assert run.has(keys, values ^ np.uint64(1)).tolist() == [False] * len(SMALL)
    assert [sorted(run.values_of(key)) for key in (0, 1, 3, 2**63, 2**64 - 1)] == [[5, 6], [], [2**64 - 1], [1, 1], [2**64 - 1]]
    assert [run.place_of(key) for key in (0, 1, 2**63, 2**63 + 1, 2**64 - 1)] == [0, 2, 4, 6, 7]


@pytest.mark.parametrize("count", [1, 2, 4_095, 4_096, 4_097, 8_192, 50_000])
def test_runs_of_any_size_find_all_and_nothing_else(tmp_path: Path, count: int) -> None:
    keys, values = chance_pairs(count)
    run = open_file(written(tmp_path, keys, values))
    others, _ = chance_pairs(10_000, seed=2)
    assert run.has(keys, values).all()
    assert run.has_keys(keys).all()
    assert not run.has_keys(others).any()
    assert all(run.values_of(int(key)) == [int(value)] for key, value in zip(keys[:2_000], values[:2_000], strict=True))
    assert not any(run.values_of(int(key)) for key in others[:2_000])


def test_a_key_that_fills_several_blocks_is_found_with_all_its_values(tmp_path: Path) -> None:
    keys = np.repeat(np.array([1, 2**63, 2**63 + 1], dtype=np.uint64), [4_090, 9_000, 5])
    values = np.arange(len(keys), dtype=np.uint64)
    run = open_file(written(tmp_path, keys, values))
    assert sorted(run.values_of(2**63)) == list(range(4_090, 13_090))
    assert run.has(keys, values).all()
    assert not run.has(keys, values + np.uint64(20_000)).any()


def test_every_flipped_byte_is_found_or_changes_no_answer(tmp_path: Path) -> None:
    keys, values = columns(SMALL)
    file = written(tmp_path, keys, values)
    right = answers(file, keys, values)
    assert DamagedRun not in right
    refused = 0
    for place in range(file.stat().st_size):
        for bits in (0x01, 0x80, 0xFF):
            flip(file, place, bits)
            found = answers(file, keys, values)
            assert are_right_or_refused(found, right), place
            refused += found.count(DamagedRun)
            flip(file, place, bits)
    assert answers(file, keys, values) == right
    assert refused > file.stat().st_size


def test_every_flipped_byte_of_the_header_and_the_index_is_found_at_opening(tmp_path: Path) -> None:
    file = written(tmp_path, *chance_pairs(10_000))
    content = file.read_bytes()
    for place in range(Layout.of(10_000).keys):
        flip(file, place)
        with pytest.raises(DamagedRun):
            open_file(file)
        flip(file, place)
    assert file.read_bytes() == content
    open_file(file)


def test_bytes_flipped_in_a_long_run_are_found_where_they_are_touched(tmp_path: Path) -> None:
    keys, values = chance_pairs(30_000)
    file = written(tmp_path, keys, values)
    right = answers(file, keys, values)
    chance = random.Random(4)
    for _ in range(40):
        place = chance.randrange(file.stat().st_size)
        flip(file, place)
        found = answers(file, keys, values)
        assert are_right_or_refused(found, right), place
        assert DamagedRun in found, place
        flip(file, place)


def test_a_block_that_nobody_touches_may_be_damaged(tmp_path: Path) -> None:
    keys, values = chance_pairs(30_000)
    file = written(tmp_path, keys, values)
    first, last = int(keys.min()), int(keys.max())
    run = open_file(file)
    flip(file, file.stat().st_size - (8 << filter_exponent(30_000)) - 1)
    assert run.values_of(first) == [int(values[keys.argmin()])]
    with pytest.raises(DamagedRun):
        run.values_of(last)


@pytest.mark.parametrize(
    ("lengthened", "kept"),
    [(0, 0.0), (1, 0.0), (31, 0.0), (32, 0.0), (100, 0.0), (-1, 1.0), (-8, 1.0), (-4096, 1.0), (1, 1.0), (8, 1.0)],
)
def test_a_file_of_another_length_is_refused_at_opening(tmp_path: Path, lengthened: int, kept: float) -> None:
    file = written(tmp_path, *chance_pairs(3_000))
    os.truncate(file, int(kept * file.stat().st_size) + lengthened)
    with pytest.raises(DamagedRun):
        open_file(file)


def test_what_is_no_run_is_refused_at_opening(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a run of words " * 1_000)
    (tmp_path / "zeros").write_bytes(bytes(100_000))
    (tmp_path / "folder").mkdir()
    for name in ("text", "zeros", "folder", "missing"):
        with pytest.raises(DamagedRun):
            open_file(tmp_path / name)


def test_a_run_is_linked_where_that_goes_and_else_copied(tmp_path: Path) -> None:
    keys, values = chance_pairs(3_000)
    run = open_file(written(tmp_path, keys, values))
    assert run.path is not None
    for name in ("linked", "copied"):
        (tmp_path / name).mkdir()
    linked = tmp_path / "linked" / keep_in(tmp_path / "linked", run)
    assert linked.samefile(run.path)
    run.path.unlink()
    copied = tmp_path / "copied" / keep_in(tmp_path / "copied", run)
    assert copied.read_bytes() == linked.read_bytes()
    shutil.rmtree(tmp_path / "linked")
    assert open_file(copied).has(keys, values).all()


def test_a_filter_lets_all_pass_that_it_was_made_of_and_few_others() -> None:
    keys, others = (np.sort(chance_pairs(100_000, seed)[0]) for seed in (1, 2))
    exponent = filter_exponent(len(keys))
    writer = FilterWriter(exponent)
    words = np.concatenate([*(writer.add(keys[at : at + 777]) for at in range(0, len(keys), 777)), writer.finish()])
    assert len(words) == 1 << exponent

    def passes(asked: np.ndarray) -> np.ndarray:
        masks = masks_of(asked)
        return words[asked >> np.uint64(64 - exponent)] & masks == masks

    assert passes(keys).all()
    assert passes(others).sum() < 1_500
