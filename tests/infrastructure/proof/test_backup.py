"""Backups: what is in them while others write, that they stand whole or not at all, and that nothing is written over."""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tallystick import AsyncLedger, Backup, CorruptJournal, InvalidRequest, Ledger, NotALedger, StorageUnavailable, Token
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.stores.sqlite import new_file
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.journal.stores.sqlite.new_file import NewFile
from tallystick.infrastructure.proof import backup as backup_module
from tests.support.books.behind import journal_of
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.programs.command_line import run
from tests.support.programs.processes import run_in_processes


def fill(ledger: Ledger, commits: int = 5) -> None:
    """Of everything something: plain and fragmented tokens, a batch, a contract, metadata, some of which is erased."""
    ledger.register_token(Token("USD"))
    ledger.register_token(Token("TEA", unit=10))
    for number in range(commits):
        ledger.mint("USD", "alice", 100, idempotency_key=f"mint-{number}", metadata={"n": number}, reference=f"ref-{number}")
    ledger.mint("TEA", "alice", 25)
    ledger.transfer_many("USD", ["alice"] * 50, [f"account-{number}" for number in range(50)], [1] * 50)
    with ledger.atomic() as tx:
        tx.register_contract("pool").balance_up(7)
    entry = ledger.receipt("mint-0")
    assert entry is not None
    ledger.erase(entry.entry_id, "asked for")


def assert_same(one: Ledger, other: Ledger) -> None:
    first, second = journal_of(one), journal_of(other)
    assert list(first.rows()) == list(second.rows())
    assert sorted(first.streams()) == sorted(second.streams())
    entries = list(first.metadata_entries())
    assert entries == list(second.metadata_entries())
    assert first.metadata(entries) == second.metadata(entries)


