"""An amount of money: an `int` in the token's smallest unit, up to 2**256 - 1.

No float ever stands for money here, and neither does a bool: `True` is an `int` to Python and a mistake to an accountant.
"""

from tallystick.domain.errors import InvalidAmount

AMOUNT_MAX = 2**256 - 1


def check_amount(amount: object, what: str = "an amount") -> int:
    """The amount itself, where it can move: an `int` from 1 to `AMOUNT_MAX`; else `InvalidAmount`."""
    if type(amount) is int and 0 < amount <= AMOUNT_MAX:
        return amount
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise InvalidAmount(f"{what} is an int in the token's smallest unit, not {amount!r}")
    if amount <= 0:
        raise InvalidAmount(f"{what} is above zero, not {amount if amount > -AMOUNT_MAX else hex(amount)}")
    if amount > AMOUNT_MAX:
        raise InvalidAmount(f"{what} is at most 2**256 - 1, not {amount:#x}")
    return int(amount)
