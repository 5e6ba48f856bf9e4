"""The ledger: the front door to the books of one journal.

Reads answer from the newest durable state. Changes are planned in a block, `with ledger.atomic() as tx`, and executed when it
ends, as one commit or not at all. A ledger may be used from several threads, and several processes may open the same file.
"""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from tallystick.domain.account import TOTAL_SUPPLY_RESERVE, check_account
from tallystick.domain.cells import check_cell, counted_in
from tallystick.domain.decisions import RegisterToken
from tallystick.domain.errors import (
    Conflict,
    CorruptJournal,
    HoldNotFound,
    InvalidPosition,
    InvalidRequest,
    InvalidToken,
    LedgerClosed,
    TransactionClosed,
    TransactionNotFound,
)
from tallystick.domain.hold import Hold
from tallystick.domain.instant import to_microseconds
from tallystick.domain.plan import Plan
from tallystick.domain.token import Token
from tallystick.domain.token_state import Balance, Supply
from tallystick.domain.value_object import ValueObject
from tallystick.infrastructure import audit
from tallystick.infrastructure.audit import AuditReport
from tallystick.infrastructure.codec import JournalEvent, Row, decode_events, digest_of
from tallystick.infrastructure.committer import Committed, Committer, Request
from tallystick.infrastructure.journal import EMPTY, Journal
from tallystick.infrastructure.location import open_journal
from tallystick.infrastructure.receipt import Receipt
from tallystick.projections.projection import ProjectionType
from tallystick.projections.projection import replay as replay_projection
from tallystick.projections.transactions import Transaction, transaction_of

KEY_LENGTH_MAX = 256

Result = TypeVar("Result")


