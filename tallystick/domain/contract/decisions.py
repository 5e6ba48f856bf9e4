"""The decisions about contracts: what may happen to a balance and to the shadow space that it bounds.

Each function lists its refusals in the order in which it makes them, after `ContractNotFound`. A proportional change is
decided without looking at any allocation, and recorded once for all of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick.domain.cells import SPECIAL_ACCOUNTS, check_holder, check_ordinary
from tallystick.domain.checks import check_credits, check_debits, has_deposit, require
from tallystick.domain.contract.contract import SATI_DECIMALS, SATI_PER_SAT
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
    RegisterContract,
)
from tallystick.domain.contract.sweeping import swept
from tallystick.domain.decimal_point import written
from tallystick.domain.errors import (
    AccountAlreadyAllocated,
    AccountNotAllocated,
    AllocationBelowZero,
    AllocationNotZero,
    AllocationsExceedBalance,
    AllocationsSumBelowZero,
    BalanceBelowAllocations,
    BalanceBelowZero,
    Conflict,
    ContractAlreadyRegistered,
    ContractIsBacked,
    ContractIsNotBacked,
    InvalidAccount,
    InvalidAmount,
    NameInUse,
    NothingAllocated,
)
from tallystick.domain.events import (
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    BalanceLowered,
    BalanceRaised,
    ContractRegistered,
    Deallocated,
    DomainEvent,
    Moved,
    ShadowLowered,
    ShadowRaised,
)
from tallystick.domain.operation import Operation
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.view import ContractState, View


def check_contract_id(id: str) -> str:
    """The id itself, where a contract can have it: it is formed like an account, and none of the special ones."""
    if id in SPECIAL_ACCOUNTS:
        raise InvalidAccount(f"{id} cannot be a contract: {SPECIAL_ACCOUNTS[id]}")
    return id


def _register(view: View, operation: RegisterContract) -> Sequence[DomainEvent]:
    """`ContractAlreadyRegistered`, `TokenNotFound`, `NameInUse`, then as `swept`."""
    id = operation.contract
    if view.is_contract(id):
        raise ContractAlreadyRegistered(contract=id)
    backed_by = None if operation.backed_by is None else view.token_state(operation.backed_by).token.code
    if view.token(id) is not None:
        raise NameInUse("it is a token", name=id)
    sweep = operation.sweep
    if (sweep is None and view.holder_of_anything(id)) or view.is_owed(id) or has_deposit(view, id):
        raise NameInUse("it is an account that has or may get back money, and a contract's own begins empty", name=id)
    if view.is_frozen(id):
        raise NameInUse("it is an account that is frozen", name=id)
    registered = ContractRegistered(id, backed_by)
    return (registered,) if sweep is None else (*swept(view, id, sweep), registered)


def _raise_balance(view: View, operation: RaiseBalance) -> Sequence[DomainEvent]:
    """`ContractIsBacked`; `InvalidAmount` where the balance would exceed the largest amount."""
    contract = _unbacked(view, operation.contract)
    _check_raised(contract, operation.amount)
    return (BalanceRaised(operation.contract, operation.amount, operation.memo),)


def _lower_balance(view: View, operation: LowerBalance) -> Sequence[DomainEvent]:
    """`ContractIsBacked`, `BalanceBelowZero`, `BalanceBelowAllocations`."""
    contract = _unbacked(view, operation.contract)
    _check_lowered(view, contract, operation.amount)
    return (BalanceLowered(operation.contract, operation.amount, operation.memo),)


def _fund(view: View, operation: Fund) -> Sequence[DomainEvent]:
    """`ContractIsNotBacked`, `InvalidAccount` where the account's money is not its own to give, `AccountIsFrozen`,
    `InsufficientFunds`.
    """
    contract, token = _backed(view, operation.contract, operation.account)
    check_debits(view, token, operation.account)
    require(view, token, operation.account, operation.amount)
    return (
        Moved(token, operation.account, contract.id, operation.amount, operation.memo),
        BalanceRaised(contract.id, operation.amount, operation.memo),
    )


def _defund(view: View, operation: Defund) -> Sequence[DomainEvent]:
    """`ContractIsNotBacked`, `InvalidAccount` as `_fund`, `AccountIsFrozen`, then as lowering the balance."""
    contract, token = _backed(view, operation.contract, operation.account)
    check_credits(view, token, operation.account)
    _check_lowered(view, contract, operation.amount)
    return (
        Moved(token, contract.id, operation.account, operation.amount, operation.memo),
        BalanceLowered(contract.id, operation.amount, operation.memo),
    )


def _allocate(view: View, operation: Allocate) -> Sequence[DomainEvent]:
    """`AccountAlreadyAllocated`."""
    if view.contract(operation.contract).sati_of(operation.account) is not None:
        raise AccountAlreadyAllocated(contract=operation.contract, account=operation.account)
    return (Allocated(operation.contract, operation.account, operation.memo),)


def _deallocate(view: View, operation: Deallocate) -> Sequence[DomainEvent]:
    """`AccountIsFrozen`, `AccountNotAllocated`, `AllocationNotZero`. What the last one leaves of the sum goes with it."""
    contract = view.contract(operation.contract)
    check_debits(view, contract.backed_by, operation.account)
    sati = _allocation(contract, operation.account)
    if sati and not (operation.drop_fraction and sati < SATI_PER_SAT):
        raise AllocationNotZero(contract=operation.contract, account=operation.account, sati=sati)
    left = contract.allocs_sum if contract.num_allocs == 1 else 0
    return (Deallocated(operation.contract, operation.account, sati, left, operation.memo),)


def _raise_shadow(view: View, operation: RaiseShadow) -> Sequence[DomainEvent]:
    """`AccountNotAllocated`, `AllocationsExceedBalance`."""
    contract = view.contract(operation.contract)
    _allocation(contract, operation.account)
    _check_sum_raised(view, contract, operation.amount)
    return (ShadowRaised(operation.contract, operation.account, operation.amount, operation.memo),)


def _lower_shadow(view: View, operation: LowerShadow) -> Sequence[DomainEvent]:
    """`AccountIsFrozen`, `AccountNotAllocated`, `AllocationBelowZero`, `AllocationsSumBelowZero`."""
    contract = view.contract(operation.contract)
    check_debits(view, contract.backed_by, operation.account)
    sati = _allocation(contract, operation.account)
    if operation.amount * SATI_PER_SAT > sati:
        decimals = _decimals(view, contract)
        raise AllocationBelowZero(
            f"the allocation of {operation.account} is {written(sati, decimals + SATI_DECIMALS)}",
            decimals=decimals,
            contract=operation.contract,
            account=operation.account,
            amount=operation.amount,
        )
    if operation.amount > contract.allocs_sum:
        raise AllocationsSumBelowZero(
            decimals=_decimals(view, contract),
            contract=operation.contract,
            amount=operation.amount,
            allocs_sum=contract.allocs_sum,
        )
    return (ShadowLowered(operation.contract, operation.account, operation.amount, operation.memo),)


def _raise_all(view: View, operation: RaiseAllShadows) -> Sequence[DomainEvent]:
    """`NothingAllocated`, `AllocationsExceedBalance`. By nothing: nothing happens."""
    contract = _allocated(view, operation.contract)
    _check_sum_raised(view, contract, operation.amount)
    if not operation.amount:
        return ()
    return (AllShadowsRaised(operation.contract, operation.amount, contract.allocs_sum, memo=operation.memo),)


def _lower_all(view: View, operation: LowerAllShadows) -> Sequence[DomainEvent]:
    """`NothingAllocated`, `AllocationBelowZero`. By nothing: nothing happens."""
    contract = _allocated(view, operation.contract)
    if operation.amount > contract.allocs_sum:
        decimals = _decimals(view, contract)
        raise AllocationBelowZero(
            f"all allocations sum to {written(contract.allocs_sum, decimals)}",
            decimals=decimals,
            contract=operation.contract,
            account=None,
            amount=operation.amount,
        )
    if not operation.amount:
        return ()
    return (AllShadowsLowered(operation.contract, operation.amount, contract.allocs_sum, memo=operation.memo),)


def _observe_contract(view: View, operation: ObserveContract) -> Sequence[DomainEvent]:
    contract = view.contract(operation.contract)
    told = (operation.balance, operation.allocs_sum, operation.num_allocs)
    current = (contract.balance, contract.allocs_sum, contract.num_allocs)
    if told != current:
        subject = f"contract {operation.contract} (balance, allocs_sum, num_allocs), in smallest units,"
        raise Conflict(subject=subject, told=told, now=current)
    return ()


def _observe_allocation(view: View, operation: ObserveAllocation) -> Sequence[DomainEvent]:
    current = view.contract(operation.contract).sati_of(operation.account)
    if operation.sati != current:
        subject = f"the allocation of {operation.account} in {operation.contract}, in sati-satoshis,"
        raise Conflict(subject=subject, told=operation.sati, now=current)
    return ()


def _unbacked(view: View, id: str) -> ContractState:
    contract = view.contract(id)
    if contract.backed_by is not None:
        raise ContractIsBacked(contract=id, token=contract.backed_by)
    return contract


def _backed(view: View, id: str, account: str) -> tuple[ContractState, str]:
    """The contract and the token that backs it, of which `account` may give and get."""
    contract = view.contract(id)
    if contract.backed_by is None:
        raise ContractIsNotBacked(contract=id)
    check_holder(view.token_state(contract.backed_by).token, account)
    check_ordinary(view, contract.backed_by, account)
    return contract, contract.backed_by


def _allocated(view: View, id: str) -> ContractState:
    contract = view.contract(id)
    if not contract.allocs_sum:
        raise NothingAllocated(contract=id)
    return contract


def _allocation(contract: ContractState, account: str) -> int:
    sati = contract.sati_of(account)
    if sati is None:
        raise AccountNotAllocated(contract=contract.id, account=account)
    return sati


def _check_raised(contract: ContractState, amount: int) -> None:
    if contract.balance + amount > AMOUNT_MAX:
        raise InvalidAmount(f"the balance of contract {contract.id} would exceed 2**256 - 1")


def _check_lowered(view: View, contract: ContractState, amount: int) -> None:
    if amount > contract.balance:
        decimals = _decimals(view, contract)
        raise BalanceBelowZero(decimals=decimals, contract=contract.id, amount=amount, balance=contract.balance)
    if contract.balance - amount < contract.allocs_sum:
        raise BalanceBelowAllocations(
            decimals=_decimals(view, contract),
            contract=contract.id,
            amount=amount,
            balance=contract.balance,
            allocs_sum=contract.allocs_sum,
        )


def _check_sum_raised(view: View, contract: ContractState, amount: int) -> None:
    if contract.allocs_sum + amount > contract.balance:
        raise AllocationsExceedBalance(
            decimals=_decimals(view, contract),
            contract=contract.id,
            amount=amount,
            allocs_sum=contract.allocs_sum,
            balance=contract.balance,
        )


def _decimals(view: View, contract: ContractState) -> int:
    """The decimals of what backs it; without a token it is counted in whole satoshis."""
    return view.token_state(contract.backed_by).token.decimals if contract.backed_by is not None else 0


CONTRACT_RULES: dict[type[Operation], Callable[[Any, Any], Sequence[DomainEvent]]] = {
    RegisterContract: _register,
    RaiseBalance: _raise_balance,
    LowerBalance: _lower_balance,
    Fund: _fund,
    Defund: _defund,
    Allocate: _allocate,
    Deallocate: _deallocate,
    RaiseShadow: _raise_shadow,
    LowerShadow: _lower_shadow,
    RaiseAllShadows: _raise_all,
    LowerAllShadows: _lower_all,
    ObserveContract: _observe_contract,
    ObserveAllocation: _observe_allocation,
}
