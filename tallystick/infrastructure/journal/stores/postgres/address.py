"""The address of a ledger in PostgreSQL: a URL as libpq takes it, and beside libpq's own options those of a ledger."""

import os
import re
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import unquote

from tallystick.domain.errors import InvalidURL

SCHEMES = ("postgresql://", "postgres://")
SCHEMA = "tallystick"

_OPTIONS = ("durability", "schema", "cache")
_SCHEMA_NAME = re.compile("(?!pg_)[a-z_][a-z0-9_]{0,62}")


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
        base, _, query = url.partition("?")
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
            raise InvalidURL(f"a ledger takes ?durability=full or ?durability=normal, not {durability!r}")
        if not _SCHEMA_NAME.fullmatch(schema):
            raise InvalidURL(f"a ledger's schema is of lower-case letters, digits and '_', not {schema!r}")
        if cache is not None and (not cache or "\0" in cache):
            raise InvalidURL(f"a ledger's cache is a folder, not {cache!r}")
        return cls(
            "?".join([base, "&".join(kept)] if kept else [base]),
            schema,
            durability == "full",
            None if cache is None else Path(cache),
        )

    @property
    def name(self) -> str:
        """What to call it where others read along."""
        authority_and_database = self.url.partition("?")[0].partition("://")[2].rpartition("@")[2]
        return f"postgresql://{authority_and_database} (schema {self.schema})"

    def cache_folder(self, ledger: str) -> Path | None:
        """Where the ledger with this id is cached; None where nobody says and there is no home."""
        if self.cache is not None:
            return self.cache / ledger
        try:
            caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        except RuntimeError:
            return None
        return caches / "tallystick" / ledger
