"""A cache that another user owns or may write is not used, and that is said; the ledger reads its journal instead."""

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick import Ledger, StorageUnavailable, Token
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.snapshots import contract_shelf
from tallystick.infrastructure.snapshots.contract_snapshots import ContractSnapshots
from tallystick.infrastructure.system.own_folder import CacheFolder, make_own_folder
from tests.support.books.behind import core_of

ANOTHER = 12_345
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to somebody else")

Change = Callable[[Path], None]


def writable_by(bits: int) -> Change:
    return lambda path: path.chmod(stat.S_IMODE(path.stat().st_mode) | bits)


def given_away(path: Path) -> None:
    os.chown(path, ANOTHER, -1)


CHANGES = [
    pytest.param(writable_by(stat.S_IWGRP), False, id="a group may write"),
    pytest.param(writable_by(stat.S_IWOTH), False, id="all may write"),
    pytest.param(writable_by(stat.S_IWGRP | stat.S_IWOTH | stat.S_ISVTX), False, id="all may write, and remove only theirs"),
    pytest.param(writable_by(stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH), True, id="all may read"),
    pytest.param(given_away, False, id="another user's", marks=AS_ROOT),
]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A closed ledger with a snapshot, and one of a contract."""
    monkeypatch.setattr(contract_shelf, "SNAPSHOT_EVENTS", 5)
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 5)
            contract = tx.register_contract("pool")
            for _ in range(9):
                contract.balance_up(1)
        ledger.snapshot()
    return path


def loaded_contract(path: Path) -> bool:
    return ContractSnapshots(Path(f"{path}.cache")).load("pool") is not None


@pytest.mark.parametrize("part", [".", "snapshots", "contracts"])
@pytest.mark.parametrize(("change", "is_used"), CHANGES)
def test_a_cache_that_others_may_have_written_is_not_used(
    path: Path, part: str, change: Change, is_used: bool, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Path(f"{path}.cache")
    change(cache / part)
    with caplog.at_level(logging.WARNING, "tallystick.cache"), Ledger.open(path) as ledger:
        assert ledger.balance("USD", "alice").available == 5
        assert ledger.contract("pool").balance == 9
        assert (ledger.status().snapshots.position is not None) == is_used
        assert (ledger.status().index.folder is not None) == is_used
        ledger.mint("USD", "alice", 1)
        ledger.snapshot()  # nothing is written where it is not used
        if part == "contracts":
            assert loaded_contract(path) == is_used
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (0 if is_used else 1)
    assert all("is not used" in each and str(cache) in each for each in said)


@pytest.mark.parametrize(("change", "is_used"), CHANGES)
def test_one_snapshot_that_others_may_have_written_is_passed_over(path: Path, change: Change, is_used: bool) -> None:
    (snapshot,) = Path(f"{path}.cache", "snapshots").iterdir()
    change(snapshot)
    with Ledger.open(path) as ledger:
        assert (ledger.status().snapshots.position is not None) == is_used
        assert ledger.balance("USD", "alice").available == 5


def test_what_is_made_is_for_its_owner_alone_whatever_the_umask_is(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        with Ledger.open(tmp_path / "books.db") as ledger:
            ledger.register_token(Token("USD"))
            ledger.snapshot()
            assert ledger.status().snapshots.position == 1
        folders = [folder for folder in (tmp_path / "books.db.cache").rglob("*") if folder.is_dir()]
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path / "books.db.cache", *folders)} == {0o700}
        with Ledger.open(tmp_path / "books.db") as ledger:
            assert ledger.status().snapshots.position == 1
    finally:
        os.umask(former)


def test_a_folder_that_somebody_else_was_faster_to_make_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(PermissionError, match="others than its owner may write"):
        make_own_folder(tmp_path / "cache" / "snapshots")
    assert not list((tmp_path / "cache").iterdir())


def test_a_snapshot_that_cannot_be_kept_in_it_is_told(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.mint("USD", "alice", 1)
        Path(f"{path}.cache", "snapshots").chmod(0o777)
        with pytest.raises(StorageUnavailable, match="is not used"):
            ledger.snapshot()


def test_one_that_is_read_only_looks_too(path: Path) -> None:
    Path(f"{path}.cache").chmod(0o770)
    with Ledger.open(path, read_only=True) as ledger:
        assert core_of(ledger).journal.kept_cache_folder is None
        assert ledger.balance("USD", "alice").available == 5


def test_it_is_used_again_once_it_is_ours(path: Path) -> None:
    journal = open_journal(path)
    Path(f"{path}.cache").chmod(0o770)
    assert journal.cache_folder is None
    Path(f"{path}.cache").chmod(0o750)
    assert journal.cache_folder == Path(f"{path}.cache")
    journal.close()


def test_where_there_is_none_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert CacheFolder(None).used() is None
    assert CacheFolder(tmp_path / "none").used() == tmp_path / "none"
    assert not caplog.records