class TransactionContext(Plan):
    """The block of one transaction: a plan, and once the block has ended its receipt."""

    def __init__(self, ledger: "Ledger", committer: Committer, request: Request | None) -> None:
        super().__init__(committer.books, committer)
        self._ledger = ledger
        self._committer = committer
        self._request = request
        self._committed: Committed | None = None
        self._receipt: Receipt | None = None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt, once the block has ended and unless it recorded nothing."""
        if self._receipt is None and self._committed is not None:
            self._receipt = self._committed.receipt()
        return self._receipt

    def __enter__(self) -> Self:
        self._ledger.enter_block()
        try:
            if self._request is not None:
                self._committer.catch_up()
                self._committer.check_unused(self._request)
        except BaseException:
            self._ledger.leave_block()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ledger.leave_block()
        self.close()
        if kind is None:
            self.check_finished()
            operations = self.plan
            if operations:
                self._committed = self._committer.commit(operations, self._request)


class Ledger:
    """The books of one journal. Use it as a context manager, or call `close`."""

    def __init__(self, journal: Journal, clock: Callable[[], int], new_hold_id: Callable[[], str]) -> None:
        self._journal = journal
        self._committer = Committer(journal, clock, new_hold_id)
        self._books = self._committer.books
        self._block = threading.local()
        self._closed = False

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        create: bool = True,
        clock: Callable[[], datetime] | None = None,
        ids: Callable[[], str] | None = None,
    ) -> Self:
        """The ledger at `url`: "sqlite:///books.db", a `Path`, or "memory:". A missing file is made if `create`.

        `clock` gives the time as an aware datetime, `ids` an id for each new hold. Raises `InvalidURL`, `NotALedger`,
        `SchemaTooNew`, `StorageUnavailable`, `StorageFull`. A corrupt journal opens, so that `verify` and `audit` can
        say what is wrong with it; everything else then raises `CorruptJournal`.
        """
        journal = open_journal(url, create=create)
        ledger = cls(
            journal,
            _microseconds_now if clock is None else lambda: to_microseconds(clock()),
            _random_id if ids is None else ids,
        )
        try:
            ledger._committer.catch_up()
        except CorruptJournal:
            pass
        except BaseException:
            journal.close()
            raise
        return ledger

    def close(self) -> None:
        """Closes the journal; every later call is `LedgerClosed`."""
        self._closed = True
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    # Changing.

    def register_token(self, token: Token) -> None:
        """Registers a token; one that is identical already is left as it is.

        Raises `TokenAlreadyRegistered` where its code stands for another, `NameInUse`, and the errors of a commit.
        """
        if not isinstance(token, Token):
            raise InvalidToken(f"register_token takes a Token, not {token!r}")
        self._check_open()
        self._committer.commit([RegisterToken(token)])

    def atomic(self, idempotency_key: str | None = None, request: Any = None) -> TransactionContext:
        """The block of one transaction, executed as a whole when it ends without an exception.

        Under an `idempotency_key` it is executed once: again, entering the block raises `DuplicateIdempotencyKey` with
        the first receipt, or `IdempotencyMismatch` if `request` (anything that JSON can write) is not the first one's.
        """
        self._check_open()
        return TransactionContext(self, self._committer, _make_request(idempotency_key, request))

    def run(
        self, function: Callable[[TransactionContext], Result], idempotency_key: str | None = None, attempts: int = 8
    ) -> Result:
        """Calls `function(tx)` in a block, and again after a `Conflict`, up to `attempts` times; gives its result."""
        for attempt in range(1, attempts + 1):
            try:
                with self.atomic(idempotency_key) as tx:
                    return function(tx)
            except Conflict:
                if attempt == attempts:
                    raise
        raise InvalidRequest(f"a function is run in 1 attempt or more, not {attempts}")

    # Reading the newest state. Amounts are in the token's smallest unit.

    def token(self, code: str) -> Token:
        """The token registered under `code`; else `TokenNotFound`."""
        with self._newest():
            return self._books.funds(code).token

    def tokens(self) -> list[Token]:
        """All tokens, in the order of their registration."""
        with self._newest():
            return self._books.tokens()

    def balance(self, token: str, account: str) -> Balance:
        """What `account` has; zeros where it was never heard of."""
        with self._newest():
            funds = self._books.funds(token)
            check_cell(funds.token, check_account(account))
            if account == TOTAL_SUPPLY_RESERVE:
                return Balance(funds.reserve, 0, funds.reserve)
            return funds.balance_of(account)

    def balances(self, token: str) -> dict[str, Balance]:
        """Every account that has something of the token."""
        with self._newest():
            return dict(self._books.funds(token).balances())

    @property
    def state(self) -> "StateView":
        """The double map: `state[first][second]` is the cell of that pair; `MeaninglessCell` where it has no meaning."""
        return StateView(self)

    def cell(self, first: str, second: str) -> int:
        """`state[first][second]`."""
        with self._newest():
            token = counted_in(first, second, self._books.token)
            return self.balance(token.code, second).total

    def supply(self, token: str) -> Supply:
        """What is in circulation and what is left in the reserve."""
        with self._newest():
            return self._books.funds(token).supply()

    def fragments(self, token: str, account: str) -> list[ValueObject]:
        """The value objects of the account's cell, smallest first: its live ones, and those that it holds for others."""
        with self._newest():
            self._books.funds(token)
            return self._books.fragments(token, check_account(account))

    def hold(self, id: str) -> Hold:
        """The open hold of this id; else `HoldNotFound`."""
        with self._newest():
            hold = self._books.hold(id) if isinstance(id, str) else None
        if hold is None:
            raise HoldNotFound(hold=id)
        return hold

    def holds(self, token: str, authority: str) -> list[Hold]:
        """The open holds that `authority` keeps in a token, oldest first."""
        with self._newest():
            self._books.funds(token)
            return list(self._books.holds(token, check_account(authority)))

    # Reading what happened.

    def transaction(self, id: int) -> Transaction:
        """The recorded transaction of this id; else `TransactionNotFound`."""
        self._check_open()
        row = self._journal.row_at(id) if type(id) is int and 0 < id < 2**63 else None
        if row is not None:
            event = decode_events(row)[id - row.first_position]
            transaction = transaction_of(id, row.recorded_at, event)
            if transaction is not None:
                return transaction
        raise TransactionNotFound(id=id)

    def history(self, token: str, account: str, after: int = 0, limit: int | None = None) -> list[Transaction]:
        """The account's transactions in a token, oldest first: up to `limit`, those above position `after`."""
        self.balance(token, account)
        _check_position(after)
        found: list[Transaction] = []
        for first_position, recorded_at, events in self._commits(after):
            for position, event in enumerate(events, first_position):
                if position <= after or getattr(event, "token", None) != token:
                    continue
                transaction = transaction_of(position, recorded_at, event)
                if transaction is None or account not in (transaction.sender, transaction.receiver):
                    continue
                if limit is not None and len(found) >= limit:
                    return found
                found.append(transaction)
        return found

    def replay(self, projection: ProjectionType, upto: int | None = None) -> ProjectionType:
        """Applies every event from the first, up to position `upto`, to `projection`, and gives it back.

        Raises `InvalidPosition` where `upto` is beyond the journal's head, and `CorruptJournal`.
        """
        self._check_open()
        if upto is not None:
            _check_position(upto)
            head = self._journal.head().position
            if upto > head:
                raise InvalidPosition(f"the journal has reached position {head}, not {upto}")
        return replay_projection(projection, self._commits(0, upto), upto)

    def verify(self) -> AuditReport:
        """Checks every stored byte against the chain of digests, and positions and times for gaps."""
        self._check_open()
        return audit.verify(self._journal)

    def audit(self) -> AuditReport:
        """Derives everything again from the first event and reports whatever does not agree, with its first position."""
        self._check_open()
        return audit.audit(self._journal)

    def _commits(self, after: int, upto: int | None = None) -> Iterator[tuple[int, int, list[JournalEvent]]]:
        """The commits from the one after or in which `after` lies, their digests checked but for the first one's."""
        row = self._journal.row_at(after) if after else None
        digest = None if row is not None or after else EMPTY.digest
        if row is not None:
            yield _commit(row, None)
            digest = row.digest
        for row in self._journal.rows(after):
            if upto is not None and row.first_position > upto:
                return
            yield _commit(row, digest)
            digest = row.digest

    # Blocks, for `TransactionContext`.

    def enter_block(self) -> None:
        """Notes that this thread is in a block; `TransactionClosed` where it is in one already."""
        self._check_open()
        if getattr(self._block, "entered", False):
            raise TransactionClosed("a transaction is open on this thread: blocks of one ledger do not nest")
        self._block.entered = True

    def leave_block(self) -> None:
        """Notes that this thread's block has ended."""
        self._block.entered = False

    def _check_open(self) -> None:
        if self._closed:
            raise LedgerClosed("the ledger was closed")

    def _newest(self) -> AbstractContextManager[object]:
        self._check_open()
        self._committer.catch_up()
        return self._committer.reading()


