"""Where a ledger is: what its URL means, and the journal opened there.

A text without a scheme is the path of an SQLite file. One that was rather meant to be a URL, and would quietly make a file of
an odd name, is refused.
"""

import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from tallystick.domain.errors import InvalidURL, StorageUnavailable
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.postgres.address import SCHEMES, PostgresAddress, split_options
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.system.durations import parse_duration
from tallystick.infrastructure.system.passwords import shown

_CLOCK_LEAP = re.compile("max_clock_leap=.*")
_FORMS = (
    "a path, 'sqlite:///relative.db', 'sqlite:////absolute.db', a pathlib.Path, 'memory:', "
    "'memory:NAME' or 'postgresql://user@host/database'"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_KNOWN = ("sqlite", "postgres", "postgresql", "memory")
_URL_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/{1,3}[^/]*:.*@")
_CONNECTION_STRING = re.compile(r"(?i)(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service)\s*=")
_MEMORY = re.compile("memory:(?://)?([A-Za-z0-9_.-]*)")


def open_journal(url: str | Path, *, create: bool = True, read_only: bool = False) -> Journal:
    """The journal at `url`; a missing one is made where `create` allows it, and never where it is `read_only`.

    `?durability=normal` lets the store answer before the disk has the commit: a crash of the machine, not of the process, may
    then lose the newest commits. `?max_clock_leap=400d`, or "36h", or "off": how far a clock may stand after the newest commit;
    a number alone is of days. What else PostgreSQL takes, `PostgresAddress.parse` says.
    "memory:NAME" is one journal for all in this process who open it.
    Raises `InvalidURL`, `NotALedger`, `SchemaTooNew`, `StorageUnavailable`.
    """
    create = create and not read_only
    if isinstance(url, Path):
        return SQLiteJournal(_checked(url), create=create, read_only=read_only)
    if isinstance(url, str) and any(map(_CLOCK_LEAP.fullmatch, split_options(url)[1].split("&"))):
        return _open_with_clock_leap(url, create=create, read_only=read_only)
    if not isinstance(url, str):
        raise InvalidURL(f"a ledger's address is {_FORMS}, not {_shown_repr(url)}")
    if (memory := _MEMORY.fullmatch(url)) is not None:
        return MemoryJournal.open_named(memory[1]) if memory[1] else MemoryJournal()
    if url.startswith(SCHEMES):
        return _open_postgres(PostgresAddress.parse(url), create=create, read_only=read_only)
    if not _SCHEME.match(url):
        return SQLiteJournal(_path(url), create=create, read_only=read_only)
    parts = urlsplit(url) if url.startswith("sqlite:///") else None  # of others it may raise what they are, password and all
    if parts is None or len(parts.path) < 2 or parts.fragment or "\0" in unquote(parts.path):
        raise InvalidURL(f"a ledger's address is {_FORMS}, not {shown(url)!r}{_advice(url)}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    durability = options.pop("durability", "full")
    if options or durability not in ("full", "normal"):
        raise InvalidURL(f"an SQLite ledger takes ?durability=full or ?durability=normal, not {shown(f'?{parts.query}')}")
    path = Path(unquote(parts.path[1:]))
    return SQLiteJournal(path, create=create, durable=durability == "full", read_only=read_only)


def _open_with_clock_leap(url: str, *, create: bool, read_only: bool) -> Journal:
    """The journal at `url` without the option, which it is given then."""
    base, query = split_options(url)
    parts = query.split("&")
    given = [part for part in parts if _CLOCK_LEAP.fullmatch(part)]
    kept = [part for part in parts if part not in given]
    leap = _clock_leap(unquote(given[-1].partition("=")[2]))
    journal = open_journal("?".join([base, "&".join(kept)] if kept else [base]), create=create, read_only=read_only)
    journal.max_clock_leap = leap
    return journal


def _clock_leap(text: str) -> int | None:
    if text == "off":
        return None
    try:
        return parse_duration(text, "d") // timedelta(microseconds=1)
    except ValueError:
        reason = "a duration is a number above 0 with s, m, h or d behind it"
    raise InvalidURL(f"a ledger takes ?max_clock_leap=400d, another duration, or off: {reason}")


def _path(text: str) -> Path:
    """The path that a text without a scheme is; `InvalidURL` where it was rather meant to be something else."""
    reason = ""
    if not text or text != text.strip() or "\0" in text:
        reason = "which is no path"
    elif text in _KNOWN or text == ":memory:":
        reason = "for a ledger in memory write 'memory:', and for a file of that name './" + text + "'"
    elif "//" in text and text.partition("//")[0] in _KNOWN:
        reason = f"write '{text.partition('//')[0]}:' with a colon"
    elif _URL_AS_PATH.search(text) or _CONNECTION_STRING.search(text):
        reason = "a server is named by a URL, 'postgresql://user@host/database'"
    elif "?" in text or "#" in text:
        reason = f"with options write 'sqlite:///{shown(text)}', and for a file of that name a pathlib.Path"
    elif text.endswith("/"):
        reason = "which is a folder"
    if reason:
        raise InvalidURL(f"a ledger's address is {_FORMS}, not {shown(text)!r}: {reason}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidURL(f"{text!r}: {error}") from error


def _shown_repr(url: object) -> str:
    return f"b{shown(url.decode(errors='replace'))!r}" if isinstance(url, bytes) else repr(url)


def _checked(path: Path) -> Path:
    """The path; `InvalidURL` where it is a URL that was made one, of which messages would show all."""
    if _URL_AS_PATH.search(str(path)):
        raise InvalidURL(f"{shown(str(path))!r} is a URL, and no path: give it as a text")
    return path


def _advice(url: str) -> str:
    """What to write instead of a URL that is none."""
    if "@" in url and not url.startswith(("postgres:", "postgresql:")):
        return ""
    scheme, _, rest = url.partition(":")
    path = rest.lstrip("/")
    if scheme == "sqlite" and path and "?" not in path and "#" not in path and "\0" not in unquote(path):
        return f": write 'sqlite:///{path}', or 'sqlite:////{path}' from the root on"
    if scheme in ("postgres", "postgresql"):
        return f": write '{scheme}://' with two slashes"
    return "" if "/" in rest or "@" in rest else f": for a file of that name write './{url}'"


def _open_postgres(address: PostgresAddress, *, create: bool, read_only: bool) -> Journal:
    try:
        from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
    except ImportError as error:
        reason = 'PostgreSQL needs psycopg: pip install "tallystick[postgres]"'
        raise StorageUnavailable(f"{address.name} cannot be opened. {reason} ({error})") from error
    return PostgresJournal(address, create=create, read_only=read_only)
