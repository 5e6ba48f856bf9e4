"""Projections as callers give them: by a name, as "module:Class", as a class, or made already."""

from collections.abc import Callable, Mapping
from typing import Any

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.system.loading import loaded
from tallystick.projections.all_holds import Holds
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.projection import Projection
from tallystick.projections.shadow_spaces import ShadowSpaces
from tallystick.projections.supply import SupplyReserves
from tallystick.projections.transactions import Transactions

Given = str | Projection | Callable[[], Projection]
"""A name, "module:Class", a projection that was given no events yet, or what makes one."""

SHIPPED: Mapping[str, type[Projection]] = {
    kind.name: kind for kind in (Balances, SupplyReserves, ShadowSpaces, Fragments, Transactions, Holds)
}
"""The projections that come with the package, by name."""


def projection_of(given: Given) -> Projection:
    """The projection that is given, of those that come with the package by its name. Raises `InvalidRequest`."""
    if not isinstance(given, str):
        return made(given)
    if given in SHIPPED:
        return SHIPPED[given]()
    if ":" not in given:
        raise InvalidRequest(
            f"there is no projection {given}: one of {', '.join(SHIPPED)}, or module:Class for one of your own"
        )
    return made(loaded(given))


def made(given: Any) -> Projection:
    """The projection that this is, or makes. Raises `InvalidRequest`."""
    is_made = not isinstance(given, type) and hasattr(given, "apply")
    try:
        projection: Any = given() if callable(given) and not is_made else given
    except TypeError as error:
        raise InvalidRequest(f"{given!r:.80} cannot be called without arguments for a projection: {error}") from error
    name, version = getattr(projection, "name", None), getattr(projection, "version", None)
    if not isinstance(name, str) or type(version) is not int or not hasattr(projection, "apply"):
        raise InvalidRequest(f"a projection has a name, a version (an int) and apply(), which {projection!r:.80} has not")
    return projection
