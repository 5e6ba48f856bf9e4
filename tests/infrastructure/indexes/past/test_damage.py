"""An index that is damaged, missing, old or of another journal: what is asked of the past is answered all the same, and right,
and where it can be the index is made anew.
"""

import os
import shutil
from collections.abc import Iterator
from random import Random

import pytest

from tests.support.faults.run_files import flip
from tests.support.past.kept_past import KeptPast


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> KeptPast:
    return KeptPast(tmp_path_factory.mktemp("past"))


@pytest.fixture
def past(made: KeptPast) -> Iterator[KeptPast]:
    yield made
    made.put_back()


def is_whole_again(past: KeptPast) -> bool:
    """Whether it is answered without the journal, as far as it was asked and in another opening."""
    past.check(Random(1), len(past.told))
    return not past.check(Random(2), len(past.told))


def test_what_was_written_is_gone_on_from(past: KeptPast) -> None:
    before = {path: path.stat().st_ino for path in past.files}
    assert {path.suffix for path in before} >= {".bucket", ".dense"}
    assert len([path for path in before if path.suffix == ".bucket"]) > 5
    assert not past.check(Random(0), len(past.told))
    assert before.items() <= {path: path.stat().st_ino for path in past.files}.items()


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, -1, -8])
def test_files_cut_off(past: KeptPast, kept: float) -> None:
    chance = Random(3)
    for path in chance.sample(past.files, 4):
        size = path.stat().st_size
        os.truncate(path, max(0, size + int(kept) if kept < 0 else int(kept * size)))
        past.check(chance, 2)
        past.put_back()


def test_a_file_is_missing(past: KeptPast) -> None:
    chance = Random(4)
    for path in chance.sample(past.files, len(past.files) // 2):
        path.unlink()
        assert not past.check(chance, 2)  # what is missing is made anew before it is asked for
        past.put_back()


@pytest.mark.parametrize("missing", ["books", ".bucket", ".dense", "all"])
def test_whatever_is_missing_is_made_anew(past: KeptPast, missing: str) -> None:
    names = [path.name for path in past.files]
    if missing == "all":
        shutil.rmtree(past.cache)
    elif missing == "books":
        shutil.rmtree(past.cache / "books")
    else:
        for path in past.files:
            if path.suffix == missing:
                path.unlink()
    assert not past.check(Random(5), len(past.told))
    if missing != ".dense":
        assert [path.name for path in past.files if path.suffix == ".bucket"] == [n for n in names if n.endswith(".bucket")]


def test_bytes_flipped_anywhere(past: KeptPast) -> None:
    chance = Random(int(os.environ.get("TALLYSTICK_SEED", "6")))
    for _ in range(int(os.environ.get("TALLYSTICK_FLIPS", "12"))):
        for path in chance.sample(past.files, chance.choice((1, 1, 3))):
            if path.stat().st_size:
                flip(path, chance.randrange(path.stat().st_size), chance.randrange(1, 256))
        past.check(chance, 3)
        past.put_back()


def test_a_damaged_index_is_made_anew(past: KeptPast) -> None:
    for path in past.files:
        if path.suffix in {".bucket", ".dense"}:
            flip(path, path.stat().st_size - 20)
    assert is_whole_again(past)


def test_files_that_are_none(past: KeptPast) -> None:
    names = [path for path in past.files if path.suffix in {".bucket", ".dense"}]
    for path, content in zip(names, (b"", b"a" * 5000, bytes(9999), names[1].read_bytes()), strict=False):
        path.write_bytes(content)
    (past.cache / "0-0-x.bucket").write_bytes(b"no bucket")
    (past.cache / "nonsense.bucket").mkdir()
    (past.cache / "00000000000000000000-1-x.dense").mkdir()
    (past.cache / "x.unfinished").write_bytes(b"")
    assert is_whole_again(past)


def test_an_older_index_is_gone_on_from(past: KeptPast) -> None:
    """Of the files those that were there when the journal was half as long."""
    half = max(past.told) // 2
    for path in past.files:
        first, _, rest = path.stem.partition("-")
        if first.isdecimal() and int(rest[:20] if path.suffix == ".bucket" else first) > half:
            path.unlink()
    shutil.rmtree(past.cache / "books")
    assert not past.check(Random(7), len(past.told))
    assert not past.check(Random(8), len(past.told))
