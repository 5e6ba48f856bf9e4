"""The ledger: the front door to the books of one journal.

Reads answer from the newest durable state. Changes are planned in a block, `with ledger.atomic() as tx`, and executed when it
ends, as one commit or not at all. A ledger may be used from several threads, and several processes may open the same file.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from tallystick.domain.app.operations import Open, UpdateApp
from tallystick.domain.books.pending import Pending
from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.errors import Conflict, CorruptJournal, InvalidRequest, InvalidToken, LedgerClosed, TransactionClosed
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import RegisterToken
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.curve import CURVES, CurveMaker
from tallystick.domain.values.instant import to_microseconds
from tallystick.domain.values.token import Token
from tallystick.infrastructure.commit.committer import Committer
from tallystick.infrastructure.commit.request import make_request
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.ledger.batches import Batching
from tallystick.infrastructure.ledger.history import History
from tallystick.infrastructure.ledger.replaying import Follower
from tallystick.infrastructure.ledger.transaction import Blocks, TransactionContext
from tallystick.infrastructure.system.forked_children import close_in_children
from tallystick.projections.shadow_spaces import ShadowSpaces

Result = TypeVar("Result")


class Ledger(Batching, History):
    """The books of one journal. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], int],
        new_hold_id: Callable[[], str],
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        curves: Mapping[str, CurveMaker] | None = None,
    ) -> None:
        self._journal = journal
        self.committer = Committer(journal, clock, new_hold_id, contracts_in_memory, {**CURVES, **(curves or {})})
        self._books = self.committer.books
        self._blocks = Blocks(self.check_open)
        self._shadow_spaces = Follower(journal, ShadowSpaces)
        self._closed = self._is_journal_closed = False
        close_in_children(self)

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        create: bool = True,
        curves: Mapping[str, CurveMaker] | None = None,
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        clock: Callable[[], datetime] | None = None,
        ids: Callable[[], str] | None = None,
    ) -> Self:
        """The ledger at `url`: "sqlite:///books.db", a `Path`, or "memory:". A missing file is made if `create`.

        `curves` makes curves of your own again, by name from the integers that the journal keeps. Up to
        `contracts_in_memory` contracts stay loaded. `clock` gives the time as an aware datetime, `ids` an id for
        each new hold. Raises `InvalidURL`, `NotALedger`, `SchemaTooNew`, `StorageUnavailable`, `StorageFull`. A corrupt
        journal opens, so that `verify` and `audit` can say what is wrong with it; all else then raises `CorruptJournal`.
        """
        if type(contracts_in_memory) is not int or contracts_in_memory < 1:
            raise InvalidRequest(f"contracts_in_memory is an int, 1 or more, not {contracts_in_memory!r}")
        if curves is not None and not isinstance(curves, Mapping):
            raise InvalidRequest(f"curves map names to what makes them, not {curves!r}")
        journal = open_journal(url, create=create)
        ledger = cls(
            journal,
            _microseconds_now if clock is None else lambda: to_microseconds(clock()),
            _random_id if ids is None else ids,
            contracts_in_memory,
            curves,
        )
        try:
            ledger.committer.catch_up()
        except CorruptJournal:
            pass
        except BaseException:
            journal.close()
            raise
        return ledger

    def close(self) -> None:
        """Closes the journal once all who commit are done; every later call is `LedgerClosed`. Interrupted, close it again.

        `TransactionClosed` in the midst of a commit of this very thread, as by a signal's handler.
        """
        was_closed, self._closed = self._closed, True
        if not self._is_journal_closed:
            try:
                self.committer.close()
            except TransactionClosed:
                self._closed = was_closed
                raise
            self._journal.close()
            self._is_journal_closed = True

    def close_in_child(self) -> None:
        """A forked child opens a ledger of its own; one in memory is a copy, and the child's."""
        if not isinstance(self._journal, MemoryJournal):
            self._closed = self._is_journal_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    # Changing.

    def register_token(self, token: Token) -> None:
        """Registers a token; one that is identical already is left as it is.

        Raises `TokenAlreadyRegistered` where its code stands for another, `NameInUse`, and the errors of a commit.
        """
        self.check_open()
        self.committer.commit([RegisterToken(_check_token(token))])

    def update_app(self, code: str, accepts: Sequence[str] | None = None, owner: str | None = None) -> None:
        """Changes which tokens an app accepts beside the settlement token and its own, and whose it is; None leaves it.

        Raises `TokenNotFound`, `NotAnApp`, `InvalidAccount`, and the errors of a commit.
        """
        if isinstance(accepts, str) or not isinstance(accepts, Sequence | None):
            raise InvalidToken(f"what app {code!r} accepts is a sequence of codes, not {accepts!r}")
        self.check_open()
        codes = None if accepts is None else tuple(check_account(token) for token in accepts)
        self.committer.commit([UpdateApp(code, codes, None if owner is None else check_account(owner))])

    def take_over(
        self, tokens: Sequence[Token], cells: Sequence[tuple[str, str, int]], idempotency_key: str | None = None
    ) -> None:
        """Registers `tokens` and moves amounts out of supply reserves into cells (first, second, amount), as one commit.

        This is for taking over an older book: unlike minting it reaches special cells and apps' tokens. Raises what
        `register_token` does; `MeaninglessCell`, `InvalidAccount`, `InvalidAmount` and `SupplyExhausted`, which name the
        cell; and the errors of a commit.
        """
        for given in (tokens, cells):
            if isinstance(given, str) or not isinstance(given, Sequence):
                raise InvalidRequest(f"tokens and cells are sequences, not {given!r}")
        operations: list[Operation] = [RegisterToken(_check_token(token)) for token in tokens]
        operations += [_open_cell(cell) for cell in cells]
        self.check_open()
        request = make_request(idempotency_key, None)
        if request is not None:
            self.committer.check_unused(request)
        self.committer.commit(operations, request)

    def atomic(self, idempotency_key: str | None = None, request: Any = None) -> TransactionContext:
        """The block of one transaction, executed as a whole when it ends without an exception.

        Under an `idempotency_key` it is executed once: again, entering the block raises `DuplicateIdempotencyKey` with
        the first receipt, or `IdempotencyMismatch` if `request` (anything that JSON can write) is not the first one's.
        """
        self.check_open()
        return TransactionContext(self._blocks, self.committer, make_request(idempotency_key, request))

    def run(
        self, function: Callable[[TransactionContext], Result], idempotency_key: str | None = None, attempts: int = 8
    ) -> Result:
        """Calls `function(tx)` in a block, and again after a `Conflict`, up to `attempts` times; gives its result."""
        check_attempts(attempts)
        while True:
            attempts -= 1
            try:
                with self.atomic(idempotency_key) as tx:
                    return function(tx)
            except Conflict:
                if not attempts:
                    raise

    def snapshot(self) -> None:
        """Takes a snapshot of the newest state, so that opening does not read the journal from its beginning.

        Snapshots are taken in the background as the journal grows; this one is there when the call returns. Deleting them costs
        time and nothing else. A ledger in memory has none. Raises `CorruptJournal`, `StorageFull`, `StorageUnavailable`.
        """
        self.check_open()
        self.committer.snapshot()

    def check_open(self) -> None:
        """Raises `LedgerClosed` where it is closed."""
        if self._closed:
            raise LedgerClosed("the ledger was closed, or another process opened it from which this one was forked")

    def _locked(self) -> AbstractContextManager[object]:
        return self.committer.locked()

    def _reach_head(self) -> None:
        self.check_open()
        self.committer.reach_head()

    def _reach_head_or_pending(self) -> Pending | None:
        self.check_open()
        return self.committer.reach_head_or_pending()


def check_attempts(attempts: object) -> None:
    """Raises `InvalidRequest` where it is no number of attempts."""
    if type(attempts) is not int or attempts < 1:
        raise InvalidRequest(f"a function is run in 1 attempt or more, not {attempts!r}")


def _check_token(token: object) -> Token:
    if not isinstance(token, Token):
        raise InvalidToken(f"a token is registered by a Token, not {token!r}")
    return token


def _open_cell(cell: object) -> Open:
    if not isinstance(cell, tuple) or len(cast(tuple[object, ...], cell)) != 3:
        raise InvalidRequest(f"a cell is taken over as (first, second, amount), not {cell!r}")
    first, second, amount = cast(tuple[str, str, object], cell)
    return Open(first, second, check_amount(amount), "taken over")


def _microseconds_now() -> int:
    return time.time_ns() // 1000


def _random_id() -> str:
    return uuid.uuid4().hex
