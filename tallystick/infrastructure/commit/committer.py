"""The committer: the books of one journal, and the way to change them.

Who wants to commit joins a queue, and what waits there at the same moment is committed as one group. What a caller is told
is durable.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from tallystick.domain.batch.decisions import Refusal
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.books.books import Books
from tallystick.domain.books.pending import Pending
from tallystick.domain.operation import Operation
from tallystick.domain.values.curve import CurveMaker
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.commit.group import LedgerGroup
from tallystick.infrastructure.commit.member import BatchMember, Committed, TransactionMember
from tallystick.infrastructure.commit.request import Request
from tallystick.infrastructure.group_commit.group_commit import GroupCommit
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.journal.port import Journal


class CommittedBatch(NamedTuple):
    """What became of a batch: the transaction that is durable, None where no row was accepted; the rows that were refused;
    and the position at which the journal ended with that.
    """

    committed: Committed | None
    refused: Sequence[Refusal]
    position: int


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
        self._keeper = Bookkeeper(journal, clock, contracts_in_memory, curves)
        self._queue = CommitQueue(GroupCommit(journal, partial(LedgerGroup, self._keeper)))
        self.books: Books = self._keeper.books
        self.new_hold_id = new_hold_id

    def close(self) -> None:
        """Waits until all who came before are done, and lets nobody in any more."""
        self._queue.close()
        self._keeper.close()

    # What a plan needs of the world.

    def now(self) -> int:
        """The time in microseconds in UTC, never before the newest commit's."""
        return self._keeper.now()

    def locked(self) -> AbstractContextManager[object]:
        """While it is entered, the books do not change, and something in them may not be durable yet."""
        return self._keeper.lock

    def reach_head(self) -> None:
        """Brings the books, which are still, to the journal's head, with all in them durable. Raises `CorruptJournal`."""
        self._keeper.reach_head()

    def reach_head_or_pending(self) -> Pending | None:
        """The same, but what is not durable yet may be in their cells: it gives what that is."""
        return self._keeper.reach_head_or_pending()

    @property
    def is_behind(self) -> bool:
        """Whether the journal must be read before anything can be said."""
        return self._keeper.is_behind

    def catch_up(self) -> None:
        """Brings the books to the journal's head. Raises `CorruptJournal`."""
        self._keeper.catch_up()

    def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used, up to the journal's head."""
        self._keeper.check_unused_at_head(request)

    def check_unused_at_once(self, request: Request) -> bool:
        """The same without waiting for anything, and whether that was possible."""
        return self._keeper.check_unused_at_once(request)

    @property
    def asks_the_store(self) -> bool:
        """Whether the store keeps keys, so that asking about one is a question to it."""
        return self._keeper.journal.keeps_keys

    def used_among(self, keys: Sequence[str]) -> Collection[str]:
        """Those of the keys that were used, as a store that keeps keys answers in one question."""
        return self._keeper.journal.key_positions(keys)

    def snapshot(self) -> None:
        """Takes a snapshot of the newest state, and returns when it is durable; nothing where the store has no folder for it.

        Raises `CorruptJournal`, `StorageFull` and `StorageUnavailable`.
        """
        self._keeper.snapshot()

    # Committing.

    def commit(self, operations: Sequence[Operation], request: Request | None = None) -> Committed | None:
        """Executes `operations` as one transaction on the newest state and returns when it is durable.

        None where they record nothing. Raises what the operations are refused for, `DuplicateIdempotencyKey`,
        `IdempotencyMismatch`, `CommitTooLarge`, `Conflict` and the errors of storage; but for `OutcomeUnknown`, nothing is
        changed then.
        """
        member = TransactionMember(operations, request)
        self._queue.run(member)
        return member.outcome()

    def commit_batch(self, batch: BatchRequest, request: Request | None = None) -> CommittedBatch:
        """The same for the rows of a batch that are not refused."""
        member = BatchMember(batch, request)
        self._queue.run(member)
        committed = member.outcome()
        position = member.position if committed is None else committed.row.last_position
        return CommittedBatch(committed, member.refused, position)

    def submit(self, member: TransactionMember) -> None:
        """Queues a member that is to be delivered, on some thread, when it is done. `start` has the queue looked at."""
        self._queue.submit(member)

    def start(self) -> None:
        """Has what was submitted committed."""
        self._queue.start()
