"""A contract in a transaction's hands: what `tx.contract` gives.

Every call is checked where it stands, as the contract would be after the plan so far, and recorded in the plan. Amounts are
whole satoshis; of a proportional change they may be 0, and then it does nothing.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from tallystick.domain.contract.contract import Allocation, allocation_of
from tallystick.domain.contract.operations import (
    Allocate,
    Deallocate,
    Defund,
    Fund,
    LowerAllShadows,
    LowerBalance,
    LowerShadow,
    ObserveAllocation,
    ObserveContract,
    RaiseAllShadows,
    RaiseBalance,
    RaiseShadow,
)
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.operation import Operation
from tallystick.domain.values.amount import check_amount, check_amount_or_none
from tallystick.domain.values.memo import check_memo
from tallystick.domain.view import View

Told = TypeVar("Told", bound=Operation)


class Planning(Protocol):
    """What a planned contract asks of the plan that it belongs to."""

    def spelled(self, name: object, /) -> str: ...
    def propose_locked(self, operation: Operation) -> object: ...
    def tell(self, look: Callable[[View], Told]) -> Told: ...


class PlannedContract:
    """A contract as the plan so far would leave it. The refusals are listed in the order in which they are made.

    Funding and taking the balance are `AccountIsFrozen` where the account's money is frozen, lowering and ending its own
    allocation where its debits are; proportional changes reach everybody.
    """

    def __init__(self, plan: Planning, id: str) -> None:
        self._plan = plan
        self._id = id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id}>"

    @property
    def id(self) -> str:
        """The id under which it is registered."""
        return self._id

    # The balance.

    def balance_up(self, amount: int, *, memo: str = "") -> None:
        """Adds to the balance: `ContractIsBacked`."""
        self._plan.propose_locked(RaiseBalance(self._id, check_amount(amount), check_memo(memo)))

    def balance_down(self, amount: int, *, memo: str = "") -> None:
        """Takes from the balance: `ContractIsBacked`, `BalanceBelowZero`, `BalanceBelowAllocations`."""
        self._plan.propose_locked(LowerBalance(self._id, check_amount(amount), check_memo(memo)))

    def fund(self, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` of the account's tokens into the balance: `ContractIsNotBacked`, `InsufficientFunds`."""
        self._plan.propose_locked(Fund(self._id, self._plan.spelled(account), check_amount(amount), check_memo(memo)))

    def defund(self, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` of the balance to the account: `ContractIsNotBacked`, then as `balance_down`."""
        self._plan.propose_locked(Defund(self._id, self._plan.spelled(account), check_amount(amount), check_memo(memo)))

    # The shadow space.

    def alloc(self, account: str, *, memo: str = "") -> None:
        """Gives the account an allocation of 0: `AccountAlreadyAllocated`."""
        self._plan.propose_locked(Allocate(self._id, self._plan.spelled(account), check_memo(memo)))

    def dealloc(self, account: str, drop_fraction: bool = False, *, memo: str = "") -> None:
        """Ends the account's allocation, which must be 0 or, if `drop_fraction`, less than a satoshi.

        `AccountNotAllocated`, `AllocationNotZero`. With the last allocation the sum becomes 0.
        """
        if type(drop_fraction) is not bool:
            raise InvalidRequest(f"drop_fraction is True or False, not {drop_fraction!r}")
        self._plan.propose_locked(Deallocate(self._id, self._plan.spelled(account), drop_fraction, check_memo(memo)))

    def shadow_up(self, account: str, amount: int, *, memo: str = "") -> None:
        """Adds to the account's allocation: `AccountNotAllocated`, `AllocationsExceedBalance`."""
        self._plan.propose_locked(RaiseShadow(self._id, self._plan.spelled(account), check_amount(amount), check_memo(memo)))

    def shadow_down(self, account: str, amount: int, *, memo: str = "") -> None:
        """Takes from the account's allocation: `AccountNotAllocated`, `AllocationBelowZero`, `AllocationsSumBelowZero`."""
        self._plan.propose_locked(LowerShadow(self._id, self._plan.spelled(account), check_amount(amount), check_memo(memo)))

    def shadow_up_all(self, amount: int, *, memo: str = "") -> None:
        """Adds to every allocation in its proportion, `amount` in all: `NothingAllocated`, `AllocationsExceedBalance`."""
        self._plan.propose_locked(RaiseAllShadows(self._id, check_amount_or_none(amount), check_memo(memo)))

    def shadow_down_all(self, amount: int, *, memo: str = "") -> None:
        """Takes from every allocation in its proportion, `amount` in all: `NothingAllocated`, `AllocationBelowZero`."""
        self._plan.propose_locked(LowerAllShadows(self._id, check_amount_or_none(amount), check_memo(memo)))

    # Reading. What the block is told must still be so when it is executed, else the plan is in `Conflict`.

    @property
    def balance(self) -> int:
        """The balance, in satoshis."""
        return self._told().balance

    @property
    def allocs_sum(self) -> int:
        """What is allocated in all, in satoshis."""
        return self._told().allocs_sum

    @property
    def num_allocs(self) -> int:
        """How many accounts have an allocation."""
        return self._told().num_allocs

    def allocation(self, account: str) -> Allocation | None:
        """What the account is allocated; None where it has no allocation."""
        holder = self._plan.spelled(account)
        told = self._plan.tell(lambda books: ObserveAllocation(self._id, holder, books.contract(self._id).sati_of(holder)))
        return None if told.sati is None else allocation_of(told.sati)

    def _told(self) -> ObserveContract:
        return self._plan.tell(self._observed)

    def _observed(self, books: View) -> ObserveContract:
        contract = books.contract(self._id)
        return ObserveContract(contract.id, contract.balance, contract.allocs_sum, contract.num_allocs)
