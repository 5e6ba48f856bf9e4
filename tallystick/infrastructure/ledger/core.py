"""The core of a ledger: its journal, the books at its head, and the queue of those who commit; and whether they are open.

A ledger holds it, blocking or awaited, and so does each of its parts that reads or commits. Users hold the ledger.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path

from tallystick.domain.books.pending import Pending
from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.errors import CorruptJournal, InvalidRequest, LedgerClosed, TransactionClosed
from tallystick.domain.operation import Operation
from tallystick.domain.values.curve import CURVES, CurveMaker
from tallystick.domain.values.instant import to_microseconds
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.commit.group import LedgerGroup
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.member import Committed, TransactionMember
from tallystick.infrastructure.group_commit.group_commit import GroupCommit
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.system.forked_children import close_in_children


class LedgerCore:
    """What one ledger is made of. Whoever looks at the `books` enters `locked`."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], int] | None,
        new_hold_id: Callable[[], str],
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        curves: Mapping[str, CurveMaker] | None = None,
    ) -> None:
        self.journal = journal
        self.keeper = Bookkeeper(journal, clock, new_hold_id, contracts_in_memory, {**CURVES, **(curves or {})})
        self.queue = self._new_queue()
        self.books = self.keeper.books
        self.has_random_ids = new_hold_id is _random_id
        self.is_closed = self._is_journal_closed = False
        close_in_children(self)

    def _new_queue(self) -> CommitQueue[TransactionMember]:
        return CommitQueue(GroupCommit(self.journal, partial(LedgerGroup, self.keeper)))

    def close(self) -> None:
        """Closes the journal once all who commit are done. Interrupted, close it again.

        `TransactionClosed` in the midst of a commit of this very thread; it stays open then.
        """
        was_closed, self.is_closed = self.is_closed, True
        if not self._is_journal_closed:
            try:
                self.queue.close()
                self.keeper.close()
            except TransactionClosed:
                self.is_closed = was_closed
                raise
            self.journal.close()
            self._is_journal_closed = True

    def close_in_child(self) -> None:
        """A forked child opens a ledger of its own; one in memory is a copy, and the child's, but for who committed in it."""
        if isinstance(self.journal, MemoryJournal):
            self.queue = self._new_queue()
        else:
            self.is_closed = self._is_journal_closed = True

    def check_open(self) -> None:
        """Raises `LedgerClosed` where it is closed."""
        if self.is_closed:
            raise LedgerClosed("the ledger was closed, or another process opened it from which this one was forked")

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

    def commit(self, operations: Sequence[Operation], request: Request | None = None) -> Committed | None:
        """Executes `operations` as one transaction on the newest state and returns when it is durable.

        None where they record nothing. Raises what the operations are refused for, `DuplicateIdempotencyKey`,
        `IdempotencyMismatch`, `CommitTooLarge`, `Conflict` and the errors of storage; but for `OutcomeUnknown`, nothing is
        changed then.
        """
        member = TransactionMember(operations, request)
        self.queue.run(member)
        return member.outcome()


def open_core(
    url: str | Path,
    create: bool,
    curves: Mapping[str, CurveMaker] | None,
    contracts_in_memory: int,
    clock: Callable[[], datetime] | None,
    ids: Callable[[], str] | None,
) -> LedgerCore:
    """The core of the ledger at `url`, as `Ledger.open` describes."""
    if type(contracts_in_memory) is not int or contracts_in_memory < 1:
        raise InvalidRequest(f"contracts_in_memory is an int, 1 or more, not {contracts_in_memory!r}")
    if curves is not None and not isinstance(curves, Mapping):
        raise InvalidRequest(f"curves map names to what makes them, not {curves!r}")
    journal = open_journal(url, create=create)
    core = LedgerCore(
        journal,
        None if clock is None else lambda: to_microseconds(clock()),
        _random_id if ids is None else ids,
        contracts_in_memory,
        curves,
    )
    try:
        core.keeper.catch_up()
    except CorruptJournal:
        pass
    except BaseException:
        journal.close()
        raise
    return core


def _random_id() -> str:
    return uuid.uuid4().hex
