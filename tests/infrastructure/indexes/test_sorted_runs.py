"""The set of pairs of words: nothing that was added is missed and nothing else is found, whatever lies where."""

import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.infrastructure.indexes.runs import sorted_runs
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.runs.frozen import FrozenRuns
from tallystick.infrastructure.indexes.runs.pairs import Pairs
from tallystick.infrastructure.indexes.runs.sorted_runs import SortedRuns
from tests.support.faults.run_files import chance_pairs, columns, flip, runs_in, until, wait_for
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.strategies import run_steps


@pytest.fixture(params=["memory", "disk"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "cache" if request.param == "disk" else None


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred pairs are a run, and few are merged at a time."""
    monkeypatch.setattr(sorted_runs, "LONG", 100)
    monkeypatch.setattr(sorted_runs, "MERGED_PAIRS", 70)


def saved(runs: SortedRuns, folder: Path) -> object:
    folder.mkdir()
    return runs.freeze().save(folder)


@given(steps=run_steps, long=st.sampled_from([4, 16, 10**6]), on_disk=st.booleans())
def test_it_is_a_set_however_it_is_saved_loaded_and_merged(steps: list, long: int, on_disk: bool) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setattr(sorted_runs, "LONG", long)
        patch.setattr(sorted_runs, "MERGED_PAIRS", 50)
        cache = Path(name) / "cache" if on_disk else None
        runs = SortedRuns(cache)
        known: set[tuple[int, int]] = set()
        for number, (step, pairs) in enumerate([*steps, ("wait", []), ("ask", [(1, 1)])]):
            if step == "add":
                runs.add(*columns(pairs))
                known.update(pairs)
            elif step == "ask":
                asked = [*pairs, *list(known)[:20]]
                keys, values = columns(asked)
                assert runs.has(keys, values).tolist() == [pair in known for pair in asked]
                assert runs.has_keys(keys).tolist() == [key in {key for key, _ in known} for key, _ in asked]
                for key, _ in asked[:4]:
                    assert set(runs.values_of(key)) == {value for other, value in known if other == key}
            elif step == "wait":
                wait_for(runs)
            else:
                description = saved(runs, Path(name) / str(number))
                if step == "load":
                    runs.close()
                    runs = SortedRuns.load(Path(name) / str(number), description, cache)
        runs.close()
        if cache is not None:
            assert runs_in(cache) == []


@pytest.mark.usefixtures("short")
def test_long_runs_are_merged_and_all_is_found(folder: Path | None) -> None:
    runs = SortedRuns(folder)
    keys, values = chance_pairs(60_000)
    for start in range(0, len(keys), 130):
        runs.add(keys[start : start + 130], values[start : start + 130])
        if start % 13_000 == 0:
            assert runs.has(keys[: start + 130 : 97], values[: start + 130 : 97]).all()
    assert runs.has(keys, values).all()
    assert not runs.has(keys, values + np.uint64(1)).any()
    assert not runs.has(keys + np.uint64(1), values).any()
    assert all(runs.values_of(int(key)) == [int(value)] for key, value in zip(keys[::999], values[::999], strict=True))
    wait_for(runs)
    assert runs.count_of_runs() < 30
    runs.close()
    if folder is not None:
        assert runs_in(folder) == []


@pytest.mark.usefixtures("short")
def test_keys_that_are_not_spread_are_found_too() -> None:
    runs = SortedRuns()
    keys = np.repeat(np.arange(10, dtype=np.uint64), 3_000)
    values = np.arange(30_000, dtype=np.uint64)
    for start in range(0, 30_000, 3_000):
        runs.add(keys[start : start + 3_000], values[start : start + 3_000])
    wait_for(runs)
    assert runs.has(keys, values).all()
    assert not runs.has(keys, values + np.uint64(30_000)).any()
    assert sorted(runs.values_of(4)) == list(range(12_000, 15_000))
    runs.close()


@pytest.mark.usefixtures("short")
def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    runs = SortedRuns(tmp_path / "file" / "cache")
    keys, values = chance_pairs(1_000)
    runs.add(keys, values)
    assert runs.has(keys, values).all()
    runs.close()


@pytest.mark.usefixtures("short")
def test_what_is_saved_is_what_was_there_when_it_was_frozen(tmp_path: Path, folder: Path | None) -> None:
    """A thread saves while the owner goes on, and merges away the files that the thread is about to link."""
    runs = SortedRuns(folder)
    keys, values = chance_pairs(20_000)
    threads: list[threading.Thread] = []
    descriptions: dict[int, object] = {}

    def save(frozen: FrozenRuns, at: int) -> None:
        descriptions[at] = frozen.save(tmp_path / str(at))

    for start in range(0, 20_000, 50):
        if start % 2_000 == 150:
            (tmp_path / str(start)).mkdir()
            threads.append(threading.Thread(target=save, args=(runs.freeze(), start)))
            threads[-1].start()
        runs.add(keys[start : start + 50], values[start : start + 50])
    for thread in threads:
        thread.join()
    runs.close()
    assert len(descriptions) == 10
    for at, description in descriptions.items():
        loaded = SortedRuns.load(tmp_path / str(at), description, folder)
        assert loaded.has(keys, values).tolist() == [row < at for row in range(20_000)]
        loaded.close()


@pytest.mark.usefixtures("short")
def test_files_that_are_deleted_while_mapped_are_still_there_for_whoever_has_them(tmp_path: Path) -> None:
    keys, values = chance_pairs(5_000)
    runs = SortedRuns(tmp_path / "cache")
    runs.add(keys, values)
    wait_for(runs)
    description = saved(runs, tmp_path / "saved")
    shutil.rmtree(tmp_path / "cache")
    assert runs.has(keys, values).all()
    runs.close()
    loaded = SortedRuns.load(tmp_path / "saved", description, tmp_path / "cache")
    shutil.rmtree(tmp_path / "saved")
    again = saved(loaded, tmp_path / "again")
    assert loaded.has(keys, values).all()
    loaded.close()
    copied = SortedRuns.load(tmp_path / "again", again)
    assert copied.has(keys, values).all()
    copied.close()


@pytest.mark.usefixtures("short")
def test_reopening_again_and_again_does_not_make_more_and_more_runs(tmp_path: Path) -> None:
    keys, values = chance_pairs(400)
    runs = SortedRuns(tmp_path / "cache")
    for at in range(0, 400, 10):
        runs.add(keys[at : at + 10], values[at : at + 10])
        description = saved(runs, tmp_path / str(at))
        runs.close()
        runs = SortedRuns.load(tmp_path / str(at), description, tmp_path / "cache")
        wait_for(runs)
        assert runs.count_of_runs() < 8
    assert runs.has(keys, values).all()
    runs.close()


@pytest.mark.parametrize("interrupted", ["_take", "_changed"])
@pytest.mark.parametrize("before", [False, True])
def test_a_search_that_is_interrupted_while_runs_are_taken_over_loses_no_pair(interrupted: str, before: bool) -> None:
    runs = SortedRuns()
    keys, values = chance_pairs(500)
    order = np.argsort(keys)
    makings = [runs.add_later(lambda rows=order[start::5]: Pairs(keys[rows], values[rows])) for start in range(5)]
    until(lambda: all(making.future.done() for making in makings))
    undisturbed = getattr(SortedRuns, interrupted)

    def interrupt(self: SortedRuns, *arguments: object) -> None:
        if not before:
            undisturbed(self, *arguments)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SortedRuns, interrupted, interrupt)
        runs.values_of(int(keys[0]))
    assert [runs.values_of(int(key)) for key in keys] == [[int(value)] for value in values]
    wait_for(runs)
    assert runs.has(keys, values).all()
    runs.close()


@pytest.mark.usefixtures("short")
def test_damage_that_a_merge_meets_is_found_by_the_next_search_and_by_no_adding(tmp_path: Path) -> None:
    keys, values = chance_pairs(1_600)
    runs = SortedRuns(tmp_path / "cache")
    for start in range(0, 300, 100):
        runs.add(keys[start : start + 100], values[start : start + 100])
    wait_for(runs)
    for file in runs_in(tmp_path):
        flip(file, file.stat().st_size // 2)
    runs.add(keys[300:400], values[300:400])
    wait_for(runs)
    runs.add(keys[400:1_600], values[400:1_600])
    for call in (lambda: runs.has(keys, values), lambda: runs.values_of(int(keys[0])), runs.freeze):
        with pytest.raises(DamagedRun):
            call()
    runs.close()
    assert runs_in(tmp_path) == []


def test_a_full_disk_costs_memory_and_loses_nothing(tmp_path: Path) -> None:
    printed = run_on_a_small_disk(
        """
        import sys
        from pathlib import Path
        import numpy as np
        from tallystick.infrastructure.indexes.runs import sorted_runs
        sorted_runs.LONG = 20_000
        folder = Path(sys.argv[1])
        runs = sorted_runs.SortedRuns(folder / "cache")
        keys, values = np.random.default_rng(1).integers(0, 2**64, (2, 400_000), dtype=np.uint64)
        for start in range(0, 400_000, 5_000):
            runs.add(keys[start : start + 5_000], values[start : start + 5_000])
            if start % 50_000 == 0:
                assert runs.has(keys[: start + 5_000], values[: start + 5_000]).all()
        assert runs.has(keys, values).all()
        assert not runs.has(keys, values + np.uint64(1)).any()
        (folder / "saved").mkdir()
        try:
            runs.freeze().save(folder / "saved")
        except OSError as error:
            print(error.strerror)
        assert runs.has(keys, values).all()
        runs.close()
        print(list((folder / "cache" / "runs").iterdir()))
        """,
        tmp_path,
    )
    assert printed == "No space left on device\n[]\n"
