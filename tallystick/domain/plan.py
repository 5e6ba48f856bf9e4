"""A plan: what a block of code asks the ledger to do, checked call by call and executed when the block ends.

Each call is decided against a draft of the newest books, so a mistake shows where it is made, and is recorded as an operation:
data, which the ledger executes once, later, on whatever the newest state is by then. What a call tells the block about the
books (a balance, a count) is recorded too, and if it no longer holds at execution the plan is in conflict. Savepoints undo
by going back through a log of the draft's events and the purses' changes.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Protocol

from tallystick.domain.amount import check_amount
from tallystick.domain.books import Books
from tallystick.domain.cells import check_receiver_of_mint
from tallystick.domain.decisions import (
    Burn,
    Expire,
    Mint,
    Observe,
    Operation,
    Release,
    Reserve,
    Settle,
    Transfer,
    decide,
    require,
)
from tallystick.domain.draft import Draft, DraftFunds
from tallystick.domain.errors import (
    InvalidRequest,
    NotFound,
    Refused,
    TransactionClosed,
    UnconsumedSlice,
    UnslicedMoney,
)
from tallystick.domain.events import DomainEvent
from tallystick.domain.instant import to_microseconds
from tallystick.domain.money import Money, Purse
from tallystick.domain.token_state import Balance

MEMO_LENGTH_MAX = 65_536


class Surroundings(Protocol):
    """What a plan needs of the world, given to it by whoever runs it."""

    def now(self) -> int:
        """The time in microseconds in UTC."""
        ...

    def new_hold_id(self) -> str:
        """An id that no hold ever had."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """While it is entered, the books do not change."""
        ...

    def catch_up(self) -> bool:
        """Brings the books to the journal's head, and says whether that changed them."""
        ...


