"""Bonding curves: what an app's token costs, from the supply that is in circulation, in whole base units.

A curve is anything that answers what trading asks. Those of this package are in `pool_curves`; a user's own is made again, from
what a journal keeps of it, by whoever gave it to the ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

import msgspec

from tallystick.domain.errors import InvalidCurve, UnknownCurve
from tallystick.domain.values.pool_curves import FixedPriceCurve, LinearCurve, PoolCurve, SquareRootCurve

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
_OWN_PARAMETERS: Mapping[str | None, int] = {"square_root": 2, "fixed_price": 1, "linear": 1}
"""How many parameters a curve of this package has before the decimals."""


def follow_decimals(curve: Curve, decimals: int, settlement_decimals: int) -> Curve:
    """The curve for tokens with these decimals; a user's own is as it is. `InvalidCurve` where it was made for others."""
    return curve.scaled(decimals, settlement_decimals) if isinstance(curve, PoolCurve) else curve


def check_own_name(curve: Curve) -> None:
    """`InvalidCurve` where a user's own curve has the name of one of this package, for a journal would give back that."""
    if curve.name in CURVES and not isinstance(curve, PoolCurve):
        raise InvalidCurve(f"{curve.name!r} is a curve of this package: one of your own, {curve!r}, needs another name")


def scale_of(name: str | None, parameters: Sequence[int]) -> tuple[int, int] | None:
    """The decimals that a recorded curve follows, None where it follows none: the app's token's and the settlement token's."""
    known = len(parameters) - 2
    return (parameters[-2], parameters[-1]) if name in _OWN_PARAMETERS and known == _OWN_PARAMETERS[name] else None


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
