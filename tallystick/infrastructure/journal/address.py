"""Where a ledger is: what its URL means, and the journal opened there."""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from tallystick.domain.errors import InvalidURL, StorageUnavailable
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.postgres.address import SCHEMES, PostgresAddress
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.system.durations import parse_duration

_CLOCK_LEAP = re.compile("[?&]max_clock_leap=[^&]*")
_FORMS = "'sqlite:///relative.db', 'sqlite:////absolute.db', a pathlib.Path, 'memory:' or 'postgresql://user@host/database'"


def open_journal(url: str | Path, *, create: bool = True) -> Journal:
    """The journal at `url`; a missing one is made where `create` allows it.

    `?durability=normal` lets the store answer before the disk has the commit: a crash of the machine, not of the process, may
    then lose the newest commits. `?max_clock_leap=400d`, or "36h", or "off": how far a clock may stand after the newest commit;
    a number alone is of days. What else PostgreSQL takes, `PostgresAddress.parse` says.
    Raises `InvalidURL`, `NotALedger`, `SchemaTooNew`, `StorageUnavailable`.
    """
    if isinstance(url, Path):
        return SQLiteJournal(url, create=create)
    if isinstance(url, str) and _CLOCK_LEAP.search(url):
        return _open_with_clock_leap(url, create=create)
    if not isinstance(url, str):
        raise InvalidURL(f"a ledger's address is {_FORMS}, not {url!r}")
    if url in ("memory:", "memory://"):
        return MemoryJournal()
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


def _open_with_clock_leap(url: str, *, create: bool) -> Journal:
    """The journal at `url` without the option, which it is given then."""
    base, _, query = url.partition("?")
    parts = query.split("&")
    given = [part for part in parts if _CLOCK_LEAP.fullmatch(f"?{part}")]
    kept = [part for part in parts if part not in given]
    leap = _clock_leap(unquote(given[-1].partition("=")[2]))
    journal = open_journal("?".join([base, "&".join(kept)] if kept else [base]), create=create)
    journal.max_clock_leap = leap
    return journal


def _clock_leap(text: str) -> int | None:
    if text == "off":
        return None
    try:
        return parse_duration(text, "d") // timedelta(microseconds=1)
    except ValueError as error:
        raise InvalidURL(f"a ledger takes ?max_clock_leap=400d, another duration, or off: {error}") from error


def _open_postgres(address: PostgresAddress, *, create: bool) -> Journal:
    try:
        from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
    except ImportError as error:
        reason = 'PostgreSQL needs psycopg: pip install "tallystick[postgres]"'
        raise StorageUnavailable(f"{address.name} cannot be opened. {reason} ({error})") from error
    return PostgresJournal(address, create=create)
