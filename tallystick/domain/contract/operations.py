"""The operations of contracts, as data. Amounts are in satoshis."""

from tallystick.domain.contract.sweeping import Sweep
from tallystick.domain.operation import Operation


class RegisterContract(Operation, frozen=True):
    """Registers a contract, whose balance is made of the token `backed_by` if that is not None; what lies under its name is
    swept first, if that is asked for.
    """

    contract: str
    backed_by: str | None
    sweep: Sweep | None = None


class RaiseBalance(Operation, frozen=True):
    """`amount` more balance."""

    contract: str
    amount: int
    memo: str


class LowerBalance(Operation, frozen=True):
    """`amount` less balance."""

    contract: str
    amount: int
    memo: str


class Fund(Operation, frozen=True):
    """`amount` of `account`'s into the balance of a backed contract."""

    contract: str
    account: str
    amount: int
    memo: str


class Defund(Operation, frozen=True):
    """`amount` of the balance of a backed contract to `account`."""

    contract: str
    account: str
    amount: int
    memo: str


class Allocate(Operation, frozen=True):
    """An allocation of 0 for `account`."""

    contract: str
    account: str
    memo: str


class Deallocate(Operation, frozen=True):
    """No allocation for `account` any more; `drop_fraction`: also where less than a satoshi is left in it."""

    contract: str
    account: str
    drop_fraction: bool
    memo: str


class RaiseShadow(Operation, frozen=True):
    """`amount` more in `account`'s allocation."""

    contract: str
    account: str
    amount: int
    memo: str


class LowerShadow(Operation, frozen=True):
    """`amount` less in `account`'s allocation."""

    contract: str
    account: str
    amount: int
    memo: str


class RaiseAllShadows(Operation, frozen=True):
    """`amount` more in all allocations together, each in its proportion."""

    contract: str
    amount: int
    memo: str


class LowerAllShadows(Operation, frozen=True):
    """`amount` less in all allocations together, each in its proportion."""

    contract: str
    amount: int
    memo: str


class ObserveContract(Operation, frozen=True):
    """The block was told the contract's balance, sum and number of allocations."""

    contract: str
    balance: int
    allocs_sum: int
    num_allocs: int


class ObserveAllocation(Operation, frozen=True):
    """The block was told `account`'s allocation in sati-satoshis, None for no allocation."""

    contract: str
    account: str
    sati: int | None
