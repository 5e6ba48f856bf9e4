"""A journal in a PostgreSQL database, which many processes and machines may share.

Writers queue on an advisory lock, so that each reads the head that it must follow. A commit takes two round trips: one
begins a transaction, waits for the turn and reads the head, one appends everything in a single statement and commits.
Readers have connections of their own and page, so that neither a writer nor a long read holds up anybody.

A notification with the new last position goes out with each commit, on the channel `tallystick_` and the ledger's id. It is
a hint and no more: who listens must also look from time to time, for a notification can be lost with its connection.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, LiteralString

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
from tallystick.infrastructure.journal.stores.postgres import statements
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.connection import Connection, is_lost, translated
from tallystick.infrastructure.journal.stores.postgres.pool import PostgresPool, gone
from tallystick.infrastructure.journal.stores.postgres.schema import DETAILED, upgrade_schema
from tallystick.infrastructure.system.fair_lock import FairLock
from tallystick.infrastructure.system.own_folder import CacheFolder

PIPELINED_BYTES = 2**16
"""So much is sent with the COMMIT behind it in one round trip; of more, the server's answer is waited for first."""
BEGIN_ATTEMPTS = 3
RECORD_ATTEMPTS = 3


class PostgresJournal(Journal):
    """The journal at `address`, whose schema is made where it is missing and `create` allows it.

    Where it is durable, a server that runs with `fsync=off` is refused: it would promise what it does not keep. Where it is
    `read_only` that is nobody's concern, and nothing is written beside it either.
    """

    keeps_keys = True

    def __init__(self, address: PostgresAddress, *, create: bool = True, read_only: bool = False) -> None:
        self.address = address = address._replace(durable=False) if read_only else address
        self._read_only = read_only
        self._turn = FairLock()
        self._pool = PostgresPool(address, create=create)
        self._cache = CacheFolder(address.cache_folder(self._pool.ledger.id))
        self._schema = self._schema_version()
        self._begin = statements.BEGIN.format(lock=self._pool.ledger.lock).encode()

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

    def _rows(self, query: LiteralString, query_of_format_1: LiteralString, parameters: tuple[int, ...]) -> list[JournalRow]:
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
            for attempt in range(1, BEGIN_ATTEMPTS + 1):
                connection = self._pool.writer()
                before = self._pool.newest
                try:
                    cursor = connection.execute(self._begin, prepare=False)
                    while cursor.nextset():
                        pass
                    columns = cursor.fetchone()
                except psycopg.Error as error:
                    self._pool.drop_writer()
                    if attempt == BEGIN_ATTEMPTS or not is_lost(error):
                        raise translated(self.address, error) from error
                    continue
                if columns is None:
                    return self._saw(EMPTY, before)
                *head, self.server_time = columns
                return self._saw(Head(*head), before)
            raise AssertionError("the last attempt returns or raises")
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Gives back the turn; what was not committed is rolled back."""
        try:
            self._pool.end_transaction()
        finally:
            self._turn.__exit__()

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        if row.details is not None and self._schema < DETAILED:
            raise SchemaTooOld(ledger=self.address.name)
        connection = self._pool.in_transaction()
        if connection is None:
            raise StorageUnavailable(f"{self.address.name}: the turn to write was lost, nothing was recorded")
        is_detailed = self._schema >= DETAILED
        parameters = _parameters(row if is_detailed else row[:-1], row, entries, self.channel)
        try:
            with connection.pipeline() if _bytes_of(row, metadata) <= PIPELINED_BYTES else nullcontext():
                connection.execute(statements.APPEND if is_detailed else statements.APPEND_1, parameters)
                if metadata is not NO_METADATA:
                    _change_metadata(connection, metadata)
                # Never prepared: behind a refused statement psycopg would take it for prepared when it is not.
                committed = connection.execute("COMMIT", prepare=False)
            if committed.statusmessage != "COMMIT":
                raise UnclearOutcome(f"the server answered {committed.statusmessage!r} to COMMIT")
        except psycopg.Error as error:
            raise self._append_failed(connection, error) from error
        self._pool.saw(Head(row.last_position, row.digest, row.recorded_at))

    def _append_failed(self, connection: Connection, error: psycopg.Error) -> Exception:
        """The transaction being open still is the server's word that nothing was recorded."""
        if connection.info.transaction_status not in (TransactionStatus.INERROR, TransactionStatus.INTRANS):
            self._pool.drop_writer()
            return UnclearOutcome(f"{self.address.name}: {str(error).strip()}")
        if error.sqlstate == "26000":  # a statement that the connection believes to be prepared is not
            self._pool.drop_writer()
        if error.sqlstate in ("23000", "23505"):
            return Overtaken(f"{self.address.name}: {str(error).strip()}")
        return translated(self.address, error)

    def upgrade(self) -> bool:
        with self._turn:
            upgraded = upgrade_schema(self.address, self._pool.writer())
        self._schema = DETAILED
        return upgraded

    def has_recorded(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> bool:
        """Finds out by recording it again, where its place is free: a look alone would miss a commit still under way.

        Once this has the turn, the connection that was lost has done what it ever will.
        """
        with self._turn:
            for _ in range(RECORD_ATTEMPTS):
                self.reopen()
                with self.writing() as head:
                    if head.position >= row.first_position:
                        found = self.row_at(row.first_position)
                        return found is not None and found.digest == row.digest
                    if head.position + 1 != row.first_position or digest_of(head.digest, row) != row.digest:
                        return False
                    try:
                        self.append(row, entries, metadata)
                        return True
                    except (StorageError, Overtaken):  # the server has refused it
                        return False
                    except UnclearOutcome:
                        continue
        raise StorageUnavailable(f"{self.address.name}: every attempt to commit was interrupted")

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


def _bytes_of(row: JournalRow, metadata: MetadataChange) -> int:
    """About how much an append sends."""
    return len(row.body) + len(row.details or b"") + sum([len(added.content) for added in metadata.added])


def _change_metadata(connection: Connection, metadata: MetadataChange) -> None:
    """In the transaction of the row that says so, and after it, as the triggers want. Never prepared, like COMMIT."""
    if metadata.added:
        entries, salts, contents = zip(*metadata.added, strict=True)
        connection.execute(statements.ADD_METADATA, (list(entries), list(salts), list(contents)), prepare=False)
    if metadata.erased:
        connection.execute(statements.ERASE_METADATA, (list(metadata.erased),), prepare=False)


def _parameters(columns: Sequence[Any], row: JournalRow, entries: Sequence[StreamEntry], channel: str) -> tuple[Any, ...]:
    """What `APPEND` takes; the columns of the row that are texts come as bytes."""
    first, last = row.first_position, row.last_position
    streams, first_versions, last_versions, positions = zip(*entries, strict=True) if entries else ((), (), (), ())
    return (
        *(*columns[:3], *(text.decode() for text in columns[3:6]), row.digest),
        *(None if text is None else text.decode() for text in columns[7:]),
        *([_escaped(stream) for stream in streams], list(last_versions), list(first_versions), list(positions)),
        *(first, [key.key for key in decode_keys(row)]),
        *(channel, str(last)),
    )


def _escaped(stream: str) -> str:
    """A stream's name as it is stored: PostgreSQL's texts hold every character but U+0000, which is written as `\\0`."""
    return stream.replace("\\", r"\\").replace("\0", r"\0") if "\\" in stream or "\0" in stream else stream


def _unescaped(stored: str) -> str:
    if "\\" not in stored:
        return stored
    return "\\".join(part.replace(r"\0", "\0") for part in stored.split(r"\\"))
