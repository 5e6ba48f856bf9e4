"""The curves of this package: each is given by its pool, which is what the reserve must hold for a supply.

Buying raises the supply and pays in what the pool grows by, selling takes out what it shrinks by. Where a curve buys dearer
than it sells, the difference is the spread. Rounding may never make money: a purchase costs the larger of what the buying pool
and the selling pool grow by, for each is rounded down by itself, and without that 1 could buy what sells for 2.

A curve made with the decimals of the app's token and of the settlement token is counted in whole tokens of these: such is every
one that is registered. Without them a token has 10**12 base units whatever its decimals; so it was once, and what was recorded
then keeps its formulas. How much a payment buys is worked out from the pool's inverse, by a division or an integer root, and is
exact.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Self

import msgspec

from tallystick.domain.errors import InvalidCurve
from tallystick.domain.integers import as_int
from tallystick.domain.values.amount import AMOUNT_MAX

BASE = 10**12
"""Base units of one token, of a curve that was made without decimals."""

PARAMETER_MAX = 2**64 - 1
DECIMALS_MAX = 77  # 2**256 - 1 has 78 digits


class PoolCurve(msgspec.Struct, frozen=True):
    """A curve given by the pools of buying and selling."""

    @property
    def scale(self) -> tuple[int, int] | None:
        """The decimals of the app's token and of the settlement token, None where it was made without them."""
        raise NotImplementedError

    def scaled(self, decimals: int, settlement_decimals: int) -> Self:
        """The same curve for these decimals; `InvalidCurve` where it was made for others."""
        if self.scale is None:
            return msgspec.structs.replace(self, decimals=decimals, settlement_decimals=settlement_decimals)
        if self.scale != (decimals, settlement_decimals):
            have = f"{decimals} decimals and its settlement token {settlement_decimals}"
            raise InvalidCurve(f"{self} is a curve of tokens with {self.scale} decimals, where the app's token has {have}")
        return self

    def cost(self, supply: int, amount: int) -> int:
        """The larger of what the two pools grow by."""
        after = supply + amount
        bought = self._buying_pool(after) - self._buying_pool(supply)
        return max(bought, self._selling_pool(after) - self._selling_pool(supply))

    def proceeds(self, supply: int, amount: int) -> int:
        """What the selling pool shrinks by."""
        return self._selling_pool(supply) - self._selling_pool(supply - amount)

    def amount_for(self, supply: int, payment: int) -> int:
        """The largest amount whose cost is at most `payment`."""
        if payment < 0:
            return 0
        return max(0, min(self._largest_supply(supply, payment), AMOUNT_MAX) - supply)

    def _buying_pool(self, supply: int) -> int:
        raise NotImplementedError

    def _selling_pool(self, supply: int) -> int:
        return self._buying_pool(supply)

    def _largest_supply(self, supply: int, payment: int) -> int:
        """The largest supply that costs at most `payment` more than this one."""
        return self._largest_of(self._buying_pool(supply) + payment)

    def _largest_of(self, pool: int) -> int:
        """The largest supply for which the buying pool is at most `pool`."""
        raise NotImplementedError


