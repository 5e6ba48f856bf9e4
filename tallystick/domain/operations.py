"""Operations: what somebody wants, as data.

A plan records them and the ledger executes them. Their names and amounts were checked when they were made; what only the
books know is decided when they are planned, and again when they are executed. Amounts are in the token's smallest unit or,
for contracts, in satoshis.
"""

import msgspec

from tallystick.domain.token import Token


class Operation(msgspec.Struct, frozen=True, gc=False):
    """The base of what can be asked for."""


class RegisterToken(Operation, frozen=True):
    """Registers `definition`; nothing to do where the very same is registered."""

    definition: Token


class Mint(Operation, frozen=True):
    """`amount` out of the supply reserve to `account`."""

    token: str
    account: str
    amount: int
    memo: str


class Burn(Operation, frozen=True):
    """`amount` of `account`'s into the supply reserve."""

    token: str
    account: str
    amount: int
    memo: str


class Transfer(Operation, frozen=True):
    """`amount` from `sender` to `receiver`."""

    token: str
    sender: str
    receiver: str
    amount: int
    memo: str


class Reserve(Operation, frozen=True):
    """`amount` of `payer`'s into `authority`'s keeping, as `hold`."""

    token: str
    payer: str
    authority: str
    amount: int
    hold: str
    expires_at: int | None
    memo: str


class Settle(Operation, frozen=True):
    """`amount` of what `authority` keeps to `receiver`: of `hold`, or of its oldest that are not due."""

    token: str
    authority: str
    receiver: str
    amount: int
    hold: str | None
    memo: str


class Release(Operation, frozen=True):
    """`amount`, or all, of what is kept under `hold` back to its payer."""

    hold: str
    amount: int | None
    memo: str


class Expire(Operation, frozen=True):
    """Up to `limit` holds that were due at `due_at` back to their payers; the block was told that they are `told`."""

    limit: int
    due_at: int
    told: int | None


class Observe(Operation, frozen=True):
    """The block was told that `account` has these amounts of `token`."""

    token: str
    account: str
    available: int
    held: int


class RegisterContract(Operation, frozen=True):
    """Registers a contract, whose balance is made of the token `backed_by` if that is not None."""

    contract: str
    backed_by: str | None


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
