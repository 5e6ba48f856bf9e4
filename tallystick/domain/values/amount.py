"""An amount of money: an `int` in the token's smallest unit, up to 2**256 - 1.

No float ever stands for money here, and neither does a bool: `True` is an `int` to Python and a mistake to an accountant.
"""

from tallystick.domain.errors import InvalidAmount
from tallystick.domain.integers import as_int

AMOUNT_MAX = 2**256 - 1


def check_amount(amount: object, what: str = "an amount") -> int:
    """The amount as Python's own int, where it can move: from 1 to `AMOUNT_MAX`; else `InvalidAmount`."""
    if type(amount) is int and 0 < amount <= AMOUNT_MAX:
        return amount
    value = as_int(amount)
    if value is None:
        raise InvalidAmount(f"{what} is an int in the token's smallest unit, not {amount!r}")
    if value <= 0:
        raise InvalidAmount(f"{what} is above zero, not {value if value > -AMOUNT_MAX else hex(value)}")
    if value > AMOUNT_MAX:
        raise InvalidAmount(f"{what} is at most 2**256 - 1, not {value:#x}")
    return value


def check_amount_or_none(amount: object, what: str = "an amount") -> int:
    """As `check_amount`, but that it may be 0, and then nothing moves."""
    return 0 if as_int(amount) == 0 else check_amount(amount, what)
