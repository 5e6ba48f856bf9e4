"""What happens to the file of a ledger that is in use: locked, read-only, replaced, overwritten, deleted."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from tallystick import CorruptJournal, Ledger, NotALedger, StorageUnavailable, Token
from tallystick.infrastructure.journal.format import EMPTY
from tallystick.infrastructure.journal.port import UnclearOutcome
from tallystick.infrastructure.journal.stores.sqlite import file as sqlite_file
from tallystick.infrastructure.journal.stores.sqlite import shared_file
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.programs.memory import DISK
from tests.support.suites.journal_cases import append


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """On a disk, where a new file may get the number of one that was deleted."""
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        yield Path(folder)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db"


@pytest.fixture
def ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Alice has 25 USD."""
    for module in (sqlite_file, shared_file):
        monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 50)
    with Ledger.open(path) as opened:
        opened.register_token(Token("USD", unit=10))
        mint(opened, 25)
        yield opened


def mint(ledger: Ledger, amount: int) -> None:
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", amount)


def backup(path: Path, to: Path) -> Path:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def assert_alice_has(amount: int, path: Path) -> None:
    with Ledger.open(path) as anew:
        assert anew.balance("USD", "alice").total == amount
        mint(anew, 1)
        assert anew.balance("USD", "alice").total == amount + 1
        report = anew.audit()
        assert report.ok, report.findings


def test_a_file_locked_by_another_program_is_unavailable_until_it_lets_go(ledger: Ledger, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageUnavailable, match="locked; nothing was recorded"), ledger.atomic("key") as tx:
            tx.mint("USD", "alice", 1)
        assert ledger.balance("USD", "alice").total == 25
        other.execute("ROLLBACK")
    with ledger.atomic("key") as tx:
        tx.mint("USD", "alice", 1)
    assert_alice_has(26, path)


def test_reading_does_not_wait_for_a_commit(path: Path) -> None:
    entered, leave = Event(), Event()
    with closing(SQLiteJournal(path)) as journal:
        rows = append(journal, 1, 2)

        def write() -> None:
            with journal.writing():
                entered.set()
                leave.wait()

        def read() -> None:
            assert journal.head().position == 3
            assert list(journal.rows()) == rows
            assert journal.row_at(1) == rows[0]
            assert len(list(journal.streams())) == 2
            journal.ends_at(EMPTY)

        writer, reader = Thread(target=write), Thread(target=read)
        writer.start()
        entered.wait()
        reader.start()
        reader.join(120)
        waits = reader.is_alive()
        leave.set()
        writer.join()
        reader.join()
        assert not waits


def test_a_pausing_reader_does_not_keep_the_log_from_being_reused(path: Path) -> None:
    with closing(SQLiteJournal(path)) as journal, closing(sqlite3.connect(path, timeout=0)) as other:
        append(journal, 1, 2)
        paused = (journal.rows(), journal.streams(), journal.stream("USD"))
        for reading in paused:
            next(reading)
        journal.head(), journal.row_at(1), journal.ends_at(EMPTY)
        append(journal, 1)
        busy, frames, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, frames) == (0, 0)
        assert next(paused[0]).first_position == 2


REPLACEMENTS: dict[str, Callable[[Path, Path], object]] = {
    "renamed over it": lambda backup, path: backup.replace(path),
    "deleted, then copied": lambda backup, path: (path.unlink(), shutil.copy(backup, path)),
}


@pytest.mark.parametrize("replace", REPLACEMENTS.values(), ids=REPLACEMENTS.keys())
@pytest.mark.parametrize("commits", [1, 2_000])
def test_an_older_backup_put_in_place_is_noticed_and_not_written(
    ledger: Ledger, path: Path, tmp_path: Path, replace: Callable[[Path, Path], object], commits: int
) -> None:
    older = backup(path, tmp_path / "backup.db")
    for _ in range(commits):  # many: the log has begun anew since
        mint(ledger, 1)
    with Ledger.open(path) as other:
        assert other.balance("USD", "alice").total == 25 + commits
        replace(older, path)
        before = path.read_bytes()
        for opened in (ledger, other):
            with pytest.raises(CorruptJournal):
                opened.balance("USD", "alice")
            with pytest.raises(CorruptJournal):
                mint(opened, 1)
        assert path.read_bytes() == before
    ledger.close()
    assert_alice_has(25, path)


def test_an_older_backup_put_in_place_is_noticed_by_a_commit_that_reads_nothing_before(
    ledger: Ledger, path: Path, tmp_path: Path
) -> None:
    older = backup(path, tmp_path / "backup.db")
    mint(ledger, 1)
    older.replace(path)
    with pytest.raises(CorruptJournal), ledger.atomic() as tx:
        tx.mint("USD", "bob", 1)
    ledger.close()
    assert_alice_has(25, path)


def test_a_backup_put_in_place_before_the_ledger_is_closed_is_what_is_opened_then(
    ledger: Ledger, path: Path, tmp_path: Path
) -> None:
    older = backup(path, tmp_path / "backup.db")
    for _ in range(50):
        mint(ledger, 1)
    older.replace(path)
    ledger.close()
    assert_alice_has(25, path)


@pytest.mark.parametrize("more", [0, 3])
def test_a_copy_that_has_all_the_ledger_knows_is_gone_on_with(ledger: Ledger, path: Path, tmp_path: Path, more: int) -> None:
    copy = backup(path, tmp_path / "copy.db")
    with Ledger.open(copy) as elsewhere:
        for _ in range(more):
            mint(elsewhere, 1)
    copy.replace(path)
    assert ledger.balance("USD", "alice").total == 25 + more
    mint(ledger, 1)
    assert ledger.balance("USD", "alice").total == 26 + more
    assert_alice_has(26 + more, path)


