"""The bookkeeper: keeps the books at the journal's head, and lets nobody see what is not durable.

Books are changed in place while a commit is decided, before the store has it. From then until the store has answered the
commit is pending: who asks for cells meanwhile is told what they were before, and who asks for anything else waits. While a
commit of this process is pending nobody else can append, so there is nothing to catch up with.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from tallystick.domain.batch.batch import numbered
from tallystick.domain.books.books import Books
from tallystick.domain.books.pending import Pending
from tallystick.domain.errors import CorruptJournal, LedgerError, StorageUnavailable
from tallystick.domain.events import DomainEvent
from tallystick.domain.values.curve import CurveMaker
from tallystick.infrastructure.commit.request import Request
from tallystick.infrastructure.commit.used_keys import UsedKeys
from tallystick.infrastructure.indexes.keys import KeyIndex
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.transfer_ids import TransferIdIndex
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import (
    Foreign,
    JournalEvent,
    JournalRow,
    Key,
    decode_events,
    decode_keys,
    may_hold_batches,
    may_hold_foreign,
)
from tallystick.infrastructure.journal.port import EMPTY, Head, Journal, StreamEntry, head_after
from tallystick.infrastructure.journal.stream_versions import StreamVersions
from tallystick.infrastructure.snapshots.contract_shelf import ContractShelf
from tallystick.infrastructure.snapshots.contract_snapshots import Anchor
from tallystick.infrastructure.snapshots.keeper import Restored, SnapshotKeeper
from tallystick.infrastructure.snapshots.snapshots import FrozenState, Part

_KEYS, _IDS = "keys", "transfer_ids"
"""What is kept in a snapshot beside the books."""

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
        self._snapshots = SnapshotKeeper(journal)
        self.keys = UsedKeys(journal)
        self.transfer_ids = TransferIdIndex()
        self.is_behind = True
        self._reset()

    def drop(self) -> None:
        """Nothing in memory is trusted any more, and nothing is pending: whoever needs it next reads the journal again."""
        with self.lock:
            self.is_behind = self._is_dropped = True
            self.end_pending()

    def _reset(self) -> None:
        self._is_dropped = True  # until all of it is done, should this be interrupted
        self.books.reset()
        self._shelf.forget()
        self.head = EMPTY
        self.keys.close()
        self.keys = UsedKeys(self.journal)
        self.transfer_ids.close()
        self.transfer_ids = TransferIdIndex(self.journal.cache_folder)
        self._versions = StreamVersions()
        self._is_dropped = False

    def _anchor(self, contract: str) -> Anchor:
        return Anchor(self.head.position, self.head.digest, self._versions.of(contract))

    def close(self) -> None:
        """Puts the contracts in memory on the shelf, takes a snapshot if one is due, and waits until they are there."""
        with self.lock:
            self.wait()
            self.snapshot_if_due()
            self._snapshots.close()
            self._shelf.close(self.books.contracts.in_memory())
            self.keys.close()
            self.transfer_ids.close()

    def now(self) -> int:
        """The time in microseconds in UTC, never before the newest commit's."""
        return max(self._clock(), self.head.recorded_at)

    # What is pending.

    def await_answer(self, events: Sequence[DomainEvent]) -> None:
        """From here on `events`, which the books have, are pending."""
        self._pending = events

    def end_pending(self) -> None:
        """Nothing is pending any more."""
        self._pending = self._pending_changes = None
        self._decided.notify_all()

    def wait(self) -> None:
        """Returns when nothing is pending; `lock` is held, and given up meanwhile."""
        while self._pending is not None:
            self._decided.wait()

    def reach_head(self) -> None:
        """Returns when nothing is pending and the books are at the journal's head; `lock` is held, and given up meanwhile."""
        self.wait()
        self.catch_up()

    def reach_head_or_pending(self) -> Pending | None:
        """The same without waiting, where what is pending is in cells alone: that is what it gives then. `lock` is held."""
        if self._pending is not None:
            if self._pending_changes is None and Pending.are_known(self._pending):
                self._pending_changes = Pending(self._pending)
            if self._pending_changes is not None:
                return self._pending_changes
        self.reach_head()
        return None

    # Snapshots.

    def snapshot(self) -> None:
        """Takes a snapshot of the newest state, and returns when it is durable; nothing where the store has no folder for it.

        Raises `CorruptJournal`, `StorageFull` and `StorageUnavailable`.
        """
        with self.lock:
            self.reach_head()
            try:
                begun = self._snapshots.begin(self._freeze)
            except DamagedRun:
                self.distrust_cache()
                self.reach_head()
                begun = self._snapshots.begin(self._freeze)
        self._snapshots.finish(begun)

    def snapshot_if_due(self) -> None:
        """Has a snapshot taken in the background where the journal has grown enough. `lock` is held, and nothing is pending."""
        if self._snapshots.is_due() and not self.is_behind:
            try:
                self._snapshots.begin(self._freeze)
            except DamagedRun:
                self.distrust_cache()

    def distrust_cache(self) -> None:
        """Something derived from the journal was found damaged on disk: it is derived again."""
        with self.lock:
            self.wait()  # whoever commits will note in these very books that the commit stands
            self._snapshots.discard()
            self.drop()

    def _freeze(self) -> FrozenState:
        parts: dict[str, Part] = {_IDS: self.transfer_ids.freeze()}
        if self.keys.index is not None:
            parts[_KEYS] = self.keys.index.freeze()
        return FrozenState(self.head, self.books.freeze(), self._versions.freeze(), parts)

    def _restore(self) -> None:
        """Goes on from the newest snapshot of which everything can be read, if there is one."""
        while (restored := self._snapshots.restore(self.books)) is not None:
            try:
                self._load_parts(restored)
            except (DamagedRun, LookupError):
                self._snapshots.discard()
                self._reset()
                continue
            self._versions = StreamVersions(restored.versions)
            self.head = restored.head
            return

    def _load_parts(self, restored: Restored) -> None:
        parts, folder, cache = restored.parts, restored.folder, self.journal.cache_folder
        if self.keys.index is not None:
            index = KeyIndex.load(folder / _KEYS, parts[_KEYS], cache)
            self.keys.close()
            self.keys = UsedKeys(self.journal, index)
        ids = TransferIdIndex.load(folder / _IDS, parts[_IDS], cache)
        self.transfer_ids.close()
        self.transfer_ids = ids

    # Reading the journal.

    def catch_up(self) -> None:
        """Brings the books to the journal's head. Raises `CorruptJournal`."""
        with self.lock:
            if self._pending is None and not self._is_at_head():
                self.is_behind = True
                if not self._is_dropped:
                    self._check_is_ahead(self.journal.head())
                self._read_on()
                self.is_behind = False
                self.snapshot_if_due()

    def _is_at_head(self) -> bool:
        return not self.is_behind and self.journal.ends_at(self.head)

    def reach(self, head: Head) -> None:
        """Brings the books to `head`, where the journal ends; `CorruptJournal` where it does not lead there.

        `StorageUnavailable` where it has gone on meanwhile, because the store gave the turn to somebody else.
        """
        if self.is_behind or head != self.head:
            self._read_on()
            if head.position < self.head.position and self._leads_through(head) and self._leads_through(self.head):
                raise StorageUnavailable("the turn to write was lost, nothing was recorded")
            self._check_is_ahead(head)
            self.is_behind = False

    def _check_is_ahead(self, head: Head) -> None:
        """Raises `CorruptJournal` where a journal that ends with `head` cannot be the one that was read."""
        if head.position <= self.head.position and head != self.head:
            raise CorruptJournal(
                f"the store ends there, and this ledger has read up to position {self.head.position}", position=head.position
            )

    def _leads_through(self, head: Head) -> bool:
        """Whether the journal ended with `head` once."""
        row = self.journal.row_at(head.position)
        return head == EMPTY or (row is not None and head_after(row) == head)

    def advance(
        self, row: JournalRow, events: Sequence[JournalEvent], keys: Sequence[Key], entries: Sequence[StreamEntry]
    ) -> None:
        """The row stands, and the books have its changes."""
        self.keys.add(keys, row.first_position)
        self.head = Head(row.last_position, row.digest, row.recorded_at)
        self._versions.advance(entries)
        if may_hold_batches(row.body):
            self.transfer_ids.note(events)
        self.books.forget()
        self._snapshots.grew(row.body)

    def entries(self, events: Sequence[JournalEvent], row: JournalRow) -> Sequence[StreamEntry]:
        """The stream entries of the next row."""
        return self._versions.entries(events, row)

    def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used."""
        with self.lock:
            try:
                self.keys.check_unused(request)
                return
            except DamagedRun:
                self.distrust_cache()
            self.reach_head()
            try:
                self.keys.check_unused(request)
            except DamagedRun as error:
                raise StorageUnavailable(f"the cache beside the journal is damaged: {error}") from error

    def check_unused_at_head(self, request: Request) -> None:
        """The same up to the journal's head. A store that keeps keys knows them without the books, which it leaves alone."""
        if self.journal.keeps_keys:
            self.keys.check_unused(request)
            return
        with self.lock:
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
        if self._is_dropped:
            self._reset()
        try:
            if self.head is EMPTY:
                self._restore()
            for row in rows_after(self.journal, self.head):
                self._read(row)
        except LedgerError:
            raise
        except BaseException:
            self.drop()  # interrupted who knows where
            raise

    def _read(self, row: JournalRow) -> None:
        position = row.first_position
        events = decode_events(row)
        try:
            if may_hold_foreign(row.body):
                events = self._apply_own(events, position)
            else:
                self.books.apply_commit(cast(list[DomainEvent], events), position)
        except (LookupError, ArithmeticError, ValueError) as error:
            self.drop()
            raise CorruptJournal(f"its events cannot have happened: {error!r}", position=position) from error
        self.advance(row, events, decode_keys(row), self._versions.entries(events, row))

    def _apply_own(self, events: Sequence[JournalEvent], position: int) -> list[JournalEvent]:
        """Applies the events that are not somebody else's, and gives those."""
        own: list[JournalEvent] = []
        for at, event in numbered(events, position):
            if isinstance(event, Foreign):
                if " " not in event.stream:  # a token or a contract may get this name
                    self._versions.set(event.stream, event.version)
            else:
                self.books.apply(event, at)
                own.append(event)
        return own
