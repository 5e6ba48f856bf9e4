"""What SQLite's write-ahead log needs beyond SQLite, so that what was said of a commit is so from then on.

After a COMMIT that failed nobody sees the row, but its frames may lie whole behind the log's end, and SQLite would take them
for committed when it recovers the log after a crash. And once a sync has failed the system takes those bytes for written, and
no later sync writes them. So a refused row is written over, and what a crash may have brought back is copied out of the log.
"""

import sqlite3


def write_over_refused(connection: sqlite3.Connection) -> None:
    """Commits nothing new, durably: its frame takes the place of the first refused one.

    What cannot be seen now never will be, because every frame's checksum depends on the frames before it.
    """
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    try:
        connection.execute(f"PRAGMA user_version = {version}")
    finally:
        connection.execute(f"PRAGMA synchronous = {synchronous}")


def begin_log_anew(connection: sqlite3.Connection, patience_ms: int) -> bool:
    """Copies the log into the file, so that the next commit begins the log from its start; whether readers let it.

    Copying alone is not enough: after a power cut the frames before a lost one would hide the newer pages of the file.
    """
    patience_before_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
    try:
        busy, frames, copied = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience_before_ms}")
    return not busy and frames == copied
