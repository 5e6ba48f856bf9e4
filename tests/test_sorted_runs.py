"""The set of pairs of words: nothing that was added is missed and nothing else is found, whatever lies where."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.infrastructure import sorted_runs
from tallystick.infrastructure.sorted_runs import SortedRuns

words = st.integers(0, 2**64 - 1)
pairs = st.lists(st.tuples(st.one_of(st.integers(0, 3), words), st.one_of(st.integers(0, 3), words)), min_size=1, max_size=30)


def column(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


@pytest.fixture(params=["memory", "disk"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "cache" if request.param == "disk" else None


@given(added=st.lists(pairs, max_size=40), asked=pairs, long=st.sampled_from([4, 16, 10**6]), between=st.booleans())
def test_it_is_a_set(added: list[list[tuple[int, int]]], asked: list[tuple[int, int]], long: int, between: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_runs, "LONG", long)
        runs = SortedRuns()
        known: set[tuple[int, int]] = set()
        for batch in added:
            runs.add(column([key for key, _ in batch]), column([value for _, value in batch]))
            known.update(batch)
            if between:
                assert runs.has(column([batch[0][0]]), column([batch[0][1]])).all()
        asked = [*asked, *list(known)[:20]]
        found = runs.has(column([key for key, _ in asked]), column([value for _, value in asked]))
        assert found.tolist() == [pair in known for pair in asked]
        runs.close()


def test_long_runs_are_merged_and_all_is_found(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "LONG", 1000)
    runs = SortedRuns(folder)
    chance = np.random.default_rng(1)
    keys, values = chance.integers(0, 2**64, (2, 200_000), dtype=np.uint64)
    for start in range(0, len(keys), 130):
        runs.add(keys[start : start + 130], values[start : start + 130])
        if start % 13_000 == 0:
            assert runs.has(keys[: start + 130 : 97], values[: start + 130 : 97]).all()
    assert runs.has(keys, values).all()
    assert not runs.has(keys, values + np.uint64(1)).any()
    assert not runs.has(keys + np.uint64(1), values).any()
    runs.close()
    if folder is not None:
        assert list(folder.rglob("*.run")) == []


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "LONG", 10)
    (tmp_path / "file").write_text("")
    runs = SortedRuns(tmp_path / "file" / "cache")
    keys = np.arange(100, dtype=np.uint64)
    runs.add(keys, keys)
    assert runs.has(keys, keys).all()
    runs.close()
