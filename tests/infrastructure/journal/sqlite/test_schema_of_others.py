"""A file whose schema somebody else has changed: it is refused, and what is theirs beside ours is left alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tallystick import Ledger, NotALedger, StorageUnavailable, Token
from tests.support.programs.old_version import GOLDEN


def begin(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100)


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def edit(table: str, old: str, new: str) -> tuple[str, ...]:
    """Statements that put another text in the schema's place."""
    text = f"UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') WHERE name = '{table}'"
    return ("PRAGMA writable_schema = 1", text, "PRAGMA writable_schema = 0")


SWALLOW = "BEGIN SELECT RAISE(IGNORE); END"
REFUSED = {
    "a row swallowed": [f"CREATE TRIGGER x BEFORE INSERT ON commits {SWALLOW}"],
    "an entry swallowed": [f"CREATE TRIGGER x BEFORE INSERT ON streams WHEN NEW.stream = 'USD' {SWALLOW}"],
    "metadata swallowed": [f"CREATE TRIGGER x BEFORE INSERT ON metadata {SWALLOW}"],
    "a row deleted again": [
        "DROP TRIGGER commits_are_not_deleted",
        "CREATE TRIGGER x AFTER INSERT ON commits BEGIN DELETE FROM commits WHERE first_position = NEW.first_position; END",
    ],
    "a row written elsewhere": [
        "CREATE TABLE theirs (x)",
        "CREATE TRIGGER x AFTER INSERT ON streams BEGIN INSERT INTO theirs VALUES (NEW.stream); END",
    ],
    "a trigger under the name of ours": [
        "DROP TRIGGER commits_follow_each_other",
        f"CREATE TRIGGER commits_follow_each_other BEFORE INSERT ON commits {SWALLOW}",
    ],
    "a conflict that is ignored": [*edit("commits", "INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY ON CONFLICT REPLACE")],
    "a check of theirs": [*edit("streams", "first_version INTEGER", "first_version INTEGER CHECK (first_version < 9)")],
    "a view in the place of a table": [
        "ALTER TABLE streams RENAME TO kept",
        "CREATE VIEW streams AS SELECT stream, last_version, first_version, first_position FROM kept",
    ],
    "a column more": ["ALTER TABLE commits ADD COLUMN theirs TEXT"],
    "a table less": ["DROP TABLE metadata"],
}
LEFT_ALONE = {
    "a table": ["CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)"],
    "a trigger on a table of their own": [
        "CREATE TABLE theirs (x)",
        "CREATE TRIGGER x AFTER INSERT ON theirs BEGIN SELECT 1; END",
    ],
    "a view": ["CREATE VIEW theirs AS SELECT count(*) AS n FROM commits"],
    "an index": ["CREATE INDEX theirs ON commits (recorded_at)"],
    "statistics": ["ANALYZE"],
    "triggers that were dropped": ["DROP TRIGGER commits_are_not_updated", "DROP TRIGGER streams_follow_each_other"],
    "all written anew": ["VACUUM"],
}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_was_changed_is_refused(tmp_path: Path, case: str, read_only: bool) -> None:
    path = tmp_path / "books.db"
    begin(path)
    change(path, *REFUSED[case])
    with pytest.raises(NotALedger, match="not the schema of a ledger"):
        Ledger.open(path, read_only=read_only)


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_what_is_theirs_is_left_alone(tmp_path: Path, case: str) -> None:
    path = tmp_path / "books.db"
    begin(path)
    change(path, *LEFT_ALONE[case])
    with Ledger.open(path) as ledger:
        with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "bob", 1)
        assert ledger.audit().ok


@pytest.mark.parametrize(
    "case", ["a row swallowed", "an entry swallowed", "metadata swallowed", "a row deleted again", "a row written elsewhere"]
)
def test_what_is_changed_later_lets_nothing_be_acknowledged_that_is_not_kept(tmp_path: Path, case: str) -> None:
    path = tmp_path / "books.db"
    begin(path)
    with Ledger.open(path) as ledger:
        before = ledger.verify()
        change(path, *REFUSED[case])
        metadata = {"n": 1} if case == "metadata swallowed" else None
        with pytest.raises(StorageUnavailable, match="nothing was recorded"), ledger.atomic(metadata=metadata) as tx:
            tx.transfer("USD", "alice", "bob", 1)
        assert ledger.balance("USD", "bob").total == 0
        assert ledger.verify() == before
        change(path, "DROP TRIGGER x")
        with ledger.atomic(metadata={"n": 1}) as tx:
            tx.transfer("USD", "alice", "bob", 1)
        assert ledger.audit().ok


@pytest.mark.parametrize("name", ["format_1", "format_2"])
def test_files_of_every_format_are_as_they_should_be(tmp_path: Path, name: str) -> None:
    path = tmp_path / "books.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((GOLDEN / f"{name}.sql").read_text())
    with Ledger.open(path, max_clock_leap=None) as ledger, ledger.atomic(reference="order 7") as tx:
        tx.mint("PLN", "alice", 1)
    with Ledger.open(path, max_clock_leap=None) as ledger:
        assert ledger.audit().ok
    change(path, f"CREATE TRIGGER x BEFORE INSERT ON commits {SWALLOW}")
    with pytest.raises(NotALedger, match="trigger x"):
        Ledger.open(path)
