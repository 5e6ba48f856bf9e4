"""What is asked for of an app, made into operations: the checks of arguments, the same in a block and without one."""

from tallystick.domain.app.operations import Buy, ConsumeDeposit, Deposit, Pay, Refund, Sell
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.memo import check_memo


def deposit_of(app: str, account: str, amount: int, memo: str) -> Deposit:
    """Depositing `amount` settlement tokens."""
    return Deposit(app, check_account(account), check_amount(amount), check_memo(memo))


def refund_of(app: str, account: str, amount: int, memo: str) -> Refund:
    """Giving `amount` of a deposit back."""
    return Refund(app, check_account(account), check_amount(amount), check_memo(memo))


def consume_deposit_of(app: str, account: str, amount: int, memo: str) -> ConsumeDeposit:
    """Making `amount` of a deposit the app's income."""
    return ConsumeDeposit(app, check_account(account), check_amount(amount), check_memo(memo))


def pay_of(app: str, account: str, amount: int, token: str | None, memo: str) -> Pay:
    """Making `amount` of the account's the app's income."""
    return Pay(app, check_account(account), token, check_amount(amount), check_memo(memo))


def buy_of(app: str, account: str, payment: int, at_least: int | None, memo: str) -> Buy:
    """Buying as much of the app's token as `payment` buys."""
    least = None if at_least is None else check_amount(at_least, "at_least")
    return Buy(app, check_account(account), check_amount(payment), least, None, check_memo(memo))


def sell_of(app: str, account: str, amount: int, at_least: int | None, memo: str) -> Sell:
    """Selling `amount` of the app's token."""
    least = None if at_least is None else check_amount(at_least, "at_least")
    return Sell(app, check_account(account), check_amount(amount), least, None, check_memo(memo))
