"""The core of a ledger: its journal, the books at its head, and the queue of those who commit; and whether they are open.

A ledger holds it, blocking or awaited, and so does each of its parts that reads or commits. Users hold the ledger.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from tallystick.domain.books.pending import Pending
from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.errors import (
    CorruptJournal,
    InvalidRequest,
    LedgerClosed,
    LedgerReadOnly,
    StorageUnavailable,
    TransactionClosed,
)
from tallystick.domain.events import Released
from tallystick.domain.integers import as_int
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import Expire
from tallystick.domain.values.curve import CURVES, CurveMaker
from tallystick.domain.values.entry_details import EntryDetails
from tallystick.domain.values.instant import to_microseconds
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.commit.group import LedgerGroup
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.member import Committed, TransactionMember
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.group_commit.group_commit import GroupCommit
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.indexes.past.past_index import NoIndex, PastIndex, Progress
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.port import MAX_CLOCK_LEAP, Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.ledger.expiry import Expiry
from tallystick.infrastructure.ledger.running.turns import Turns
from tallystick.infrastructure.system.forked_children import bring_to_rest_in_forks, close_in_children


class LedgerCore:
    """What one ledger is made of. Whoever looks at the `books` enters `locked`."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], int] | None,
        new_hold_id: Callable[[], str],
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        curves: Mapping[str, CurveMaker] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.journal = journal
        self.read_only = read_only
        self.clock, self.contracts_in_memory = clock, contracts_in_memory
        self.forked_at: int | None = None
        self.curves: Mapping[str, CurveMaker] = {**CURVES, **(curves or {})}
        self.keeper = Bookkeeper(journal, clock, new_hold_id, contracts_in_memory, self.curves)
        self.queue = self._new_queue()
        self.books = self.keeper.books
        self.expiry = Expiry(self.expire_due)
        self.turns = Turns(time.monotonic)
        self.has_random_ids = new_hold_id is _random_id
        self.is_closed = self._is_journal_closed = False
        self.is_inherited = False
        """Whether this process was forked from the one that opened it."""
        self._at_rest = ExitStack()
        bring_to_rest_in_forks(self)
        close_in_children(self)

    def _new_queue(self) -> CommitQueue[TransactionMember]:
        if self.read_only:
            return CommitQueue(_refuse)
        return CommitQueue(GroupCommit(self.journal, partial(LedgerGroup, self.keeper)))

    def close(self) -> None:
        """Closes the journal once all who commit are done. Interrupted, close it again.

        `TransactionClosed` in the midst of a commit of this very thread; it stays open then.
        """
        was_closed, self.is_closed = self.is_closed, True
        if not self._is_journal_closed:
            try:
                self.queue.close()
                self.expiry.stop()
                if self.keeper.past is not None:
                    self.keeper.past.close()
                self.keeper.close()
            except TransactionClosed:
                self.is_closed = was_closed
                raise
            self.journal.close()
            self._is_journal_closed = True

    def rest_before_fork(self) -> None:
        """Of one in memory a child has a copy, which must not be in the midst of a commit or of what a commit changes."""
        if isinstance(self.journal, MemoryJournal):
            self._at_rest.enter_context(self.journal.writing())
            self._at_rest.enter_context(self.locked())

    def go_on_after_fork(self) -> None:
        """The next commit may begin."""
        self._at_rest.close()

    def close_in_child(self) -> None:
        """A forked child opens a ledger of its own; one in memory is a copy, and the child's, but for who committed in it."""
        self.is_inherited = True
        self.expiry = Expiry(self.expire_due)
        self.turns = Turns(time.monotonic)
        self.queue = self._new_queue()
        if self.keeper.past is not None:
            self.keeper.past.begin_in_child()
        if not isinstance(self.journal, MemoryJournal):
            self.is_closed = self._is_journal_closed = True
            self.keeper.forget_threads()

    @property
    def position(self) -> int:
        """Up to where the journal is in the books, which have reached its head. They are locked."""
        return self.keeper.state.head.position

    def receipt_of(self, key: str) -> Receipt | None:
        """The receipt of the entry that used the idempotency key, up to the journal's head; None where none did."""
        return self.keeper.receipt_of(key)

    def positions_of_reference(self, reference: str) -> Sequence[int]:
        """The first positions of the commits that may have an entry with the reference, ascending."""
        with self.locked():
            self.reach_head()
            return self.keeper.positions_of_reference(reference)

    @property
    def past(self) -> PastIndex | None:
        """The index of what there was before, which is built when it is asked for something; None where there is to be none."""
        index = self.keeper.past
        if index is None or not index.is_current:
            with self.locked():
                former = self.keeper.past
                if former is None or not former.is_current:
                    self.keeper.past = PastIndex(self.journal, self.curves)
                    if former is not None:
                        former.close()
                index = self.keeper.past
        return index

    def index_past(self, progress: Progress | None = None) -> int:
        """Has that index reach the journal's end, and gives up to which position it reaches. Raises `StorageUnavailable`."""
        with self.locked():
            self.reach_head()  # which raises `CorruptJournal`
            head = self.position
        index = self.past
        if index is None:
            raise StorageUnavailable("a fork has no index of the past of its own")
        try:
            return index.reach(head, progress).head.position
        except NoIndex as error:
            raise StorageUnavailable(f"the past is not indexed: {error}") from error

    def follow_past(self) -> None:
        """Somebody asks what there was before: from now on the index of that is extended in the background."""
        if self.past is not None and not self.read_only:
            self.past.extending.start()

    def check_open(self) -> None:
        """Raises `LedgerClosed` where it is closed."""
        if self.is_closed:
            if self.is_inherited:
                raise LedgerClosed("the ledger is that of the process from which this one was forked: open it here")
            raise LedgerClosed("the ledger was closed")

    def check_writable(self) -> None:
        """Raises `LedgerClosed` where it is closed, and `LedgerReadOnly` where it was opened for reading alone."""
        self.check_open()
        if self.read_only:
            raise _is_read_only()

    def locked(self) -> AbstractContextManager[object]:
        """While it is entered, the books do not change, and something in them may not be durable yet."""
        return self.keeper.lock

    def reach_head(self) -> None:
        """Brings the books, which nobody else changes meanwhile, up to date, with all in them durable."""
        self.check_open()
        self.keeper.reach_head()

    def reach_head_or_pending(self) -> Pending | None:
        """The same, without waiting for a commit under way that changes cells alone: it gives what that has changed."""
        self.check_open()
        return self.keeper.reach_head_or_pending()

    def commit(
        self, operations: Sequence[Operation], request: Request | None = None, details: EntryDetails | None = None
    ) -> Committed | None:
        """Executes `operations` as one transaction on the newest state and returns when it is durable.

        None where they record nothing. Raises what the operations are refused for, `DuplicateIdempotencyKey`,
        `IdempotencyMismatch`, `CommitTooLarge`, `Conflict` and the errors of storage; but for `OutcomeUnknown`, nothing is
        changed then.
        """
        member = TransactionMember(operations, request, details)
        self.queue.run(member)
        return member.outcome()

    def expire_due(self, limit: int) -> int:
        """Releases up to `limit` holds that are due, as one transaction, and says how many. Where none is, nothing is written.

        Raises the errors of a commit.
        """
        with self.locked():
            self.reach_head()
            due_at = self.keeper.now()
            if not self.books.due(due_at, 1):
                return 0
        committed = self.commit((Expire(limit, due_at, None),))
        return 0 if committed is None else sum(isinstance(event, Released) for event in committed.events)


