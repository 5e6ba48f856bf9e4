"""Recording what a plan is asked for, and undoing it.

Each operation is decided against a draft of the newest books and recorded as data. A log of the draft's events and of the
purses' changes is kept beside it, and savepoints undo by going back through the log. A refusal is decided again at the
journal's head before it is raised, so nobody is refused for what was true a moment ago.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from tallystick.domain.books.books import Books
from tallystick.domain.books.pending import Pending
from tallystick.domain.checks import require
from tallystick.domain.errors import Conflict, InsufficientFunds, InvalidRequest, NotFound, Refused, TransactionClosed
from tallystick.domain.events import DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.plan.draft import Draft, DraftedToken
from tallystick.domain.plan.execution import decide
from tallystick.domain.plan.money import Purse


class Surroundings(Protocol):
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
        """Brings the books, which are still, to the journal's head, with all in them durable."""
        ...

    def reach_head_or_pending(self) -> Pending | None:
        """The same, but what is not durable yet may be in their cells: it gives what that is."""
        ...


class Recording:
    """The operations asked for so far, and the way back."""

    def __init__(self, books: Books, surroundings: Surroundings) -> None:
        self._books = books
        self._surroundings = surroundings
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._draft = Draft(self._books)
        self._commits = self._books.commits
        self._now = 0  # what depends on the time asks for it first
        self._operations: list[Operation] = []
        self._log: list[DomainEvent | tuple[Purse, int | None]] = []
        self._purses: list[Purse] = []

    @property
    def plan(self) -> tuple[Operation, ...]:
        """The operations recorded so far, what the block was told among them."""
        return tuple(self._operations)

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """A block that, when it raises, undoes all that was planned in it, and raises on."""
        self._check_open()
        operations, log = self._operations, self._log
        marks = len(operations), len(log), len(self._purses)
        try:
            yield
        except BaseException:
            if log is self._log:
                self._undo(*marks)
            raise

    def rollback(self) -> None:
        """Empties the plan; money taken in it so far is void."""
        self._check_open()
        for purse in self._purses:
            purse.void = True
        self._begin()

    def close(self) -> None:
        """Ends planning: from here on every call is `TransactionClosed`."""
        self._closed = True

    # For the plan.

    def _propose(self, operation: Operation) -> Sequence[DomainEvent]:
        """Decides an operation against the draft and records it. What is refused is decided again at the journal's head."""
        try:
            events = decide(self._draft, operation, self._now)
        except (Refused, NotFound, InvalidRequest):
            events = self._decide_at_head(operation)
        for event in events:
            self._draft.apply(event)
        self._operations.append(operation)
        self._log += events
        return events

    def _propose_now(self, operation: Operation) -> Sequence[DomainEvent]:
        """The same for what depends on the time and on the order of holds, which must stand still meanwhile."""
        with self._surroundings.locked():
            self._now = self._surroundings.now()
            return self._propose(operation)

    def _decide_at_head(self, operation: Operation) -> Sequence[DomainEvent]:
        with self._surroundings.locked():
            self._surroundings.reach_head()
            self._now = self._surroundings.now()
            try:
                return decide(self._draft, operation, self._now)
            except (Refused, NotFound, InvalidRequest):
                if self._commits == self._books.commits:
                    raise
                return decide(self._drafted_anew(), operation, self._now)

    def _require(self, token: str, owner: str, amount: int) -> None:
        """`InsufficientFunds` where the owner has less, in the plan's draft and in one made anew."""
        try:
            require(self._draft, token, owner, amount)
        except InsufficientFunds:
            if self._commits == self._books.commits:
                raise
            require(self._drafted_anew(), token, owner, amount)

    def _drafted_anew(self) -> Draft:
        """What the plan so far makes of the books as others left them: trades in it may bring less than the block was told.

        `Conflict` where it cannot be done any more, which is why an operation is refused then.
        """
        draft = Draft(self._books)
        for operation in self._operations:
            try:
                events = decide(draft, operation, self._now)
            except (Refused, NotFound, InvalidRequest) as error:
                raise Conflict(subject="what was planned before", told="possible", now=f"not: {error}") from error
            for event in events:
                draft.apply(event)
        for purse in self._purses:
            if not purse.void:
                draft.token_state(purse.token).claim(purse.owner, purse.remaining)
        return draft

    def _undo(self, operations: int, log: int, purses: int) -> None:
        del self._operations[operations:]
        while len(self._log) > log:
            entry = self._log.pop()
            if not isinstance(entry, tuple):
                self._draft.apply(entry, sign=-1)
            elif entry[1] is None:
                entry[0].void = True
            else:
                self._claim(entry[0], entry[1])
        del self._purses[purses:]

    def _claim(self, purse: Purse, amount: int) -> None:
        self._draft.token_state(purse.token).claim(purse.owner, amount - purse.remaining)
        purse.remaining = amount

    def _token_state(self, token: str) -> DraftedToken:
        if self._closed:
            self._check_open()
        try:
            return self._draft.token_state(token)
        except NotFound:
            with self._surroundings.locked():
                self._surroundings.reach_head()
                return self._draft.token_state(token)

    def _check_open(self) -> None:
        if self._closed:
            raise TransactionClosed("the transaction's block has ended")
