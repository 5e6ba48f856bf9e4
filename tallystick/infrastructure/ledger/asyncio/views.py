"""What an `AsyncLedger` gives to look at: the double map, whose cells are awaited, and contracts, whose allocations are."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from tallystick.domain.contract.contract import Allocation


class Awaited(Protocol):
    """What the views ask of a ledger."""

    def cell(self, first: str, second: str) -> Coroutine[Any, Any, int]: ...
    def allocation(self, contract: str, account: str) -> Coroutine[Any, Any, Allocation | None]: ...
    def allocations(self, contract: str) -> Coroutine[Any, Any, dict[str, Allocation]]: ...


class AsyncStateView:
    """The first key of the double map."""

    def __init__(self, ledger: Awaited) -> None:
        self._ledger = ledger

    def __getitem__(self, first: str) -> "AsyncRowView":
        return AsyncRowView(self._ledger, first)


class AsyncRowView:
    """The second key of the double map."""

    def __init__(self, ledger: Awaited, first: str) -> None:
        self._ledger = ledger
        self._first = first

    def __getitem__(self, second: str) -> Coroutine[Any, Any, int]:
        return self._ledger.cell(self._first, second)


@dataclass(frozen=True)
class AsyncContractView:
    """A contract's figures as they stood when it was asked for, in satoshis. Its allocations are awaited when asked for."""

    balance: int
    allocs_sum: int
    num_allocs: int
    backed_by: str | None
    id: str = field(compare=False)
    _ledger: Awaited = field(repr=False, compare=False)

    async def allocation(self, account: str) -> Allocation | None:
        """What the account is allocated as the contract stands now; None where it has no allocation."""
        return await self._ledger.allocation(self.id, account)

    async def allocations(self) -> dict[str, Allocation]:
        """What every account is allocated as the contract stands now."""
        return await self._ledger.allocations(self.id)
