"""Operations: what somebody wants, as data.

A plan records them and the ledger executes them. Their names and amounts were checked when they were made; what only the
books know is decided when they are planned, and again when they are executed. Amounts are in the token's smallest unit or,
for contracts, in satoshis.
"""

from tallystick.domain.operation import Operation
from tallystick.domain.values.token import Token


class RegisterToken(Operation, frozen=True):
    """Registers `definition`; nothing to do where the very same is registered. Its curve comes to follow the tokens' decimals;
    but not that of an older book, whose reserve came about by the curve as it is given.
    """

    definition: Token
    is_of_older_book: bool = False


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
    """Up to `limit` holds that were due at `due_at` back to their payers; the block was told that they are `told`.

    None stands for the time of its execution, and for a caller who was told nothing.
    """

    limit: int
    due_at: int | None
    told: int | None


class Observe(Operation, frozen=True):
    """The block was told that `account` has these amounts of `token`."""

    token: str
    account: str
    available: int
    held: int


class ObserveCounted(Operation, frozen=True):
    """The block was told that it may count on these amounts: what trades before brought beyond that is not in them."""

    token: str
    account: str
    available: int
    held: int


class Require(Operation, frozen=True):
    """`account` has `at_least` so much to give; `is_told`: the block was told that it has."""

    token: str
    account: str
    at_least: int
    is_told: bool
