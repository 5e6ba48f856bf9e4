"""What an event does to a contract's figures: what it adds to the balance, to the sum of the allocations, and to their number.

A change of all allocations at once is a change of the sum by as much; what rounding leaves of it stays in the sum. So the three
figures follow from the events alone, without the allocations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tallystick.domain.dispatch import Rules
from tallystick.domain.events import (
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    BalanceLowered,
    BalanceRaised,
    ContractChange,
    ContractRegistered,
    Deallocated,
    ShadowLowered,
    ShadowRaised,
)


class FigureChange(NamedTuple):
    """What is added to each figure, in satoshis and in accounts."""

    balance: int = 0
    allocs_sum: int = 0
    num_allocs: int = 0


def figure_change(event: ContractChange) -> FigureChange:
    """What the event adds. Raises `KeyError` for an event that this table does not know."""
    return _CHANGES[type(event)](event)


_CHANGES: Rules[Callable[[Any], FigureChange]] = Rules(
    {
        ContractRegistered: lambda event: FigureChange(),
        BalanceRaised: lambda event: FigureChange(balance=event.amount),
        BalanceLowered: lambda event: FigureChange(balance=-event.amount),
        Allocated: lambda event: FigureChange(num_allocs=1),
        Deallocated: lambda event: FigureChange(allocs_sum=-event.sum_dropped, num_allocs=-1),
        **dict.fromkeys((ShadowRaised, AllShadowsRaised), lambda event: FigureChange(allocs_sum=event.amount)),
        **dict.fromkeys((ShadowLowered, AllShadowsLowered), lambda event: FigureChange(allocs_sum=-event.amount)),
    }
)
