"""`tallystick import eventsourcing`: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest

from tests.support.event_store.eventsourcing_book import PLAIN, LibraryApplications, altered, fill
from tests.support.programs.command_line import run


def test_the_command(sqlite_library: LibraryApplications, tmp_path: Path) -> None:
    sqlite_library.play("alice", "bob")
    arguments = ["import", "eventsourcing", "--application", "BankAccounts", "--from", sqlite_library.url("BankAccounts")]
    arguments += ["--create", "--url", str(tmp_path / "books.db")]
    first = run(*arguments, "--json")
    assert first.returncode == 0, first.stderr
    said = {"application": "bankaccounts", "events": 16, "snapshots": 4, "tracking": 0, "gaps": 0, "renumbered": False}
    assert json.loads(first.stdout) == {**said, "there_before": 0, "first_position": 1, "last_position": 20}
    second = run(*arguments)
    assert "20 of them were there already" in second.stderr
    assert "\nbankaccounts\t16\t4\t" in second.stdout
    other = run(*arguments[:3], "Statements", "--from", sqlite_library.url("Statements"), *arguments[-2:])
    assert (other.returncode, other.stdout) == (2, "")
    assert "error: position_taken: position 1 is taken" in other.stderr
    other = run(*arguments[:3], "Statements", "--from", sqlite_library.url("Statements"), *arguments[-2:], "--renumber")
    assert other.returncode == 0, other.stderr
    assert "the events have new notification ids, from 21 on" in other.stderr
    assert run("audit", *arguments[-2:]).returncode == 0


def test_the_command_with_postgres(postgres: str, tmp_path: Path) -> None:
    library = LibraryApplications(postgres)
    library.play("alice")
    library.execute("Statements", "DELETE FROM EVENTS WHERE rowid = 2")
    arguments = ["import", "eventsourcing", "--from", library.url("Statements"), "--url", tmp_path / "books.db", "--json"]
    arguments.append("--create")
    assert "bankaccounts, statements" in run(*arguments).stderr
    assert not (tmp_path / "books.db").exists()
    done = run(*arguments, "--application", "Statements")
    assert "1 notification ids are missing in the event store and were filled" in done.stderr
    assert (json.loads(done.stdout)["tracking"], json.loads(done.stdout)["last_position"]) == (1, 9)


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        (["--from", "sqlite:///{folder}/missing.db", "--application", "A"], 3, "error: storage_unavailable"),
        (["--from", "sqlite:///{folder}/bankaccounts.db"], 2, "error: invalid_request"),
        (["--from", "{folder}/bankaccounts.db", "--application", "A", "--id-type", "int"], 2, "--id-type"),
        (["--application", "A"], 2, "--from"),
    ],
)
def test_what_is_wrong_leaves_no_journal(
    sqlite_library: LibraryApplications, tmp_path: Path, arguments: list[str], code: int, verdict: str
) -> None:
    sqlite_library.play("alice", deposits=0)
    path = tmp_path / "books.db"
    done = run("import", "eventsourcing", "--create", *(part.format(folder=tmp_path) for part in arguments), "--url", path)
    assert (done.returncode, done.stdout) == (code, "")
    assert verdict in done.stderr
    assert not path.exists()


def test_a_difference_is_exit_code_1(sqlite_library: LibraryApplications, tmp_path: Path) -> None:
    fill(sqlite_library)
    arguments = ["--from", tmp_path / "plainaccounts.db", "--application", PLAIN, "--url", tmp_path / "books.db"]
    with altered(3):
        done = run("import", "eventsourcing", "--create", *arguments)
    assert done.returncode == 1
    assert "error: import_differs: what was imported differs from its source at position 7" in done.stderr
