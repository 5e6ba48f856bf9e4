"""Recording what a plan is asked for, and undoing it.

Each operation is decided against a draft of the newest books and recorded as data. A log of the draft's events and of the
purses' changes is kept beside it, and savepoints undo by going back through the log. A refusal is decided again at the
journal's head before it is raised, so nobody is refused for what was true a moment ago.

Users never hold it: they hold a plan and what a plan gives, each of which holds the recording of its block.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from tallystick.domain.app.decisions import Surplus, counted_on, surplus_of
from tallystick.domain.app.operations import Trading
from tallystick.domain.books.books import Books
from tallystick.domain.books.pending import Pending
from tallystick.domain.checks import check_debits, require
from tallystick.domain.contract.sweeping import PastOfNames
from tallystick.domain.errors import (
    InsufficientFunds,
    InvalidRequest,
    LedgerError,
    NotFound,
    Refused,
    TransactionClosed,
    UnconsumedSlice,
    UnslicedMoney,
)
from tallystick.domain.events import DomainEvent
from tallystick.domain.limits import OPERATIONS_MAX, check_operations
from tallystick.domain.operation import Operation
from tallystick.domain.plan.draft import Draft, DraftedToken
from tallystick.domain.plan.execution import decide
from tallystick.domain.plan.purse import Purse
from tallystick.domain.plan.tellings import Tried, left_of_undone, no_longer_possible
from tallystick.domain.refusals import asking
from tallystick.domain.reversal.decisions import reversal_by
from tallystick.domain.reversal.operations import Reverse
from tallystick.domain.reversal.requests import Recorded
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.reversal import Reversal
from tallystick.domain.values.token import AnyToken, Token
from tallystick.domain.view import View

Told = TypeVar("Told", bound=Operation)
Decided = TypeVar("Decided")


NOT_ENTERED = "the transaction's block was never entered: with ledger.atomic() as tx"
ENDED = "the transaction's block has ended"


class Companion(Protocol):
    """What a plan takes along beside its operations and does not look into; it is void where the plan went back behind it."""

    is_void: bool


Logged = DomainEvent | Reversal | Surplus | tuple[Purse, int | None] | tuple[Companion, None]
"""What the log holds: an event of the draft, what it takes back, what a trade brought that is not counted on, a purse with what
it had before, None where it is new, or a companion.
"""


class Surroundings(Recorded, PastOfNames, Protocol):
    """What a plan needs of the world, given to it by whoever runs it."""

    def now(self) -> int:
        """The time in microseconds in UTC."""
        ...

    def new_hold_id(self) -> str:
        """An id that no hold ever had."""
        ...

    def locked(self) -> AbstractContextManager[object]:
        """While it is entered, the books do not change, and something in them may not be durable yet."""
        ...

    def reach_head(self) -> None:
        """Brings the books, which nobody else changes meanwhile, to the journal's head, with all in them durable."""
        ...

    def reach_head_or_pending(self) -> Pending | None:
        """The same, but what is not durable yet may be in their cells: it gives what that is."""
        ...


class Mark(NamedTuple):
    """Where a recording stands: which log it keeps, and how much it has of everything."""

    log: list[Logged]
    operations: int
    entries: int
    purses: int


