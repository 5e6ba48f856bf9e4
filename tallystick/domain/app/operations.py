"""The operations of apps and of the seats, as data; see `operations`."""

from tallystick.domain.operation import Operation


class UpdateApp(Operation, frozen=True):
    """Changes what the app accepts, and whose it is; None leaves it."""

    app: str
    accepts: tuple[str, ...] | None
    owner: str | None


class Deposit(Operation, frozen=True):
    """`amount` of `user`'s settlement tokens into their deposit with the app."""

    app: str
    user: str
    amount: int
    memo: str


class Refund(Operation, frozen=True):
    """`amount` of `user`'s deposit back to them."""

    app: str
    user: str
    amount: int
    memo: str


class ConsumeDeposit(Operation, frozen=True):
    """`amount` of `user`'s deposit becomes the app's income."""

    app: str
    user: str
    amount: int
    memo: str


class Pay(Operation, frozen=True):
    """`amount` of `user`'s `token`, the settlement token where that is None, becomes the app's income."""

    app: str
    user: str
    token: str | None
    amount: int
    memo: str


class Buy(Operation, frozen=True):
    """As many of the app's tokens as `payment` buys: `at_least` so many, or as many as the block was `told`.

    `told` is None for a caller who was told nothing, and `at_least` where that is given.
    """

    app: str
    buyer: str
    payment: int
    at_least: int | None
    told: int | None
    memo: str


class BuyExactly(Operation, frozen=True):
    """`amount` of the app's tokens for what they cost: `at_most` so much, or what the block was `told` where that is less.

    `told` is None for a caller who was told nothing.
    """

    app: str
    buyer: str
    amount: int
    at_most: int
    told: int | None
    memo: str


class Sell(Operation, frozen=True):
    """`amount` of the app's tokens for what they bring; `at_least` and `told` as in `Buy`."""

    app: str
    seller: str
    amount: int
    at_least: int | None
    told: int | None
    memo: str


Trading = Buy | BuyExactly | Sell
"""What is traded on the curve of an app, of which a block is told a figure."""


class DistributeIncome(Operation, frozen=True):
    """All income in the settlement token buys the app's tokens, which its holders share."""

    app: str
    memo: str


class DistributeDividend(Operation, frozen=True):
    """All income in the app's own token is shared by its holders."""

    app: str
    memo: str


class WithdrawIncome(Operation, frozen=True):
    """`amount` of income in another token to the app's owner."""

    app: str
    token: str
    amount: int
    memo: str


class CollectMemoryTax(Operation, frozen=True):
    """`amount` of the app's income into the collection pool."""

    app: str
    amount: int
    memo: str


class ShareIncome(Operation, frozen=True):
    """The collection pool in equal shares to maintainers, less the tax of each."""

    taxes: tuple[tuple[str, int], ...]
    memo: str


class PayPublicService(Operation, frozen=True):
    """`amount` out of the distribution pool to `receiver`, what it lacks out of the DAO's reserve."""

    receiver: str
    amount: int
    memo: str


class ShareDistributionPool(Operation, frozen=True):
    """`amount` of the distribution pool buys the app's tokens, which its holders share."""

    app: str
    amount: int
    memo: str


class Open(Operation, frozen=True):
    """`amount` out of the supply reserve into the cell of `state[first][second]`, whichever it is: an older book's balance.
    `only_empty`: where nothing is in it.
    """

    first: str
    second: str
    amount: int
    memo: str
    only_empty: bool = False
