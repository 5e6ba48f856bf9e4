"""The address of a ledger in PostgreSQL: a URL as libpq takes it, and beside libpq's own options those of a ledger."""

import os
import re
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import unquote

from tallystick.domain.errors import InvalidURL
from tallystick.infrastructure.system.passwords import HIDDEN

SCHEMES = ("postgresql://", "postgres://")
SCHEMA = "tallystick"

_OPTIONS = ("durability", "schema", "cache")
_SCHEMA_NAME = re.compile("(?!pg_)[a-z_][a-z0-9_]{0,62}")
_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|[\w.%-]*)(?::\d*)?"
_PLACE = re.compile(rf"{_HOST}(?:,{_HOST})*(?:/[^@:/?#]*)?")


def split_options(url: str) -> tuple[str, str]:
    """A URL before and behind the "?" of its options, which is not one in its password."""
    mark = url.find("?", _end_of_credentials(url))
    return (url, "") if mark < 0 else (url[:mark], url[mark + 1 :])


def _end_of_credentials(url: str) -> int:
    """Where the place begins, behind a user and a password if there are any, as libpq takes a URL apart."""
    scheme, mark, given = url.partition("://")
    begin = len(scheme + mark) if mark else 0
    credentials, at, _ = given.partition("@")
    return begin + len(credentials) + 1 if at and "/" not in credentials else begin


class PostgresAddress(NamedTuple):
    """Where a ledger is: the URL that libpq gets, and the schema in that database. Errors show `name`, without a password."""

    url: str
    schema: str = SCHEMA
    durable: bool = True
    cache: Path | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Takes a ledger's options out of `url`; `InvalidURL` where one of them is not understood.

        `durability=full|normal`: whether a commit waits for the disk. `schema=NAME`: several ledgers may share a database,
        each in a schema of its own. `cache=FOLDER`: where what is derived from journals is cached, each in a folder of its id.
        """
        base, query = split_options(url)
        kept: list[str] = []
        options: dict[str, str] = {}
        for part in query.split("&") if query else ():
            name, _, value = part.partition("=")
            if unquote(name) in _OPTIONS:
                options[unquote(name)] = unquote(value)
            else:
                kept.append(part)
        durability, schema, cache = options.get("durability", "full"), options.get("schema", SCHEMA), options.get("cache")
        if durability not in ("full", "normal"):
            raise InvalidURL("a ledger takes ?durability=full or ?durability=normal, and nothing else for it")
        if not _SCHEMA_NAME.fullmatch(schema):
            raise InvalidURL(
                "the name after ?schema= is of lower-case letters, digits and '_', and begins with no digit or 'pg_'"
            )
        if cache is not None and (not cache or "\0" in cache):
            raise InvalidURL("what stands after ?cache= is a folder, and what is given there cannot be one")
        return cls(
            "?".join([base, "&".join(kept)] if kept else [base]),
            schema,
            durability == "full",
            None if cache is None else Path(cache),
        )

    @property
    def name(self) -> str:
        """What to call it where others read along: host, port and database, if nothing else can stand where they do."""
        place, _, options = self.url[_end_of_credentials(self.url) :].partition("?")
        schema = self.schema if "@" not in self.schema else HIDDEN
        return f"postgresql://{place if _PLACE.fullmatch(place) and '@' not in options else HIDDEN} (schema {schema})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def cache_folder(self, ledger: str) -> Path | None:
        """Where the ledger with this id is cached; None where nobody says and there is no home."""
        if self.cache is not None:
            return self.cache / ledger
        try:
            caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        except RuntimeError:
            return None
        return caches / "tallystick" / ledger
