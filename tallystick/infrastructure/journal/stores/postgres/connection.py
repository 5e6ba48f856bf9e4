"""Connections to a PostgreSQL server: how long it may keep silent, and what its errors mean.

A server that is gone must become an error and not a wait without end. So the operating system probes the connection, and where
nothing at all comes back in `ANSWER_SECONDS` the connection is closed from this side.

A pooler may stand in between that gives the server's sessions out by the transaction, to other programs too. So what a session
was told before is not relied on: each statement names its schema, and what a commit needs is set in its transaction
(`turn.py`). Where the session is nobody else's, statements are prepared and some more is set, without which all goes as well,
only slower, or is found out later.
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
from psycopg.errors import Diagnostic
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
# A session that is nobody else's is the one that the server told the client of when it connected. In it every query goes by a
# primary key, so its plan is the same whatever it is given, and planning one takes longer than many take.
_SESSION = """
SELECT session_user || ' as ' || current_setting('role'), current_setting('fsync') = 'on',
    CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END,
    CASE WHEN pg_backend_pid() = %s THEN
        set_config('plan_cache_mode', 'force_generic_plan', false) || set_config('statement_timeout', %s, false)
            || set_config('client_connection_check_interval', '5s', false) || set_config('tcp_keepalives_idle', '10', false)
            || set_config('tcp_keepalives_interval', '5', false) || set_config('tcp_keepalives_count', '3', false)
            || set_config('tcp_user_timeout', '30s', false)
    END IS NOT NULL
"""
_END_BACKEND = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = %s AND (extract(epoch FROM xact_start) * 1000000)::bigint = %s
"""

Result = TypeVar("Result")


class Backend(NamedTuple):
    """A transaction of ours, by the server's process and when it began, in microseconds since 1970: behind a pooler the process
    may be somebody else's by now.
    """

    pid: int
    began_at: int


class NoAnswer(psycopg.OperationalError):
    """The server kept silent for too long; the connection was closed."""


class Connection(psycopg.Connection[TupleRow]):
    """A connection that gives up where the server keeps silent."""

    role = ""
    """Whom the server took it for when it was made."""
    durable_commit = "on"
    """The setting `synchronous_commit` of a durable commit."""
    is_pooled = False
    """Whether a pooler gives it another session in each transaction."""
    is_alone = False
    """Whether the server has said of a commit that it stands there, and that no standby may have it."""

    def wait(self, gen: PQGen[Result], *arguments: Any, **options: Any) -> Result:
        """What psycopg does wherever it waits for the server, within `ANSWER_SECONDS`."""
        try:
            return super().wait(_bounded(gen, time.monotonic() + ANSWER_SECONDS), *arguments, **options)
        except NoAnswer:
            self.close()
            raise

    def notice(self, said: Diagnostic) -> None:
        """What the server says beside its answers."""
        if said.source_function == "SyncRepWaitForLSN":  # whatever language it says it in
            self.is_alone = True


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
    """Makes it ready: texts are read as the bytes that they are stored in. Raises `StorageUnavailable`."""
    _connected.add(connection)
    version, encoding = connection.info.server_version, connection.info.parameter_status("server_encoding")
    if version < SERVER_VERSION_MIN:
        raise StorageUnavailable(f"{address.name}: PostgreSQL {SERVER_VERSION_MIN // 10_000} or newer is needed, not {version}")
    if encoding != "UTF8":
        raise StorageUnavailable(f"{address.name}: the database is kept in {encoding}, and a ledger needs one in UTF8")
    connection.adapters.register_loader("text", ByteaBinaryLoader)
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.add_notice_handler(connection.notice)
    asked = (connection.info.backend_pid, f"{STATEMENT_SECONDS}s")
    connection.role, keeps, connection.durable_commit, is_own = connection.execute(_SESSION, asked).fetchall()[0]
    if not is_own:  # but a pooler's, which may not know what was prepared in which session
        connection.is_pooled, connection.prepare_threshold = True, None
    if address.durable and not keeps:
        reason = "the server runs with fsync=off and would lose commits; ?durability=normal accepts that"
        raise StorageUnavailable(f"{address.name}: {reason}")


def end_backend(connection: Connection, backend: Backend) -> None:
    """Ends that transaction's session, so that it gives up its locks; what it is committing it commits first."""
    connection.execute(_END_BACKEND, backend)


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone or could not be made, and another one may do better."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate[:2] == "08" or error.sqlstate in ("57P01", "57P02", "57P03", "57P05", "25P03", "53300")


def said_by(error: psycopg.Error) -> str:
    """What the server says, without where in its functions it was."""
    parts = [part for part in (error.diag.message_primary, error.diag.message_detail) if part]
    return "; ".join(parts) or str(error).strip()


def translated(address: PostgresAddress, error: psycopg.Error) -> LedgerError:
    """The server's error as one of ours, of an attempt that recorded nothing; neither says a password of the address."""
    hide_in(error, secrets_of(address.url))
    said = " ".join(said_by(error).split())
    match error.sqlstate:
        case "53100":
            return StorageFull(f"{address.name}: {said}; nothing was recorded")
        case "25006":
            return StorageUnavailable(f"{address.name} is read-only: {said}")
        case "42501":
            return StorageUnavailable(f"{address.name}: this role may not do that: {said}")
        case "55P03":
            return StorageUnavailable(f"{address.name}: somebody else keeps a lock that is waited for: {said}")
        case "55000" | "22012" if "append-only" not in said:
            return StorageUnavailable(
                f"{address.name}: nothing was recorded, the server does not keep what is inserted: {said}"
            )
        case _:
            return StorageUnavailable(f"{address.name}: {said}")
