"""A place on a PostgreSQL server: a schema for the ledger, one for a bare table and one for an application of that library.

It is imported where a server is named, for psycopg comes with the extra `postgres` alone.
"""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from tallystick.infrastructure.benchmarks.baselines.recorder_baselines import RECORDER_POSTGRES, SUBSCRIPTION_POSTGRES
from tallystick.infrastructure.benchmarks.places.places import BARE_POSTGRES, EVENTSOURCING_POSTGRES
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.connection import connect

# What a ledger's own sessions are set to.
_DURABILITY = """
SELECT set_config('synchronous_commit', CASE WHEN NOT %s THEN 'off'
    WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)
"""
_TABLE = "CREATE TABLE {} (a bigint PRIMARY KEY, b bigint, c bigint, d text, e text, f text, g bytea)"
_INSERT = "INSERT INTO {} VALUES (%s, %s, %s, %s, %s, %s, %s)"
_NEWEST = "SELECT last_position, recorded_at, keys, transactions, body, digest FROM {} ORDER BY first_position DESC LIMIT %s"


def server_version(url: str) -> str:
    """The version of the server at `url`, where a ledger could be. Raises `InvalidURL`, `StorageUnavailable`."""
    connection = connect(PostgresAddress.parse(url))
    version = connection.info.server_version
    connection.close()
    return f"{version // 10_000}.{version % 10_000}"


class PostgresPlace:
    """Schemas of names that nobody else has, on the server at `url`; the ledger's cache is in `folder`."""

    recorder_baseline = RECORDER_POSTGRES
    subscription_baseline = SUBSCRIPTION_POSTGRES
    has_subscription = True
    saves = 400
    bare_baseline = BARE_POSTGRES
    eventsourcing_baseline = EVENTSOURCING_POSTGRES
    eventsourcing_threads = 4
    eventsourcing_transfers_max = 100  # a pipeline of psycopg 3.3.9 may wait for an answer before all of a large query was sent

    def __init__(self, url: str, folder: Path) -> None:
        self._address = PostgresAddress.parse(url)
        self._folder = folder
        schema = f"benchmark_{secrets.token_hex(8)}"
        self._schema, self._bare_schema, self._eventsourcing_schema = self._schemas = (
            schema,
            f"{schema}_bare",
            f"{schema}_stock",
        )
        self._connection = psycopg.connect(self._address.url, autocommit=True)
        for name in self._schemas[1:]:
            self._execute("CREATE SCHEMA {}", name)

    @property
    def name(self) -> str:
        """What it is called among the figures."""
        return "PostgreSQL" if self._address.durable else "PostgreSQL, not durable"

    @property
    def url(self) -> str:
        """The ledger's address."""
        durability = "full" if self._address.durable else "normal"
        options = f"schema={self._schema}&durability={durability}&cache={quote(str(self._folder / 'cache'))}"
        return f"{self._address.url}{'&' if '?' in self._address.url else '?'}{options}"

    def last_commits(self, count: int) -> list[tuple[Any, ...]]:
        """As `Place.last_commits`."""
        query = sql.SQL(_NEWEST).format(sql.Identifier(self._schema, "commits"))
        return self._connection.execute(query, (count,)).fetchall()[::-1]

    def make_bare(self) -> "BarePostgres":
        """A table in a schema of its own."""
        return BarePostgres(self._address, self._bare_schema)

    def eventsourcing_environment(self) -> Mapping[str, str]:
        """A schema of its own; never with functions in the database, by which readers may miss events."""
        server = self._connection.info
        return {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": server.dbname,
            "POSTGRES_HOST": server.host,
            "POSTGRES_PORT": str(server.port),
            "POSTGRES_USER": server.user,
            "POSTGRES_PASSWORD": server.password,
            "POSTGRES_SCHEMA": self._eventsourcing_schema,
            "POSTGRES_POOL_SIZE": str(self.eventsourcing_threads),
        }

    def close(self) -> None:
        """Drops the schemas."""
        for name in self._schemas:
            self._execute("DROP SCHEMA IF EXISTS {} CASCADE", name)
        self._connection.close()

    def _execute(self, statement: str, schema: str) -> None:
        self._connection.execute(sql.SQL(statement).format(sql.Identifier(schema)))  # pyright: ignore[reportArgumentType]


class BarePostgres:
    """A table without rules, and a connection that commits as a ledger's does."""

    def __init__(self, address: PostgresAddress, schema: str) -> None:
        self._connection = psycopg.connect(address.url, autocommit=True)
        self._connection.execute(_DURABILITY, (address.durable,))
        table = sql.Identifier(schema, "commits")
        self._connection.execute(sql.SQL(_TABLE).format(table))
        self._insert = sql.SQL(_INSERT).format(table).as_string(self._connection).encode()
        self._rows = 0

    def insert_each(self, commits: Sequence[tuple[Any, ...]]) -> int:
        """As `Bare.insert_each`; the statement commits by itself."""
        execute = self._connection.cursor().execute
        for number, columns in enumerate(commits, self._rows + 1):
            execute(self._insert, (number, *columns), prepare=True)
        self._rows += len(commits)
        return len(commits)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()
