"""Bonding curves: what an app's token costs, from the supply that is in circulation, in whole base units.

A curve's pool is what the reserve must hold for a supply: buying raises the supply and pays in what the pool grows by,
selling takes out what it shrinks by. Where a curve buys dearer than it sells, the difference is the spread. Rounding may
never make money: a purchase costs the larger of what the buying pool and the selling pool grow by, for each is rounded down
by itself, and without that 1 could buy what sells for 2. One token, and one settlement token, has 10**12 base units.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isqrt
from typing import Protocol, cast, runtime_checkable

import msgspec

from tallystick.domain.errors import InvalidCurve, UnknownCurve
from tallystick.domain.integers import as_int
from tallystick.domain.values.amount import AMOUNT_MAX

BASE = 10**12
"""Base units of one token."""

PARAMETER_MAX = 2**64 - 1
NAME_LENGTH_MAX = 128


@runtime_checkable
class Curve(Protocol):
    """What trading needs of a curve. `supply`, amounts and payments are in base units; a journal keeps name and parameters."""

    @property
    def name(self) -> str:
        """The name under which the curve is known."""
        ...

    @property
    def parameters(self) -> tuple[int, ...]:
        """The integers that make it again."""
        ...

    def price(self, supply: int) -> int:
        """What one token costs, about, when `supply` is in circulation."""
        ...

    def cost(self, supply: int, amount: int) -> int:
        """What buying `amount` costs at least; never less than a smaller amount."""
        ...

    def proceeds(self, supply: int, amount: int) -> int:
        """What selling `amount` of the `supply` brings."""
        ...

    def amount_for(self, supply: int, payment: int) -> int:
        """The largest amount that costs at most `payment`."""
        ...


class _PoolCurve(msgspec.Struct, frozen=True):
    """A curve given by the pools of buying and selling."""

    def _buying_pool(self, supply: int) -> int:
        raise NotImplementedError

    def _selling_pool(self, supply: int) -> int:
        return self._buying_pool(supply)

    def cost(self, supply: int, amount: int) -> int:
        """The larger of what the two pools grow by."""
        after = supply + amount
        bought = self._buying_pool(after) - self._buying_pool(supply)
        return max(bought, self._selling_pool(after) - self._selling_pool(supply))

    def proceeds(self, supply: int, amount: int) -> int:
        """What the selling pool shrinks by."""
        return self._selling_pool(supply) - self._selling_pool(supply - amount)

    def amount_for(self, supply: int, payment: int) -> int:
        """The largest amount whose cost is at most `payment`, found by halves."""
        return largest_amount(lambda amount: self.cost(supply, amount) <= payment, AMOUNT_MAX - supply)


class SquareRootCurve(_PoolCurve, frozen=True):
    """The price is the square root of the supply in tokens, times `buy_k` / 10 for buyers and `sell_k` / 10 for sellers."""

    buy_k: int
    sell_k: int | None = None

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
        """`buy_k` and `sell_k`."""
        return self.buy_k, self._sell_k()

    @property
    def has_spread(self) -> bool:
        """Whether it buys dearer than it sells."""
        return self._sell_k() < self.buy_k

    def _sell_k(self) -> int:
        return self.buy_k if self.sell_k is None else self.sell_k

    def price(self, supply: int) -> int:
        """What one token costs a buyer, about."""
        return isqrt(supply) * self.buy_k // 10 * 10**6

    def _buying_pool(self, supply: int) -> int:
        return self._pool(supply, self.buy_k)

    def _selling_pool(self, supply: int) -> int:
        return self._pool(supply, self._sell_k())

    @staticmethod
    def _pool(supply: int, k: int) -> int:
        return isqrt(supply) * supply * k * 2 // 10**6 // 30


class FixedPriceCurve(_PoolCurve, frozen=True):
    """One token always costs `price_per_token` base units of the settlement token."""

    price_per_token: int

    def __post_init__(self) -> None:
        _check_parameters(self, (self.price_per_token,))

    @property
    def name(self) -> str:
        """ "fixed_price"."""
        return "fixed_price"

    @property
    def parameters(self) -> tuple[int, ...]:
        """The price."""
        return (self.price_per_token,)

    def price(self, supply: int) -> int:
        """What one token costs."""
        return self.price_per_token

    def _buying_pool(self, supply: int) -> int:
        return supply * self.price_per_token // BASE


class LinearCurve(_PoolCurve, frozen=True):
    """The price rises by `slope` base units of the settlement token with every token in circulation."""

    slope: int

    def __post_init__(self) -> None:
        _check_parameters(self, (self.slope,))

    @property
    def name(self) -> str:
        """ "linear"."""
        return "linear"

    @property
    def parameters(self) -> tuple[int, ...]:
        """The slope."""
        return (self.slope,)

    def price(self, supply: int) -> int:
        """What one token costs, about."""
        return supply * self.slope // BASE

    def _buying_pool(self, supply: int) -> int:
        return supply * supply * self.slope // (2 * BASE * BASE)


class UnresolvedCurve(msgspec.Struct, frozen=True):
    """A curve of which only the name and the parameters are known: reading needs no more, and trading is `UnknownCurve`."""

    name: str
    parameters: tuple[int, ...]

    def price(self, supply: int) -> int:
        """`UnknownCurve`."""
        raise UnknownCurve(name=self.name)

    def cost(self, supply: int, amount: int) -> int:
        """`UnknownCurve`."""
        raise UnknownCurve(name=self.name)

    def proceeds(self, supply: int, amount: int) -> int:
        """`UnknownCurve`."""
        raise UnknownCurve(name=self.name)

    def amount_for(self, supply: int, payment: int) -> int:
        """`UnknownCurve`."""
        raise UnknownCurve(name=self.name)


CurveMaker = Callable[..., Curve] | Curve
"""What makes a curve of its parameters, or the one curve of that name."""

CURVES: Mapping[str, CurveMaker] = {
    "square_root": SquareRootCurve,
    "fixed_price": FixedPriceCurve,
    "linear": LinearCurve,
}


def make_curve(name: str, parameters: Sequence[int], makers: Mapping[str, CurveMaker]) -> Curve:
    """The curve of this name and these parameters; an `UnresolvedCurve` where no maker is known that makes it."""
    maker = makers.get(name)
    made: object = maker
    if callable(maker):
        try:
            made = maker(*parameters)
        except Exception:  # somebody's own code: a journal is read whatever it does
            made = None
    if is_curve(made) and (cast(Curve, made).name, tuple(cast(Curve, made).parameters)) == (name, tuple(parameters)):
        return cast(Curve, made)
    return UnresolvedCurve(name, tuple(parameters))


def is_curve(curve: object) -> bool:
    """Whether it is a curve that a journal can keep."""
    if not isinstance(curve, Curve) or isinstance(curve, type):
        return False
    name: object = curve.name
    parameters: object = curve.parameters
    if type(name) is not str or not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        return False
    return isinstance(parameters, tuple | list) and all(type(each) is int for each in cast(Sequence[object], parameters))


def largest_amount(affordable: Callable[[int], bool], most: int) -> int:
    """The largest amount from 0 to `most` that is `affordable`, as all smaller are; asks at most 511 times up to 2**256."""
    reach = 1
    while reach <= most and affordable(reach):
        reach *= 2
    low, high = reach // 2, min(reach, most + 1)  # low is affordable, high is not
    while high - low > 1:
        middle = (low + high) // 2
        if affordable(middle):
            low = middle
        else:
            high = middle
    return low


def _check_parameters(curve: Curve, parameters: Sequence[object]) -> None:
    for given in parameters:
        value = as_int(given)
        if value is None or not 0 < value <= PARAMETER_MAX:
            raise InvalidCurve(f"a parameter of the curve {curve.name} is an int from 1 to 2**64 - 1, not {given!r}")
    for field in cast(msgspec.Struct, curve).__struct_fields__:
        given = getattr(curve, field)
        if given is not None and type(given) is not int:
            msgspec.structs.force_setattr(cast(msgspec.Struct, curve), field, as_int(given))
