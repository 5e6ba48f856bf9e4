"""Nobody waits for a turn without a bound, on any store; whoever waited in vain is told who has it, and recorded nothing."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread, enumerate
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import OperationalError, StoredEvent

from tallystick import Ledger, StorageUnavailable, Token
from tallystick.infrastructure.journal.stores import memory
from tallystick.infrastructure.journal.stores.postgres import journal as postgres
from tallystick.infrastructure.journal.stores.sqlite import file as sqlite_file
from tallystick.infrastructure.recorders import JournalRecorder
from tallystick.infrastructure.system import file_lock
from tallystick.infrastructure.system.fair_lock import FairLock
from tallystick.infrastructure.system.file_lock import FileLock
from tests.support.books.behind import journal_of

PATIENCE_S = 0.05


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lock, "PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(memory, "PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(postgres, "LOCK_SECONDS", PATIENCE_S)
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_MS", 1000 * PATIENCE_S)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db.lock"


def threads_that_wait() -> list[Thread]:
    return [thread for thread in enumerate() if thread.name == "tallystick lock"]


@contextmanager
def held_by_a_child(path: Path, which: str) -> Generator[int]:
    """Another process has the lock, or the turn alone; it lets go at the end, and threads that waited have ended then."""
    ready, said = os.pipe()
    go, let = os.pipe()
    child = os.fork()
    if child == 0:
        file = os.open(path if which == "lock" else path.with_suffix(".turn"), os.O_RDWR | os.O_CREAT)
        fcntl.flock(file, fcntl.LOCK_EX)
        os.write(said, b".")
        os.read(go, 1)
        os._exit(0)
    os.read(ready, 1)
    try:
        yield child
    finally:
        os.write(let, b".")
        os.waitpid(child, 0)
        for thread in threads_that_wait():
            thread.join()
        for end in (ready, said, go, let):
            os.close(end)


@pytest.mark.parametrize("which", ["lock", "turn"])
def test_who_waited_in_vain_is_told_who_has_it_and_since_when(path: Path, which: str) -> None:
    with closing(FileLock(path)) as lock:
        with held_by_a_child(path, which) as child:
            for _ in range(3):
                with pytest.raises(StorageUnavailable) as caught:
                    lock.acquire()
                assert f"process {child} has the turn to write, at least since 2" in str(caught.value)
                assert f"waited for {PATIENCE_S:g} s" in str(caught.value)
                assert str(caught.value).startswith(str(path.with_suffix("")))
        lock.acquire()
        lock.release()


def test_a_system_that_does_not_say_who_has_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lock, "holder_of", lambda file: None)
    unknown = pytest.raises(StorageUnavailable, match="somebody else has the turn to write; it was")
    with closing(FileLock(path)) as lock, held_by_a_child(path, "lock"), unknown:
        lock.acquire()


@pytest.mark.parametrize("which", ["lock", "turn"])
def test_who_comes_again_and_again_waits_by_one_thread(path: Path, which: str) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with held_by_a_child(path, which):
        for _ in range(20):
            with closing(FileLock(path)) as lock, pytest.raises(StorageUnavailable):
                lock.acquire()
            assert len(threads_that_wait()) == 1
    assert len(os.listdir("/proc/self/fd")) == descriptors
    with closing(FileLock(path)) as lock:
        lock.acquire()


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_there_are_no_more_threads_than_wait_at_once(path: Path, at_once: int) -> None:
    with held_by_a_child(path, "lock"):
        for _ in range(3):
            started = [Thread(target=in_vain, args=(path,)) for _ in range(at_once)]
            for thread in started:
                thread.start()
            for thread in started:
                thread.join()
        assert 1 <= len(threads_that_wait()) <= at_once


def in_vain(path: Path) -> None:
    with closing(FileLock(path)) as lock, pytest.raises(StorageUnavailable):
        lock.acquire()


def test_whoever_goes_on_with_a_wait_that_was_left_gets_the_lock_and_nobody_else_does(path: Path) -> None:
    ready, said = os.pipe()
    with closing(FileLock(path)) as lock:
        with held_by_a_child(path, "lock"):
            in_vain(path)
            waiter = Thread(target=lambda: (lock.acquire(60), os.write(said, b".")))
            waiter.start()
        os.read(ready, 1)
        waiter.join()
        other = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.release()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file in (other, ready, said):
            os.close(file)


def test_a_lock_that_comes_to_who_wants_it_no_more_is_given_back(path: Path) -> None:
    with held_by_a_child(path, "lock"):
        in_vain(path)
    for suffix in (".lock", ".turn"):
        file = os.open(path.with_suffix(suffix), os.O_RDWR)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(file)


def test_a_child_forked_meanwhile_keeps_nothing(path: Path) -> None:
    """The thread that waits is the parent's, and the child's copies of its files are closed."""
    with held_by_a_child(path, "lock"):
        in_vain(path)
        go, let = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(go, 1)
            with closing(FileLock(path)) as lock:
                lock.acquire(60)
            os._exit(0)
    with closing(FileLock(path)) as lock:  # though the child lives
        lock.acquire()
    os.write(let, b".")
    assert os.waitpid(child, 0)[1] == 0
    os.close(go)
    os.close(let)


def test_threads_wait_with_a_bound_too() -> None:
    lock, inside, go = FairLock(PATIENCE_S), Event(), Event()

    def hold() -> None:
        with lock:
            inside.set()
            go.wait()

    holder = Thread(target=hold)
    holder.start()
    inside.wait()
    for _ in range(3):
        with pytest.raises(StorageUnavailable, match=r"another thread .* for 0\.05 s"), lock:
            pass
    go.set()
    holder.join()
    with lock, lock:
        pass


COMMITS: dict[str, Callable[[Ledger], Any]] = {
    "call": lambda ledger: ledger.mint("USD", "alice", 1),
    "batch": lambda ledger: ledger.mint_many("USD", ["alice"], [1]),
    "registration": lambda ledger: ledger.register_token(Token("EUR")),
    "event store": lambda ledger: saved(JournalRecorder(journal_of(ledger), "text")),
}


def saved(recorder: JournalRecorder) -> None:
    try:
        recorder.insert_events([StoredEvent(str(uuid4()), 1, "topic", b"{}")])
    except OperationalError as error:
        raise error.__cause__ or error from None


@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS.keys())
@pytest.mark.parametrize("url_of", ["a store", "memory:"])
def test_a_commit_behind_another_thread_records_nothing_in_the_end(
    url_of: str, commit: Callable[[Ledger], Any], url: str | Path
) -> None:
    with Ledger.open(url if url_of == "a store" else url_of) as ledger:
        ledger.register_token(Token("USD"))
        head, journal = journal_of(ledger).head(), journal_of(ledger)
        inside, go = Event(), Event()

        def hold() -> None:
            with journal.writing():
                inside.set()
                go.wait()

        holder = Thread(target=hold)
        holder.start()
        inside.wait()
        with pytest.raises(
            StorageUnavailable, match=r"another thread .* has kept the turn to write for .*nothing was recorded"
        ):
            commit(ledger)
        assert journal.head() == head
        assert ledger.balance("USD", "alice").total == 0
        go.set()
        holder.join()
        commit(ledger)
        assert ledger.audit().ok


@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS.keys())
@pytest.mark.parametrize("which", ["lock", "turn"])
def test_a_commit_behind_another_process_is_told_which(tmp_path: Path, which: str, commit: Callable[[Ledger], Any]) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
        with held_by_a_child(Path(f"{path}.lock"), which) as child:
            with pytest.raises(StorageUnavailable, match=f"process {child} has the turn .*; nothing was recorded"):
                commit(ledger)
            assert ledger.balance("USD", "alice").total == 0
        commit(ledger)
        assert ledger.audit().ok


def test_who_waits_for_another_program_lets_others_of_this_package_wait_in_turn(tmp_path: Path) -> None:
    """SQLite's lock is not waited for with the file lock in hand: whoever asks for that gets it in between."""
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger, closing(FileLock(Path(f"{path}.lock"))) as lock:
        ledger.register_token(Token("USD"))
        with closing(sqlite3.connect(path, isolation_level=None)) as program:
            program.execute("BEGIN IMMEDIATE")
            sqlite_file.BUSY_TIMEOUT_MS = 60_000
            waiter = Thread(target=lambda: ledger.mint("USD", "alice", 1))
            waiter.start()
            for _ in range(3):
                lock.acquire(60)
                lock.release()
            assert waiter.is_alive()
            program.execute("ROLLBACK")
            waiter.join()
        assert ledger.balance("USD", "alice").total == 1
