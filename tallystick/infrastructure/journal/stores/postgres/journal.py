"""A journal in a PostgreSQL database, which many processes and machines may share.

Writers queue on a lock, so that each reads the head that it must follow. A commit takes two round trips: one begins a
transaction, waits for the turn and reads the head (`turn.py`), one appends everything and commits. From version 3 of the schema
on both are done by functions of the schema, which check what they are given (`append_functions.py`). Readers have connections
of their own and page, so that neither a writer nor a long read holds up anybody.

A notification with the new last position goes out with each commit, on the channel `tallystick_` and the ledger's id. It is
a hint and no more: who listens must also look from time to time, for a notification can be lost with its connection.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from tallystick.domain.errors import SchemaTooOld, StorageError, StorageUnavailable
from tallystick.infrastructure.journal.format import EMPTY, Body, Head, JournalRow, decode_keys, digest_of
from tallystick.infrastructure.journal.port import (
    NO_METADATA,
    PAGE_BYTES,
    PAGE_ROWS,
    SMALL,
    SMALL_BYTES,
    VERSION_MAX,
    Journal,
    MetadataChange,
    MetadataRow,
    Overtaken,
    StreamEntry,
    StreamPart,
    UnclearOutcome,
    entries_in_pages,
)
from tallystick.infrastructure.journal.stores.postgres import connection as settings
from tallystick.infrastructure.journal.stores.postgres import statements
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.connection import (
    LOCK_SECONDS,
    Connection,
    is_lost,
    said_by,
    translated,
)
from tallystick.infrastructure.journal.stores.postgres.literals import bytea, byteas, numbers, text, texts
from tallystick.infrastructure.journal.stores.postgres.pool import ALONE, PostgresPool, gone
from tallystick.infrastructure.journal.stores.postgres.schema import DETAILED, GUARDED, upgrade_schema
from tallystick.infrastructure.journal.stores.postgres.turn import Turn, holder, take_turn
from tallystick.infrastructure.system.fair_lock import FairLock
from tallystick.infrastructure.system.file_at_path import resolved
from tallystick.infrastructure.system.own_folder import CacheFolder

_NONE = b"'{}'"
AT_ONCE_BYTES = 2**16
"""A body of so many bytes goes in the text, with the COMMIT behind it. A larger one is a parameter, which the server
copies less often, and a second round trip is not seen beside it.
"""
BEGIN_ATTEMPTS = 3
RECORD_ATTEMPTS = 3


class PostgresJournal(Journal):
    """The journal at `address`, whose schema is made where it is missing and `create` allows it.

    Where it is durable, a server that runs with `fsync=off` is refused: it would promise what it does not keep. Where it is
    `read_only` that is nobody's concern, and nothing is written beside it either.
    """

    keeps_keys = True

    def __init__(self, address: PostgresAddress, *, create: bool = True, read_only: bool = False) -> None:
        if address.cache is not None:  # the process may change its folder
            address = address._replace(cache=resolved(address.cache))
        self.address = address = address._replace(durable=False) if read_only else address
        self._read_only = read_only
        self._turn = FairLock(LOCK_SECONDS)
        self._pool = PostgresPool(address, create=create)
        self._cache = CacheFolder(address.cache_folder(self._pool.ledger.id))
        self._schema = self._schema_version()
        self._append = statements.in_schema(statements.APPEND, address.schema)
        self._append_large = statements.in_schema(statements.APPEND_LARGE, address.schema)

    @property
    def cache_folder(self) -> Path | None:
        return None if self._read_only else self.kept_cache_folder

    @property
    def kept_cache_folder(self) -> Path | None:
        return self._cache.used()

    @property
    def channel(self) -> str:
        """The channel on which each commit's last position is notified."""
        return self._pool.ledger.channel

    def is_same(self, other: Journal) -> bool:
        return isinstance(other, PostgresJournal) and other._pool.ledger.id == self._pool.ledger.id

    # Reading.

    def key_positions(self, keys: Collection[str]) -> Mapping[str, int]:
        return {key.decode(): position for key, position in self._pool.read(statements.KEYS, (list(keys),))}

    def used_keys(self) -> Iterator[tuple[str, int]]:
        after = ""
        yield from self.key_positions([after]).items()  # no commit has this one, but the table may
        while page := self._pool.read(statements.USED_KEYS, (after, PAGE_ROWS)):
            for key, position in page:
                after = key.decode()
                yield after, position

    def head(self) -> Head:
        before = self._pool.newest
        rows = self._pool.read(statements.HEAD)
        return self._saw(Head(*rows[0]) if rows else EMPTY, before)

    def ends_at(self, head: Head) -> bool:
        return self.head() == head

    def rows(self, after: int = 0) -> Iterator[JournalRow]:
        while True:
            page = self._rows(statements.ROWS, statements.ROWS_1, (after, PAGE_ROWS, PAGE_BYTES))
            if not page:
                return
            yield from page
            after = page[-1].first_position

    def row_at(self, position: int) -> JournalRow | None:
        for row in self._rows(statements.ROW_AT, statements.ROW_AT_1, (position,)):
            return row if row.last_position >= position else None
        return None

    def _rows(self, query: str, query_of_format_1: str, parameters: tuple[int, ...]) -> list[JournalRow]:
        if self._schema < DETAILED:
            found = self._pool.read(query_of_format_1, parameters)
            if all(version < DETAILED for *_, version in found):
                return [JournalRow(*columns[:-1]) for columns in found]
            self._schema = DETAILED
        return list(map(JournalRow._make, self._pool.read(query, parameters)))

    @property
    def takes_details(self) -> bool:
        if self._schema < DETAILED:
            self._schema = self._schema_version()
        return self._schema >= DETAILED

    @property
    def is_of_format_1(self) -> bool:
        return not self.takes_details

    def _schema_version(self) -> int:
        return self._pool.read(statements.SCHEMA_VERSION)[0][0]

    def metadata(self, entries: Collection[int]) -> Mapping[int, MetadataRow]:
        rows = self._pool.read(statements.METADATA, (list(entries),)) if self.takes_details else ()
        return {entry: MetadataRow(entry, salt, content.decode()) for entry, salt, content in rows}

    def metadata_entries(self) -> Iterator[int]:
        after = -(2**63)
        while self.takes_details:
            page = [entry for (entry,) in self._pool.read(statements.METADATA_ENTRIES, (after, PAGE_ROWS))]
            if not page:
                return
            yield from page
            after = page[-1]

    def bodies(self, position: int, count: int) -> Sequence[Body]:
        wanted = {"position": position, "size": count, "bytes": PAGE_BYTES}
        return list(map(Body._make, self._pool.read(statements.BODIES, wanted)))

    def stream_parts(self, stream: str, gt: int, lte: int, count: int, *, descending: bool = False) -> Sequence[StreamPart]:
        query = statements.PARTS_DESCENDING if descending else statements.PARTS_ASCENDING
        wanted = {"stream": _escaped(stream), "gt": gt, "lte": lte, "size": count, "bytes": SMALL_BYTES, "small": SMALL}
        return list(map(StreamPart._make, self._pool.read(query, wanted)))

    def last_entries(self, streams: Collection[str]) -> Mapping[str, StreamEntry]:
        found = self._entries(self._pool.read(statements.LAST_ENTRIES, ([_escaped(stream) for stream in streams],)))
        return {entry.stream: entry for entry in found}

    def stream(self, stream: str, gt: int = -1, lte: int = VERSION_MAX, *, descending: bool = False) -> Iterator[StreamEntry]:
        query = statements.STREAM_DESCENDING if descending else statements.STREAM_ASCENDING

        def read(gt: int, lte: int, size: int) -> list[StreamEntry]:
            return self._entries(self._pool.read(query, {"stream": _escaped(stream), "gt": gt, "lte": lte, "size": size}))

        return entries_in_pages(read, gt, lte, descending=descending)

    def streams(self) -> Iterator[StreamEntry]:
        after = ("", -1)
        while True:
            page = self._entries(self._pool.read(statements.STREAMS, (*after, PAGE_ROWS)))
            if not page:
                return
            yield from page
            after = (_escaped(page[-1].stream), page[-1].last_version)

    def _entries(self, rows: list[tuple[Any, ...]]) -> list[StreamEntry]:
        return [StreamEntry(_unescaped(stream.decode()), *rest) for stream, *rest in rows]

    def _saw(self, head: Head, before: Head) -> Head:
        """Raises `CorruptJournal` where the journal ends earlier than was seen `before`, or elsewhere."""
        if head.position < before.position or (head.position == before.position and head.digest != before.digest):
            raise gone(self.address, before)
        self._pool.saw(head)
        return head

    # Writing.

    def writing(self) -> AbstractContextManager[Head]:
        return _Writing(self)

    def begin(self) -> Head:
        """Takes the turn among all writers, in this process and elsewhere, and gives the head. `end` gives it back.

        Nothing is recorded by that, so where the connection is lost it is done again on a new one. Raises
        `StorageUnavailable`, also where somebody else does not give back the turn.
        """
        self._turn.__enter__()
        try:
            if self._pool.is_alone:
                self._pool.wait_for_standby()
            before = self._pool.newest
            turn = self._begun()
            if turn.schema_version != self._schema:  # it was upgraded, and the turn may be another lock now
                self._schema = turn.schema_version
                self._pool.end_transaction()
                turn = self._begun()
            self._pool.backend, self.server_time = turn.backend, turn.server_time
            return self._saw(turn.head, before)
        except BaseException:
            self.end()
            raise

    def _begun(self) -> Turn:
        """The turn, on a new connection where the last one is lost."""
        pool = self._pool
        for attempt in range(1, BEGIN_ATTEMPTS + 1):
            connection = pool.writer()
            try:
                if pool.lending is None:
                    return take_turn(connection, self.address, pool.ledger, pool.role, self._schema)
                with pool.lending.asking_for_turn():
                    turn = take_turn(connection, self.address, pool.ledger, pool.role, self._schema)
                    pool.lending.lend(connection)
                return turn
            except psycopg.errors.LockNotAvailable as error:
                pool.end_transaction()
                raise StorageUnavailable(self._kept_by()) from error
            except psycopg.Error as error:
                pool.drop_writer()
                if attempt == BEGIN_ATTEMPTS or not is_lost(error):
                    raise translated(self.address, error) from error
        raise StorageUnavailable(f"{self.address.name}: its connections were dropped while it waited for the turn")

    def _kept_by(self) -> str:
        """What is told who did not get the turn: who has it and since when, as far as this role may see that."""
        reason = f"{self.address.name}: somebody else has kept the turn to write for {settings.LOCK_SECONDS} s"
        found = self._pool.read_statement(holder(self.address, self._pool.ledger, self._schema))
        if not found:
            return f"{reason}, and has given it back by now; nothing was recorded"
        pid, name, since = found[0]
        who = f"process {pid} of the server"
        if name:
            who += f" ({name.decode()})"
        if since:
            who += f", in a transaction since {since.decode()}"
        return f"{reason}: {who}; nothing was recorded. Its end, or pg_terminate_backend({pid}), gives it back"

    def end(self) -> None:
        """Gives back the turn; what was not committed is rolled back."""
        try:
            self._pool.end_transaction()
        finally:
            self._turn.__exit__()

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        if row.details is not None and self._schema < DETAILED:
            raise SchemaTooOld(ledger=self.address.name)
        if self._pool.lending is not None:
            self._pool.lending.take_back()
        connection = self._pool.in_transaction()
        if connection is None:
            raise StorageUnavailable(f"{self.address.name}: the turn to write was lost, nothing was recorded")
        try:
            if len(row.body) <= AT_ONCE_BYTES or self._schema < GUARDED:
                append = self._append_of(row, entries, metadata)
            else:
                connection.execute(self._append_large, _parameters(row, entries, metadata))
                append = b"COMMIT"
            cursor = connection.execute(append, prepare=False)
            while cursor.nextset():
                pass
            if cursor.statusmessage != "COMMIT":
                raise UnclearOutcome(f"the server answered {cursor.statusmessage!r} to COMMIT")
        except psycopg.Error as error:
            raise self._append_failed(connection, error) from error
        if connection.is_alone:
            connection.is_alone, self._pool.is_alone = False, True
            raise UnclearOutcome(f"{self.address.name}: {ALONE}")
        self._pool.saw(row.head())

    def _append_of(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange) -> bytes:
        """The text that appends a row and commits."""
        if self._schema >= GUARDED:
            return self._append % _literals(row, entries, metadata)
        append = statements.in_schema(statements.APPEND_1, self.address.schema)
        details = b"" if self._schema < DETAILED else b", " + _details(row)
        beside = b""
        if metadata is not NO_METADATA:
            added = (*_columns_of_metadata(metadata), len(metadata.added), numbers(metadata.erased))
            beside = statements.in_schema(statements.METADATA_1, self.address.schema) % added
        return append % _literals_1(row, details, entries, self.channel, beside)

    def _append_failed(self, connection: Connection, error: psycopg.Error) -> Exception:
        """The transaction being open still is the server's word that nothing was recorded."""
        if connection.info.transaction_status not in (TransactionStatus.INERROR, TransactionStatus.INTRANS):
            self._pool.drop_writer()
            return UnclearOutcome(f"{self.address.name}: {said_by(error)}")
        if error.sqlstate in ("23000", "23505"):
            return Overtaken(f"{self.address.name}: {said_by(error)}")
        return translated(self.address, error)

    def upgrade(self) -> bool:
        with self._turn:
            connection = self._pool.writer()
            upgraded = upgrade_schema(self.address, connection)
            self._pool.is_alone |= connection.is_alone
        self._schema = GUARDED
        return upgraded

    def has_recorded(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> bool:
        """Finds out by recording it again, where its place is free: a look alone would miss a commit still under way.

        Once this has the turn, the connection that was lost has done what it ever will. Where it stands, a standby has it too,
        if one has to.
        """
        with self._turn:
            for _ in range(RECORD_ATTEMPTS):
                if self._pool.is_alone:
                    raise StorageUnavailable(f"{self.address.name}: {ALONE}")
                self.reopen()
                with self.writing() as head:
                    if head.position >= row.first_position:
                        found = self.row_at(row.first_position)
                        if found is None or found.digest != row.digest:
                            return False
                        self._pool.is_alone = self.address.durable
                        break
                    if head.position + 1 != row.first_position or digest_of(head.digest, row) != row.digest:
                        return False
                    try:
                        self.append(row, entries, metadata)
                        return True
                    except (StorageError, Overtaken):  # the server has refused it
                        return False
                    except UnclearOutcome:
                        continue
            else:
                raise StorageUnavailable(f"{self.address.name}: every attempt to commit was interrupted")
            self._pool.wait_for_standby()
        return True

    def reopen(self) -> None:
        self._pool.reopen()

    def close(self) -> None:
        self._pool.close()


class _Writing:
    """While it is entered nobody else, in no thread or process, can append."""

    def __init__(self, journal: PostgresJournal) -> None:
        self._journal = journal

    def __enter__(self) -> Head:
        return self._journal.begin()

    def __exit__(self, *error: object) -> None:
        self._journal.end()


def _literals(row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange) -> tuple[int | bytes, ...]:
    """What `APPEND` is filled with."""
    first, last, recorded_at, keys, transactions, body, digest, _ = row
    return (
        *(first, last, recorded_at, text(keys), text(transactions), text(body), bytea(digest)),
        _details(row),
        *_columns(entries),
        *_columns_of_metadata(metadata),
        numbers(metadata.erased) if metadata.erased else _NONE,
    )


def _parameters(row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange) -> tuple[Any, ...]:
    """The same as parameters."""
    added, salts, contents = zip(*metadata.added, strict=True) if metadata.added else ((), (), ())
    return (
        *(*row[:3], row.keys.decode(), row.transactions.decode(), row.body.decode(), row.digest),
        None if row.details is None else row.details.decode(),
        [_escaped(entry.stream) for entry in entries],
        *([entry.last_version for entry in entries], [entry.first_version for entry in entries]),
        *(list(added), list(salts), list(contents), list(metadata.erased)),
    )


def _literals_1(
    row: JournalRow, details: bytes, entries: Sequence[StreamEntry], channel: str, beside: bytes
) -> tuple[int | bytes, ...]:
    """What `APPEND_1` is filled with."""
    first, last, recorded_at, keys, transactions, body, digest, _ = row
    names = [key.key for key in decode_keys(row)]
    return (
        *(first, last, recorded_at, text(keys), text(transactions), text(body), bytea(digest), details),
        *(first, *_columns(entries)),
        *(first, texts(names)),
        *(channel.encode(), last, len(entries), len(names), beside),
    )


def _details(row: JournalRow) -> bytes:
    return b"NULL" if row.details is None else text(row.details)


def _columns(entries: Sequence[StreamEntry]) -> tuple[bytes, bytes, bytes]:
    """Names as they are stored, last and first versions."""
    return (
        texts([_escaped(entry[0]) for entry in entries]),
        numbers([entry[2] for entry in entries]),
        numbers([entry[1] for entry in entries]),
    )


def _columns_of_metadata(metadata: MetadataChange) -> tuple[bytes, bytes, bytes]:
    if not metadata.added:
        return _NONE, _NONE, _NONE
    entries, salts, contents = zip(*metadata.added, strict=True)
    return numbers(entries), byteas(salts), texts(contents)


def _escaped(stream: str) -> str:
    """A stream's name as it is stored: PostgreSQL's texts hold every character but U+0000, which is written as `\\0`."""
    return stream.replace("\\", r"\\").replace("\0", r"\0") if "\\" in stream or "\0" in stream else stream


def _unescaped(stored: str) -> str:
    if "\\" not in stored:
        return stored
    return "\\".join(part.replace(r"\0", "\0") for part in stored.split(r"\\"))
