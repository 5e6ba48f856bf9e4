"""The turn to write: a transaction in which nobody else can append, and what is made sure of in it.

The session may be another one in each transaction, behind a pooler. So the transaction that appends says for itself which
ledger it is in, as which role, and how long it waits; and what is not as it was when the ledger was opened refuses it.
"""

from functools import cache
from typing import NamedTuple
from uuid import UUID

import psycopg

from tallystick.domain.errors import StorageUnavailable
from tallystick.infrastructure.journal.format import EMPTY, Head
from tallystick.infrastructure.journal.stores.postgres import connection as settings
from tallystick.infrastructure.journal.stores.postgres import statements
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.connection import Backend, Connection
from tallystick.infrastructure.journal.stores.postgres.schema import GUARDED, Identity


class Turn(NamedTuple):
    """A transaction that has the turn: which one it is, the server's clock in microseconds since 1970, and the head."""

    backend: Backend
    server_time: int
    schema_version: int
    head: Head


def take_turn(connection: Connection, address: PostgresAddress, ledger: Identity, role: str, schema_version: int) -> Turn:
    """Begins a transaction and waits for the turn, in one round trip.

    Raises what psycopg does, and `StorageUnavailable` where it is another ledger's, or another role's.
    """
    commit = connection.durable_commit if address.durable else "off"
    query = _begin(address.schema, commit, ledger.lock, f"'{settings.LOCK_SECONDS}s'", schema_version)
    cursor = connection.execute(query, prepare=False)
    while cursor.nextset():
        pass
    columns = cursor.fetchone()
    if columns is None:
        raise psycopg.DataError("the table ledger is empty")
    pid, began_at, is_role, keeps, server_time, id, version, position, digest, recorded_at = columns
    _check(address, ledger, id, role, is_role)
    if address.durable and not keeps:
        raise StorageUnavailable(f"{address.name}: nothing was recorded, for the server runs with fsync=off now")
    head = EMPTY if position is None else Head(position, digest, recorded_at)
    return Turn(Backend(pid, began_at), server_time, version, head)


def holder(address: PostgresAddress, ledger: Identity, schema_version: int) -> bytes:
    """The statement that asks who has the turn."""
    query = statements.HOLDER if schema_version >= GUARDED else statements.HOLDER_1 % {"turn": ledger.lock}
    return statements.in_schema(query, address.schema)


@cache
def _begin(schema: str, commit: str, turn: int, lock: str, schema_version: int) -> bytes:
    query = statements.BEGIN if schema_version >= GUARDED else statements.BEGIN_1
    given = {
        "commit": commit,
        "lock": lock,
        "statement": f"'{settings.STATEMENT_SECONDS}s'",
        "idle": f"'{settings.IDLE_TRANSACTION_SECONDS}s'",
        "turn": turn,
    }
    return statements.in_schema(query % given, schema)


def _check(address: PostgresAddress, ledger: Identity, id: UUID, role: str, is_role: str) -> None:
    if id.hex != ledger.id:
        reason = f"was replaced: it has ledger {id.hex}, and had {ledger.id}"
        raise StorageUnavailable(f"{address.name} {reason}; nothing was recorded")
    if is_role != role:
        names = f"{is_role!r}, and was {role!r} when the ledger was opened"
        raise StorageUnavailable(f"{address.name}: the session's role is {names}; nothing was recorded")
