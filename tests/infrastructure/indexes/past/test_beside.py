"""Whatever lies where the index does, and whoever may write there, what is asked of the past is answered, and right."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tallystick import Ledger, Token
from tests.infrastructure.journal.sqlite.test_files_beside import NOBODY, SOMEBODY, as_user, by_root, folder
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.past.kept_past import KeptPast
from tests.support.past.past_book import replays_counted, small_index

__all__ = ("folder",)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> KeptPast:
    return KeptPast(tmp_path_factory.mktemp("past"))


@pytest.fixture
def past(made: KeptPast) -> Iterator[KeptPast]:
    yield made
    made.put_back()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> KeptPast:
    """Another journal, and its index."""
    return KeptPast(tmp_path_factory.mktemp("other"), seed=8)


def test_an_index_of_another_journal(past: KeptPast, other: KeptPast) -> None:
    shutil.rmtree(past.cache)
    shutil.copytree(other.cache, past.cache)
    assert not past.check(Random(1), len(past.told))
    written = set(past.files)
    assert not past.check(Random(2), len(past.told))
    assert set(past.files) == written


def test_files_of_another_journal_among_its_own(past: KeptPast, other: KeptPast) -> None:
    shutil.copytree(other.cache, past.cache, dirs_exist_ok=True)
    written = {path: path.stat().st_ino for path in past.files}
    assert not past.check(Random(3), len(past.told))
    assert {path: path.stat().st_ino for path in past.files} == written  # nothing had to be made anew


class Restored:
    """A ledger on a file whose clock goes on a second a commit."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def go_on(self, account: str, commits: int) -> dict[int, dict[str, Any]]:
        """Mints 1 to the account so often, with the index at its heels; gives the balances by position."""
        stood: dict[int, dict[str, Any]] = {}
        with Ledger.open(self.path) as ledger:
            for number in range(commits):
                ledger.mint("USD", f"{account}-{number % 3}", 1)
                position = ledger.status().head.position
                stood[position] = ledger.balances("USD")
            ledger.index_past()
        return stood


def test_a_journal_that_was_put_back_and_went_on_in_another_way(tmp_path: Path) -> None:
    book = Restored(tmp_path / "books.db")
    with Ledger.open(book.path) as ledger:
        ledger.register_token(Token("USD"))
    with small_index(bucket=10):
        stood = book.go_on("alice", 25)
        shutil.copy(book.path, tmp_path / "backup.db")
        book.go_on("bob", 60)
        (tmp_path / "backup.db").replace(book.path)
        stood |= book.go_on("carol", 60)
        for _ in range(2):
            written = set(tmp_path.rglob("*.bucket"))
            with Ledger.open(book.path) as ledger, replays_counted() as replays:
                for position, balances in stood.items():
                    assert ledger.as_of(position).balances("USD") == balances
                    assert ledger.as_of(position).supply("USD").circulating == position - 1
            assert not replays
            assert set(tmp_path.rglob("*.bucket")) == written


def _owned_by_somebody(path: Path) -> None:
    os.chown(path, SOMEBODY, -1)


def _open_to_all(path: Path) -> None:
    path.chmod(0o777)


def _a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"no folder")


@pytest.mark.parametrize("part", ["", "books"])
@pytest.mark.parametrize("spoil", [pytest.param(_owned_by_somebody, marks=by_root), _open_to_all, _a_file])
def test_a_folder_that_is_not_to_be_believed(past: KeptPast, spoil: Callable[[Path], None], part: str) -> None:
    for path in past.files:
        if path.suffix in {".bucket", ".dense"}:
            path.write_bytes(path.read_bytes()[:-9])  # whoever reads it finds it damaged
    spoil(past.cache / part)
    past.check(Random(4), len(past.told))


def test_a_ledger_for_reading_alone_has_the_index_that_is_there(past: KeptPast) -> None:
    written = {path: path.stat().st_mtime_ns for path in past.files}
    assert not past.check(Random(5), len(past.told), read_only=True)
    for path in past.files:
        if path.suffix == ".bucket":
            path.write_bytes(path.read_bytes()[:-9])
            break
    past.check(Random(5), len(past.told), read_only=True)
    assert set(past.files) == written.keys()
    shutil.rmtree(past.cache)
    past.check(Random(6), len(past.told), read_only=True)
    assert not past.files


@by_root
@pytest.mark.parametrize("mode", [0o500, 0o700])
@pytest.mark.parametrize("part", ["", "past", "past/books"])
def test_folders_in_which_nothing_can_be_written(past: KeptPast, folder: Path, part: str, mode: int) -> None:
    """Half of the index is gone, and a user who is not root is to make it anew, where that user may."""
    place = folder / "now"
    for path in past.files[len(past.files) // 2 :]:
        path.unlink()
    shutil.copytree(past.path.parent, place)
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    Path(f"{place}/books.db.cache/{part}").chmod(mode)
    path, past.path = past.path, place / "books.db"
    try:
        as_user(NOBODY, lambda: past.check(Random(7), len(past.told)))
    finally:
        past.path = path


@by_root
def test_another_user_who_may_only_read(past: KeptPast, folder: Path) -> None:
    place = folder / "now"
    shutil.copytree(past.path.parent, place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    path, past.path = past.path, place / "books.db"
    try:
        as_user(NOBODY, lambda: past.check(Random(8), 5))
        as_user(NOBODY, lambda: past.check(Random(8), 5, read_only=True))
    finally:
        past.path = path


FULL_DISK = """
    import os, sys
    from pathlib import Path
    from tallystick import Ledger, Token
    from tests.support.past.past_book import small_index

    place = Path(sys.argv[1])
    def asked(ledger):
        return [ledger.as_of(at).balances("USD")["alice"].total for at in range(2, 402, 40)]
    with Ledger.open(place / "books.db") as ledger:
        ledger.register_token(Token("USD"))
        for _ in range(400):
            ledger.mint("USD", "alice", 1)
    filler = place / "filler"
    with small_index(bucket=20):
        for left in (0, 4096, 8192, 20_000, 50_000, 100_000):
            with Ledger.open(place / "books.db") as ledger:
                with filler.open("wb", buffering=0) as file:
                    try:
                        while True:
                            file.write(bytes(4096))
                    except OSError:
                        os.truncate(filler, max(0, filler.stat().st_size - left))
                assert asked(ledger) == list(range(1, 401, 40)), left
                filler.unlink()
            assert not list(place.rglob("*.unfinished"))
        with Ledger.open(place / "books.db") as ledger:
            assert asked(ledger) == list(range(1, 401, 40))
    print(len(list(place.rglob("*.bucket"))))
"""


def test_a_full_disk(tmp_path: Path) -> None:
    assert int(run_on_a_small_disk(FULL_DISK, tmp_path)) >= 15
