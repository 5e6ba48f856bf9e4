"""Contracts for reading: `ledger.contract(id)`, and the mapping `ledger.contracts()` of all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tallystick.domain.contract.contract import Allocation
from tallystick.domain.errors import ContractNotFound


class Shadows(Protocol):
    """What the views ask of a ledger."""

    def contract(self, id: str) -> "ContractView":
        """A contract; `ContractNotFound`."""
        ...

    def is_contract(self, id: object) -> bool:
        """Whether a contract is registered under the id."""
        ...

    def contract_ids(self) -> Sequence[str]:
        """Every contract's id."""
        ...

    def allocation(self, contract: str, account: str) -> Allocation | None:
        """An account's allocation, if it has one."""
        ...

    def allocations(self, contract: str) -> dict[str, Allocation]:
        """All allocations of a contract."""
        ...


@dataclass(frozen=True)
class ContractView:
    """A contract's figures as they stood when it was asked for, in satoshis. Its allocations are read when asked for.

    `balance` bounds `allocs_sum`, what is allocated in all, to `num_allocs` accounts. `backed_by` is the code of the token
    that its balance is, None where it is not backed; `id` is the one under which it is registered.
    """

    balance: int
    allocs_sum: int
    num_allocs: int
    backed_by: str | None = None
    id: str = field(default="", compare=False)
    _shadows: Shadows | None = field(default=None, repr=False, compare=False)

    def allocation(self, account: str) -> Allocation | None:
        """What the account is allocated as the contract stands now; None where it has no allocation."""
        return None if self._shadows is None else self._shadows.allocation(self.id, account)

    def allocations(self) -> dict[str, Allocation]:
        """What every account is allocated as the contract stands now."""
        return {} if self._shadows is None else self._shadows.allocations(self.id)


class ContractsView(Mapping[str, ContractView]):
    """All contracts by id, in the order of their registration; each is read when it is asked for."""

    def __init__(self, shadows: Shadows) -> None:
        self._shadows = shadows

    def __getitem__(self, id: str) -> ContractView:
        return self._shadows.contract(id)

    def __contains__(self, id: object) -> bool:
        return self._shadows.is_contract(id)

    def get(self, id: str, default: Any = None, /) -> Any:
        """The contract of this id, `default` where there is none."""
        try:
            return self[id]
        except ContractNotFound:
            return default

    def __iter__(self) -> Iterator[str]:
        return iter(self._shadows.contract_ids())

    def __len__(self) -> int:
        return len(self._shadows.contract_ids())
