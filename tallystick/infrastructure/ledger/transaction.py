"""The block of one transaction: a plan that is executed when the block ends, under an idempotency key if it has one."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tallystick.domain.contract.handle import PlannedContract
from tallystick.domain.errors import TransactionClosed
from tallystick.domain.plan.plan import Plan
from tallystick.domain.plan.recording import Recording
from tallystick.infrastructure.commit.committer import Committer
from tallystick.infrastructure.commit.member import Committed
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.commit.request import Request


class Blocks:
    """Which threads are in a block of a ledger. Blocks of one ledger do not nest."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self.check_open = check_open
        self._thread = threading.local()

    def check(self) -> None:
        """`LedgerClosed`, or `TransactionClosed` where this thread is in a block."""
        self.check_open()
        if getattr(self._thread, "entered", False):
            raise TransactionClosed("a transaction is open on this thread: blocks of one ledger do not nest")

    def enter(self) -> None:
        """Notes that this thread is in a block."""
        self._thread.entered = True

    def leave(self) -> None:
        """Notes that this thread's block has ended."""
        self._thread.entered = False


class TransactionContext(Plan):
    """What `ledger.atomic()` gives: a plan, and once the block has ended its receipt."""

    def __init__(self, blocks: Blocks, committer: Committer, request: Request | None) -> None:
        super().__init__(Recording(committer.books, committer))
        self._blocks = blocks
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

    def contract(self, id: str) -> PlannedContract:
        """The contract, to change its balance and its shadow space; `ContractNotFound`."""
        return self._planned_contract(id)

    def __enter__(self) -> Self:
        self._blocks.check()
        if self._request is not None:
            self._committer.check_unused(self._request)
        self._blocks.enter()  # last, for what is interrupted before is not left again
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._blocks.leave()
        self._recording.close()
        if kind is None:
            operations = self._recording.finished()
            if operations:
                self._blocks.check_open()  # a child that was forked in the block would commit it once more
                self._committed = self._committer.commit(operations, self._request)
