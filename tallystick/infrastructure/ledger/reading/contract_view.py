"""Contracts for reading: `ledger.contract(id)`, and the mapping `ledger.contracts()` of all of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from tallystick.domain.contract.contract import Allocation
from tallystick.domain.errors import ContractNotFound, LedgerClosed
from tallystick.domain.values.result import Amount, Result


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


class ContractFigures(Result, frozen=True, eq=False):
    """A contract's figures as they stood when it was asked for, in satoshis.

    `balance` bounds `allocs_sum`, what is allocated in all, to `num_allocs` accounts. `backed_by` is the code of the token
    that its balance is, None where it is not backed; `id` is the one under which it is registered. Two are equal whose figures
    are, whatever their ids. A copy that was pickled has its figures, and no ledger to ask.
    """

    _counted_in: ClassVar[str] = "backed_by"

    balance: Amount
    allocs_sum: Amount
    num_allocs: int
    backed_by: str | None = None
    id: str = ""
    _ledger: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self[name]!r}' for name in self.keys())})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._figures() == other._figures()

    def __hash__(self) -> int:
        return hash(self._figures())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self._figures(), self.id)

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def _figures(self) -> tuple[int, int, int, str | None]:
        return self.balance, self.allocs_sum, self.num_allocs, self.backed_by

    def _asked(self) -> Any:
        if self._ledger is None:
            raise LedgerClosed(f"this copy of the figures of contract {self.id!r} has no ledger to ask for allocations")
        return self._ledger


class ContractView(ContractFigures, frozen=True, eq=False):
    """A contract's figures as they stood when it was asked for, in satoshis. Its allocations are read when asked for.

    `balance`, `allocs_sum`, `num_allocs`, `backed_by` and `id` say what they do in `ContractFigures`.
    """

    def allocation(self, account: str) -> Allocation | None:
        """What the account is allocated as the contract stands now; None where it has no allocation."""
        shadows: Shadows = self._asked()
        return shadows.allocation(self.id, account)

    def allocations(self) -> dict[str, Allocation]:
        """What every account is allocated as the contract stands now."""
        shadows: Shadows = self._asked()
        return shadows.allocations(self.id)


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
