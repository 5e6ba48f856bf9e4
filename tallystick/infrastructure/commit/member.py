"""What one caller wants done to the books, as a member of a group commit, and what became of it."""

from collections.abc import Sequence

import msgspec

from tallystick.domain.batch.batch import positions_of
from tallystick.domain.batch.decisions import Refusal
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.batch.transfer_ids import UsedIds
from tallystick.domain.books.books import Books
from tallystick.domain.entry.kinds import IsApp
from tallystick.domain.events import DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.plan.execution import execute, execute_batch
from tallystick.domain.plan.tellings import Planned
from tallystick.domain.values.entry_details import EntryDetails
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.pace import ASKED_EVERY, UNCOUNTED, check_memos, paced
from tallystick.infrastructure.commit.receipt import Receipt, make_receipt
from tallystick.infrastructure.commit.saved_events import SavedEvents
from tallystick.infrastructure.group_commit.member import Member
from tallystick.infrastructure.journal.format import JournalRow


class Committed(msgspec.Struct, frozen=True, gc=False):
    """A transaction that is durable: its commit's row, its first position and its events. Its receipt is made when it is
    asked for, outside every lock.
    """

    row: JournalRow
    first_position: int
    events: Sequence[DomainEvent]
    details: EntryDetails | None
    is_app: IsApp

    def receipt(self) -> Receipt:
        """What its caller gets."""
        occurred_at = None if self.details is None else self.details.occurred_at
        return make_receipt(self.row, self.first_position, self.events, occurred_at, self.is_app)


class TransactionMember(Member):
    """Operations to be executed as one transaction; `CommitTooLarge` where they say more than a commit may have."""

    is_alone = False
    """Whether it wants a commit of its own."""

    saved: SavedEvents | None = None
    """What it saves of applications beside its money."""

    committed: Committed | None = None

    planned: Planned = ()
    """What was planned of its operations of which something else may come."""

    def __init__(self, operations: Sequence[Operation], request: Request | None, details: EntryDetails | None = None) -> None:
        if len(operations) > UNCOUNTED:
            check_memos(operations)
        self.operations = operations
        self.request = request
        self.details = details

    def take_along(self, saved: SavedEvents) -> None:
        """Has these recorded with it, or neither."""
        self.saved = saved
        self.is_alone = bool(saved.without_space)  # in one row with others, one of them might register a token of that name

    def execute(self, books: Books, used: UsedIds, position: int, now: int) -> tuple[Sequence[DomainEvent], int]:
        """Changes the books and gives the events, the first at `position`, and how many positions they take.

        Raises and changes nothing where it is refused.
        """
        if len(self.operations) > ASKED_EVERY:
            events = execute(books, self.operations, position, now, self.planned, pace=paced)
        else:
            events = execute(books, self.operations, position, now, self.planned)
        return events, len(events)

    def fail(self, error: BaseException) -> None:
        self.committed = None
        super().fail(error)

    def outcome(self) -> Committed | None:
        """What stands of it, None where there was nothing to record; or raises what it was refused for."""
        if self.error is not None:
            raise self.error
        return self.committed


class BatchMember(TransactionMember):
    """The rows of a batch, which are a commit of their own, for they are checked against the ids that commits before hold."""

    is_alone = True

    def __init__(self, batch: BatchRequest, request: Request | None, details: EntryDetails | None = None) -> None:
        super().__init__((), request, details)
        self.batch = batch
        self.refused: Sequence[Refusal] = ()
        self.position = 0
        """Where the journal ended before it."""

    def execute(self, books: Books, used: UsedIds, position: int, now: int) -> tuple[Sequence[DomainEvent], int]:
        self.position = position - 1
        events, self.refused = execute_batch(books, self.batch, used, position, now)
        return events, sum(map(positions_of, events))