class Plan:
    """The operations asked for so far. Every amount is an `int` in the token's smallest unit."""

    def __init__(self, books: Books, surroundings: Surroundings) -> None:
        self._books = books
        self._surroundings = surroundings
        self._reading = surroundings.reading()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._draft = Draft(self._books)
        self._now = 0  # what depends on the time asks for it first
        self._operations: list[Operation] = []
        self._log: list[DomainEvent | tuple[Purse, int | None]] = []
        self._purses: list[Purse] = []

    # Money in, out and about.

    def mint(self, token: str, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` out of the supply reserve to `account`; `SupplyExhausted` where it holds less."""
        check_receiver_of_mint(self._funds(token).token, account)
        self._propose(Mint(token, account, check_amount(amount), _check_memo(memo)))

    topup = mint

    def burn(self, token: str, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` of `account`'s into the supply reserve; `InsufficientFunds` where it has less."""
        self._funds(token).check_holder(account)
        self._propose(Burn(token, account, check_amount(amount), _check_memo(memo)))

    withdraw = burn

    def transfer(self, token: str, sender: str, receiver: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` from `sender` to `receiver`; `InsufficientFunds` where the sender has less."""
        funds = self._funds(token)
        funds.check_holder(sender)
        funds.check_holder(receiver)
        self._propose(Transfer(token, sender, receiver, check_amount(amount), _check_memo(memo)))

    def money(self, token: str, owner: str, amount: int) -> Money:
        """Takes `amount` of `owner`'s in hand, to be sliced and sent in this plan; `InsufficientFunds` where there is less."""
        funds = self._funds(token)
        funds.check_holder(owner)
        check_amount(amount)
        if funds.available_of(owner) < amount:
            with self._reading:
                self._surroundings.catch_up()
                require(self._draft, token, owner, amount)
        money = Money(self, funds.token, owner)
        self.set_remaining(money, amount)
        return money

    def balance(self, token: str, account: str) -> Balance:
        """What `account` would have after this plan so far; should that change before execution, the plan is in `Conflict`."""
        funds = self._funds(token)
        funds.check_holder(account)
        with self._reading:
            self._surroundings.catch_up()
            available, held = funds.available_of(account), funds.held_of(account)
            claimed = funds.claimed.get(account, 0)
        self._operations.append(Observe(token, account, available + claimed, held))
        return Balance(available, held, available + held)

    # Escrow.

    def reserve(
        self,
        token: str,
        owner: str,
        authority: str,
        amount: int,
        expires_at: datetime | None = None,
        *,
        memo: str = "",
    ) -> str:
        """Puts `amount` of `owner`'s into `authority`'s keeping, due at `expires_at` (aware), and gives the hold's id."""
        funds = self._funds(token)
        funds.check_holder(owner)
        funds.check_holder(authority)
        due = None if expires_at is None else to_microseconds(expires_at)
        hold = self._surroundings.new_hold_id()
        self._propose(Reserve(token, owner, authority, check_amount(amount), hold, due, _check_memo(memo)))
        return hold

    def settle(
        self, token: str, authority: str, receiver: str, amount: int, hold: str | None = None, *, memo: str = ""
    ) -> None:
        """Sends `amount` of what `authority` keeps to `receiver`: of `hold`, or of its oldest holds that are not due.

        Raises, in this order, `HoldNotFound`, `InvalidAuthority`, `HoldExpired`, `InsufficientFunds`.
        """
        funds = self._funds(token)
        funds.check_holder(authority)
        funds.check_holder(receiver)
        if hold is not None:
            _check_hold_id(hold)
        self._propose_now(Settle(token, authority, receiver, check_amount(amount), hold, _check_memo(memo)))

    def release(self, hold: str, amount: int | None = None, *, memo: str = "") -> None:
        """Gives `amount` of a hold, or all that is left in it, back to its payer; also when it is due."""
        self._check_open()
        _check_hold_id(hold)
        if amount is not None:
            check_amount(amount)
        self._propose_now(Release(hold, amount, _check_memo(memo)))

    def expire(self, limit: int = 1000) -> int:
        """Releases up to `limit` holds that are due, the longest due first, and says how many."""
        self._check_open()
        check_amount(limit, "a limit")
        self._surroundings.catch_up()
        due_at = self._surroundings.now()
        events = self._propose_now(Expire(limit, due_at, None))
        self._operations[-1] = Expire(limit, due_at, len(events))
        return len(events)

    # The plan itself.

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

    def check_finished(self) -> None:
        """Raises `UnslicedMoney` or `UnconsumedSlice` where money that was taken has not been used up."""
        for purse in sorted(self._purses, key=lambda purse: not isinstance(purse, Money)):
            if purse.remaining:
                error = UnslicedMoney if isinstance(purse, Money) else UnconsumedSlice
                raise error(token=purse.token, owner=purse.owner, remainder=purse.remaining)

    # What purses ask for.

    def open_purse(self, purse: Purse) -> None:
        """Notes a new purse, with nothing in it yet."""
        self._purses.append(purse)
        self._log.append((purse, None))

    def set_remaining(self, purse: Purse, amount: int) -> None:
        """Changes what a purse has, and with it what the plan claims of the owner's money."""
        self._log.append((purse, purse.remaining))
        self._claim(purse, amount)

    def check_usable(self, purse: Purse) -> None:
        """`TransactionClosed` where the block has ended or the purse was undone."""
        self._check_open()
        if purse.void:
            raise TransactionClosed(f"this money of {purse.owner} was rolled back")

    def spend_transfer(self, purse: Purse, receiver: str, amount: int, memo: str) -> None:
        """Sends `amount` out of a purse."""
        self.check_usable(purse)
        self._funds(purse.token).check_holder(receiver)
        self._spend(purse, amount, Transfer(purse.token, purse.owner, receiver, amount, _check_memo(memo)))

    def spend_burn(self, purse: Purse, amount: int, memo: str) -> None:
        """Burns `amount` out of a purse."""
        self.check_usable(purse)
        self._spend(purse, amount, Burn(purse.token, purse.owner, amount, _check_memo(memo)))

    def spend_reserve(self, purse: Purse, authority: str, amount: int, expires_at: datetime | None, memo: str) -> str:
        """Puts `amount` out of a purse into `authority`'s keeping, and gives the hold's id."""
        self.check_usable(purse)
        self._funds(purse.token).check_holder(authority)
        due = None if expires_at is None else to_microseconds(expires_at)
        hold = self._surroundings.new_hold_id()
        operation = Reserve(purse.token, purse.owner, authority, amount, hold, due, _check_memo(memo))
        self._spend(purse, amount, operation)
        return hold

    def _spend(self, purse: Purse, amount: int, operation: Operation) -> None:
        if not amount:
            return
        mark = len(self._log)
        self.set_remaining(purse, purse.remaining - amount)
        try:
            self._propose(operation)
        except BaseException:
            self._undo(len(self._operations), mark, len(self._purses))
            raise

    # Recording and undoing.

    def _propose(self, operation: Operation) -> Sequence[DomainEvent]:
        """Decides an operation against the draft and records it. What is refused is decided again at the journal's head."""
        try:
            events = decide(self._draft, operation, self._now)
        except (Refused, NotFound):
            events = self._decide_at_head(operation)
        for event in events:
            self._draft.apply(event)
        self._operations.append(operation)
        self._log += events
        return events

    def _propose_now(self, operation: Operation) -> Sequence[DomainEvent]:
        """The same for what depends on the time and on the order of holds, which must stand still meanwhile."""
        with self._reading:
            self._now = self._surroundings.now()
            return self._propose(operation)

    def _decide_at_head(self, operation: Operation) -> Sequence[DomainEvent]:
        with self._reading:
            self._surroundings.catch_up()
            self._now = self._surroundings.now()
            return decide(self._draft, operation, self._now)

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
        self._draft.funds(purse.token).claimed[purse.owner] += amount - purse.remaining
        purse.remaining = amount

    def _funds(self, token: str) -> DraftFunds:
        if self._closed:
            self._check_open()
        try:
            return self._draft.funds(token)
        except NotFound:
            with self._reading:
                self._surroundings.catch_up()
                return self._draft.funds(token)

    def _check_open(self) -> None:
        if self._closed:
            raise TransactionClosed("the transaction's block has ended")


def _check_memo(memo: object) -> str:
    if not isinstance(memo, str) or len(memo) > MEMO_LENGTH_MAX:
        raise InvalidRequest(f"a memo is a str of at most {MEMO_LENGTH_MAX} characters, not {str(memo)[:80]!r}")
    if not memo.isascii():
        try:
            memo.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"a memo is text that UTF-8 can write, not {memo[:80]!r}") from None
    return memo


def _check_hold_id(hold: object) -> None:
    if not isinstance(hold, str):
        raise InvalidRequest(f"a hold's id is a str, not {hold!r}")
