"""The block of one transaction: a plan that is executed when the block ends, under an idempotency key if it has one."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeGuard

from tallystick.domain.contract.handle import PlannedContract
from tallystick.domain.errors import (
    DuplicateIdempotencyKey,
    IdempotencyMismatch,
    InvalidRequest,
    LedgerClosed,
    LedgerError,
    NotFound,
    Refused,
    StorageError,
    TransactionClosed,
)
from tallystick.domain.operation import Operation
from tallystick.domain.plan.recording import Recording
from tallystick.domain.values.entry_details import EntryDetails
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.member import Committed, TransactionMember
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.saving import Saves, SavingPlan

REFUSALS = (InvalidRequest, NotFound, Refused)
"""What may come of a key's first use, when the same is asked for again."""


def is_perhaps_repeated(request: Request | None, refusal: LedgerError) -> TypeGuard[Request]:
    """Whether what was refused has a key, and a first use of it may be the reason that nobody was told of."""
    other = (DuplicateIdempotencyKey, IdempotencyMismatch, LedgerClosed, TransactionClosed)
    return request is not None and not isinstance(refusal, other)


class OpenBlocks(threading.local):
    """Whether this thread is in a block of a ledger. OpenBlocks of one ledger do not nest."""

    is_in_one = False

    def check_none_is_open(self) -> None:
        """`TransactionClosed` in a block: another transaction in it would be one of its own, which surprises."""
        if self.is_in_one:
            raise TransactionClosed("a transaction is open on this thread: blocks of one ledger do not nest")


class TransactionContext(SavingPlan):
    """What `ledger.atomic()` gives: a plan, and once the block has ended its receipt."""

    def __init__(self, core: LedgerCore, blocks: OpenBlocks, request: Request | None, details: EntryDetails | None) -> None:
        super().__init__(Recording(core.books, core.keeper))
        self._core = core
        self._blocks = blocks
        self._request = request
        self._details = details
        self._committed: Committed | None = None
        self._receipt: Receipt | None = None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt, once the block has ended and unless it recorded nothing."""
        if self._receipt is None and self._committed is not None:
            self._receipt = self._committed.receipt()
        return self._receipt

    def contract(self, id: str) -> PlannedContract:
        """The contract, to change its balance and its shadow space; `ContractNotFound`."""
        return self._planned_contract(id)

    def register_contract(
        self,
        id: str,
        backed_by: AnyToken | None = None,
        *,
        sweep_to: str | None = None,
        at_most: Mapping[AnyToken, int] | None = None,
    ) -> PlannedContract:
        """Registers a contract with a balance of 0 and an empty shadow space, and gives it.

        With `backed_by`, a token's code, its balance is that token's and lies in the contract's own account. With `sweep_to`,
        what lies under its name is moved to that account first: dust, of each token `at_most` as much as that says by its code.
        The journal is read for who sweeps something. `ContractAlreadyRegistered`, `TokenNotFound`; `NameInUse` where an account
        of that name has money, or more than may be swept, or may get some back, or a token has the name, and for a sweep where
        the account ever gave or held something or is allocated something.
        """
        if sweep_to is None and at_most is None:
            return self._register_contract(id, backed_by)
        return self._register_contract(id, backed_by, self._sweep(id, sweep_to, at_most))

    def reverse(
        self,
        id: None = None,
        *,
        entry: int | None = None,
        transaction: int | None = None,
        amount: int | None = None,
        memo: str = "",
    ) -> None:
        """Takes back all that is left of each movement of an `entry`, or of one `transaction`, or `amount` of that.

        By the rules of today: what was transferred, settled, minted or burned goes the other way; of what was reserved, that
        which is still held is released. Raises `EntryNotFound`, `TransactionNotFound`, `NotReversible`, `AlreadyReversed` where
        less is left, and what the movement back is refused for.
        """
        self._reverse(self._originals(id, entry, transaction, amount), amount, memo)

    def __enter__(self) -> Self:
        core = self._core
        if core.is_closed:
            core.check_open()
        if self._blocks.is_in_one:
            self._blocks.check_none_is_open()
        if self._request is not None:
            core.keeper.check_unused(self._request)
        self._recording.open()
        self._blocks.is_in_one = True  # last, for what is interrupted before is not left again
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._blocks.is_in_one = False
        self._recording.close()
        if kind is None:
            is_looked_up = False
            try:
                operations = self._recording.finished()
                is_looked_up = not self._core.journal.keeps_keys  # whoever executes it looks the key up
                if self._saves is not None:
                    self._commit_with(self._saves, operations)
                elif operations:
                    core = self._core
                    if core.is_closed:  # a child that was forked in the block would commit it once more
                        core.check_open()
                    member = TransactionMember(operations, self._request, self._details)
                    if self._recording.planned:
                        member.planned = self._recording.planned
                    core.queue.run(member)
                    self._committed = member.outcome()
            except REFUSALS as refusal:
                if not is_looked_up:
                    self._check_still_unused(refusal)
                raise
        else:
            self._recording.abandon()
            if isinstance(error, REFUSALS):
                self._check_still_unused(error)

    def _check_still_unused(self, refusal: LedgerError) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used since the block was entered: that
        may be what the refusal comes from.
        """
        if is_perhaps_repeated(self._request, refusal) and not self._core.is_closed:
            with suppress(StorageError):
                self._core.keeper.check_unused(self._request)

    def _commit_with(self, saves: Saves, operations: Sequence[Operation]) -> None:
        """Commits the operations together with what is saved, and tells the applications of it."""
        core = self._core
        core.check_open()
        member = TransactionMember(operations, self._request, self._details)
        member.planned = self._recording.planned or ()
        saved = saves.finished()
        if saved is not None:
            member.take_along(saved)
        if operations or saved is not None:
            try:
                core.queue.run(member)
                self._committed = member.outcome()
            finally:
                if member.committed is not None:  # though this thread may have been interrupted since
                    saves.take_out()
        saves.tell(saved)

    def _ledgers_journal(self) -> Journal:
        return self._core.journal
