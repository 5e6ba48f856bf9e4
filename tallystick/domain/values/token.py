"""A token: what a balance is counted in.

The ledger moves whole smallest units and nothing else; `decimals` only says how people write them. A token with a `unit`
is fragmented: every holding of it is made of value objects of at most that size.
"""

from decimal import Decimal, InvalidOperation
from typing import ClassVar, Literal

import msgspec

from tallystick.domain.errors import InvalidAccount, InvalidAmount, InvalidToken
from tallystick.domain.values.account import PREDEFINED, check_account
from tallystick.domain.values.amount import AMOUNT_MAX, written
from tallystick.domain.values.curve import Curve, UnresolvedCurve, is_curve
from tallystick.domain.values.pool_curves import DECIMALS_MAX, SquareRootCurve
from tallystick.domain.values.result import Amount, Result

Role = Literal["external", "settlement", "app"]
ROLES = ("external", "settlement", "app")

_DIGITS_MAX = 400


class Token(Result, frozen=True, kw_only=False):
    """What a balance is counted in.

    `code`: its name, under the rules of an account's. `decimals`: digits after the point when written, 0 to 77.
    `max_supply`: all that can ever be in circulation, in smallest units, 1 to 2**256 - 1. `unit`: the largest fragment
    that change is given in, or None for plain balances; only external tokens have one. `role`: "external" for what lives
    elsewhere too (fiat, bitcoin, USDT), "settlement" for the one token that apps settle in, "app" for an app's own. Only an
    app has a `curve`, by which its token is bought and sold, an `owner`, who gets its spread and income, and further tokens
    that it `accepts` in payment. Raises `InvalidToken`.
    """

    _counted_in: ClassVar[str] = "code"

    code: str
    decimals: int = 0
    max_supply: Amount = 2**128 - 1
    unit: Amount | None = None
    role: Role = "external"
    curve: Curve | None = None
    owner: str | None = None
    accepts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            check_account(self.code)
        except InvalidAccount as error:
            raise InvalidToken(f"a token's code is formed like an account: {error}") from None
        if self.code in PREDEFINED:
            raise InvalidToken(f"{self.code} is an account of its own meaning, and no token")
        _check_range(self.code, "decimals", self.decimals, 0, DECIMALS_MAX)
        _check_range(self.code, "max_supply", self.max_supply, 1, AMOUNT_MAX)
        if self.role not in ROLES:
            raise InvalidToken(f"token {self.code!r}: role is 'external', 'settlement' or 'app', not {self.role!r}")
        if self.unit is not None:
            _check_range(self.code, "unit", self.unit, 1, AMOUNT_MAX)
            if self.role != "external":
                raise InvalidToken(f"token {self.code!r}: only an external token is fragmented")
        if self.role == "app":
            self._check_app()
        elif self.curve is not None or self.owner is not None or self.accepts != ():
            raise InvalidToken(f"token {self.code!r}: only an app has a curve, an owner or accepts other tokens")

    def _check_app(self) -> None:
        if self.curve is not None and not is_curve(self.curve):
            raise InvalidToken(f"token {self.code!r}: {self.curve!r} is no curve with a name and integers as parameters")
        if not isinstance(self.accepts, tuple):
            raise InvalidToken(f"token {self.code!r}: accepts is a tuple of codes, not {self.accepts!r}")
        try:
            for name in (*self.accepts, *(() if self.owner is None else (self.owner,))):
                check_account(name)
        except InvalidAccount as error:
            raise InvalidToken(f"token {self.code!r}: its owner and what it accepts: {error}") from None
        if self.owner is None and isinstance(self.curve, SquareRootCurve) and self.curve.has_spread:
            raise InvalidToken(f"token {self.code!r}: its curve has a spread, which needs an owner to go to")

    def is_same(self, other: "Token | None") -> bool:
        """Whether both define the same; a curve is what its name and parameters say."""
        return other is not None and self._plain() == other._plain()

    def _plain(self) -> "Token":
        return msgspec.structs.replace(
            self, curve=self.curve and UnresolvedCurve(self.curve.name, tuple(self.curve.parameters))
        )

    def parse(self, text: str | Decimal) -> int:
        """The amount that `text` writes: `Token("USD", 2).parse("19.99") == 1999`. `InvalidAmount` where it is not exact."""
        if not isinstance(text, (str, Decimal)):
            raise InvalidAmount(f"{self.code}: an amount is read from str or Decimal, not {text!r}")
        if len(str(text)) > _DIGITS_MAX:
            raise InvalidAmount(f"{self.code}: an amount of {len(str(text))} characters is too long")
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise InvalidAmount(f"{self.code}: {text!r} is not a decimal number") from None
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or value < 0 or value.adjusted() > _DIGITS_MAX:
            raise InvalidAmount(f"{self.code}: an amount is 0 to 2**256 - 1 smallest units, not {text}")
        number, shift = int("".join(map(str, digits))), exponent + self.decimals
        if number and shift < -len(digits):
            amount, rest = 0, number
        elif shift < 0:
            amount, rest = divmod(number, 10 ** min(-shift, _DIGITS_MAX))
        else:
            amount, rest = number * 10**shift if number else 0, 0
        if rest:
            raise InvalidAmount(f"{self.code}: {text} has more than {self.decimals} decimals")
        if amount > AMOUNT_MAX:
            raise InvalidAmount(f"{self.code}: an amount is 0 to 2**256 - 1 smallest units, not {text}")
        return amount

    def format(self, amount: int) -> str:
        """How people write `amount`: `Token("USD", 2).format(1999) == "19.99"`."""
        if isinstance(amount, bool) or not isinstance(amount, int):
            raise InvalidAmount(f"{self.code}: an amount is an int in the smallest unit, not {amount!r}")
        return written(amount, self.decimals)


def _check_range(code: str, field: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        bound = "2**256 - 1" if high == AMOUNT_MAX else str(high)
        raise InvalidToken(f"token {code!r}: {field} is an int from {low} to {bound}, not {value!r}")
