"""Connections to a PostgreSQL server: what each is set to, how long it may keep silent, and what its errors mean.

A server that is gone must become an error and not a wait without end. So the operating system probes the connection, the
server gives up statements and locks that take too long, and where nothing at all comes back in `ANSWER_SECONDS` the
connection is closed from this side.
"""

import os
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import ByteaBinaryLoader

from tallystick.domain.errors import InvalidURL, LedgerError, StorageFull, StorageUnavailable
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.system.passwords import hide_in, secrets_of

ANSWER_SECONDS = 60.0
STATEMENT_SECONDS = 50
LOCK_SECONDS = 30
IDLE_TRANSACTION_SECONDS = 300
RECONNECT_SECONDS = 10.0
SERVER_VERSION_MIN = 140_000

_PARAMETERS = {
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "fallback_application_name": "tallystick",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
# Every query goes by a primary key, so its plan is the same whatever it is given; planning one takes longer than many take.
_SETTINGS = """
SELECT set_config('search_path', %(schema)s || ', pg_temp', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('synchronous_commit', CASE WHEN NOT %(durable)s THEN 'off'
        WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
    set_config('lock_timeout', %(lock)s, false), set_config('statement_timeout', %(statement)s, false),
    set_config('idle_in_transaction_session_timeout', %(idle)s, false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('client_connection_check_interval', '5s', false), set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false),
    set_config('tcp_user_timeout', '30s', false), current_setting('fsync') = 'on'
"""
_BACKEND = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_BACKEND = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start::text = %s"

Result = TypeVar("Result")


class Backend(NamedTuple):
    """The server's process behind a connection; numbers come again, so its start is a part of its name."""

    pid: int
    start: bytes


class NoAnswer(psycopg.OperationalError):
    """The server kept silent for too long; the connection was closed."""


class Connection(psycopg.Connection[TupleRow]):
    """A connection that gives up where the server keeps silent."""

    def wait(self, gen: PQGen[Result], *arguments: Any, **options: Any) -> Result:
        """What psycopg does wherever it waits for the server, within `ANSWER_SECONDS`."""
        try:
            return super().wait(_bounded(gen, time.monotonic() + ANSWER_SECONDS), *arguments, **options)
        except NoAnswer:
            self.close()
            raise


_connected: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def _let_go_in_child() -> None:
    """A session lasts as long as any copy of its socket, and so would the turn to write that a parent had when it died.

    The child's copies become something that leads nowhere, for whatever libpq may do with them yet.
    """
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for connection in list(_connected):
        with suppress(psycopg.Error, OSError):
            os.dup2(nowhere, connection.fileno(), inheritable=False)
    os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


def _bounded(gen: PQGen[Result], deadline: float) -> Generator[Any, Any, Result]:
    """`gen`, which waits for the server, until the deadline."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise NoAnswer(f"the server has not answered for {ANSWER_SECONDS:g} seconds")
            wanted = gen.send(ready)
    except StopIteration as stop:
        return stop.value


def conninfo_of(address: PostgresAddress) -> str:
    """What libpq is given. Where the address names none, these are its options: a silent server is found out in time."""
    try:
        given = conninfo_to_dict(address.url)
        return make_conninfo("", **{**_PARAMETERS, **given, "client_encoding": "UTF8"})
    except (psycopg.Error, UnicodeError) as error:
        said = str(error).strip()
    # libpq repeats what it cannot read, and there may be a password in it; so its error is not chained to this one either
    detail = "" if "@" in address.url or "password" in address.url else f": {said}"
    raise InvalidURL(f"{address.name} is no address that PostgreSQL's library can read{detail}")


def connect(address: PostgresAddress, *, patient: bool = False) -> Connection:
    """A new connection, ready for a ledger; if `patient`, tried again and again for `RECONNECT_SECONDS`.

    Raises `InvalidURL`, `StorageUnavailable`.
    """
    conninfo = conninfo_of(address)
    for last in attempts(RECONNECT_SECONDS if patient else 0):
        connection: Connection | None = None
        try:
            connection = Connection.connect(conninfo, autocommit=True)
            prepare(connection, address)
            return connection
        except BaseException as error:
            if connection is not None:
                connection.close()
            if not isinstance(error, psycopg.Error):
                raise
            if last or not is_lost(error):
                raise translated(address, error) from error
    raise AssertionError("the last attempt returns or raises")


def attempts(seconds: float) -> Iterator[bool]:
    """Pauses between attempts, which grow from 50 ms to 1 s; true with the last one, when the seconds have passed."""
    end = time.monotonic() + seconds
    pause = 0.05
    while time.monotonic() < end:
        yield False
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    yield True


def prepare(connection: Connection, address: PostgresAddress) -> None:
    """Sets the session up. Texts are read as the bytes that they are stored in. Raises `StorageUnavailable`."""
    _connected.add(connection)
    version, encoding = connection.info.server_version, connection.info.parameter_status("server_encoding")
    if version < SERVER_VERSION_MIN:
        raise StorageUnavailable(f"{address.name}: PostgreSQL {SERVER_VERSION_MIN // 10_000} or newer is needed, not {version}")
    if encoding != "UTF8":
        raise StorageUnavailable(f"{address.name}: the database is kept in {encoding}, and a ledger needs one in UTF8")
    connection.adapters.register_loader("text", ByteaBinaryLoader)
    connection.adapters.register_dumper(int, Int8Dumper)
    settings = {
        "schema": address.schema,
        "durable": address.durable,
        "lock": f"{LOCK_SECONDS}s",
        "statement": f"{STATEMENT_SECONDS}s",
        "idle": f"{IDLE_TRANSACTION_SECONDS}s",
    }
    *_, keeps = connection.execute(_SETTINGS, settings).fetchall()[0]
    if address.durable and not keeps:
        reason = "the server runs with fsync=off and would lose commits; ?durability=normal accepts that"
        raise StorageUnavailable(f"{address.name}: {reason}")


def backend_of(connection: Connection) -> Backend:
    """The process behind `connection`."""
    return Backend(*connection.execute(_BACKEND, binary=True).fetchall()[0])


def end_backend(connection: Connection, backend: Backend) -> None:
    """Ends another session of this role, so that it gives up its locks; what it is committing it commits first."""
    connection.execute(_END_BACKEND, (backend.pid, backend.start.decode()))


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone or could not be made, and another one may do better."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate[:2] == "08" or error.sqlstate in ("57P01", "57P02", "57P03", "57P05", "25P03", "53300")


def translated(address: PostgresAddress, error: psycopg.Error) -> LedgerError:
    """The server's error as one of ours, of an attempt that recorded nothing; neither says a password of the address."""
    hide_in(error, secrets_of(address.url))
    said = " ".join(str(error).split())
    match error.sqlstate:
        case "53100":
            return StorageFull(f"{address.name}: {said}; nothing was recorded")
        case "25006":
            return StorageUnavailable(f"{address.name} is read-only: {said}")
        case "42501":
            return StorageUnavailable(f"{address.name}: this role may not do that: {said}")
        case "55P03":
            return StorageUnavailable(f"{address.name}: somebody else has kept the turn to write for {LOCK_SECONDS} s: {said}")
        case _:
            return StorageUnavailable(f"{address.name}: {said}")
