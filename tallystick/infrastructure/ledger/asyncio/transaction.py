"""The block of one transaction for asyncio: the same plan, whose end is awaited and not waited for.

Tasks of one event loop queue their transactions, and when the loop has come round the queue's thread is set to work on all
of them. What becomes of them comes back to the loop once for each group and not for each transaction.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from tallystick.domain.contract.handle import PlannedContract
from tallystick.domain.errors import InvalidRequest, LedgerClosed, LedgerError, StorageError, TransactionClosed
from tallystick.domain.operation import Operation
from tallystick.domain.plan.recording import Recording
from tallystick.domain.values.entry_details import EntryDetails
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.member import TransactionMember
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.asyncio.key_questions import KeyQuestions
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.saving import Saves, SavingPlan
from tallystick.infrastructure.ledger.transaction import REFUSALS, is_perhaps_repeated

Result = TypeVar("Result")


class AsyncCommits:
    """The way from one event loop to the queue of those who commit, and back."""

    def __init__(self, core: LedgerCore, executor: Executor) -> None:
        self.core = core
        self._executor = executor
        self.tasks: set[asyncio.Task[Any]] = set()
        self.loop = asyncio.get_running_loop()
        self.questions = KeyQuestions(core, self.loop, executor)
        self._submitted: list[TransactionMember] = []
        self._is_starting = False
        self.done: deque[AwaitedMember] = deque()
        self._is_waking = False
        core.queue.listeners.append(self._wake_loop)

    def check_usable(self) -> None:
        """`LedgerClosed`, or `InvalidRequest` on another event loop than the one in which the ledger was opened."""
        self.core.check_open()
        if asyncio.get_running_loop() is not self.loop:
            raise InvalidRequest("an AsyncLedger belongs to the event loop in which it was opened, and this is another")

    def check_no_block(self, task: asyncio.Task[Any] | None) -> None:
        """`TransactionClosed` where the task is in a block: another in it would be one of its own, which surprises."""
        if task in self.tasks:
            raise TransactionClosed("a transaction is open in this task: blocks of one ledger do not nest")

    async def on_a_thread(self, call: Callable[[], Result]) -> Result:
        """Awaits what `call` gives."""
        return await self.loop.run_in_executor(self._executor, call)

    def submit(self, member: "AwaitedMember") -> None:
        """Queues a member; its future will have a result when it is done."""
        if not self._is_starting:
            self.loop.call_soon(self._start)
            self._is_starting = True
        self._submitted.append(member)

    def _start(self) -> None:
        """Hands all over that were submitted since the loop came round last."""
        self._is_starting = False
        queue = self.core.queue
        try:
            queue.submit(self._submitted)
        except LedgerClosed as error:
            away, self._submitted = self._submitted, []
            for member in away:
                member.fail(error)
                member.finish()
            self._wake()
            return
        queue.start()

    def _wake_loop(self) -> None:
        """Called on the thread that leads: if members are done, the loop, when it comes round, is to tell their tasks."""
        if not self.done or self._is_waking:
            return
        self._is_waking = True
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            pass  # the loop was closed: nobody waits any more
        except BaseException:
            self._is_waking = False  # the next one will see to it
            raise

    def _wake(self) -> None:
        self._is_waking = False
        while self.done:
            future = self.done.popleft().future
            if not future.done():  # as it is when its task was cancelled
                future.set_result(None)


class AwaitedMember(TransactionMember):
    """A member that a task awaits."""

    def __init__(
        self,
        operations: Sequence[Operation],
        request: Request | None,
        commits: AsyncCommits,
        details: EntryDetails | None = None,
    ) -> None:
        self.operations = operations  # as the base does, which is not called: it takes a tenth of all that a call takes here
        self.request = request
        self.details = details
        self._commits = commits
        self.future: asyncio.Future[None] = commits.loop.create_future()

    def finish(self) -> None:
        self.is_done = True
        self._commits.done.append(self)


class AsyncTransactionContext(SavingPlan):
    """What the `atomic()` of an `AsyncLedger` gives: a plan, and once the block has ended its receipt."""

    def __init__(self, commits: AsyncCommits, request: Request | None, details: EntryDetails | None) -> None:
        super().__init__(Recording(commits.core.books, commits.core.keeper))
        self._commits = commits
        self._request = request
        self._details = details
        self._member: AwaitedMember | None = None
        self._receipt: Receipt | None = None
        self._task: asyncio.Task[Any] | None = None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt, once the block has ended and unless it recorded nothing.

        Where the task was cancelled while it waited for the end, it appears when the transaction is durable after all.
        """
        if self._receipt is None and self._member is not None and self._member.committed is not None:
            self._receipt = self._member.committed.receipt()
        return self._receipt

    async def contract(self, id: str) -> PlannedContract:
        """The contract, to change its balance and its shadow space; `ContractNotFound`. It may have to be loaded."""
        return await self._commits.on_a_thread(lambda: self._planned_contract(id))

    @overload
    def register_contract(self, id: str, backed_by: AnyToken | None = None) -> PlannedContract: ...

    @overload
    def register_contract(
        self, id: str, backed_by: AnyToken | None = None, *, sweep_to: str, at_most: Mapping[AnyToken, int]
    ) -> Awaitable[PlannedContract]: ...

    def register_contract(
        self,
        id: str,
        backed_by: AnyToken | None = None,
        *,
        sweep_to: str | None = None,
        at_most: Mapping[AnyToken, int] | None = None,
    ) -> PlannedContract | Awaitable[PlannedContract]:
        """As `TransactionContext.register_contract`; awaited with `sweep_to`, for then the journal is read."""
        if sweep_to is None and at_most is None:
            return self._register_contract(id, backed_by)
        return self._register_swept(id, backed_by, sweep_to, at_most)

    async def _register_swept(self, id: str, backed_by: AnyToken | None, sweep_to: object, at_most: object) -> PlannedContract:
        sweep = await self._commits.on_a_thread(lambda: self._sweep(id, sweep_to, at_most))
        return self._register_contract(id, backed_by, sweep)

    async def reverse(
        self,
        id: None = None,
        *,
        entry: int | None = None,
        transaction: int | None = None,
        amount: int | None = None,
        memo: str = "",
    ) -> None:
        """As `TransactionContext.reverse`: what is to be taken back is read from the journal."""
        originals = await self._commits.on_a_thread(lambda: self._originals(id, entry, transaction, amount))
        self._reverse(originals, amount, memo)

    async def __aenter__(self) -> Self:
        commits = self._commits
        commits.check_usable()
        task = asyncio.current_task()
        if task is None:
            raise InvalidRequest("a block of an AsyncLedger is entered by a task, and none is running")
        commits.check_no_block(task)
        keeper = commits.core.keeper
        if keeper.is_behind:
            await commits.on_a_thread(keeper.catch_up)
        if self._request is not None:
            await self._check_unused(self._request)
        self._recording.open()
        commits.tasks.add(task)
        self._task = task
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._commits.tasks.discard(self._task)
        self._recording.close()
        if kind is None:
            is_looked_up = False
            try:
                operations = self._recording.finished()
                is_looked_up = not self._commits.core.journal.keeps_keys  # whoever executes it looks the key up
                if self._saves is not None:
                    await self._commit_with(self._saves, operations)
                elif operations:
                    self._member = AwaitedMember(operations, self._request, self._commits, self._details)
                    if self._recording.planned:
                        self._member.planned = self._recording.planned
                    self._commits.submit(self._member)
                    await self._member.future
                    self._member.outcome()
            except REFUSALS as refusal:
                if not is_looked_up:
                    await self._check_still_unused(refusal)
                raise
        else:
            self._recording.abandon()
            if isinstance(error, REFUSALS):
                await self._check_still_unused(error)

    async def _check_still_unused(self, refusal: LedgerError) -> None:
        """As that of a block of a thread."""
        if is_perhaps_repeated(self._request, refusal) and not self._commits.core.is_closed:
            with suppress(StorageError):
                await self._check_unused(self._request)

    async def _commit_with(self, saves: Saves, operations: Sequence[Operation]) -> None:
        """Commits the operations together with what is saved, and has the applications told of it, on a thread."""
        member = AwaitedMember(operations, self._request, self._commits, self._details)
        member.planned = self._recording.planned or ()
        saved = saves.finished()
        if saved is not None:
            member.take_along(saved)
        if operations or saved is not None:
            self._member = member
            self._commits.submit(member)
            await member.future
            member.outcome()
        saves.take_out()
        await self._commits.on_a_thread(lambda: saves.tell(saved))

    def _ledgers_journal(self) -> Journal:
        return self._commits.core.journal

    async def _check_unused(self, request: Request) -> None:
        core = self._commits.core
        if core.journal.keeps_keys:
            await self._commits.questions.check_unused(request)
        elif not core.keeper.check_unused_at_once(request):
            await self._commits.on_a_thread(lambda: core.keeper.check_unused(request))
