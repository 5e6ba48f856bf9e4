"""The committer: keeps the books at the journal's head, and is the only one who appends to it.

A commit takes the journal's lock, catches up with what others appended, executes the operations on the newest state, and
appends one row. Readers of the books take the committer's own lock, so they see what is durable and nothing else. What
fails before the row is durable is taken back; where the store cannot say whether the row stands, the books are dropped and
read again from the journal, which can.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, cast

from tallystick.domain.batch import numbered
from tallystick.domain.batch_decisions import Refusal
from tallystick.domain.batch_request import BatchRequest
from tallystick.domain.books import Books
from tallystick.domain.curve import CurveMaker
from tallystick.domain.errors import (
    CommitTooLarge,
    CorruptJournal,
    DuplicateIdempotencyKey,
    IdempotencyMismatch,
    LedgerClosed,
    LedgerError,
    OutcomeUnknown,
    StorageError,
    StorageUnavailable,
)
from tallystick.domain.events import DomainEvent
from tallystick.domain.execution import execute, execute_batch
from tallystick.domain.operations import Operation
from tallystick.infrastructure.codec import (
    Foreign,
    JournalEvent,
    Key,
    Row,
    count_positions,
    decode_events,
    decode_keys,
    digest_of,
    encode_events,
    make_row,
    may_hold_batches,
    may_hold_foreign,
)
from tallystick.infrastructure.contract_shelf import ContractShelf
from tallystick.infrastructure.contract_snapshots import Anchor
from tallystick.infrastructure.journal import (
    EMPTY,
    Head,
    Journal,
    StreamEntry,
    UnclearOutcome,
)
from tallystick.infrastructure.keys import KeyIndex
from tallystick.infrastructure.receipt import Receipt, make_receipt, receipt_from
from tallystick.infrastructure.snapshot_keeper import SnapshotKeeper
from tallystick.infrastructure.snapshots import FrozenState
from tallystick.infrastructure.stream_versions import StreamVersions
from tallystick.infrastructure.transfer_id_index import TransferIdIndex

COMMIT_BYTES_MAX = 64 * 2**20


class Request(NamedTuple):
    """An idempotency key and the SHA-256, in hex, of the request that goes with it, if one does."""

    key: str
    digest: str | None


class Committed(NamedTuple):
    """A transaction that is durable. Its receipt is made when it is asked for, outside every lock."""

    row: Row
    events: Sequence[DomainEvent]

    def receipt(self) -> Receipt:
        """What its caller gets."""
        return make_receipt(self.row, self.row.first_position, self.events)


class CommittedBatch(NamedTuple):
    """What became of a batch: the transaction that is durable, None where no row was accepted; the rows that were refused;
    and the position at which the journal ends with that.
    """

    committed: Committed | None
    refused: Sequence[Refusal]
    position: int


Execute = Callable[[int, int], Sequence[DomainEvent]]
"""Changes the books and gives the events, from the position of the first and the time."""


class Committer:
    """The books of one journal, and the way to change them."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], int],
        new_hold_id: Callable[[], str],
        contracts_in_memory: int,
        curves: Mapping[str, CurveMaker],
    ) -> None:
        self.journal = journal
        self._shelf = ContractShelf(journal, self._anchor)
        self.books = Books(self._shelf, contracts_in_memory, curves)
        self.new_hold_id = new_hold_id
        self._clock = clock
        self._lock = threading.RLock()
        self._closed = False
        self._transfer_ids = TransferIdIndex()
        self._snapshots = SnapshotKeeper(journal)
        self._reset()

    def _reset(self) -> None:
        self.books.reset()
        self._shelf.forget()
        self._head = EMPTY
        self._keys = KeyIndex()
        self._transfer_ids.close()
        self._transfer_ids = TransferIdIndex(self.journal.cache_folder)
        self._versions = StreamVersions()
        self._behind = True

    def _anchor(self, contract: str) -> Anchor:
        return Anchor(self._head.position, self._head.digest, self._versions.of(contract))

    def close(self) -> None:
        """Puts the contracts in memory on the shelf, and waits until they are there."""
        with self._lock:
            self._closed = True
            self._snapshot_if_due()
            self._snapshots.close()
            self._shelf.close(self.books.contracts.in_memory())
            self._transfer_ids.close()

    # Snapshots.

    def snapshot(self) -> None:
        """Takes a snapshot of the newest state, and returns when it is durable; does nothing where the store has no folder.

        Raises `CorruptJournal`, `StorageFull` and `StorageUnavailable`.
        """
        with self._lock:
            self.catch_up()
            begun = self._snapshots.begin(self._freeze)
        self._snapshots.finish(begun)

    def _snapshot_if_due(self) -> None:
        if self._snapshots.is_due():
            self._snapshots.begin(self._freeze)

    def _freeze(self) -> FrozenState:
        return FrozenState(self._head, self.books.freeze(), self._versions.freeze(), {})

    def _restore(self) -> None:
        restored = self._snapshots.restore(self.books)
        if restored is None:
            return
        self._head = restored.head
        self._versions = StreamVersions(restored.versions)
        for row in self.journal.rows():
            if row.first_position > self._head.position:
                break
            self._keys.add(decode_keys(row), row.first_position)
            if may_hold_batches(row.body):
                self._transfer_ids.note(decode_events(row))

    # What a plan needs of the world.

    def now(self) -> int:
        """The time in microseconds in UTC, never before the newest commit's."""
        return max(self._clock(), self._head.recorded_at)

    def reading(self) -> AbstractContextManager[object]:
        """While it is entered, the books do not change."""
        return self._lock

    def catch_up(self) -> bool:
        """Brings the books to the journal's head, and says whether that changed them. Raises `CorruptJournal`."""
        with self._lock:
            if not (self._behind or self.journal.changed()):
                return False
            self._behind = True
            before = self._head
            try:
                self._read_on()
            except LedgerError:
                raise
            except BaseException:
                self._reset()  # interrupted who knows where: the journal knows what stands
                raise
            self._behind = False
            self._snapshot_if_due()
            return self._head != before

    # Committing.

    def commit(self, operations: Sequence[Operation], request: Request | None = None) -> Committed | None:
        """Executes `operations` as one transaction on the newest state and makes it durable.

        None where they record nothing. Raises what the operations are refused for, `DuplicateIdempotencyKey`,
        `IdempotencyMismatch`, `CommitTooLarge` and the errors of storage; but for `OutcomeUnknown`, nothing is changed then.
        """
        return self._commit(lambda position, now: execute(self.books, operations, position, now), request)

    def commit_batch(self, batch: BatchRequest, request: Request | None = None) -> CommittedBatch:
        """The same for the rows of a batch that are not refused."""
        refused: Sequence[Refusal] = ()

        def execute_rows(position: int, now: int) -> Sequence[DomainEvent]:
            nonlocal refused
            events, refused = execute_batch(self.books, batch, self._transfer_ids, position)
            return events

        with self._lock:
            committed = self._commit(execute_rows, request)
            return CommittedBatch(committed, refused, self._head.position)

    def _commit(self, execute: Execute, request: Request | None) -> Committed | None:
        with self._lock:
            if self._closed:
                raise LedgerClosed("the ledger was closed")
            try:
                with self.journal.writing() as head:
                    if self._behind or head != self._head:
                        self._read_on(head)
                    if request is not None:
                        self.check_unused(request)
                    return self._execute(execute, request)
            except LedgerError:
                raise
            except BaseException:
                self._reset()  # interrupted who knows where: the journal knows what stands
                raise

    def _execute(self, execute: Execute, request: Request | None) -> Committed | None:
        now = self.now()
        events = execute(self._head.position + 1, now)
        if not events:
            return None
        keys = () if request is None else (Key(request.key, request.digest, 0),)
        row: Row | None = None
        entries: Sequence[StreamEntry] = ()
        try:
            row = self._row(events, now, keys)
            entries = self._versions.entries(events, row)
            self.journal.append(row, entries)
        except LedgerError:
            self.books.revert(events)
            raise
        except UnclearOutcome as error:
            assert row is not None
            self._resolve(row, entries, error)
        else:
            self._advance(row, events, keys, entries)
            self._snapshot_if_due()
        return Committed(row, events)

    def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used."""
        with self._lock:
            position = self._keys.find(request.key)
            row = None if position is None else self.journal.row_at(position)
        if row is None:
            return
        for used in decode_keys(row):
            if used.key == request.key:
                differs = request.digest is not None and used.request is not None and request.digest != used.request
                error = IdempotencyMismatch if differs else DuplicateIdempotencyKey
                raise error(key=request.key, receipt=receipt_from(row, used.index))

    def _row(self, events: Sequence[DomainEvent], now: int, keys: Sequence[Key]) -> Row:
        body = encode_events(events)
        if len(body) > COMMIT_BYTES_MAX:
            raise CommitTooLarge(bytes=len(body), limit=COMMIT_BYTES_MAX)
        return make_row(self._head.digest, self._head.position + 1, now, keys, (count_positions(events, body),), body)

    def _advance(self, row: Row, events: Sequence[JournalEvent], keys: Sequence[Key], entries: Sequence[StreamEntry]) -> None:
        """The row stands, and the books have its changes."""
        self._keys.add(keys, row.first_position)
        self._head = Head(row.last_position, row.digest, row.recorded_at)
        self._versions.advance(entries)
        if may_hold_batches(row.body):
            self._transfer_ids.note(events)
        self.books.forget()
        self._snapshots.grew(row.body)

    def _resolve(self, row: Row, entries: Sequence[StreamEntry], error: UnclearOutcome) -> None:
        """Finds out whether `row` stands, and brings the books to what does."""
        self._reset()
        try:
            stands = self.journal.has_recorded(row, entries)
        except StorageError:
            raise OutcomeUnknown(f"the commit at position {row.first_position} may or may not stand: {error}") from error
        if not stands:
            raise StorageUnavailable(f"nothing was recorded: {error}") from error
        self._read_on()
        self._behind = False

    # Reading the journal.

    def _read_on(self, head: Head | None = None) -> None:
        if self._head is EMPTY:
            self._restore()
        for row in self.journal.rows(after=self._head.position):
            self._read(row)
        if head is not None and head != self._head:
            raise CorruptJournal(
                f"the store ends there, and this ledger has read up to position {self._head.position}",
                position=head.position,
            )

    def _read(self, row: Row) -> None:
        position = row.first_position
        if position != self._head.position + 1:
            raise CorruptJournal(f"position {self._head.position + 1} is missing", position=self._head.position + 1)
        if digest_of(self._head.digest, row) != row.digest:
            raise CorruptJournal("its digest does not fit", position=position)
        events = decode_events(row)
        try:
            if may_hold_foreign(row.body):
                events = self._apply_own(events, position)
            else:
                self.books.apply_commit(cast(list[DomainEvent], events), position)
        except (LookupError, ArithmeticError, ValueError) as error:
            self._reset()
            raise CorruptJournal(f"its events cannot have happened: {error!r}", position=position) from error
        self._advance(row, events, decode_keys(row), self._versions.entries(events, row))

    def _apply_own(self, events: Sequence[JournalEvent], position: int) -> list[JournalEvent]:
        """Applies the events that are not somebody else's, and gives those."""
        own: list[JournalEvent] = []
        for at, event in numbered(events, position):
            if isinstance(event, Foreign):
                self._versions.set(event.stream, event.version)
            else:
                self.books.apply(event, at)
                own.append(event)
        return own
