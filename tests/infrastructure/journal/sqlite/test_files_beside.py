"""What lies beside a file is for those whom the file is for, whoever made it; who may only read it keeps nobody waiting."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tallystick import Ledger, StorageUnavailable, Token
from tests.support.programs.memory import DISK
from tests.support.programs.processes import run_in_processes

NOBODY = 65534
SOMEBODY = 54321

by_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """That everybody may enter."""
    with tempfile.TemporaryDirectory(dir=DISK) as made:
        os.chmod(made, 0o755)
        yield Path(made)


def mint(path: Path, times: int = 1, memo: str = "") -> int:
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
        for _ in range(times):
            ledger.mint("USD", "alice", 1, memo=memo)
        return ledger.balance("USD", "alice").total


def as_user(user: int, work: Callable[[], Any]) -> Any:
    def switched(wait: Callable[[], None]) -> Any:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        wait()
        return work()

    return run_in_processes([switched])[0]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def all_beside(path: Path) -> list[Path]:
    cache = Path(f"{path}.cache")
    return [*(Path(f"{path}.{suffix}") for suffix in ("lock", "turn")), cache, *cache.rglob("*")]


@pytest.mark.parametrize(
    ("mode", "of_locks"),
    [
        (0o600, 0o600),
        (0o640, 0o600),
        (0o644, 0o600),
        (0o660, 0o660),
        (0o664, 0o660),
        (0o666, 0o666),
    ],
)
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_table_of_modes(tmp_path: Path, umask: int, mode: int, of_locks: int) -> None:
    path = tmp_path / "books.db"
    before = os.umask(umask)
    try:
        mint(path)
        path.chmod(mode)
        for lock in (Path(f"{path}.lock"), Path(f"{path}.turn")):
            lock.unlink()
        with Ledger.open(path) as ledger:
            ledger.mint("USD", "alice", 1)
            ledger.snapshot()
    finally:
        os.umask(before)
    assert {mode_of(Path(f"{path}.{lock}")) for lock in ("lock", "turn")} == {of_locks}
    cache = Path(f"{path}.cache")
    folders = [each for each in (cache, *cache.rglob("*")) if each.is_dir()]
    assert len(folders) >= 3
    assert {mode_of(each) for each in folders} == {0o700}  # nobody else may write what is believed
    assert {mode_of(each) for each in cache.glob("snapshots.*")} == {0o600}


def test_a_mode_that_is_changed_later_is_that_of_the_locks_from_the_next_opening_on(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    for mode, expected in ((0o666, 0o666), (0o644, 0o600), (0o664, 0o660)):
        mint(path)
        path.chmod(mode)
        mint(path)
        assert mode_of(Path(f"{path}.lock")) == mode_of(Path(f"{path}.turn")) == expected


@by_root
def test_what_an_administrators_command_makes_belongs_to_the_owner(folder: Path) -> None:
    path = folder / "books.db"
    os.chown(folder, SOMEBODY, SOMEBODY)
    as_user(SOMEBODY, lambda: mint(path))
    for each in all_beside(path):
        with suppress(FileNotFoundError):
            each.unlink()
    with Ledger.open(path) as ledger:
        ledger.mint("USD", "alice", 1)
        with pytest.raises(StorageUnavailable, match="beside a file of another user"):
            ledger.snapshot()
    locks = [Path(f"{path}.lock"), Path(f"{path}.turn")]
    assert {(each.stat().st_uid, each.stat().st_gid) for each in locks} == {(SOMEBODY, SOMEBODY)}
    assert not Path(f"{path}.cache").exists()

    def go_on() -> int:
        for _ in range(3):
            mint(path)
            with Ledger.open(path) as ledger:
                ledger.snapshot()
        return mint(path)

    assert as_user(SOMEBODY, go_on) == 6
    assert len(list(Path(f"{path}.cache", "snapshots").iterdir())) == 2  # whoever made the older ones


@by_root
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o664])
def test_who_may_not_write_the_ledger_holds_none_of_its_locks(folder: Path, mode: int) -> None:
    path = folder / "books.db"
    mint(path)
    with Ledger.open(path) as ledger:
        ledger.snapshot()
    path.chmod(mode)
    mint(path)

    def lock_all() -> list[str]:
        locked: list[str] = []
        for each in (*all_beside(path), Path(f"{path}.cache", "snapshots.lock"), Path(f"{path}.cache", "snapshots.turn")):
            for flags in (os.O_RDONLY, os.O_RDWR):
                with suppress(OSError):
                    fcntl.flock(os.open(each, flags), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    locked.append(each.name)
        return locked

    locked = as_user(NOBODY, lock_all)
    assert not [name for name in locked if name.endswith((".lock", ".turn"))]


@by_root
def test_a_reader_without_permission_to_write_sees_what_others_commit(folder: Path) -> None:
    """It opened the file while nobody had it open, so without a log; writers come, go, and copy their log into the file."""
    path = folder / "books.db"
    mint(path, 3)
    path.chmod(0o644)
    asks, ask = os.pipe()
    answers, answer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            ledger = Ledger.open(path)
            while os.read(asks, 1) == b"?":
                report = ledger.verify()
                total = ledger.balance("USD", "alice").total
                os.write(answer, f"{total} {report.ok} {report.position - total}".encode())
            status = 0
        finally:
            os._exit(status)
    try:
        for times, memo in ((0, ""), (1, ""), (5, "m" * 200), (200, "m" * 200), (1, "")):
            expected = mint(path, times, memo)
            os.write(ask, b"?")
            assert os.read(answers, 100).decode() == f"{expected} True 1"
        with Ledger.open(path) as writer:
            for _ in range(3):
                writer.mint("USD", "alice", 1)
                os.write(ask, b"?")
                assert os.read(answers, 100).decode() == f"{writer.balance('USD', 'alice').total} True 1"
    finally:
        os.write(ask, b".")
        assert os.waitpid(child, 0)[1] == 0
        for end in (asks, ask, answers, answer):
            os.close(end)