class SquareRootCurve(PoolCurve, frozen=True):
    """The price is the square root of the supply in tokens, times `buy_k` / 10 for buyers and `sell_k` / 10 for sellers."""

    buy_k: int
    sell_k: int | None = None
    decimals: int | None = None
    settlement_decimals: int | None = None

    def __post_init__(self) -> None:
        _check_parameters(self, (self.buy_k, self._sell_k()))
        if self._sell_k() > self.buy_k:
            raise InvalidCurve(f"a curve that buys at {self.buy_k} cannot sell at {self.sell_k}: that is above it")

    @property
    def name(self) -> str:
        """ "square_root"."""
        return "square_root"

    @property
    def parameters(self) -> tuple[int, ...]:
        """`buy_k` and `sell_k`, and the decimals where it has them."""
        return self.buy_k, self._sell_k(), *(self.scale or ())

    @property
    def scale(self) -> tuple[int, int] | None:
        """The decimals of the app's token and of the settlement token, None where it was made without them."""
        return _scale(self.decimals, self.settlement_decimals)

    @property
    def has_spread(self) -> bool:
        """Whether it buys dearer than it sells."""
        return self._sell_k() < self.buy_k

    def _sell_k(self) -> int:
        return self.buy_k if self.sell_k is None else self.sell_k

    def price(self, supply: int) -> int:
        """What one token costs a buyer, about."""
        if self.decimals is None or self.settlement_decimals is None:
            return isqrt(supply) * self.buy_k // 10 * 10**6
        return isqrt(10 ** (2 * self.settlement_decimals) * self.buy_k**2 * supply // (100 * 10**self.decimals))

    def _buying_pool(self, supply: int) -> int:
        return self._pool(supply, self.buy_k)

    def _selling_pool(self, supply: int) -> int:
        return self._pool(supply, self._sell_k())

    def _largest_supply(self, supply: int, payment: int) -> int:
        sell_k = self._sell_k()
        largest = self._largest(self._pool(supply, self.buy_k) + payment, self.buy_k)
        return largest if sell_k == self.buy_k else min(largest, self._largest(self._pool(supply, sell_k) + payment, sell_k))

    def _pool(self, supply: int, k: int) -> int:
        if self.decimals is None or self.settlement_decimals is None:
            return isqrt(supply) * supply * k * 2 // 10**6 // 30
        return isqrt(10 ** (2 * self.settlement_decimals) * k**2 * supply**3 // (225 * 10 ** (3 * self.decimals)))

    def _largest(self, pool: int, k: int) -> int:
        """The largest supply whose pool by `k` is at most `pool`."""
        if self.decimals is not None and self.settlement_decimals is not None:
            cubes = ((pool + 1) ** 2 * 225 * 10 ** (3 * self.decimals) - 1) // (10 ** (2 * self.settlement_decimals) * k**2)
            return cube_root(cubes)
        products = ((pool + 1) * 30 * 10**6 - 1) // (2 * k)  # the supply times its root is at most this
        root = cube_root(products)  # the square of which is such a supply, and the next square is none
        return min(products // root, (root + 1) ** 2 - 1) if root else 0


class FixedPriceCurve(PoolCurve, frozen=True):
    """One token always costs `price_per_token` base units of the settlement token."""

    price_per_token: int
    decimals: int | None = None
    settlement_decimals: int | None = None

    def __post_init__(self) -> None:
        _check_parameters(self, (self.price_per_token,))

    @property
    def name(self) -> str:
        """ "fixed_price"."""
        return "fixed_price"

    @property
    def parameters(self) -> tuple[int, ...]:
        """The price, and the decimals where it has them."""
        return self.price_per_token, *(self.scale or ())

    @property
    def scale(self) -> tuple[int, int] | None:
        """The decimals of the app's token and of the settlement token, None where it was made without them."""
        return _scale(self.decimals, self.settlement_decimals)

    def price(self, supply: int) -> int:
        """What one token costs."""
        return self.price_per_token

    def _buying_pool(self, supply: int) -> int:
        return supply * self.price_per_token // _base(self.decimals)

    def _largest_of(self, pool: int) -> int:
        return ((pool + 1) * _base(self.decimals) - 1) // self.price_per_token


class LinearCurve(PoolCurve, frozen=True):
    """The price rises by `slope` base units of the settlement token with every token in circulation."""

    slope: int
    decimals: int | None = None
    settlement_decimals: int | None = None

    def __post_init__(self) -> None:
        _check_parameters(self, (self.slope,))

    @property
    def name(self) -> str:
        """ "linear"."""
        return "linear"

    @property
    def parameters(self) -> tuple[int, ...]:
        """The slope, and the decimals where it has them."""
        return self.slope, *(self.scale or ())

    @property
    def scale(self) -> tuple[int, int] | None:
        """The decimals of the app's token and of the settlement token, None where it was made without them."""
        return _scale(self.decimals, self.settlement_decimals)

    def price(self, supply: int) -> int:
        """What one token costs, about."""
        return supply * self.slope // _base(self.decimals)

    def _buying_pool(self, supply: int) -> int:
        return supply**2 * self.slope // (2 * _base(self.decimals) ** 2)

    def _largest_of(self, pool: int) -> int:
        return isqrt(((pool + 1) * 2 * _base(self.decimals) ** 2 - 1) // self.slope)


def cube_root(number: int) -> int:
    """The largest integer whose cube is at most `number`, which is 0 or more; by Newton's steps down from above."""
    if number == 0:
        return 0
    root = 1 << -(-number.bit_length() // 3)
    while True:
        closer = (2 * root + number // (root * root)) // 3
        if closer >= root:
            return root
        root = closer


def _scale(decimals: int | None, settlement_decimals: int | None) -> tuple[int, int] | None:
    return None if decimals is None or settlement_decimals is None else (decimals, settlement_decimals)


def _base(decimals: int | None) -> int:
    return BASE if decimals is None else 10**decimals


def _check_parameters(curve: SquareRootCurve | FixedPriceCurve | LinearCurve, parameters: Sequence[object]) -> None:
    for given in parameters:
        value = as_int(given)
        if value is None or not 0 < value <= PARAMETER_MAX:
            raise InvalidCurve(f"a parameter of the curve {curve.name} is an int from 1 to 2**64 - 1, not {given!r}")
    scale: tuple[object, object] = curve.decimals, curve.settlement_decimals
    if scale != (None, None):
        for given in scale:
            value = as_int(given)
            if value is None or not 0 <= value <= DECIMALS_MAX:
                raise InvalidCurve(f"the curve {curve.name} has the decimals of two tokens, 0 to {DECIMALS_MAX}, not {scale}")
    for field in curve.__struct_fields__:  # each by value, as Python's own
        given = getattr(curve, field)
        if given is not None and type(given) is not int:
            msgspec.structs.force_setattr(curve, field, as_int(given))
