"""The bookkeeper: keeps the books at the journal's head, and lets nobody see what is not durable.

Books are changed in place while a commit is decided, before the store has it. From then until the store has answered the
commit is pending: who asks for cells meanwhile is told what they were before, and who asks for anything else waits. While a
commit of this process is pending nobody else can append, so there is nothing to catch up with.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import cast

from tallystick.domain.batch import numbered
from tallystick.domain.books import Books
from tallystick.domain.curve import CurveMaker
from tallystick.domain.errors import CorruptJournal, LedgerError, StorageUnavailable
from tallystick.domain.events import DomainEvent
from tallystick.domain.pending import Pending
from tallystick.infrastructure.checked_words import DamagedRun
from tallystick.infrastructure.codec import (
    Foreign,
    JournalEvent,
    Key,
    Row,
    decode_events,
    decode_keys,
    digest_of,
    may_hold_batches,
    may_hold_foreign,
)
from tallystick.infrastructure.contract_shelf import ContractShelf
from tallystick.infrastructure.contract_snapshots import Anchor
from tallystick.infrastructure.journal import EMPTY, Head, Journal, StreamEntry
from tallystick.infrastructure.request import Request
from tallystick.infrastructure.stream_versions import StreamVersions
from tallystick.infrastructure.transfer_id_index import TransferIdIndex
from tallystick.infrastructure.used_keys import UsedKeys

AT_ONCE_SECONDS = 0.005
"""So long a lock is waited for where nothing is to be waited for."""


class Bookkeeper:
    """The books of one journal, and what is derived from it beside them."""

    def __init__(
        self, journal: Journal, clock: Callable[[], int], contracts_in_memory: int, curves: Mapping[str, CurveMaker]
    ) -> None:
        self.journal = journal
        self._clock = clock
        self._shelf = ContractShelf(journal, self._anchor)
        self.books = Books(self._shelf, contracts_in_memory, curves)
        self.lock = threading.RLock()
        self._decided = threading.Condition(self.lock)
        self._pending: Sequence[DomainEvent] | None = None
        self._pending_changes: Pending | None = None
        self.standing = _Standing(self)
        self.cells = _Cells(self)
        self.keys = UsedKeys(journal)
        self.transfer_ids = TransferIdIndex()
        self.reset()

    def reset(self) -> None:
        """Drops all that is in memory, to be read again from the journal, which knows what stands."""
        with self.lock:
            self.books.reset()
            self._shelf.forget()
            self.head = EMPTY
            self.keys.close()
            self.keys = UsedKeys(self.journal)
            self.transfer_ids.close()
            self.transfer_ids = TransferIdIndex(self.journal.cache_folder)
            self._versions = StreamVersions()
            self._behind = True
            self.settle()

    def _anchor(self, contract: str) -> Anchor:
        return Anchor(self.head.position, self.head.digest, self._versions.of(contract))

    def close(self) -> None:
        """Puts the contracts in memory on the shelf, and waits until they are there."""
        with self.standing:
            self._shelf.close(self.books.contracts.in_memory())
            self.keys.close()
            self.transfer_ids.close()

    def now(self) -> int:
        """The time in microseconds in UTC, never before the newest commit's."""
        return max(self._clock(), self.head.recorded_at)

    # What is pending.

    def is_pending(self) -> bool:
        """Whether the books have changes of a commit that the store has not answered yet."""
        return self._pending is not None

    def await_answer(self, events: Sequence[DomainEvent]) -> None:
        """From here on `events`, which the books have, are pending."""
        self._pending = events

    def settle(self) -> None:
        """Nothing is pending any more."""
        self._pending = self._pending_changes = None
        self._decided.notify_all()

    def wait(self) -> None:
        """Returns when nothing is pending; `lock` is held, and given up meanwhile."""
        while self._pending is not None:
            self._decided.wait()

    def pending_changes(self) -> Pending | None:
        """What is pending in cells; waits where that cannot be told. `lock` is held."""
        if self._pending is None:
            return None
        if self._pending_changes is None:
            if not Pending.are_known(self._pending):
                self.wait()
                return None
            self._pending_changes = Pending(self._pending)
        return self._pending_changes

    # Reading the journal.

    def catch_up(self) -> bool:
        """Brings the books to the journal's head, and says whether that changed them. Raises `CorruptJournal`."""
        with self.lock:
            if self._pending is not None or self._is_at_head():
                return False
            self._behind = True
            before = self.head
            try:
                self._read_on()
            except LedgerError:
                raise
            except BaseException:
                self.reset()  # interrupted who knows where
                raise
            self._behind = False
            return self.head != before

    def _is_at_head(self) -> bool:
        return not self._behind and self.journal.ends_at(self.head.position)

    def stand_at(self, head: Head) -> None:
        """Brings the books to `head`, where the journal ends; `CorruptJournal` where it does not lead there."""
        if self._behind or head != self.head:
            self._read_on()
            if head != self.head:
                raise CorruptJournal(
                    f"the store ends there, and this ledger has read up to position {self.head.position}",
                    position=head.position,
                )
            self._behind = False

    def advance(self, row: Row, events: Sequence[JournalEvent], keys: Sequence[Key], entries: Sequence[StreamEntry]) -> None:
        """The row stands, and the books have its changes."""
        self.keys.add(keys, row.first_position)
        self.head = Head(row.last_position, row.digest, row.recorded_at)
        self._versions.advance(entries)
        if may_hold_batches(row.body):
            self.transfer_ids.note(events)
        self.books.forget()

    def entries(self, events: Sequence[JournalEvent], row: Row) -> Sequence[StreamEntry]:
        """The stream entries of the next row."""
        return self._versions.entries(events, row)

    def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used."""
        with self.lock:
            try:
                self.keys.check_unused(request)
                return
            except DamagedRun:
                self.reset()  # the journal knows all keys
            self.catch_up()
            try:
                self.keys.check_unused(request)
            except DamagedRun as error:
                raise StorageUnavailable(f"the cache beside the journal is damaged: {error}") from error

    def check_unused_at_head(self, request: Request) -> None:
        """The same up to the journal's head. A store that keeps keys knows them without the books, which it leaves alone."""
        if self.journal.keeps_keys:
            self.keys.check_unused(request)
        else:
            self.catch_up()
            self.check_unused(request)

    def check_unused_at_once(self, request: Request) -> bool:
        """The same where nothing has to be waited for or read, else false."""
        if self.journal.keeps_keys or not self.lock.acquire(timeout=AT_ONCE_SECONDS):
            return False
        try:
            if self._pending is None and not self._is_at_head():
                return False
            self.check_unused(request)
        finally:
            self.lock.release()
        return True

    def _read_on(self) -> None:
        for row in self.journal.rows(after=self.head.position):
            self._read(row)

    def _read(self, row: Row) -> None:
        position = row.first_position
        if position != self.head.position + 1:
            raise CorruptJournal(f"position {self.head.position + 1} is missing", position=self.head.position + 1)
        if digest_of(self.head.digest, row) != row.digest:
            raise CorruptJournal("its digest does not fit", position=position)
        events = decode_events(row)
        try:
            if may_hold_foreign(row.body):
                events = self._apply_own(events, position)
            else:
                self.books.apply_commit(cast(list[DomainEvent], events), position)
        except (LookupError, ArithmeticError, ValueError) as error:
            self.reset()
            raise CorruptJournal(f"its events cannot have happened: {error!r}", position=position) from error
        self.advance(row, events, decode_keys(row), self._versions.entries(events, row))

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


class _Standing:
    """While it is entered the books do not change, and nothing in them is pending."""

    def __init__(self, keeper: Bookkeeper) -> None:
        self._keeper = keeper

    def __enter__(self) -> None:
        self._keeper.lock.acquire()
        try:
            self._keeper.wait()
        except BaseException:
            self._keeper.lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._keeper.lock.release()


class _Cells:
    """While it is entered the books do not change; entering gives what is pending in their cells."""

    def __init__(self, keeper: Bookkeeper) -> None:
        self._keeper = keeper

    def __enter__(self) -> Pending | None:
        self._keeper.lock.acquire()
        try:
            return self._keeper.pending_changes()
        except BaseException:
            self._keeper.lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._keeper.lock.release()
