"""The bookkeeper: has a ledger's state stand at the journal's head, and lets nobody see what is not durable.

Books are changed in place while a commit is decided, before the store has it. From then until the store has answered the
commit is pending: who asks for cells meanwhile is told what they were before, as long as the store does not have it, and who
asks for anything else waits. While a commit of this process is pending nobody else can append, so there is nothing to catch up
with. So reads are linearizable: whoever asks after somebody was told or shown something is told no less.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from tallystick.domain.books.pending import Pending
from tallystick.domain.contract.contract import FrozenContract
from tallystick.domain.errors import CorruptJournal, LedgerError, SchemaTooOld, StorageUnavailable
from tallystick.domain.events import DomainEvent
from tallystick.domain.reversal.original import RecordedEntry
from tallystick.domain.values.curve import CurveMaker
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.ledger_state import LedgerState
from tallystick.infrastructure.commit.past_of_names import is_somebodys
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.commit.recorded import checked_row, entry_events
from tallystick.infrastructure.indexes.past.past_index import PastIndex
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.clock import system_time, time_of_commit
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow, Key, decode_events
from tallystick.infrastructure.journal.hold_payers import payers_of
from tallystick.infrastructure.journal.port import Journal, StreamEntry
from tallystick.infrastructure.snapshots.snapshots import FrozenState

Answer = TypeVar("Answer")
AT_ONCE_SECONDS = 0.005
"""So long a lock is waited for where nothing is to be waited for."""


class Bookkeeper:
    """The books of one journal, for those who read them, plan on them, or commit.

    `clock` gives microseconds since 1970 in UTC, None stands for the system's; `new_hold_id` an id that no hold ever had.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], int] | None,
        new_hold_id: Callable[[], str],
        contracts_in_memory: int,
        curves: Mapping[str, CurveMaker],
    ) -> None:
        self._journal = journal
        self._clock = system_time if clock is None else clock
        self.new_hold_id = new_hold_id
        self.state = LedgerState(journal, contracts_in_memory, curves)
        self.books = self.state.books
        self.lock = threading.RLock()
        self._decided = threading.Condition(self.lock)
        self.pending: Sequence[DomainEvent] | None = None
        """Events that the books have, and of which the store has not said yet whether they stand."""
        self._pending_changes: Pending | None = None
        self.is_behind = True
        self.past: PastIndex | None = None
        """The index of what there was before, once somebody asked for it; it is told how far the journal has come."""

    def drop(self) -> None:
        """Nothing in memory is trusted any more, and nothing is pending: whoever needs it next reads the journal again."""
        with self.lock:
            self.is_behind = self.state.is_void = True
            self.end_pending()

    def forget_threads(self) -> None:
        """In a forked child, where no other thread runs: the locks that they held are nobody's."""
        self.lock = threading.RLock()
        self._decided = threading.Condition(self.lock)

    def close(self) -> None:
        """Takes a snapshot if one is due, and returns when all that is kept beside the journal is there."""
        with self.lock:
            self.wait()
            self.snapshot_if_due()
            self.state.close()

    def now(self) -> int:
        """The time in microseconds in UTC, never before the newest commit's."""
        return max(self._clock(), self.state.head.recorded_at)

    def time_of_commit(self) -> int:
        """The same for a commit behind the newest, inside `writing`; `ClockLeap` where the clock is not believed."""
        return time_of_commit(self._journal, self.state.head, self._clock)

    @property
    def writes_format_1(self) -> bool:
        """Whether a row is to be of format 1 where it can be."""
        return self._journal.is_of_format_1

    def check_takes_details(self) -> None:
        """Raises `SchemaTooOld` where a row may have no details."""
        if not self._journal.takes_details:
            raise SchemaTooOld(ledger="the ledger")

    def locked(self) -> AbstractContextManager[object]:
        """While it is entered, the books do not change, and something in them may not be durable yet."""
        return self.lock

    # What is pending.

    def record(
        self, row: JournalRow, events: Sequence[DomainEvent], keys: Sequence[Key], entries: Sequence[StreamEntry]
    ) -> None:
        """The row of what was pending stands. `lock` is held."""
        self.state.note(row, events, keys, entries)
        self.end_pending()

    def end_pending(self) -> None:
        """Nothing is pending any more."""
        self.pending = self._pending_changes = None
        self._decided.notify_all()

    def wait(self) -> None:
        """Returns when nothing is pending; `lock` is held, and given up meanwhile."""
        while self.pending is not None:
            self._decided.wait()

    def reach_head(self) -> None:
        """Returns when nothing is pending and the books are at the journal's head; `lock` is held, and given up meanwhile.

        Raises `CorruptJournal`.
        """
        self.wait()
        self.catch_up()

    def reach_head_or_pending(self) -> Pending | None:
        """The same without waiting, where what is pending is in cells alone and not yet in the store: that is what it gives.

        Once the store has it others may have seen it, and whoever asks after them must: so its outcome is waited for, which is
        on its way. `lock` is held.
        """
        if self.pending is not None:
            if self._pending_changes is None and Pending.are_known(self.pending):
                self._pending_changes = Pending(self.pending)
            if self._pending_changes is not None and self._journal.ends_at(self.state.head):
                return self._pending_changes
        self.reach_head()
        return None

    # Snapshots.

    def snapshot(self) -> None:
        """Takes a snapshot of the newest state, and returns when it is durable; nothing where the store has no folder for it.

        Raises `CorruptJournal`, `StorageFull` and `StorageUnavailable`.
        """
        snapshots = self.state.snapshots
        with self.lock:
            self.reach_head()
            try:
                begun = snapshots.begin(self.state.freeze)
            except DamagedRun:
                self.distrust_cache()
                self.reach_head()
                begun = snapshots.begin(self.state.freeze)
        snapshots.finish(begun)

    def kept(self) -> tuple[FrozenState, list[FrozenContract]]:
        """The state and the contracts in memory as they stand, without reading on: what was read up to now, or else what the
        newest snapshot says.

        Raises `StorageUnavailable`.
        """
        with self.lock:
            while True:
                self.wait()
                self._begin()
                try:
                    return self.state.freeze(), self.state.freeze_contracts()
                except DamagedRun:
                    self.distrust_cache()

    def snapshot_if_due(self) -> None:
        """Has a snapshot taken in the background where the journal has grown enough. `lock` is held, and nothing is pending."""
        if self.past is not None:
            self.past.extend(self.state.head.position)
        snapshots = self.state.snapshots
        if snapshots.grown_bytes >= snapshots.due_bytes and snapshots.is_due() and not self.is_behind:
            try:
                snapshots.begin(self.state.freeze)
            except DamagedRun:
                self.distrust_cache()

    def distrust_cache(self) -> None:
        """Something derived from the journal was found damaged on disk: it is derived again."""
        with self.lock:
            self.wait()  # whoever commits will note in these very books that the commit stands
            self.state.snapshots.discard()
            self.drop()

    # Reading the journal.

    def catch_up(self) -> None:
        """Brings the books to the journal's head. Raises `CorruptJournal`."""
        with self.lock:
            if self.pending is None and not self._is_at_head():
                self.is_behind = True
                if not self.state.is_void:
                    self._check_is_ahead(self._journal.head())
                self._read_on()
                self.is_behind = False
                self.snapshot_if_due()

    def last_entries(self, streams: Collection[str]) -> Mapping[str, StreamEntry]:
        """The newest entries of streams in the journal. Raises `StorageUnavailable`."""
        return self._journal.last_entries(streams)

    def check_streams(self, events: Sequence[DomainEvent]) -> None:
        """Raises `CorruptJournal` where the table of streams goes further than the journal, so that no row of these fits.

        `lock` is held, inside `writing`, and the books are at the journal's head.
        """
        for stream, entry in self.last_entries({event.stream for event in events}).items():
            known = self.state.versions.of(stream)
            if entry.last_version > known:
                reason = f"the table of streams has version {entry.last_version} of {stream!r}, and the last one is {known}"
                raise CorruptJournal(reason, position=max(entry.first_position, 0))

    def _is_at_head(self) -> bool:
        return not self.is_behind and self._journal.ends_at(self.state.head)

    def reach(self, head: Head) -> None:
        """Brings the books to `head`, where the journal ends; `CorruptJournal` where it does not lead there.

        `StorageUnavailable` where it has gone on meanwhile, because the store gave the turn to somebody else.
        """
        if self.is_behind or head != self.state.head:
            self._read_on()
            reached = self.state.head
            if head.position < reached.position and self._leads_through(head) and self._leads_through(reached):
                raise StorageUnavailable("the turn to write was lost, nothing was recorded")
            self._check_is_ahead(head)
            self.is_behind = False

    def _check_is_ahead(self, head: Head) -> None:
        """Raises `CorruptJournal` where a journal that ends with `head` cannot be the one that was read."""
        reached = self.state.head
        if head.position <= reached.position and head != reached:
            raise CorruptJournal(
                f"the store ends there, and this ledger has read up to position {reached.position}", position=head.position
            )

    def _leads_through(self, head: Head) -> bool:
        """Whether the journal ended with `head` once."""
        row = self._journal.row_at(head.position)
        return head == EMPTY or (row is not None and row.head() == head)

    def _read_on(self) -> None:
        self._begin()
        try:
            for row in rows_after(self._journal, self.state.head):
                self._apply(row)
        except LedgerError:
            raise
        except BaseException:
            self.drop()  # interrupted who knows where
            raise

    def _begin(self) -> None:
        """Goes on from the newest snapshot where nothing was read yet, or what was read is not to be trusted."""
        state = self.state
        if state.is_void:
            state.reset()
        try:
            if state.head is EMPTY:
                state.restore()
        except LedgerError:
            raise
        except BaseException:
            self.drop()  # interrupted who knows where
            raise

    def _apply(self, row: JournalRow) -> None:
        events = decode_events(row)
        try:
            self.state.apply(row, events)
        except CorruptJournal:
            self.drop()  # a part of the row may have been applied
            raise
        except (LookupError, ArithmeticError, ValueError) as error:
            self.drop()
            raise CorruptJournal(f"its events cannot have happened: {error!r}", position=row.first_position) from error

    # Idempotency keys.

    def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used, up to the journal's head.

        A store that keeps keys knows them without the books, which it leaves alone.
        """
        if self._journal.keeps_keys:
            self.state.keys.check_unused(request)
            return
        with self.lock:
            self.catch_up()
            self._check_in_index(request)

    def check_unused_at_once(self, request: Request) -> bool:
        """The same where nothing has to be waited for or read, else false."""
        if self._journal.keeps_keys or not self.lock.acquire(timeout=AT_ONCE_SECONDS):
            return False
        try:
            if self.pending is None and not self._is_at_head():
                return False
            self._check_in_index(request)
        finally:
            self.lock.release()
        return True

    def _check_in_index(self, request: Request) -> None:
        try:
            self.state.keys.check_unused(request)  # as `_ask_index` does, with fewer calls: whoever has a key asks
        except DamagedRun:
            self._ask_derived_anew(lambda: self.state.keys.check_unused(request))

    def _ask_index(self, ask: Callable[[], Answer]) -> Answer:
        """What an index answers; one that is damaged is derived anew and asked again. `lock` is held."""
        try:
            return ask()
        except DamagedRun:
            return self._ask_derived_anew(ask)

    def _ask_derived_anew(self, ask: Callable[[], Answer]) -> Answer:
        self.distrust_cache()
        self.reach_head()
        try:
            return ask()
        except DamagedRun as error:
            raise StorageUnavailable(f"the cache beside the journal is damaged: {error}") from error

    # Looking up.

    def receipt_of(self, key: str) -> Receipt | None:
        """The receipt of the transaction that used the idempotency key, up to the journal's head; None where none did."""
        if self._journal.keeps_keys:
            return self.state.keys.receipt_of(key)
        with self.lock:
            self.reach_head()
            return self._ask_index(lambda: self.state.keys.receipt_of(key))

    def recorded(self, position: int) -> RecordedEntry | None:
        """The entry to which a position belongs, read from the journal and checked; None beyond its end."""
        row = checked_row(self._journal, position)
        if row is None:
            return None
        with self.lock:
            self.reach_head()  # names that batches gave up to there are known
        id, events = entry_events(row, position)
        return RecordedEntry(id, events, self.books.is_app, self.books.names_of, partial(self._payers_of, id))

    def is_somebodys(self, account: str) -> bool:
        """Whether anything ever left what the account can spend or was held by it, or a contract allocates it something."""
        books = self.books
        with self.lock:
            self.reach_head()
            head = self.state.head.position
            found = {token.code: books.number_of(token.code, account) for token in books.tokens()}
            numbers = {code: (number, books.names_of(code)) for code, number in found.items() if number is not None}
        return is_somebodys(self._journal, head, account, numbers)

    def _payers_of(self, entry: int, holds: Collection[str]) -> Mapping[str, str]:
        with self.lock:
            self.reach_head()
            open_ones = {hold.id: hold.payer for hold in map(self.books.hold, holds) if hold is not None}
        return open_ones | payers_of(self._journal, entry, [hold for hold in holds if hold not in open_ones])

    def positions_of_reference(self, reference: str) -> Sequence[int]:
        """The first positions of the commits that may have an entry with the reference, ascending.

        The books are at the journal's head, and `lock` is held.
        """
        return self._ask_index(lambda: self.state.references.find(reference))