class Recording:
    """The operations asked for so far, and the way back. `draft` is what the books would be after them."""

    _companions: Sequence[Companion] = ()
    _undone = 0  # operations that savepoints undid and that are tried all the same, for the block was told something there
    _is_abandoned = False  # whether its block ended with an error, so that nothing is executed
    _closed = NOT_ENTERED  # why nothing is recorded, "" while it is
    planned: list[tuple[int, Sequence[DomainEvent]]] | None = None
    """What was planned of operations of which something else may come, without a refusal: by which of them they are."""

    _surpluses: dict[tuple[str, str], int] | None = None
    """By token and account, what trades brought in the draft that the block does not count on; where there were such trades."""

    def __init__(self, books: Books, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self._books = books
        self._begin()

    def _begin(self) -> None:
        self.draft = Draft(self._books)
        self._commits = self._books.commits
        self._now = 0  # what depends on the time asks for it first
        self._operations: list[Operation] = []
        self._log: list[Logged] = []
        self._purses: list[Purse] = []

    # Its course.

    def open(self) -> None:
        """Begins recording, once: a block that has ended is `TransactionClosed`, for it would be executed again."""
        if self._closed is not NOT_ENTERED:
            raise TransactionClosed("a transaction's block is entered once: each has a ledger.atomic() of its own")
        self._closed = ""

    def check_open(self) -> None:
        """`TransactionClosed` where the block was not entered, or has ended."""
        if self._closed:
            raise TransactionClosed(self._closed)

    def mark(self) -> Mark:
        """Where the recording stands, to come back to."""
        self.check_open()
        return Mark(self._log, len(self._operations), len(self._log), len(self._purses))

    def go_back(self, mark: Mark) -> None:
        """Undoes what was recorded since; nothing where all was rolled back meanwhile."""
        if mark.log is self._log:
            self._undo(mark.operations, mark.entries, mark.purses)

    def rollback(self) -> None:
        """Forgets what was recorded; the purses opened so far are void."""
        self.check_open()
        for each in (*self._purses, *self._companions):
            each.is_void = True
        self._companions = ()
        self._surpluses = None
        self.planned = None
        known = left_of_undone(self._operations)
        self._undone += sum(len(each.operations) for each in known)
        self._begin()
        self._operations = [*known]

    def close(self) -> None:
        """Ends recording: from here on every call is `TransactionClosed`."""
        self._closed = ENDED

    def abandon(self) -> None:
        """Notes that nothing of it is executed, for its block ended with an error."""
        self._is_abandoned = True

    def finished(self) -> Sequence[Operation]:
        """What was recorded and what the block was told; `UnslicedMoney` or `UnconsumedSlice` where a purse has some left,
        `PlanTooLarge` where that and what is tried of savepoints is too much.
        """
        if self._purses:
            for purse in sorted(self._purses, key=lambda purse: purse.is_slice):
                if purse.remaining:
                    error = UnconsumedSlice if purse.is_slice else UnslicedMoney
                    token = purse.token
                    raise error(decimals=token.decimals, token=token.code, owner=purse.owner, remainder=purse.remaining)
        if self._undone:
            check_operations(len(self._operations) + self._undone)
        return tuple(self._operations)

    def take_along(self, companion: Companion) -> None:
        """Notes what goes with the operations, so that what undoes those undoes it too."""
        self.check_open()
        self._companions = (*self._companions, companion)
        self._log.append((companion, None))

    # Operations.

    def token_state(self, token: AnyToken) -> DraftedToken:
        """The token's cells in the draft; `TokenNotFound` where none is registered at the journal's head either."""
        if self._closed:
            self.check_open()
        try:
            return self.draft.token_state(token)
        except NotFound:
            with self.surroundings.locked():
                self.surroundings.reach_head()
                return self.draft.token_state(token)

    def spelled(self, name: object, /) -> str:
        """The name as the books write it; `InvalidAccount` where it can be none."""
        return self._books.spelled(name)

    def propose(self, operation: Operation) -> Sequence[DomainEvent]:
        """Decides an operation against the draft and records it. What is refused is decided again at the journal's head."""
        draft = self.draft
        if len(self._operations) >= OPERATIONS_MAX:
            check_operations(len(self._operations) + 1)
        try:
            events = decide(draft, operation, self._now)
        except (Refused, NotFound, InvalidRequest):
            events = self._decide_at_head(operation)
        for event in events:
            draft.apply(event)
        self._operations.append(operation)
        self._log += events
        return events

    def vary(self, events: Sequence[DomainEvent]) -> Sequence[DomainEvent]:
        """Notes that the newest operation, planned as these events, may record something else when executed, or nothing."""
        if self.planned is None:
            self.planned = []
        self.planned.append((len(self._operations) - 1, events))
        return events

    def propose_now(self, operation: Operation) -> Sequence[DomainEvent]:
        """The same for what depends on the time and on the order of holds, which must not change meanwhile."""
        with self.surroundings.locked():
            self._now = self.surroundings.now()
            return self.propose(operation)

    def propose_locked(self, operation: Operation) -> Sequence[DomainEvent]:
        """The same for whose decision the books must not change."""
        self.check_open()
        with self.surroundings.locked():
            return self.vary(self.propose(operation))

    def propose_newest(self, operation: Operation) -> Sequence[DomainEvent]:
        """The same for what is worked out from the books as a whole, which are brought to the journal's head first."""
        self.check_open()
        with self.surroundings.locked():
            self.surroundings.reach_head()
            return self.vary(self.propose(operation))

    def propose_trade(self, trade: Trading) -> int:
        """The same for a trade. The block is told what it may count on: what it brings, or the least that it accepts; or the
        most that it pays.
        """
        events = self.propose_newest(trade)
        told = counted_on(self.draft, trade, events)
        trade = msgspec.structs.replace(trade, told=told)
        self.put_told(trade)
        surplus = surplus_of(trade, events)
        if surplus is not None:
            self._leave_out(surplus)
            self._log.append(surplus)
        return told

    def surplus_of(self, token: str, account: str) -> int:
        """What trades brought the account in the draft that the block does not count on."""
        return 0 if self._surpluses is None else self._surpluses.get((token, account), 0)

    def propose_reversal(self, operation: Reverse) -> None:
        """The same for what takes a movement back, which must not be taken back too often within the plan either."""
        self.check_open()
        with self.surroundings.locked():
            reversal = reversal_by(operation, self.vary(self.propose_now(operation)), 0)
            self.draft.reverse(reversal)
            self._log.append(reversal)

    def put_told(self, operation: Operation) -> None:
        """Records the newest operation as this one, which says too what the block was told of its outcome."""
        self._operations[-1] = operation

    def note_told(self, told: Operation) -> None:
        """Records what the block is told of the books: where it does not hold at execution, the plan is in conflict."""
        check_operations(len(self._operations) + 1)
        self._operations.append(told)

    def tell(self, look: Callable[[View], Told]) -> Told:
        """What `look` sees in the draft at the journal's head, which the block is told."""
        self.check_open()
        with self.surroundings.locked():
            self.surroundings.reach_head()
            told = look(self.draft)
        check_operations(len(self._operations) + 1)
        self._operations.append(told)
        return told

    # Purses.

    def require(self, token: str, owner: str, amount: int) -> None:
        """`AccountIsFrozen` or `InsufficientFunds` where the owner cannot give so much at the journal's head, in the draft and
        in one made anew.
        """
        with self.surroundings.locked():
            self.surroundings.reach_head()
            try:
                _require_to_give(self.draft, token, owner, amount)
            except Refused as refusal:
                if self._commits == self._books.commits:
                    self._ask_holds(refusal, self.draft)
                    raise
                self._decide_anew(lambda draft: _require_to_give(draft, token, owner, amount))

    def open_purse(self, token: Token, owner: str, is_slice: bool) -> Purse:
        """A new purse, with nothing in it yet."""
        purse = Purse(token, owner, is_slice)
        self._purses.append(purse)
        self._log.append((purse, None))
        return purse

    def set_remaining(self, purse: Purse, amount: int) -> None:
        """Changes what a purse has, and with it what the plan claims of the owner's money."""
        self._log.append((purse, purse.remaining))
        self._claim(purse, amount)

    def check_usable(self, purse: Purse) -> None:
        """`TransactionClosed` where the block has ended or the purse was undone."""
        self.check_open()
        if purse.is_void:
            raise TransactionClosed(f"this money of {purse.owner} was rolled back")

    def spend(self, purse: Purse, amount: int, operation: Operation) -> None:
        """Records an operation that is paid out of a purse, where it is of any amount."""
        if not amount:
            return
        mark = len(self._log)
        self.set_remaining(purse, purse.remaining - amount)
        try:
            self.propose(operation)
        except BaseException:
            self._undo(len(self._operations), mark, len(self._purses))
            raise

    # Within.

    def _decide_at_head(self, operation: Operation) -> Sequence[DomainEvent]:
        with self.surroundings.locked():
            self.surroundings.reach_head()
            self._now = self.surroundings.now()
            try:
                return decide(self.draft, operation, self._now)
            except (Refused, NotFound, InvalidRequest) as refusal:
                if self._commits == self._books.commits:
                    self._ask_holds(refusal, self.draft)
                    raise
                return self._decide_anew(lambda draft: decide(draft, operation, self._now))

    def _decide_anew(self, look: Callable[[Draft], Decided]) -> Decided:
        """What `look` decides in a draft made anew."""
        draft = self._drafted_anew()
        try:
            return look(draft)
        except Refused as refusal:
            self._ask_holds(refusal, draft)
            raise

    def _ask_holds(self, refusal: LedgerError, draft: Draft) -> None:
        """Has the explanation of a lack of funds in a draft ask for the holds in the way."""
        if isinstance(refusal, InsufficientFunds):
            refusal.ask_holds(asking(self.surroundings, partial(self._holds_paid, draft)))

    def _holds_paid(self, draft: Draft, token: str, payer: str) -> Sequence[OpenHold]:
        """The open holds into which the account paid: in the draft, unless the block ended well and was executed."""
        is_drafted = self._is_abandoned or not self._closed
        return (draft if is_drafted else self._books).holds_paid(token, payer)

    def _drafted_anew(self) -> Draft:
        """What the plan so far makes of the books as others left them.

        `Conflict` where it cannot be done any more or the block was told otherwise, which is why an operation is refused then.
        """
        draft = self._drafted(self._operations)
        for purse in self._purses:
            if not purse.is_void:
                draft.token_state(purse.token.code).claim(purse.owner, purse.remaining)
        return draft

    def _drafted(self, operations: Sequence[Operation]) -> Draft:
        draft = Draft(self._books)
        done: list[Operation] = []
        for operation in operations:
            if isinstance(operation, Tried):
                self._drafted([*done, *operation.operations])
                continue
            done.append(operation)
            try:
                events = decide(draft, operation, self._now)
            except (Refused, NotFound, InvalidRequest) as error:
                self._ask_holds(error, draft)
                raise no_longer_possible(error) from error
            for event in events:
                draft.apply(event)
            if isinstance(operation, Reverse):
                draft.reverse(reversal_by(operation, events, 0))
            surplus = surplus_of(operation, events) if isinstance(operation, Trading) else None
            if surplus is not None:
                draft.token_state(surplus.token).claim(surplus.account, surplus.amount)
        return draft

    def _undo(self, operations: int, entries: int, purses: int) -> None:
        if self.planned:
            self.planned = [each for each in self.planned if each[0] < operations]
        known = left_of_undone(self._operations[operations:])
        self._operations[operations:] = known
        self._undone += sum(len(each.operations) for each in known)
        while len(self._log) > entries:
            entry = self._log.pop()
            if isinstance(entry, Reversal):
                self.draft.reverse(entry, sign=-1)
            elif isinstance(entry, Surplus):
                self._leave_out(entry, -1)
            elif not isinstance(entry, tuple):
                self.draft.apply(entry, sign=-1)
            elif entry[1] is None:
                entry[0].is_void = True
            else:
                self._claim(entry[0], entry[1])
        del self._purses[purses:]

    def _leave_out(self, surplus: Surplus, sign: int = 1) -> None:
        """Has the draft not count on it; with `sign` -1, count on it again."""
        if self._surpluses is None:
            self._surpluses = {}
        cell, amount = (surplus.token, surplus.account), sign * surplus.amount
        self._surpluses[cell] = self._surpluses.get(cell, 0) + amount
        self.draft.token_state(surplus.token).claim(surplus.account, amount)

    def _claim(self, purse: Purse, amount: int) -> None:
        self.draft.token_state(purse.token.code).claim(purse.owner, amount - purse.remaining)
        purse.remaining = amount


def _require_to_give(view: View, token: str, owner: str, amount: int) -> None:
    check_debits(view, token, owner)
    require(view, token, owner, amount)
