"""What stands at an address: a ledger, or tables that a rebuild made. It is looked at alone: nothing is made or changed there.

An address means what it does for a ledger and for tables, and those never lie in one place. Where neither is there that is
said, and not taken for something empty.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from tallystick.domain.errors import InvalidURL, NotALedger, StorageUnavailable
from tallystick.infrastructure.journal.stores.postgres.address import SCHEMA, SCHEMES, PostgresAddress, split_options
from tallystick.infrastructure.journal.stores.sqlite.file import APPLICATION_ID, SQLITE_ERRORS, has_log
from tallystick.infrastructure.rebuild.sinks.parquet import CURRENT
from tallystick.infrastructure.system.passwords import shown

Standing = Literal["ledger", "tables"]

_NOTES = "tallystick_tables"
_LEDGER_TABLES = ("ledger", "commits", "streams")
_FORMS = (
    "a ledger, as 'books.db' or 'postgresql://user@host/database', or tables, as 'tables.db', a folder of Parquet or "
    "'postgresql://user@host/database?schema=NAME'"
)


def what_stands_at(address: str | Path) -> Standing:
    """Whether a ledger stands there or tables. Raises `InvalidURL`, `NotALedger` where something else does, and
    `StorageUnavailable` where nothing does.
    """
    if isinstance(address, Path):
        return _at_path(address)
    if not isinstance(address, str) or not address.strip() or "\0" in address:
        raise InvalidURL(f"what is compared with is {_FORMS}, not {shown(address)!r}")
    if address.startswith(SCHEMES):
        return _in_postgres(address)
    scheme, mark, _ = address.partition(":")
    if not mark:
        return _at_path(Path(address).expanduser())
    if scheme == "memory":
        return "ledger"
    parts = urlsplit(address) if address.startswith(("sqlite:///", "parquet:///")) else None
    if parts is None or len(parts.path) < 2 or parts.fragment:
        raise InvalidURL(f"what is compared with is {_FORMS}, not {shown(address)!r}")
    return _at_path(Path(unquote(parts.path[1:])))


def _at_path(path: Path) -> Standing:
    try:
        if path.is_dir():
            if (path / CURRENT).is_file():
                return "tables"
            raise NotALedger(f"{path} is a folder in which no rebuild has put tables in use")
        if path.exists():
            return _in_sqlite(path)
    except OSError as error:
        raise StorageUnavailable(f"{path}: {error.strerror or error}") from error
    raise StorageUnavailable(f"there is no ledger and no tables at {path}")


def _in_sqlite(path: Path) -> Standing:
    """A file without a log is taken as it is, because SQLite would have to make the log's index beside it."""
    uri = f"{path.resolve().as_uri()}?{'mode=ro' if has_log(path) else 'immutable=1'}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            if database.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
                return "ledger"
            if database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (_NOTES,)).fetchone():
                return "tables"
    except SQLITE_ERRORS as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
            raise NotALedger(f"{path} is no ledger, and no tables either: it is no SQLite database") from error
        raise StorageUnavailable(f"{path}: {error}") from error
    raise NotALedger(f"{path} is no ledger, and no rebuild has made tables in it")


def _in_postgres(url: str) -> Standing:
    """Where no schema is named, in those in which a ledger and tables lie then."""
    address = PostgresAddress.parse(url)
    is_named = any(unquote(part).startswith("schema=") for part in split_options(url)[1].split("&"))
    for schema in (address.schema,) if is_named else (SCHEMA, "public"):
        found = _tables_in(address, schema)
        if set(_LEDGER_TABLES) <= set(found):
            return "ledger"
        if _NOTES in found:
            return "tables"
    raise NotALedger(f"{address.name}: there is no ledger, and no tables of a rebuild")


def _tables_in(address: PostgresAddress, schema: str) -> Sequence[str]:
    try:
        import psycopg

        from tallystick.infrastructure.journal.stores.postgres.connection import conninfo_of, translated
    except ImportError as error:
        raise StorageUnavailable(f'PostgreSQL needs psycopg: pip install "tallystick[postgres]" ({error})') from error
    try:
        with psycopg.connect(conninfo_of(address), autocommit=True, prepare_threshold=None) as connection:
            connection.execute("SET default_transaction_read_only = on")
            found = connection.execute(
                "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = ANY(%s)",
                (schema, [*_LEDGER_TABLES, _NOTES]),
            )
            return [name for (name,) in found.fetchall()]
    except psycopg.Error as error:
        raise translated(address, error) from error