def test_a_commit_into_a_file_that_is_replaced_meanwhile_is_not_acknowledged(path: Path, tmp_path: Path) -> None:
    with closing(SQLiteJournal(path)) as journal:
        append(journal, 1)
        copy = backup(path, tmp_path / "copy.db")
        with journal.writing() as head, closing(SQLiteJournal(tmp_path / "spare.db")) as spare:
            row = append(spare, 1)[0]._replace(first_position=2, last_position=2)
            copy.replace(path)
            with pytest.raises(UnclearOutcome):
                journal.append(row, [])
            assert not journal.has_recorded(row, [])
        assert journal.head() == head


def test_a_file_written_over_by_a_smaller_one_is_left_alone(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    older = backup(path, tmp_path / "backup.db")
    for _ in range(3_000):
        mint(ledger, 1)
    shutil.copyfile(older, path)
    for attempt in (lambda: ledger.balance("USD", "alice"), lambda: mint(ledger, 1)):
        with pytest.raises(StorageUnavailable, match="has shrunk"):
            attempt()
    assert path.read_bytes() == older.read_bytes()
    ledger.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(older, path)
    assert_alice_has(25, path)


def test_a_file_that_is_gone_is_not_made_again_and_may_come_back(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    path.rename(tmp_path / "moved.db")
    for attempt in (lambda: ledger.balance("USD", "alice"), lambda: mint(ledger, 1), ledger.verify):
        with pytest.raises(StorageUnavailable, match="the file is gone"):
            attempt()
    assert not path.exists()
    (tmp_path / "moved.db").rename(path)
    mint(ledger, 1)
    assert ledger.balance("USD", "alice").total == 26
    assert_alice_has(26, path)


def test_a_ledger_whose_file_was_deleted_closes(ledger: Ledger, path: Path) -> None:
    path.unlink()
    ledger.close()
    assert not path.exists()
    with pytest.raises(StorageUnavailable, match="there is no ledger"):
        Ledger.open(path, create=False)


def test_a_file_replaced_by_something_else_is_no_ledger(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 100)
    (tmp_path / "text").replace(path)
    for _ in range(2):
        with pytest.raises(NotALedger):
            mint(ledger, 1)
    assert path.read_text().startswith("no database")


READ_ONLY = """
    import os, shutil, subprocess, sys
    from pathlib import Path
    from tallystick import Ledger, StorageUnavailable, Token

    folder = Path(sys.argv[1])
    path = folder / "books.db"

    def remount(how):
        subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)

    def mint(ledger):
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 1)

    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
        mint(ledger)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", folder / f"copy.db{suffix}")

    remount("ro")
    with Ledger.open(path) as ledger:
        assert ledger.balance("USD", "alice").total == 1
        assert ledger.audit().ok
        for _ in range(2):
            try:
                mint(ledger)
            except StorageUnavailable as error:
                assert "read-only" in str(error) and "nothing was recorded" in str(error), error
            else:
                raise AssertionError("it was written")
        assert ledger.balance("USD", "alice").total == 1
        remount("rw")
        mint(ledger)
        assert ledger.balance("USD", "alice").total == 2

    remount("ro")
    try:
        Ledger.open(folder / "copy.db")
    except StorageUnavailable as error:
        assert "-wal" in str(error), error
    else:
        raise AssertionError("its newest commits were left out")
    try:
        Ledger.open(folder / "new.db")
    except StorageUnavailable:
        pass
    else:
        raise AssertionError("it was made")
    remount("rw")
    for name, expected in (("books.db", 2), ("copy.db", 1)):
        with Ledger.open(folder / name) as ledger:
            mint(ledger)
            assert ledger.balance("USD", "alice").total == expected + 1
            assert ledger.audit().ok
    print("read and went on")
"""


def test_a_ledger_on_read_only_media_is_read_and_goes_on_when_it_may_be_written(tmp_path: Path) -> None:
    assert run_on_a_small_disk(READ_ONLY, tmp_path) == "read and went on\n"


def test_who_may_only_read_sees_what_another_begins_to_write(
    path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.close()
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda path, mode: False)
        reader = Ledger.open(path)
        assert reader.balance("USD", "alice").total == 25
    with reader, Ledger.open(path) as writer:
        mint(writer, 1)
        assert reader.balance("USD", "alice").total == 26
        assert reader.audit().ok


def test_another_program_that_reads_for_long_keeps_nobody_from_writing(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "READERS_PATIENCE_MS", 10)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        rows = other.execute("SELECT count(*) FROM commits").fetchone()
        mint(ledger, 1)
        with Ledger.open(path) as anew:
            mint(anew, 1)
        assert other.execute("SELECT count(*) FROM commits").fetchone() == rows
    assert_alice_has(27, path)


def test_a_replaced_file_is_not_waited_for_while_a_commit_is_in_flight(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "WRITERS_PATIENCE_S", 0.01)
    refused: list[Exception] = []
    with closing(SQLiteJournal(path)) as journal:
        rows = append(journal, 1)
        copy = backup(path, tmp_path / "copy.db")

        def read() -> None:
            try:
                journal.head()
            except StorageUnavailable as error:
                refused.append(error)

        with journal.writing():
            copy.replace(path)
            reader = Thread(target=read)
            reader.start()
            reader.join()
        assert len(refused) == 1
        assert list(journal.rows()) == rows


def test_opening_what_is_no_ledger_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(NotALedger):
        Ledger.open(tmp_path / "text")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
