"""The SQLite file that a journal is kept in: its schema, how a connection to it is made, and what its errors mean.

One table holds the rows and one, derived from them, where each stream's versions are. Triggers refuse to change or delete
either, and to insert a row that does not follow the last one. Metadata lies in a table of its own, outside the chain, and can
be erased by a commit that says so. A commit is durable when it returns: write-ahead log with `synchronous=FULL`.

New files have schema 2. One of schema 1 is read and written as it is, and gets schema 2 with the first commit that needs it.
"""

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from tallystick.domain.errors import CorruptJournal, NotALedger, SchemaTooNew, StorageFull, StorageUnavailable
from tallystick.infrastructure.journal.stores.sqlite.schema_check import difference
from tallystick.infrastructure.system.file_lock import FileLock

APPLICATION_ID = 0x7A11757C
SCHEMA_VERSION = 2
BUSY_TIMEOUT_MS = 30_000
TURN_MS = 100
"""So long SQLite's own lock is waited for by who keeps others of this package waiting meanwhile."""
CHECKPOINT_PAGES = 1000
FULL_DISK_BYTES = 65_536
NOTHING_RECORDED = "; nothing was recorded"
_OTHER_SCHEMA = ("no such ", "malformed ", "error in ", "unsupported file format")
"""So SQLite begins to say that a table of a ledger is not there or is another."""

_METADATA = """
CREATE TABLE metadata (
    entry INTEGER PRIMARY KEY,
    salt BLOB NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE TRIGGER metadata_is_of_the_newest_commit BEFORE INSERT ON metadata
WHEN (NEW.entry BETWEEN (SELECT first_position FROM commits ORDER BY first_position DESC LIMIT 1)
    AND (SELECT last_position FROM commits ORDER BY first_position DESC LIMIT 1)) IS NOT TRUE
    OR EXISTS (SELECT 1 FROM metadata WHERE entry = NEW.entry)
BEGIN SELECT RAISE(ABORT, 'metadata is of the newest commit'); END;
CREATE TRIGGER metadata_is_not_updated BEFORE UPDATE ON metadata
BEGIN SELECT RAISE(ABORT, 'metadata is not changed'); END;
CREATE TRIGGER metadata_is_erased_with_a_record BEFORE DELETE ON metadata
WHEN NOT EXISTS (SELECT 1 FROM (SELECT body FROM commits ORDER BY first_position DESC LIMIT 1)
    WHERE instr(body, '["MetadataErased",' || OLD.entry || ',') > 0)
BEGIN SELECT RAISE(ABORT, 'metadata is erased by a commit that says so'); END;
"""
SCHEMA = f"""
CREATE TABLE commits (
    first_position INTEGER PRIMARY KEY,
    last_position INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    keys TEXT NOT NULL,
    transactions TEXT NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL,
    details TEXT
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
{_METADATA}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
UPGRADE = f"""
ALTER TABLE commits ADD COLUMN details TEXT;
{_METADATA}
PRAGMA user_version = {SCHEMA_VERSION};
"""
"""What makes a schema of format 1 one of format 2, inside a transaction."""


SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises, the second where it quotes a schema that is damaged."""


class Connections(NamedTuple):
    """One connection to write with and one to read with, which a forked child may close: its file is opened for reading alone,
    and so SQLite does not remove the log with it.

    `writing` is None where nobody may write, which `read_only` says, and where it is to be made when it is needed.
    """

    reading: sqlite3.Connection
    writing: sqlite3.Connection | None
    read_only: bool
    immutable: bool

    def close(self) -> None:
        """Closes both, and last the one with which SQLite copies and removes a log that nobody else has open."""
        self.reading.close()
        if self.writing is not None:
            self.writing.close()


def connect(path: Path, file_lock: FileLock, *, create: bool, durable: bool, read_only: bool = False) -> Connections:
    """Connections to the ledger at `path`; its schema is made where the file is empty and `create` allows it.

    Where it is to be `read_only`, or the file or its folder is, there is one to read with alone.
    """
    if not create and not path.exists():
        raise StorageUnavailable(f"{path}: the file is gone")
    if read_only or not is_writable(path):
        return _connect_read_only(path)
    writing = _open(path, "mode=rwc" if create else "mode=rw", TURN_MS)
    try:
        if not _is_ledger(path, writing):
            if not create:
                raise NotALedger(f"{path} is no ledger")
            _make_schema(path, writing, file_lock)
        _set_up_to_write(writing, durable=durable)
        reading = _open(path, "mode=ro")
    except BaseException:
        writing.close()
        raise
    return Connections(reading, writing, read_only=False, immutable=False)


