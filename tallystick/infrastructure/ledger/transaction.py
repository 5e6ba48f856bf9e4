"""The block of one transaction: a plan that is executed when the block ends, under an idempotency key if it has one."""

import threading
from types import TracebackType
from typing import Self

from tallystick.domain.contract.handle import PlannedContract
from tallystick.domain.errors import TransactionClosed
from tallystick.domain.plan.plan import Plan
from tallystick.domain.plan.recording import Recording
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.member import Committed, TransactionMember
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.ledger.core import LedgerCore


class OpenBlocks(threading.local):
    """Whether this thread is in a block of a ledger. OpenBlocks of one ledger do not nest."""

    is_in_one = False

    def check_none_is_open(self) -> None:
        """`TransactionClosed` in a block: another transaction in it would be one of its own, which surprises."""
        if self.is_in_one:
            raise TransactionClosed("a transaction is open on this thread: blocks of one ledger do not nest")


class TransactionContext(Plan):
    """What `ledger.atomic()` gives: a plan, and once the block has ended its receipt."""

    def __init__(self, core: LedgerCore, blocks: OpenBlocks, request: Request | None) -> None:
        super().__init__(Recording(core.books, core.keeper))
        self._core = core
        self._blocks = blocks
        self._request = request
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

    def __enter__(self) -> Self:
        core = self._core
        if core.is_closed:
            core.check_open()
        if self._blocks.is_in_one:
            self._blocks.check_none_is_open()
        if self._request is not None:
            core.keeper.check_unused(self._request)
        self._blocks.is_in_one = True  # last, for what is interrupted before is not left again
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._blocks.is_in_one = False
        self._recording.close()
        if kind is None:
            operations = self._recording.finished()
            if operations:
                core = self._core
                if core.is_closed:  # a child that was forked in the block would commit it once more
                    core.check_open()
                member = TransactionMember(operations, self._request)
                core.queue.run(member)
                self._committed = member.outcome()
