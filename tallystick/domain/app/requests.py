"""What is asked for of an app, made into operations: the checks of arguments, the same in a block and without one."""

from typing import Protocol

from tallystick.domain.app.operations import Buy, BuyExactly, ConsumeDeposit, Deposit, Pay, Refund, Sell
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.memo import check_memo
from tallystick.domain.values.token import AnyToken, code_of


class Names(Protocol):
    """How the books write names."""

    def spelled(self, name: object, /) -> str:
        """The name as the books write it; `InvalidAccount` where it can be none."""
        ...


def deposit_of(names: Names, app: str, account: str, amount: int, memo: str) -> Deposit:
    """Depositing `amount` settlement tokens."""
    return Deposit(app, names.spelled(account), check_amount(amount), check_memo(memo))


def refund_of(names: Names, app: str, account: str, amount: int, memo: str) -> Refund:
    """Giving `amount` of a deposit back."""
    return Refund(app, names.spelled(account), check_amount(amount), check_memo(memo))


def consume_deposit_of(names: Names, app: str, account: str, amount: int, memo: str) -> ConsumeDeposit:
    """Making `amount` of a deposit the app's income."""
    return ConsumeDeposit(app, names.spelled(account), check_amount(amount), check_memo(memo))


def pay_of(names: Names, app: str, account: str, amount: int, token: AnyToken | None, memo: str) -> Pay:
    """Making `amount` of the account's the app's income."""
    return Pay(app, names.spelled(account), None if token is None else code_of(token), check_amount(amount), check_memo(memo))


def buy_of(names: Names, app: str, account: str, payment: int, at_least: int | None, memo: str) -> Buy:
    """Buying as much of the app's token as `payment` buys."""
    least = None if at_least is None else check_amount(at_least, "at_least")
    return Buy(app, names.spelled(account), check_amount(payment), least, None, check_memo(memo))


def buy_exactly_of(names: Names, app: str, account: str, amount: int, at_most: int, memo: str) -> BuyExactly:
    """Buying `amount` of the app's token."""
    most = check_amount(at_most, "at_most")
    return BuyExactly(app, names.spelled(account), check_amount(amount), most, None, check_memo(memo))


def sell_of(names: Names, app: str, account: str, amount: int, at_least: int | None, memo: str) -> Sell:
    """Selling `amount` of the app's token."""
    least = None if at_least is None else check_amount(at_least, "at_least")
    return Sell(app, names.spelled(account), check_amount(amount), least, None, check_memo(memo))
