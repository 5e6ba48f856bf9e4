"""The ledger for asyncio: the same books, the same planner and the same queue, without making the event loop wait.

What may take long is awaited: reads and maintenance run on a few threads, and the transactions of all tasks are committed in
groups on another. Inside a block nothing is awaited but `tx.contract`, which may have to load it, and `tx.reverse`, which
reads the journal. A task that is cancelled while its transaction is in the queue does not withdraw it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import wraps
from inspect import isawaitable
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar, cast, overload

from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.errors import DuplicateIdempotencyKey, LedgerClosed
from tallystick.domain.values.curve import CurveMaker
from tallystick.domain.values.entry_details import details_of
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.commit.idempotency import check_key, make_request
from tallystick.infrastructure.commit.receipt import Receipt, repeated
from tallystick.infrastructure.journal.port import MAX_CLOCK_LEAP
from tallystick.infrastructure.ledger.asyncio.app_state import AsyncAppState
from tallystick.infrastructure.ledger.asyncio.calls import Asked, awaited
from tallystick.infrastructure.ledger.asyncio.past import AsyncOccurredView, AsyncView, each_on_a_thread
from tallystick.infrastructure.ledger.asyncio.transaction import AsyncCommits, AsyncTransactionContext
from tallystick.infrastructure.ledger.asyncio.views import AsyncContractView, AsyncStateView
from tallystick.infrastructure.ledger.calls.app_state import AppReads
from tallystick.infrastructure.ledger.calls.direct_calls import LedgerCalls, Make
from tallystick.infrastructure.ledger.calls.options import CallOptions
from tallystick.infrastructure.ledger.core import LedgerCore, open_core
from tallystick.infrastructure.ledger.expiry import check_seconds
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.reading.contract_view import ContractView
from tallystick.infrastructure.ledger.reading.lines.request import By
from tallystick.infrastructure.ledger.reading.replays.movements import BATCH_ROWS
from tallystick.infrastructure.ledger.running.running import run_task
from tallystick.infrastructure.ledger.running.tries import TIMEOUT, check_limits
from tallystick.infrastructure.ledger.travel.forked_core import forked
from tallystick.infrastructure.ledger.travel.moment import Moment

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
THREADS = 8


class AsyncLedger:
    """The books of a journal, for the tasks of one event loop. Its calls are those of `Ledger`, with their errors, awaited."""

    def __init__(self, core: LedgerCore, threads: ThreadPoolExecutor) -> None:
        self._core = core
        self._blocking = Ledger(core)
        self._threads = threads
        self._commits = AsyncCommits(core, threads)
        self._apps = AppReads(core)
        self._closing: asyncio.Future[None] | None = None
        self._expiring: asyncio.Task[None] | None = None

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        create: bool = True,
        read_only: bool = False,
        curves: Mapping[str, CurveMaker] | None = None,
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        clock: Callable[[], datetime] | None = None,
        ids: Callable[[], str] | None = None,
        max_clock_leap: timedelta | None = MAX_CLOCK_LEAP,
    ) -> "Opening":
        """As `Ledger.open`: `async with AsyncLedger.open(url) as ledger`, or `ledger = await AsyncLedger.open(url)`."""
        return Opening(lambda: open_core(url, create, read_only, curves, contracts_in_memory, clock, ids, max_clock_leap))

    async def close(self) -> None:
        """Waits for what is in the queue and closes the journal; every later call is `LedgerClosed`.

        It is closed though the task that waits for it is cancelled. Where it fails, close it again.
        """
        if self._expiring is not None:
            self._expiring.cancel()
        if self._core.is_inherited:  # its threads are the parent's
            self._core.close()
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().run_in_executor(self._threads, self._core.close)
            self._closing.add_done_callback(self._closed)
        await asyncio.shield(self._closing)

    def _closed(self, closing: "asyncio.Future[None]") -> None:
        if closing.cancelled() or closing.exception() is not None:
            self._closing = None
        else:
            self._threads.shutdown(wait=False)

    @property
    def blocking(self) -> Ledger:
        """The same ledger for threads, on the same journal. It is closed with this one."""
        return self._blocking

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def atomic(
        self,
        idempotency_key: str | None = None,
        request: Any = None,
        *,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncTransactionContext:
        """The block of one transaction, `async with ledger.atomic() as tx`; as `Ledger.atomic`."""
        self._core.check_writable()
        asked, details = make_request(idempotency_key, request), details_of(occurred_at, reference, metadata)
        return AsyncTransactionContext(self._commits, asked, details)

    async def run(
        self,
        function: Callable[[AsyncTransactionContext], Awaitable[Result] | Result],
        idempotency_key: str | None = None,
        *,
        request: Any = None,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
        attempts: int | None = None,
    ) -> Result:
        """As `Ledger.run`: calls `function(tx)` in a block, or awaits it, and again after a `Conflict`.

        A task that is cancelled, while it waits for its turn or in its function, gives the turn to the next.
        """
        timeout, attempts = check_limits(timeout, attempts)
        keywords: Any = {"occurred_at": occurred_at, "reference": reference, "metadata": metadata}

        async def call() -> Result:
            async with self.atomic(idempotency_key, request, **keywords) as tx:
                result = function(tx)
                return cast(Result, await result if isawaitable(result) else result)

        return await run_task(self._core.turns, timeout, attempts, call)

    async def once(
        self,
        function: Callable[[AsyncTransactionContext], object],
        idempotency_key: str,
        *,
        request: Any = None,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
        attempts: int | None = None,
    ) -> Receipt | None:
        """Runs `function(tx)` as `run` does and gives the receipt; where the key was used, the first one, `repeated`."""
        check_key(idempotency_key)

        async def call(tx: AsyncTransactionContext) -> AsyncTransactionContext:
            result = function(tx)
            if isawaitable(result):
                await result
            return tx

        keywords: Any = {"request": request, "occurred_at": occurred_at, "reference": reference, "metadata": metadata}
        try:
            return (await self.run(call, idempotency_key, timeout=timeout, attempts=attempts, **keywords)).receipt
        except DuplicateIdempotencyKey as error:
            if error.key != idempotency_key:
                raise
            return repeated(error.receipt)

    def expire_every(self, seconds: float | None) -> "asyncio.Task[None] | None":
        """As `Ledger.expire_every`, in a task, which nobody needs to await: it ends when it is cancelled or replaced, or the
        ledger is closed.
        """
        self._commits.check_usable()
        if seconds is not None:
            self._core.check_writable()
            seconds = check_seconds(seconds)
        if self._expiring is not None:
            self._expiring.cancel()
        stopped = self._core.expiry.begin()
        if seconds is None:
            stopped.set()
            self._expiring = None
        else:
            self._expiring = asyncio.create_task(self._expire(seconds, stopped))
        return self._expiring

    async def _expire(self, seconds: float, stopped: Event) -> None:
        try:
            while not stopped.is_set():
                await self._commits.on_a_thread(lambda: self._core.expiry.round(stopped))
                await asyncio.sleep(seconds)
        finally:
            stopped.set()

    def _call(self, options: CallOptions, make: Make, *arguments: Any) -> Asked:
        return self._commits, options, make, arguments

    mint = awaited(LedgerCalls.mint)
    burn = awaited(LedgerCalls.burn)
    transfer = awaited(LedgerCalls.transfer)
    reserve = awaited(LedgerCalls.reserve)
    settle = awaited(LedgerCalls.settle)
    release = awaited(LedgerCalls.release)
    expire = awaited(LedgerCalls.expire)
    reverse = awaited(LedgerCalls.reverse)
    freeze = awaited(LedgerCalls.freeze)
    unfreeze = awaited(LedgerCalls.unfreeze)

    async def app(self, code: AnyToken) -> AsyncAppState:
        """The app whose token this is, to see how it stands and to deal with it; `TokenNotFound` or `NotAnApp`."""
        now = await self._on_a_thread(lambda: self._apps.figures(code))
        return AsyncAppState(
            now.code, now.owner, now.accepts, now.price, now.supply, now.reserve, self._apps, self._call, self._on_a_thread
        )

    @staticmethod
    def _awaited(
        call: Callable[Concatenate[Ledger, Arguments], Result],
    ) -> "Callable[Concatenate[AsyncLedger, Arguments], Coroutine[Any, Any, Result]]":
        """The same call, done on a thread and awaited."""

        @wraps(call)
        async def awaited(ledger: "AsyncLedger", *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
            return await ledger._on_a_thread(lambda: call(ledger._blocking, *arguments, **options))

        return awaited

    async def _on_a_thread(self, call: Callable[[], Result]) -> Result:
        if self._closing is not None:
            raise LedgerClosed("the ledger was closed")
        self._commits.check_usable()
        return await self._commits.on_a_thread(call)

    register_token = _awaited(Ledger.register_token)
    update_app = _awaited(Ledger.update_app)
    take_over = _awaited(Ledger.take_over)
    handles = _awaited(Ledger.handles)
    transfer_many = _awaited(Ledger.transfer_many)
    mint_many = _awaited(Ledger.mint_many)
    burn_many = _awaited(Ledger.burn_many)

    token = _awaited(Ledger.token)
    tokens = _awaited(Ledger.tokens)
    balance = _awaited(Ledger.balance)
    balances = _awaited(Ledger.balances)
    column = _awaited(Ledger.column)
    index_past = _awaited(Ledger.index_past)
    balances_of = _awaited(Ledger.balances_of)
    total = _awaited(Ledger.total)
    supply = _awaited(Ledger.supply)
    fragment = _awaited(Ledger.fragment)
    fragments = _awaited(Ledger.fragments)
    lineage = _awaited(Ledger.lineage)
    hold = _awaited(Ledger.hold)
    holds = _awaited(Ledger.holds)
    frozen = _awaited(Ledger.frozen)
    is_contract = _awaited(Ledger.is_contract)
    contract_ids = _awaited(Ledger.contract_ids)
    allocation = _awaited(Ledger.allocation)
    allocations = _awaited(Ledger.allocations)
    allocations_of = _awaited(Ledger.allocations_of)
    allocation_history = _awaited(Ledger.allocation_history)
    erase = _awaited(Ledger.erase)
    entry = _awaited(Ledger.entry)
    receipt = _awaited(Ledger.receipt)
    find = _awaited(Ledger.find)
    transaction = _awaited(Ledger.transaction)
    history = _awaited(Ledger.history)
    statement = _awaited(Ledger.statement)
    explain = _awaited(Ledger.explain)
    diff = _awaited(Ledger.diff)
    replay = _awaited(Ledger.replay)
    check_replay = _awaited(Ledger.check_replay)
    replay_diff = _awaited(Ledger.replay_diff)
    bisect = _awaited(Ledger.bisect)
    rebuild = _awaited(Ledger.rebuild)
    project = _awaited(Ledger.project)
    check_rebuilt = _awaited(Ledger.check_rebuilt)
    duckdb = _awaited(Ledger.duckdb)
    export = _awaited(Ledger.export)
    status = _awaited(Ledger.status)
    digest_at = _awaited(Ledger.digest_at)
    verify = _awaited(Ledger.verify)
    audit = _awaited(Ledger.audit)
    backup = _awaited(Ledger.backup)
    snapshot = _awaited(Ledger.snapshot)

    async def movements(self, after: int = 0, batch_rows: int = BATCH_ROWS) -> AsyncIterator[Any]:
        """Every movement behind position `after`, as `Ledger.movements`: `async for batch in await ledger.movements()`."""
        begun = await self._on_a_thread(lambda: self._blocking.movements(after, batch_rows))
        return each_on_a_thread(self._on_a_thread, begun)

    @overload
    async def as_of(self, at: Moment, *, known_at: Moment | None = None) -> AsyncView: ...
    @overload
    async def as_of(self, at: Moment, by: Literal["recorded_at"], *, known_at: Moment | None = None) -> AsyncView: ...
    @overload
    async def as_of(self, at: Moment, by: Literal["occurred_at"], *, known_at: Moment | None = None) -> AsyncOccurredView: ...
    async def as_of(
        self, at: Moment, by: By = "recorded_at", *, known_at: Moment | None = None
    ) -> AsyncView | AsyncOccurredView:
        """The ledger as it stood at a moment, whose reads are awaited; as `Ledger.as_of`."""
        if by == "occurred_at":
            occurred = await self._on_a_thread(lambda: self._blocking.as_of(at, "occurred_at", known_at=known_at))
            return AsyncOccurredView(occurred, self._on_a_thread)
        view = await self._on_a_thread(lambda: self._blocking.as_of(at, by, known_at=known_at))
        return AsyncView(view, self._on_a_thread)

    def fork(self, at: Moment | None = None) -> "Opening":
        """A scratch ledger that goes on from this one, as `Ledger.fork`: `async with ledger.fork() as fork`, or awaited."""
        return Opening(lambda: forked(self._core, at))

    async def contract(self, id: str) -> AsyncContractView:
        """The contract's balance, what is allocated of it, and to how many; else `ContractNotFound`."""
        return self._view(await self._on_a_thread(lambda: self._blocking.contract(id)))

    async def contracts(self) -> Mapping[str, AsyncContractView]:
        """All contracts by id, in the order of their registration, as they stand now."""
        found = await self._on_a_thread(lambda: list(self._blocking.contracts().values()))
        return {view.id: self._view(view) for view in found}

    def _view(self, view: ContractView) -> AsyncContractView:
        return AsyncContractView(view.balance, view.allocs_sum, view.num_allocs, view.backed_by, view.id, self)

    @property
    def state(self) -> AsyncStateView:
        """The double map: `await ledger.state[first][second]` is the cell of that pair."""
        return AsyncStateView(self._cell)

    async def _cell(self, first: str, second: str) -> int:
        return await self._on_a_thread(lambda: self._blocking.state[first][second])


class Opening:
    """A ledger that is being opened: awaited it is open, and entered it is closed again at the end."""

    def __init__(self, open_core: Callable[[], LedgerCore]) -> None:
        self._open_core = open_core
        self._ledger: AsyncLedger | None = None

    def __await__(self) -> Generator[Any, None, AsyncLedger]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncLedger:
        self._ledger = await self._open()
        return self._ledger

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ledger is not None:
            await self._ledger.close()

    async def _open(self) -> AsyncLedger:
        threads = ThreadPoolExecutor(THREADS, "tallystick")
        opening = threads.submit(self._open_core)
        try:
            return AsyncLedger(await asyncio.wrap_future(opening), threads)
        except BaseException:
            opening.add_done_callback(_close_again)  # cancelled, nobody will
            threads.shutdown(wait=False)
            raise


def _close_again(opening: Future[LedgerCore]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
