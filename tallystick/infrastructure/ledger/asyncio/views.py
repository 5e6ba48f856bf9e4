"""What an `AsyncLedger` gives to look at: the double map, whose cells are awaited, and contracts, whose allocations are."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tallystick.domain.contract.contract import Allocation
from tallystick.infrastructure.ledger.reading.contract_view import ContractFigures

Cell = Callable[[str, str], Coroutine[Any, Any, int]]


class Awaited(Protocol):
    """What a contract's view asks of a ledger."""

    def allocation(self, contract: str, account: str) -> Coroutine[Any, Any, Allocation | None]: ...
    def allocations(self, contract: str) -> Coroutine[Any, Any, dict[str, Allocation]]: ...


class AsyncStateView:
    """The first key of the double map."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def __getitem__(self, first: str) -> "AsyncRowView":
        return AsyncRowView(self._cell, first)


class AsyncRowView:
    """The second key of the double map."""

    def __init__(self, cell: Cell, first: str) -> None:
        self._cell = cell
        self._first = first

    def __getitem__(self, second: str) -> Coroutine[Any, Any, int]:
        return self._cell(self._first, second)


class AsyncContractView(ContractFigures, frozen=True, eq=False):
    """A contract's figures as they stood when it was asked for, in satoshis. Its allocations are awaited when asked for.

    `balance`, `allocs_sum`, `num_allocs`, `backed_by` and `id` are those of a `ContractView`.
    """

    async def allocation(self, account: str) -> Allocation | None:
        """What the account is allocated as the contract stands now; None where it has no allocation."""
        awaited: Awaited = self._asked()
        return await awaited.allocation(self.id, account)

    async def allocations(self) -> dict[str, Allocation]:
        """What every account is allocated as the contract stands now."""
        awaited: Awaited = self._asked()
        return await awaited.allocations(self.id)
