"""What stands in the fields of imported files, whatever their format: accounts, and numbers that are written as text."""

from typing import Any

from tallystick.domain.errors import InvalidAccount, MalformedRow
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import AMOUNT_MAX

AMOUNT_DIGITS = len(str(AMOUNT_MAX))


def account_at(row: int, account: object) -> str:
    """The account in a field of row number `row`; `MalformedRow` where it is none."""
    try:
        return check_account(account)
    except InvalidAccount as error:
        raise MalformedRow(str(error), row=row) from error


def as_number(value: Any) -> Any:
    """A text of decimal digits, not more than an amount may have, as a number; anything else as it is."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= AMOUNT_DIGITS:
        return int(value)
    return value
