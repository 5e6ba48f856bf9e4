"""An app in a transaction's hands: what `tx.app` gives.

Amounts and payments are in smallest units. Refusals are listed in the order in which they are made, after `TokenNotFound`
where the book has no settlement token.
"""

from collections.abc import Sequence
from typing import Protocol

from tallystick.domain.app.operations import DistributeDividend, DistributeIncome, Trading, WithdrawIncome
from tallystick.domain.app.requests import buy_exactly_of, buy_of, consume_deposit_of, deposit_of, pay_of, refund_of, sell_of
from tallystick.domain.events import DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.memo import check_memo
from tallystick.domain.values.token import AnyToken, code_of


class Planning(Protocol):
    """What apps and seats ask of the plan that they belong to."""

    def spelled(self, name: object, /) -> str: ...
    def propose_newest(self, operation: Operation) -> Sequence[DomainEvent]: ...
    def propose_trade(self, trade: Trading) -> int: ...


class PlannedApp:
    """An app, by its token's code. Where an account's money is frozen, what would move it is `AccountIsFrozen`, but for what
    is shared among holders and an owner's spread.
    """

    def __init__(self, plan: Planning, code: str) -> None:
        self._plan = plan
        self._code = code

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._code}>"

    @property
    def code(self) -> str:
        """The code of its token, which is its account too."""
        return self._code

    def deposit(self, account: str, amount: int, *, memo: str = "") -> None:
        """Moves the account's settlement tokens into its deposit: `MeaninglessCell`, `InvalidAccount`, `InsufficientFunds`."""
        self._plan.propose_newest(deposit_of(self._plan, self._code, account, amount, memo))

    def refund(self, account: str, amount: int, *, memo: str = "") -> None:
        """Moves some of the account's deposit back to it; `InsufficientFunds` where it has deposited less."""
        self._plan.propose_newest(refund_of(self._plan, self._code, account, amount, memo))

    def consume_deposit(self, account: str, amount: int, *, memo: str = "") -> None:
        """Makes some of the account's deposit the app's income; `InsufficientFunds` where it has deposited less."""
        self._plan.propose_newest(consume_deposit_of(self._plan, self._code, account, amount, memo))

    def pay(self, account: str, amount: int, token: AnyToken | None = None, *, memo: str = "") -> None:
        """Makes some of the account's `token`, the settlement token if it is not given, the app's income.

        `TokenNotFound`, `TokenNotAccepted`, `InvalidAccount`, `InsufficientFunds`.
        """
        self._plan.propose_newest(pay_of(self._plan, self._code, account, amount, token, memo))

    def buy(self, account: str, payment: int, at_least: int | None = None, *, memo: str = "") -> int:
        """Pays `payment` settlement units in full and gives how many units of the app's token that buys: exactly so many, or
        the block is in `Conflict` when it ends.

        With `at_least` any outcome from that on is accepted, and `at_least` is given, which is what the block may count on;
        `tx.receipt.trades` says what it was. Raises `InvalidAccount`, `InsufficientFunds`, `UnknownCurve`,
        `SupplyExhausted`; `InvalidAmount` where it buys nothing or fewer than `at_least`; `InvalidCurve`.
        """
        return self._plan.propose_trade(buy_of(self._plan, self._code, account, payment, at_least, memo))

    def buy_exactly(self, account: str, amount: int, at_most: int, *, memo: str = "") -> int:
        """Buys `amount` units of the app's token for what they cost when the block ends, a settlement unit at least, and gives
        the most that this may be: `at_most`, or what the account has where that is less. The block may count on the rest.

        `tx.receipt.trades` says what was paid. Raises `InvalidAccount`, `SupplyExhausted`, `UnknownCurve`; `InvalidAmount`
        where it costs more than `at_most`; `InsufficientFunds`, `InvalidCurve`. More when the block ends is a `Conflict`.
        """
        return self._plan.propose_trade(buy_exactly_of(self._plan, self._code, account, amount, at_most, memo))

    def sell(self, account: str, amount: int, at_least: int | None = None, *, memo: str = "") -> int:
        """Gives up `amount` units of the app's token and gives how many settlement units that brings; all else as `buy`."""
        return self._plan.propose_trade(sell_of(self._plan, self._code, account, amount, at_least, memo))

    def distribute_income(self, *, memo: str = "") -> None:
        """Buys the app's token with all its income in the settlement token, for its holders, in proportion to what they have.

        Where there is no income nothing happens. `NoHolders`, and what buying is refused for.
        """
        self._plan.propose_newest(DistributeIncome(self._code, check_memo(memo)))

    def distribute_dividend(self, *, memo: str = "") -> None:
        """Gives all income in the app's own token to its holders, in proportion. Where there is none nothing happens."""
        self._plan.propose_newest(DistributeDividend(self._code, check_memo(memo)))

    def withdraw_income(self, token: AnyToken, amount: int, *, memo: str = "") -> None:
        """Moves income in another token to the app's owner: `InvalidToken`, `InvalidAccount`, `InsufficientFunds`."""
        self._plan.propose_newest(WithdrawIncome(self._code, code_of(token), check_amount(amount), check_memo(memo)))
