"""A blocking ledger in the words of an `AsyncLedger`, so that one suite is played on both; nothing in it waits for a loop."""

from collections.abc import Awaitable, Callable
from typing import Any

from tallystick import Ledger


class AwaitableTransaction:
    """A transaction of a blocking ledger, in the words of an awaited one."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx

    async def __aenter__(self) -> Any:
        self._tx.__enter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return self._tx.__exit__(*error)

    async def contract(self, id: str) -> Any:
        return self._tx.contract(id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


class AwaitableView:
    """A contract's view."""

    def __init__(self, view: Any) -> None:
        self._view = view

    async def allocation(self, account: str) -> Any:
        return self._view.allocation(account)

    async def allocations(self) -> Any:
        return self._view.allocations()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)


class AwaitableRow:
    """A row of the double map."""

    def __init__(self, row: Any) -> None:
        self._row = row

    async def __getitem__(self, second: str) -> int:
        return self._row[second]


class AwaitableState:
    """The double map."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def __getitem__(self, first: str) -> AwaitableRow:
        return AwaitableRow(self._state[first])


class AwaitableLedger:
    """A blocking ledger, in the words of an awaited one."""

    def __init__(self, ledger: Ledger) -> None:
        self.blocking = ledger

    def atomic(self, *arguments: Any, **options: Any) -> AwaitableTransaction:
        return AwaitableTransaction(self.blocking.atomic(*arguments, **options))

    async def run(self, function: Callable[[Any], Any], **options: Any) -> Any:
        def driven(tx: Any) -> Any:
            given = function(AwaitableTransaction(tx))
            if not isinstance(given, Awaitable):
                return given
            try:
                given.__await__().send(None)
            except StopIteration as end:
                return end.value
            raise AssertionError("a blocking ledger has nothing to await")

        return self.blocking.run(driven, **options)

    async def contract(self, id: str) -> AwaitableView:
        return AwaitableView(self.blocking.contract(id))

    async def contracts(self) -> dict[str, AwaitableView]:
        return {id: AwaitableView(view) for id, view in self.blocking.contracts().items()}

    @property
    def state(self) -> AwaitableState:
        return AwaitableState(self.blocking.state)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.blocking, name)

        async def awaited(*arguments: Any, **options: Any) -> Any:
            return call(*arguments, **options)

        return awaited
