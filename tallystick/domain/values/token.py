"""A token: what a balance is counted in.

The ledger moves whole smallest units and nothing else; `decimals` only says how people write them. A token with a `unit`
is fragmented: every holding of it is made of value objects of at most that size.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, Literal, cast

import msgspec

from tallystick.domain.decimal_point import written
from tallystick.domain.errors import InvalidAccount, InvalidAmount, InvalidToken
from tallystick.domain.integers import as_int
from tallystick.domain.values.account import PREDEFINED, check_form
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.curve import Curve, UnresolvedCurve, is_curve
from tallystick.domain.values.pool_curves import DECIMALS_MAX, SquareRootCurve
from tallystick.domain.values.result import Amount, Result

Role = Literal["external", "settlement", "app"]
ROLES = ("external", "settlement", "app")

_DIGITS_MAX = 400
_WRITTEN = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


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
            check_form(self.code)
        except InvalidAccount as error:
            raise InvalidToken(f"a token's code is formed like an account: {error}") from None
        if self.code in PREDEFINED:
            raise InvalidToken(f"{self.code} is an account of its own meaning, and no token")
        self._check_range("decimals", 0, DECIMALS_MAX)
        self._check_range("max_supply", 1, AMOUNT_MAX)
        if self.role not in ROLES:
            raise InvalidToken(f"token {self.code!r}: role is 'external', 'settlement' or 'app', not {self.role!r}")
        if self.unit is not None:
            self._check_range("unit", 1, AMOUNT_MAX)
            if self.role != "external":
                raise InvalidToken(f"token {self.code!r}: only an external token is fragmented")
        if self.role == "app":
            self._check_app()
        elif self.curve is not None or self.owner is not None or self._accepts():
            raise InvalidToken(f"token {self.code!r}: only an app has a curve, an owner or accepts other tokens")

    def _check_app(self) -> None:
        if self.curve is not None and not is_curve(self.curve):
            raise InvalidToken(f"token {self.code!r}: {self.curve!r} is no curve with a name and integers as parameters")
        try:
            for name in (*self._accepts(), *(() if self.owner is None else (self.owner,))):
                check_form(name)
        except InvalidAccount as error:
            raise InvalidToken(f"token {self.code!r}: its owner and what it accepts: {error}") from None
        if self.owner is None and isinstance(self.curve, SquareRootCurve) and self.curve.has_spread:
            raise InvalidToken(f"token {self.code!r}: its curve has a spread, which needs an owner to go to")

    def _accepts(self) -> tuple[str, ...]:
        """The codes that it accepts, out of whatever they were given in, which becomes a tuple of them."""
        if type(self.accepts) is not tuple or not all(type(code) is str for code in self.accepts):
            msgspec.structs.force_setattr(self, "accepts", codes_of(self.accepts, f"what token {self.code!r} accepts"))
        return self.accepts

    def _check_range(self, field: str, low: int, high: int) -> None:
        """Checks that a field is a number in a range, and keeps it as Python's own int."""
        given: object = getattr(self, field)
        value = as_int(given)
        if value is None or not low <= value <= high:
            bound = "2**256 - 1" if high == AMOUNT_MAX else str(high)
            raise InvalidToken(f"token {self.code!r}: {field} is an int from {low} to {bound}, not {given!r}")
        if type(given) is not int:
            msgspec.structs.force_setattr(self, field, value)

    def is_same(self, other: "Token | None") -> bool:
        """Whether both define the same; a curve is what its name and parameters say."""
        return other is not None and self._plain() == other._plain()

    def _plain(self) -> "Token":
        return msgspec.structs.replace(
            self, curve=self.curve and UnresolvedCurve(self.curve.name, tuple(self.curve.parameters))
        )

    def parse(self, text: str | Decimal) -> int:
        """The amount that `text` writes, in digits with a point: `Token("USD", 2).parse("19.99") == 1999`.

        `InvalidAmount` where it is written in another way, or is not exact: "1_000", "+5", " 5", "1e3" and what other scripts
        have for digits are Python's, and nobody else reads them so.
        """
        if isinstance(text, Decimal):
            return self._units(text)
        if not isinstance(text, str):
            raise InvalidAmount(f"{self.code}: an amount is read from str or Decimal, not {text!r}")
        if len(text) > _DIGITS_MAX:
            raise InvalidAmount(f"{self.code}: an amount of {len(text)} characters is too long")
        if _WRITTEN.fullmatch(text) is None:
            raise InvalidAmount(f"{self.code}: an amount is written in digits, as {self.format(1999)}, and not {text!r}")
        return self._units(Decimal(text))

    def _units(self, value: Decimal) -> int:
        """The number in smallest units."""
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or value < 0 or value.adjusted() > _DIGITS_MAX or len(digits) > _DIGITS_MAX:
            raise InvalidAmount(f"{self.code}: an amount is 0 to 2**256 - 1 smallest units, not {str(value)[:80]}")
        number, shift = int("".join(map(str, digits))), exponent + self.decimals
        if number and shift < -len(digits):
            amount, rest = 0, number
        elif shift < 0:
            amount, rest = divmod(number, 10 ** min(-shift, _DIGITS_MAX))
        else:
            amount, rest = number * 10**shift if number else 0, 0
        if rest:
            raise InvalidAmount(f"{self.code}: {value} has more than {self.decimals} decimals")
        if amount > AMOUNT_MAX:
            raise InvalidAmount(f"{self.code}: an amount is 0 to 2**256 - 1 smallest units, not {value}")
        return amount

    def format(self, amount: int) -> str:
        """How people write `amount`: `Token("USD", 2).format(1999) == "19.99"`."""
        units = as_int(amount)
        if units is None:
            raise InvalidAmount(f"{self.code}: an amount is an int in the smallest unit, not {amount!r}")
        return written(units, self.decimals)


AnyToken = Token | str
"""What names a token in a call: its code, or the token itself, of which only the code is looked at."""


def code_of(given: Any) -> Any:
    """A token's code where a token is given; else what is given."""
    return given.code if isinstance(given, Token) else given


def codes_of(given: object, what: str) -> tuple[str, ...]:
    """The codes in an iterable of them; `InvalidToken` where it is none, or a text, which would be one of letters."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidToken(f"{what} is a tuple of codes, not {given!r}")
    return tuple(code_of(code) for code in cast(Iterable[Any], given))
