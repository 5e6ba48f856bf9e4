"""The lock that processes take in turn: nobody is passed over, and it falls with whoever holds it or waits for it."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.infrastructure.system import file_lock
from tallystick.infrastructure.system.file_lock import FileLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db.lock"


def in_a_child(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def wait_until_somebody_waits(path: Path) -> None:
    """Returns once the turn is taken: who has it waits for the lock, and keeps it until then."""
    file = os.open(path.with_suffix(".turn"), os.O_RDWR)
    try:
        for _ in range(20_000):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(0.001)
        pytest.fail("nobody takes the turn")
    except BlockingIOError:
        pass
    finally:
        os.close(file)


def test_who_comes_back_at_once_does_not_pass_over_who_waits(path: Path) -> None:
    order = os.open(path.with_suffix(".order"), os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def second() -> None:
        with closing(FileLock(path)) as lock:
            lock.acquire()
            os.write(order, b"second ")

    for turn in range(20):
        with closing(FileLock(path)) as lock:
            lock.acquire()
            os.write(order, b"first ")
            child = in_a_child(second)
            wait_until_somebody_waits(path)
            lock.release()
            lock.acquire()
            os.write(order, b"first again ")
        assert os.waitpid(child, 0)[1] == 0
        assert os.pread(order, 10_000, 0) == b"first second first again " * (turn + 1)
    os.close(order)


def test_it_falls_with_who_holds_it_and_with_who_waits_for_it(path: Path) -> None:
    ready, said = os.pipe()

    def hold() -> None:
        lock = FileLock(path)
        lock.acquire()
        os.write(said, b".")
        signal.pause()

    holder = in_a_child(hold)
    os.read(ready, 1)
    waiter = in_a_child(hold)
    wait_until_somebody_waits(path)
    for child in (waiter, holder):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with closing(FileLock(path)) as lock:
        lock.acquire()
    os.close(ready)
    os.close(said)


def test_it_falls_with_its_holder_though_a_child_of_the_holder_lives(path: Path) -> None:
    ready, said = os.pipe()

    def hold() -> None:
        lock = FileLock(path)
        lock.acquire()
        if os.fork() == 0:
            os.write(said, b"%d " % os.getpid())
        signal.pause()

    holder = in_a_child(hold)
    grandchild = int(os.read(ready, 100))
    try:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        file = os.open(path, os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(file)
    finally:
        os.kill(grandchild, signal.SIGKILL)
        os.close(ready)
        os.close(said)


def test_a_deleted_lock_file_is_made_again(path: Path) -> None:
    with closing(FileLock(path)) as lock, closing(FileLock(path)) as other:
        for opened in (lock, other):
            opened.acquire()
            opened.release()
        path.unlink()
        lock.acquire()
        file = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.release()
        other.acquire()
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(file)


def test_it_counts_how_often_it_was_entered(path: Path) -> None:
    with closing(FileLock(path)) as lock:
        lock.acquire()
        lock.acquire()
        lock.release()
        file = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.release()
        lock.release()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(file)


WITHOUT_LOCKS = """
    import sys
    sys.modules["fcntl"] = None
    from pathlib import Path
    from tallystick import Ledger, StorageUnavailable, Token

    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint_many("USD", ["alice"], [5], ids=[1])
        ledger.snapshot()
        print(ledger.balance("USD", "alice").total)
    try:
        Ledger.open(Path(sys.argv[1]))
    except StorageUnavailable as error:
        print(error)
"""


def test_without_posix_locks_there_are_ledgers_in_memory_and_none_in_files(path: Path) -> None:
    ledger = path.with_suffix("")
    command = [sys.executable, "-c", textwrap.dedent(WITHOUT_LOCKS), ledger]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refusal = f"{path} cannot be locked: ledgers in files need POSIX locks, which this platform does not have"
    assert done.stdout.splitlines() == ["5", refusal]
    assert list(ledger.parent.iterdir()) == []


def test_whoever_is_interrupted_while_unlocking_has_to_lock_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(file: int, operation: int) -> None:
        fcntl.flock(file, operation)
        if operation == fcntl.LOCK_UN and file == lock._file:
            raise KeyboardInterrupt

    with closing(FileLock(path)) as lock:
        lock.acquire()
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(file_lock, "flock", interrupted)
            lock.release()
        lock.acquire()
        file = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.release()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(file)
