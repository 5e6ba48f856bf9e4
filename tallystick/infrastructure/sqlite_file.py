"""The SQLite file that a journal is kept in: its schema, how a connection to it is made, and what its errors mean.

One table holds the rows and one, derived from them, where each stream's versions are. Triggers refuse to change or delete
either, and to insert a row that does not follow the last one. A commit is durable when it returns: write-ahead log with
`synchronous=FULL`.
"""

import os
import sqlite3
from pathlib import Path

from tallystick.domain.errors import NotALedger, SchemaTooNew, StorageFull, StorageUnavailable
from tallystick.infrastructure.filelock import FileLock

APPLICATION_ID = 0x7A11757C
SCHEMA_VERSION = 1
BUSY_TIMEOUT_MS = 30_000
FULL_DISK_BYTES = 65_536

SCHEMA = f"""
CREATE TABLE commits (
    first_position INTEGER PRIMARY KEY,
    last_position INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    keys TEXT NOT NULL,
    transactions TEXT NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE TABLE streams (
    stream TEXT NOT NULL,
    last_version INTEGER NOT NULL,
    first_version INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    PRIMARY KEY (stream, last_version)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER commits_follow_each_other BEFORE INSERT ON commits
WHEN NEW.last_position < NEW.first_position OR NEW.first_position IS NOT
    1 + ifnull((SELECT last_position FROM commits ORDER BY first_position DESC LIMIT 1), 0)
BEGIN SELECT RAISE(ABORT, 'a commit begins after the last position'); END;
CREATE TRIGGER streams_follow_each_other BEFORE INSERT ON streams
WHEN NEW.last_version < NEW.first_version OR NEW.first_version <=
    (SELECT last_version FROM streams WHERE stream = NEW.stream ORDER BY last_version DESC LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'a stream goes on after its last version'); END;
CREATE TRIGGER commits_are_not_updated BEFORE UPDATE ON commits
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER commits_are_not_deleted BEFORE DELETE ON commits
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER streams_are_not_updated BEFORE UPDATE ON streams
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER streams_are_not_deleted BEFORE DELETE ON streams
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


def connect(path: Path, file_lock: FileLock, *, create: bool, durable: bool) -> sqlite3.Connection:
    """A connection to the ledger at `path`, whose texts are bytes; its schema is made where the file is empty."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.text_factory = bytes
        if not _is_ledger(path, connection):
            if not create:
                raise NotALedger(f"{path} is no ledger")
            _make_schema(path, connection, file_lock)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA wal_autocheckpoint = 1000")
        connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_schema(path: Path, connection: sqlite3.Connection, file_lock: FileLock) -> None:
    try:
        file_lock.acquire()
        if _is_ledger(path, connection):
            return
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    except OSError as error:
        raise StorageUnavailable(f"{path}: its lock file: {error}") from error
    finally:
        file_lock.release()


def _is_ledger(path: Path, connection: sqlite3.Connection) -> bool:
    """False where the database is empty; `NotALedger` or `SchemaTooNew` where it is something else."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise SchemaTooNew(f"{path} has schema {version}, and this version reads up to {SCHEMA_VERSION}")
        return True
    if application or version or tables:
        raise NotALedger(f"{path} is an SQLite database and no ledger")
    return False


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the database was locked, and so nothing was done."""
    return _primary_code(error) == sqlite3.SQLITE_BUSY


def translated(path: Path, error: sqlite3.Error) -> NotALedger | StorageFull | StorageUnavailable:
    """SQLite's error as one of ours."""
    code = _primary_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return NotALedger(f"{path} is no SQLite database")
    if code == sqlite3.SQLITE_FULL or _disk_is_full(path, code):
        return StorageFull(f"{path}: {error}; nothing was recorded")
    return StorageUnavailable(f"{path}: {error}")


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _disk_is_full(path: Path, code: int) -> bool:
    """SQLite calls a full disk an I/O error where it grows its shared-memory file."""
    if code != sqlite3.SQLITE_IOERR:
        return False
    try:
        space = os.statvfs(path.parent)
    except (OSError, AttributeError):
        return False
    return space.f_bavail * space.f_frsize < FULL_DISK_BYTES
