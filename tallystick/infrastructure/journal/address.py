"""Where a ledger is: what its URL means, and the journal opened there."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from tallystick.domain.errors import InvalidURL, StorageUnavailable
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.postgres.address import SCHEMES, PostgresAddress
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal

_MEMORY = re.compile("memory:(?://)?([A-Za-z0-9_.-]*)")
_FORMS = "'sqlite:///relative.db', 'sqlite:////absolute.db', a pathlib.Path, 'memory:', 'memory:NAME' or 'postgresql://user@host/database'"


def open_journal(url: str | Path, *, create: bool = True) -> Journal:
    """The journal at `url`; a missing one is made where `create` allows it.

    `?durability=normal` lets the store answer before the disk has the commit: a crash of the machine, not of the process, may
    then lose the newest commits. What else PostgreSQL takes, `PostgresAddress.parse` says. "memory:NAME" is one journal for all
    in this process who open it.
    Raises `InvalidURL`, `NotALedger`, `SchemaTooNew`, `StorageUnavailable`.
    """
    if isinstance(url, Path):
        return SQLiteJournal(url, create=create)
    if not isinstance(url, str):
        raise InvalidURL(f"a ledger's address is {_FORMS}, not {url!r}")
    if (memory := _MEMORY.fullmatch(url)) is not None:
        return MemoryJournal.open_named(memory[1]) if memory[1] else MemoryJournal()
    if url.startswith(SCHEMES):
        return _open_postgres(PostgresAddress.parse(url), create=create)
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2 or parts.fragment or "\0" in unquote(parts.path):
        raise InvalidURL(f"a ledger's address is {_FORMS}, not {url!r}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    durability = options.pop("durability", "full")
    if options or durability not in ("full", "normal"):
        raise InvalidURL(f"an SQLite ledger takes ?durability=full or ?durability=normal, not ?{parts.query}")
    return SQLiteJournal(Path(unquote(parts.path[1:])), create=create, durable=durability == "full")


def _open_postgres(address: PostgresAddress, *, create: bool) -> Journal:
    try:
        from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
    except ImportError as error:
        reason = 'PostgreSQL needs psycopg: pip install "tallystick[postgres]"'
        raise StorageUnavailable(f"{address.name} cannot be opened. {reason} ({error})") from error
    return PostgresJournal(address, create=create)