def open_core(
    url: str | Path,
    create: bool,
    read_only: bool,
    curves: Mapping[str, CurveMaker] | None,
    contracts_in_memory: int,
    clock: Callable[[], datetime] | None,
    ids: Callable[[], str] | None,
    max_clock_leap: timedelta | None = MAX_CLOCK_LEAP,
) -> LedgerCore:
    """The core of the ledger at `url`, as `Ledger.open` describes."""
    in_memory = as_int(contracts_in_memory)
    if in_memory is None or in_memory < 1:
        raise InvalidRequest(f"contracts_in_memory is an int, 1 or more, not {contracts_in_memory!r}")
    if curves is not None and not isinstance(curves, Mapping):
        raise InvalidRequest(f"curves map names to what makes them, not {curves!r}")
    if max_clock_leap is not None and not (isinstance(max_clock_leap, timedelta) and max_clock_leap > timedelta()):
        raise InvalidRequest(f"max_clock_leap is a timedelta above 0, or None, not {max_clock_leap!r}")
    journal = open_journal(url, create=create, read_only=read_only)
    if max_clock_leap is not MAX_CLOCK_LEAP:  # else what the address says goes
        journal.max_clock_leap = None if max_clock_leap is None else max_clock_leap // timedelta(microseconds=1)
    core = LedgerCore(
        journal,
        None if clock is None else lambda: to_microseconds(clock()),
        _random_id if ids is None else ids,
        in_memory,
        curves,
        read_only=read_only,
    )
    try:
        core.keeper.catch_up()
    except CorruptJournal:
        pass
    except BaseException:
        journal.close()
        raise
    return core


def _refuse(queue: CommitQueue[TransactionMember]) -> None:
    """What the queue of a ledger that only reads does with whoever came to it all the same."""
    members = queue.take()
    for member in members:
        member.fail(_is_read_only())
    queue.tell(members)


def _is_read_only() -> LedgerReadOnly:
    return LedgerReadOnly("the ledger was opened with read_only=True and takes no commits; nothing was recorded")


def _random_id() -> str:
    return uuid.uuid4().hex