def connect_to_write(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Another connection to write with, to the file that is opened already for reading."""
    writing = _open(path, "mode=rw", TURN_MS)
    try:
        _set_up_to_write(writing, durable=durable)
    except BaseException:
        writing.close()
        raise
    return writing


def _set_up_to_write(writing: sqlite3.Connection, *, durable: bool) -> None:
    writing.execute("PRAGMA journal_mode = WAL")
    writing.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    writing.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    writing.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
    writing.execute("PRAGMA secure_delete = 1")  # what is erased is overwritten


def schema_of(connection: sqlite3.Connection) -> int:
    """The schema's version as the connection sees it."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


def upgrade_schema(connection: sqlite3.Connection) -> None:
    """Makes a schema of format 1 one of format 2, in the transaction that is begun; nothing where it is one."""
    if schema_of(connection) < SCHEMA_VERSION:
        statement = ""
        for line in UPGRADE.splitlines():  # a script would commit first
            statement += f"{line}\n"
            if sqlite3.complete_statement(statement):
                connection.execute(statement)
                statement = ""


def is_writable(path: Path) -> bool:
    """Whether this process may write the file, or make it where it is missing, and the files beside it."""
    return os.access(path if path.exists() else path.parent, os.W_OK) and os.access(path.parent, os.W_OK)


def has_log(path: Path) -> bool:
    """Whether SQLite's write-ahead log, or its index, lies beside the file: it has something in it or somebody has it open."""
    if os.path.exists(f"{path}-shm"):
        return True
    try:
        return os.path.getsize(f"{path}-wal") > 0
    except OSError:  # there is none, or not any more
        return False


def _connect_read_only(path: Path) -> Connections:
    """A file without a log is taken as it is, because SQLite would have to make the log's index beside it.

    Nobody writes to it then; whoever reads looks before and after whether somebody has begun to.
    """
    immutable = not has_log(path)
    reading = _open(path, "immutable=1" if immutable else "mode=ro")
    try:
        if not _is_ledger(path, reading):
            raise NotALedger(f"{path} is no ledger")
    except sqlite3.OperationalError as error:
        reading.close()
        if immutable:
            raise
        raise StorageUnavailable(
            f"{path} is read-only and its newest commits lie in the -wal file beside it, which cannot be read there: {error};"
            " copy both to where you may write, and open it there"
        ) from error
    except BaseException:
        reading.close()
        raise
    return Connections(reading, None, read_only=True, immutable=immutable)


def _open(path: Path, options: str, patience_ms: int | None = None) -> sqlite3.Connection:
    uri = f"{path.as_uri()}?{options}"
    patience_ms = BUSY_TIMEOUT_MS if patience_ms is None else min(patience_ms, BUSY_TIMEOUT_MS)
    connection = sqlite3.connect(uri, uri=True, timeout=patience_ms / 1000, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes
    connection.execute("PRAGMA trusted_schema = 0")  # whoever made the file has no function run by it
    connection.execute("PRAGMA cell_size_check = 1")  # nor does a page that is damaged lead out of itself
    return connection


def _make_schema(path: Path, connection: sqlite3.Connection, file_lock: FileLock) -> None:
    file_lock.acquire()
    try:
        if _is_ledger(path, connection):
            return
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    finally:
        file_lock.release()


def _is_ledger(path: Path, connection: sqlite3.Connection) -> bool:
    """False where the database is empty; `NotALedger` or `SchemaTooNew` where it is something else, or was made into it."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise SchemaTooNew(f"{path} has schema {version}, and this version reads up to {SCHEMA_VERSION}")
        differs = difference(connection, SCHEMA)
        if differs is not None:
            raise NotALedger(f"{path} has not the schema of a ledger: {differs}; it is not used before that is mended")
        return True
    if application or version or tables:
        raise NotALedger(f"{path} is an SQLite database and no ledger")
    return False


def is_busy(error: BaseException | None) -> bool:
    """Whether another program has SQLite's lock."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) == sqlite3.SQLITE_BUSY


def did_nothing(error: sqlite3.Error) -> bool:
    """Whether this error of a COMMIT means that nothing was recorded: the database was locked, or the log had no room.

    The last thing that goes into the log is what makes a commit of it. Any other error may have come after that.
    """
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)


def translated(
    path: Path, error: sqlite3.Error | UnicodeDecodeError, known: str = ""
) -> CorruptJournal | NotALedger | StorageFull | StorageUnavailable:
    """SQLite's error as one of ours, with what is `known` of a commit."""
    if isinstance(error, UnicodeDecodeError):
        return CorruptJournal(f"{path}: the text of its schema cannot be read: {error}{known}", position=0)
    code = _primary_code(error)
    message = f"{path}: {error}{known}"
    if code == sqlite3.SQLITE_CORRUPT or (code == sqlite3.SQLITE_ERROR and str(error).startswith(_OTHER_SCHEMA)):
        return CorruptJournal(message, position=0)
    if code == sqlite3.SQLITE_NOTADB:
        return NotALedger(f"{path} is no SQLite database")
    if code == sqlite3.SQLITE_FULL or _disk_is_full(path, code):
        return StorageFull(message)
    return StorageUnavailable(message)


def no_journal(path: Path, error: Exception) -> CorruptJournal:
    """Where a column has something in it that no journal has there."""
    return CorruptJournal(f"{path}: a column has something else in it: {error}", position=0)


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
