"""The connections of one ledger in PostgreSQL: a pool of them to read with, and one to write with.

Each new connection first shows that it leads to the same ledger: the same id, and the newest commit that was seen through
the ones before it. A server that was restarted is found again within bounds; a database that was replaced is refused.

Where a commit stands on this server and perhaps on no standby, nothing is read or written before a standby has it: what was
shown would be gone if the standby took over.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolClosed

from tallystick.domain.errors import CorruptJournal, LedgerClosed, LedgerError, StorageUnavailable
from tallystick.infrastructure.journal.format import EMPTY, Head
from tallystick.infrastructure.journal.stores.postgres import statements
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.connection import (
    Backend,
    Connection,
    NoAnswer,
    connect,
    conninfo_of,
    end_backend,
    is_lost,
    prepare,
    said_by,
    translated,
)
from tallystick.infrastructure.journal.stores.postgres.lending import Lending
from tallystick.infrastructure.journal.stores.postgres.schema import identity_of, open_schema
from tallystick.infrastructure.system.forked_children import close_in_children, leave_alone

READERS_MAX = 4
READ_ATTEMPTS = 3
READER_SECONDS = 15.0
ALONE = "the newest commit stands here, perhaps not on the standby, and no standby has answered for it"


class PostgresPool:
    """The connections to the ledger at `address`, whose schema is made where it is missing and `create` allows it."""

    def __init__(self, address: PostgresAddress, *, create: bool) -> None:
        self.address = address
        self._conninfo = conninfo_of(address)
        self._guard = threading.Lock()
        self._newest = EMPTY
        self._closed = False
        self._statements: dict[str, bytes] = {}
        self._writer: Connection | None = connect(address)
        self.backend: Backend | None = None
        """The newest transaction to write in."""
        self.lending = Lending() if self._writer.is_pooled else None
        """Where a pooler gives the sessions: who uses the one that has the turn."""
        self.role = self._writer.role
        self.is_alone = False
        """Whether a commit stands here, and perhaps on no standby."""
        self._standby_guard = threading.Lock()
        self._readers: ConnectionPool[Connection] | None = None
        self._kept: tuple[ConnectionPool[Connection], Connection] | None = None
        try:
            self.ledger = open_schema(address, self._writer, create=create)
            self.is_alone = self._writer.is_alone
        except BaseException:
            self.close()
            raise
        close_in_children(self)

    # Reading.

    def read(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What one query answers, on a connection that is given back at once. Raises `StorageUnavailable`."""
        statement = self._statements.get(query)
        if statement is None:
            statement = self._statements[query] = statements.in_schema(query, self.address.schema)
        return self.read_statement(statement, parameters)

    def read_statement(self, statement: bytes, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """The same of a statement that names its schema."""
        if self.lending is None:
            return self._read(statement, parameters)
        return self.lending.read(
            lambda: self._read(statement, parameters),
            lambda writer: self._read_in_turn(writer, statement, parameters),
        )

    def _read_in_turn(
        self, writer: Connection, statement: bytes, parameters: Sequence[Any] | Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        try:
            return writer.execute(statement, parameters, binary=True).fetchall()
        except psycopg.Error as error:
            if is_lost(error):
                return self._read(statement, parameters)
            raise translated(self.address, error) from error

    def _read(self, statement: bytes, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if self.is_alone:
            self.wait_for_standby()
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                readers, connection = self._take_reader()
                try:
                    rows = connection.execute(statement, parameters, binary=True).fetchall()
                except BaseException:
                    readers.putconn(connection)
                    raise
                self._give_back(readers, connection)
                return rows
            except PoolClosed as error:
                if self._closed:
                    raise LedgerClosed(f"the ledger {self.address.name} was closed") from error
            except psycopg.Error as error:
                if attempt == READ_ATTEMPTS or not is_lost(error):
                    raise translated(self.address, error) from error
                self._look_again()
        raise StorageUnavailable(f"{self.address.name}: its connections were dropped while it was read")

    def _take_reader(self) -> "tuple[ConnectionPool[Connection], Connection]":
        """A connection that nobody else has. One is kept out of the pool, which takes as long to ask as a server nearby."""
        with self._guard:
            if self._closed:
                raise LedgerClosed(f"the ledger {self.address.name} was closed")
            kept, self._kept = self._kept, None
        if kept is not None:
            return kept
        readers = self._open_readers()
        return readers, readers.getconn()

    def _give_back(self, readers: "ConnectionPool[Connection]", connection: Connection) -> None:
        with self._guard:
            if self._kept is None and self._readers is readers:
                self._kept = (readers, connection)
                return
        readers.putconn(connection)

    def _open_readers(self) -> ConnectionPool[Connection]:
        with self._guard:
            if self._closed:
                raise LedgerClosed(f"the ledger {self.address.name} was closed")
            if self._readers is None:
                self._readers = ConnectionPool(
                    self._conninfo,
                    connection_class=Connection,
                    kwargs={"autocommit": True},
                    configure=self._prepare,
                    min_size=0,
                    max_size=READERS_MAX,
                    open=True,
                    timeout=READER_SECONDS,
                    reconnect_timeout=READER_SECONDS,
                    num_workers=1,
                )
            return self._readers

    def _look_again(self) -> None:
        """Waits until the server is back, or raises why it is not; readers that died with it are dropped."""
        connection = connect(self.address, patient=True)
        try:
            self._check(connection)
        except psycopg.Error as error:  # it was lost again at once
            raise translated(self.address, error) from error
        finally:
            connection.close()
        self._drop_readers()

    # Writing.

    def writer(self) -> Connection:
        """The connection to write with; a new one where there is none or the last one was lost.

        Raises `StorageUnavailable`, and `CorruptJournal` where the database has not what was read from it.
        """
        if self._closed:
            raise LedgerClosed(f"the ledger {self.address.name} was closed")
        if self._writer is None or self._writer.closed:
            self._writer = None
            connection = connect(self.address, patient=True)
            try:
                if self.backend is not None:  # the server may not know yet that nobody is there any more
                    end_backend(connection, self.backend)
                self._check(connection)
            except BaseException as error:
                connection.close()
                if isinstance(error, psycopg.Error):
                    raise translated(self.address, error) from error
                raise
            self._writer = connection
        return self._writer

    def in_transaction(self) -> Connection | None:
        """The connection to write with, if its transaction has begun and nothing in it has failed."""
        connection = self._writer
        if connection is None or connection.info.transaction_status != TransactionStatus.INTRANS:
            return None
        return connection

    def end_transaction(self) -> None:
        """Rolls back what was begun and not committed; a connection that cannot do even that is closed."""
        if self.lending is not None:
            self.lending.take_back()
        if self._writer is None or self._writer.info.transaction_status == TransactionStatus.IDLE:
            return
        if self._writer.info.transaction_status in (TransactionStatus.INERROR, TransactionStatus.INTRANS):
            with suppress(psycopg.Error):
                self._writer.execute("ROLLBACK")
                return
        self.drop_writer()

    def drop_writer(self) -> None:
        """Closes the connection to write with, whatever it was doing."""
        if self._writer is not None:
            self._writer.close()

    # Standbys.

    def wait_for_standby(self) -> None:
        """Returns when a standby has all that stands here, where one has to; else raises `StorageUnavailable`.

        A commit waits for all that was written before it, so one is made that changes nothing.
        """
        with self._standby_guard:
            if not self.is_alone:
                return
            backend: Backend | None = None
            connection = connect(self.address)
            try:
                begin = statements.BEGIN_NOTHING % connection.durable_commit
                cursor = connection.execute(begin.encode(), prepare=False)
                while cursor.nextset():
                    pass
                backend = Backend(*cursor.fetchall()[0])
                connection.execute("COMMIT", prepare=False)
                self.is_alone = connection.is_alone
            except NoAnswer:
                self._end(backend)
            except psycopg.Error as error:
                raise StorageUnavailable(f"{self.address.name}: {ALONE}: {said_by(error)}") from error
            finally:
                connection.close()
            if self.is_alone:
                raise StorageUnavailable(f"{self.address.name}: {ALONE}")

    def _end(self, backend: Backend | None) -> None:
        """Ends a transaction whose answer is not waited for any more."""
        if backend is not None:
            with closing(connect(self.address)) as connection, suppress(psycopg.Error):
                end_backend(connection, backend)

    # Which ledger it is.

    def saw(self, head: Head) -> None:
        """Notes that the journal reaches `head`: whoever connects from now on must find it there."""
        if head.position > self._newest.position:
            self._newest = head

    @property
    def newest(self) -> Head:
        """The furthest head that was seen."""
        return self._newest

    def _prepare(self, connection: Connection) -> None:
        prepare(connection, self.address)
        self._check(connection)

    def _check(self, connection: Connection) -> None:
        newest = self._newest
        try:
            found = identity_of(self.address, connection)
            if found != self.ledger:
                has = "no ledger" if found is None else f"ledger {found.id}"
                raise StorageUnavailable(f"{self.address.name} was replaced: it has {has}, and had {self.ledger.id}")
            digest = statements.in_schema(statements.DIGEST, self.address.schema)
            rows = connection.execute(digest, (newest.position,), binary=True).fetchall()
        except psycopg.Error as error:
            if is_lost(error):
                raise
            raise translated(self.address, error) from error
        if newest != EMPTY and rows != [(newest.position, newest.digest)]:
            raise gone(self.address, newest)

    # Closing.

    def reopen(self) -> None:
        """Drops all connections, and makes a new one to write with."""
        self.drop_writer()
        self._drop_readers()
        self.writer()

    def close(self) -> None:
        """Closes all connections."""
        self._closed = True
        self.drop_writer()
        self._drop_readers()

    def close_in_child(self) -> None:
        """The connections are the parent's: to say on one that it ends would end the parent's session."""
        leave_alone((self._writer, self._readers, self._kept))
        self._writer = self._readers = self._kept = None
        self._closed = True
        self._guard = threading.Lock()
        self.lending = None

    def _drop_readers(self) -> None:
        with self._guard:
            readers, self._readers = self._readers, None
            kept, self._kept = self._kept, None
        if kept is not None:
            kept[0].putconn(kept[1])
        if readers is not None:
            with suppress(psycopg.Error):
                readers.close()


def gone(address: PostgresAddress, head: Head) -> LedgerError:
    """What to raise where a commit that was seen is not there any more."""
    reason = f"{address.name} was replaced: it has not the commit that was read from it there"
    return CorruptJournal(reason, position=head.position)