def in_folder(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_the_ledger(url: str | Path, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "copy.db"
    target.parent.mkdir()
    with Ledger.open(url) as ledger:
        fill(ledger)
        taken = ledger.backup(target)
        report = ledger.verify()
        assert taken == Backup(str(target), report.position, report.digest)
        assert in_folder(target.parent) == ["copy.db"]
        with Ledger.open(target, create=False) as copy:
            assert_same(ledger, copy)
            assert copy.audit().ok
            assert copy.balances("USD") == ledger.balances("USD")
            ledger.mint("USD", "alice", 1)
            copy.mint("USD", "alice", 1)
            assert copy.audit().ok


def test_of_an_empty_ledger(url: str | Path, tmp_path: Path) -> None:
    with Ledger.open(url) as ledger:
        assert ledger.backup(str(tmp_path / "copy.db")).position == 0
    with Ledger.open(tmp_path / "copy.db", create=False) as copy:
        copy.register_token(Token("USD"))


def test_by_who_may_only_read_and_awaited(shared_url: str | Path, tmp_path: Path) -> None:
    with Ledger.open(shared_url) as ledger:
        fill(ledger)
        with Ledger.open(shared_url, read_only=True) as reader:
            taken = reader.backup(tmp_path / "one.db")

        async def main() -> Backup:
            async with AsyncLedger.open(shared_url) as awaited:
                return await awaited.backup(tmp_path / "two.db")

        again = asyncio.run(main())
        assert (again.position, again.digest) == (taken.position, taken.digest)
        assert (tmp_path / "one.db").read_bytes() == (tmp_path / "two.db").read_bytes()


def test_while_others_commit(shared_url: str | Path, tmp_path: Path) -> None:
    with Ledger.open(shared_url) as ledger:
        fill(ledger)
        stop, begun = Event(), Event()

        def churn() -> None:
            while not stop.is_set():
                ledger.transfer("USD", "alice", "alice", 1, metadata={"again": True})
                begun.set()

        writer = Thread(target=churn)
        writer.start()
        assert begun.wait(120)
        before = ledger.verify().position
        taken = [ledger.backup(tmp_path / f"copy-{number}.db") for number in range(3)]
        stop.set()
        writer.join()
        after = ledger.verify().position
        assert before <= taken[0].position <= taken[1].position <= taken[2].position <= after
        for each in taken:
            row = journal_of(ledger).row_at(each.position)
            assert row is not None
            assert (row.last_position, row.digest.hex()) == (each.position, each.digest)
            with Ledger.open(each.path) as copy:
                assert copy.audit().ok


@pytest.mark.parametrize("others", [0, 1500])
def test_what_is_erased_while_it_is_copied_is_recorded_in_the_copy(
    shared_url: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """Its rows were read, and its metadata is looked for when it is gone: the row that says so came later."""
    with Ledger.open(shared_url) as ledger:
        fill(ledger, 3)
        entry = ledger.receipt("mint-1")
        assert entry is not None
        for _ in range(others):  # so that it is not of the last page
            ledger.mint("USD", "bob", 1)
        journal = open_journal(shared_url, create=False, read_only=True)
        look_up = journal.metadata

        def look_up_late(entries: Any) -> Mapping[int, Any]:
            monkeypatch.undo()
            ledger.erase(entry.entry_id, "meanwhile")
            return look_up(entries)

        monkeypatch.setattr(journal, "metadata", look_up_late)
        with closing(journal):
            backup_module.back_up(journal, tmp_path / "copy.db")
        with Ledger.open(tmp_path / "copy.db") as copy:
            assert copy.entry(entry.entry_id).metadata is None
            assert_same(ledger, copy)


TAKEN: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("mine"),
    "an empty file": lambda path: path.touch(),
    "a folder": lambda path: path.mkdir(),
    "a link that leads nowhere": lambda path: (
        path.with_suffix(".elsewhere").write_text("mine"),
        path.symlink_to("copy.elsewhere"),
    ),
    "a log": lambda path: Path(f"{path}-wal").write_text("mine"),
}


@pytest.mark.parametrize("take", TAKEN.values(), ids=TAKEN.keys())
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_nothing_is_written_over(
    tmp_path: Path, take: Callable[[Path], object], when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copies" / "copy.db"
    target.parent.mkdir()
    finish = NewFile.finish

    def finish_late(file: NewFile) -> None:
        finish(file)
        take(target)

    with Ledger.open(tmp_path / "books.db") as ledger:
        fill(ledger)
        if when == "before":
            take(target)
        else:
            monkeypatch.setattr(NewFile, "finish", finish_late)
        with pytest.raises(InvalidRequest, match="is there already"):
            ledger.backup(target)
    for path in target.parent.iterdir():
        assert path.is_dir() or path.read_text() in ("mine", "")
        assert not path.name.endswith(".unfinished")


@pytest.mark.parametrize("path", ["", "postgresql://x/y", "sqlite:///copy.db", "a\0b", 5, None])
def test_what_is_no_path(path: Any) -> None:
    with Ledger.open("memory:") as ledger, pytest.raises(InvalidRequest, match="named by its path"):
        ledger.backup(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with Ledger.open("memory:") as ledger, pytest.raises(StorageUnavailable, match=r"copy\.db"):
        ledger.backup(tmp_path / "missing" / "copy.db")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660])
def test_it_is_opened_by_whom_the_ledger_is(tmp_path: Path, mode: int) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        fill(ledger)
        os.chmod(tmp_path / "books.db", mode)
        ledger.backup(tmp_path / "copy.db")
        assert (tmp_path / "copy.db").stat().st_mode & 0o777 == mode


def test_of_a_journal_that_is_corrupt_there_is_none(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        fill(ledger)
    with closing(sqlite3.connect(tmp_path / "books.db")) as file:
        file.executescript("DROP TRIGGER commits_are_not_updated; UPDATE commits SET body = '[]' WHERE first_position = 2")
    before = in_folder(tmp_path)
    with Ledger.open(tmp_path / "books.db") as ledger, pytest.raises(CorruptJournal):
        ledger.backup(tmp_path / "copy.db")
    assert in_folder(tmp_path) == before


def test_what_was_written_wrongly_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add = NewFile.add

    def add_wrongly(file: NewFile, rows: Any, *rest: Any) -> None:
        add(file, [row._replace(body=row.body.replace(b"alice", b"mallory")) for row in rows], *rest)

    monkeypatch.setattr(NewFile, "add", add_wrongly)
    with Ledger.open(tmp_path / "books.db") as ledger:
        fill(ledger)
        with pytest.raises(CorruptJournal, match="digest does not fit"):
            ledger.backup(tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))


@pytest.mark.parametrize("statement", range(1, 40, 2))
def test_killed_at_any_statement_it_leaves_nothing_that_passes_for_a_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    target, copies = tmp_path / "copies" / "copy.db", tmp_path / "copies"
    copies.mkdir()
    with Ledger.open(tmp_path / "books.db") as ledger:
        fill(ledger)
        position = ledger.verify().position
    connect, seen = sqlite3.connect, [0]

    def kill_at(_: str) -> None:
        seen[0] += 1
        if seen[0] == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(kill_at)
        return connection

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(new_file.sqlite3, "connect", traced)
        with Ledger.open(tmp_path / "books.db", read_only=True) as ledger:
            seen[0] = 0
            ledger.backup(target)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (-signal.SIGKILL, 0)
    for path in copies.iterdir():
        if path.suffix in (".db", ".unfinished"):
            assert_whole_or_no_ledger(path, position)
    if not target.exists():
        with Ledger.open(tmp_path / "books.db") as ledger:
            ledger.backup(target)
    assert_whole_or_no_ledger(target, position)
    assert in_folder(copies) == ["copy.db"]


def assert_whole_or_no_ledger(path: Path, position: int) -> None:
    try:
        with closing(SQLiteJournal(path, create=False, read_only=True)) as journal:
            assert journal.head().position == position
    except NotALedger:
        assert path.suffix == ".unfinished"


def test_killed_while_it_gets_its_name_it_is_whole_under_both_and_opened_under_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, link = tmp_path / "copy.db", os.link
    with Ledger.open(tmp_path / "books.db") as ledger:
        fill(ledger)
        child = os.fork()
        if child == 0:
            monkeypatch.setattr(new_file.os, "link", lambda *names: (link(*names), os.kill(os.getpid(), signal.SIGKILL)))
            with Ledger.open(tmp_path / "books.db") as own:
                own.backup(target)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        with pytest.raises(StorageUnavailable, match="has 2 names"):
            Ledger.open(target)
        (tmp_path / "copy.db.unfinished").unlink()
        with Ledger.open(target) as copy:
            assert_same(ledger, copy)


def test_two_at_once_into_one_file(tmp_path: Path) -> None:
    with Ledger.open("memory:") as ledger:
        fill(ledger)
        with NewFile(tmp_path / "copy.db", 0o600):
            with pytest.raises(StorageUnavailable, match="by somebody else"):
                ledger.backup(tmp_path / "copy.db")
            assert in_folder(tmp_path) == ["copy.db.unfinished"]
        assert in_folder(tmp_path) == []
        ledger.backup(tmp_path / "copy.db")


def test_a_child_forked_meanwhile_opens_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "books.db"
    finish, told = NewFile.finish, []

    def finish_after_a_fork(file: NewFile) -> None:
        told.extend(run_in_processes([lambda wait: commit_in_one_of_its_own()]))
        finish(file)

    def commit_in_one_of_its_own() -> int:
        with Ledger.open(path) as own:
            return own.mint("USD", "alice", 1).position

    monkeypatch.setattr(NewFile, "finish", finish_after_a_fork)
    with Ledger.open(path) as ledger:
        fill(ledger)
        position = ledger.backup(tmp_path / "copy.db").position
        assert told == [position + 1]
        assert ledger.audit().ok


FULL = """
    import sys
    from pathlib import Path
    from tallystick import Ledger, StorageFull, Token

    folder = Path(sys.argv[1])
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        for _ in range(100):
            ledger.mint("USD", "alice", 1, memo="x" * 60_000)
        try:
            ledger.backup(folder / "copy.db")
        except StorageFull as error:
            print(sorted(path.name for path in folder.iterdir()))
"""


def test_on_a_full_disk_there_is_none(tmp_path: Path) -> None:
    assert run_on_a_small_disk(FULL, tmp_path) == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["books.db", "copy.db"], {}),
        (["--url", "books.db", "copy.db"], {}),
        (["sqlite:///books.db", "copy.db"], {}),
        (["copy.db"], {"TALLYSTICK_URL": "books.db"}),
        (["books.db", "copy.db"], {"TALLYSTICK_URL": "missing.db"}),
    ],
)
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger.open("books.db") as ledger:
        fill(ledger)
        report = ledger.verify()
    done = run("backup", *arguments, **environment)
    assert done.stdout == f"{tmp_path}/copy.db\tposition {report.position}\tdigest {report.digest}\n"
    assert run("verify", "--url", "copy.db").returncode == 0
    again = run("backup", *arguments, **environment)
    assert (again.returncode, again.stdout) == (2, "")
    assert "is there already" in again.stderr


def test_the_command_as_json_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger.open("books.db") as ledger:
        fill(ledger)
        report = ledger.verify()
    told = json.loads(run("backup", "books.db", "copy.db", "--json").stdout)
    assert told == {"path": f"{tmp_path}/copy.db", "position": report.position, "digest": report.digest}
    assert run("backup", "copy.db").returncode == 2
    assert run("backup", "missing.db", "other.db").returncode == 3
    for refused in (["a.db", "b.db", "c.db"], ["--url", "books.db", "books.db", "other.db"], []):
        assert run("backup", *refused).returncode == 2
    assert not (tmp_path / "missing.db").exists()
