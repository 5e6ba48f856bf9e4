"""A ledger as it stood, for asyncio: the reads of a `View` and of an `OccurredView`, done on a thread and awaited."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from datetime import datetime
from functools import wraps
from itertools import islice
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import msgspec

from tallystick.infrastructure.ledger.asyncio.app_state import AsyncAppState
from tallystick.infrastructure.ledger.asyncio.views import AsyncContractView, AsyncStateView
from tallystick.infrastructure.ledger.reading.replays.movements import BATCH_ROWS
from tallystick.infrastructure.ledger.travel.occurred_view import OccurredView
from tallystick.infrastructure.ledger.travel.view import View

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
Past = TypeVar("Past")


class OnAThread(Protocol):
    """Awaits what a call gives that is made on a thread."""

    def __call__(self, call: Callable[[], Result], /) -> Coroutine[Any, Any, Result]: ...


def _awaited(
    call: Callable[Concatenate[Any, Arguments], Result],
) -> Callable[Concatenate[Any, Arguments], Coroutine[Any, Any, Result]]:
    """The same call, done on a thread and awaited."""

    @wraps(call)
    async def awaited(past: Any, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        return await past._on_a_thread(lambda: call(past._blocking, *arguments, **options))

    return awaited


async def each_on_a_thread(on_a_thread: OnAThread, given: Iterator[Result]) -> AsyncIterator[Result]:
    """What an iterator gives, each worked out on a thread when it is asked for."""
    while found := await on_a_thread(lambda: list(islice(given, 1))):
        yield found[0]


class AsyncView:
    """The ledger as it stood when the commit had been recorded that ends at `position`. Its calls are those of `View`."""

    def __init__(self, blocking: View, on_a_thread: OnAThread) -> None:
        self._blocking = blocking
        self._on_a_thread = on_a_thread

    def __repr__(self) -> str:
        return f"Async{self._blocking!r}"

    @property
    def position(self) -> int:
        """The last position that is in it, where a commit ends."""
        return self._blocking.position

    @property
    def recorded_at(self) -> datetime:
        """When that commit was recorded."""
        return self._blocking.recorded_at

    @property
    def blocking(self) -> View:
        """The same for threads."""
        return self._blocking

    token = _awaited(View.token)
    tokens = _awaited(View.tokens)
    balance = _awaited(View.balance)
    balances = _awaited(View.balances)
    column = _awaited(View.column)
    balances_of = _awaited(View.balances_of)
    total = _awaited(View.total)
    supply = _awaited(View.supply)
    fragments = _awaited(View.fragments)
    fragment = _awaited(View.fragment)
    lineage = _awaited(View.lineage)
    hold = _awaited(View.hold)
    holds = _awaited(View.holds)
    frozen = _awaited(View.frozen)
    is_contract = _awaited(View.is_contract)
    contract_ids = _awaited(View.contract_ids)
    allocation = _awaited(View.allocation)
    allocations = _awaited(View.allocations)
    allocations_of = _awaited(View.allocations_of)
    allocation_history = _awaited(View.allocation_history)
    entry = _awaited(View.entry)
    receipt = _awaited(View.receipt)
    find = _awaited(View.find)
    transaction = _awaited(View.transaction)
    history = _awaited(View.history)
    statement = _awaited(View.statement)
    explain = _awaited(View.explain)
    replay = _awaited(View.replay)
    status = _awaited(View.status)
    digest_at = _awaited(View.digest_at)
    verify = _awaited(View.verify)
    audit = _awaited(View.audit)
    backup = _awaited(View.backup)
    duckdb = _awaited(View.duckdb)
    export = _awaited(View.export)

    async def movements(self, after: int = 0, batch_rows: int = BATCH_ROWS) -> AsyncIterator[Any]:
        """Every movement behind position `after`, as `View.movements`: `async for batch in await view.movements()`."""
        begun = await self._on_a_thread(lambda: self._blocking.movements(after, batch_rows))
        return each_on_a_thread(self._on_a_thread, begun)

    async def app(self, code: str) -> AsyncAppState:
        """The app whose token this is, as it stood; `TokenNotFound` or `NotAnApp`. Its calls are `LedgerReadOnly`."""
        app = await self._on_a_thread(lambda: self._blocking.app(code))
        fields: tuple[Any, ...] = msgspec.structs.astuple(app)
        return AsyncAppState(*fields, _on_a_thread=self._on_a_thread)

    async def contract(self, id: str) -> AsyncContractView:
        """The contract's balance, what was allocated of it, and to how many; else `ContractNotFound`."""
        found = await self._on_a_thread(lambda: self._blocking.contract(id))
        return AsyncContractView(found.balance, found.allocs_sum, found.num_allocs, found.backed_by, found.id, self)

    async def contracts(self) -> Mapping[str, AsyncContractView]:
        """All contracts by id, in the order of their registration."""
        return {id: await self.contract(id) for id in await self.contract_ids()}

    @property
    def state(self) -> AsyncStateView:
        """The double map: `await view.state[first][second]` is the cell of that pair."""
        return AsyncStateView(self._cell)

    async def _cell(self, first: str, second: str) -> int:
        return await self._on_a_thread(lambda: self._blocking.state[first][second])


class AsyncOccurredView:
    """What had occurred by a time, as far as it was known at `position`. Its calls are those of `OccurredView`."""

    def __init__(self, blocking: OccurredView, on_a_thread: OnAThread) -> None:
        self._blocking = blocking
        self._on_a_thread = on_a_thread

    def __repr__(self) -> str:
        return f"Async{self._blocking!r}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blocking, name)  # which refuses

    @property
    def position(self) -> int:
        """The last position that is known, where a commit ends."""
        return self._blocking.position

    balance = _awaited(OccurredView.balance)
    balances = _awaited(OccurredView.balances)
    column = _awaited(OccurredView.column)
    total = _awaited(OccurredView.total)
    supply = _awaited(OccurredView.supply)