class StateView(Mapping[str, "RowView"]):
    """The first key of the double map: any name; iterating gives the tokens."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getitem__(self, first: str) -> "RowView":
        return RowView(self._ledger, check_account(first))

    def __iter__(self) -> Iterator[str]:
        return (token.code for token in self._ledger.tokens())

    def __len__(self) -> int:
        return len(self._ledger.tokens())


class RowView(Mapping[str, int]):
    """The second key of the double map: any name; iterating gives the reserve and the accounts that have something."""

    def __init__(self, ledger: Ledger, first: str) -> None:
        self._ledger = ledger
        self._first = first

    def __getitem__(self, second: str) -> int:
        return self._ledger.cell(self._first, second)

    def __iter__(self) -> Iterator[str]:
        yield TOTAL_SUPPLY_RESERVE
        yield from self._ledger.balances(self._first)

    def __len__(self) -> int:
        return 1 + len(self._ledger.balances(self._first))


def _commit(row: Row, previous: bytes | None) -> tuple[int, int, list[JournalEvent]]:
    if previous is not None and digest_of(previous, row) != row.digest:
        raise CorruptJournal("its digest does not fit", position=row.first_position)
    return row.first_position, row.recorded_at, decode_events(row)


def _make_request(key: str | None, request: Any) -> Request | None:
    if key is None:
        if request is not None:
            raise InvalidRequest("a request is compared under an idempotency key, and none was given")
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isprintable():
        raise InvalidRequest(f"an idempotency key is a str of 1 to {KEY_LENGTH_MAX} printable characters, not {key!r}")
    if request is None:
        return Request(key, None)
    try:
        content = msgspec.json.encode(request, order="deterministic")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"a request is something that JSON can write: {error}") from error
    return Request(key, hashlib.sha256(content).hexdigest())


def _check_position(position: object) -> None:
    if type(position) is not int or position < 0:
        raise InvalidPosition(f"a position is an int, 0 or more, not {position!r}")


def _microseconds_now() -> int:
    return time.time_ns() // 1000


def _random_id() -> str:
    return uuid.uuid4().hex
