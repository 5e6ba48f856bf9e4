"""Every contract's balance and shadow space, and what an account is allocated in all of them.

Proportional changes cost one step each here too: allocations catch up when they are asked for, by the rules of
`domain.scaling`.
"""

from collections.abc import Callable
from typing import Any

from tallystick.domain.arithmetic.scaling import ScaledValues
from tallystick.domain.contract.contract import SATI_PER_SAT, Allocation, allocation_of
from tallystick.domain.events import (
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    BalanceLowered,
    BalanceRaised,
    ContractEvent,
    ContractRegistered,
    Deallocated,
    ShadowLowered,
    ShadowRaised,
)
from tallystick.domain.rounding import check_rounding


class Allocations(dict[str, Allocation]):
    """An account's allocations by contract; `sati` and `sats` are their total."""

    @property
    def sati(self) -> int:
        """The total in sati-satoshis."""
        return sum(allocation.sati for allocation in self.values())

    @property
    def sats(self) -> int:
        """The whole satoshis in the total, rounded down."""
        return self.sati // SATI_PER_SAT


class ShadowSpace:
    """One contract, in satoshis; its allocations in sati-satoshis."""

    def __init__(self, backed_by: str | None) -> None:
        self.backed_by = backed_by
        self.balance = 0
        self.allocs_sum = 0
        self.allocations = ScaledValues()

    @property
    def num_allocs(self) -> int:
        """How many accounts have an allocation."""
        return len(self.allocations)

    def scale(self, amount: int) -> None:
        """Adds `amount`, which may be negative, to all allocations in their proportions."""
        self.allocations.scale(self.allocs_sum, self.allocs_sum + amount)
        self.allocations.forget_steps()
        self.allocs_sum += amount


class ShadowSpaces:
    """The shadow space of every contract, by its id: in `state[contract]` as a dict, in `spaces[contract]` as it is kept."""

    name = "shadow_spaces"
    version = 1

    def __init__(self) -> None:
        self.spaces: dict[str, ShadowSpace] = {}
        self._contracts_of: dict[str, dict[str, None]] = {}
        self._rules: dict[type, Callable[[ShadowSpace, Any], None]] = {
            BalanceRaised: self._balance_raised,
            BalanceLowered: self._balance_lowered,
            Allocated: self._allocated,
            Deallocated: self._deallocated,
            ShadowRaised: self._shadow_raised,
            ShadowLowered: self._shadow_lowered,
            AllShadowsRaised: self._all_raised,
            AllShadowsLowered: self._all_lowered,
        }

    @property
    def state(self) -> dict[str, dict[str, Any]]:
        """`state[contract]` has `balance`, `allocs_sum`, `num_allocs`, and the exact `allocations` by account."""
        return {
            contract: {
                "balance": space.balance,
                "allocs_sum": space.allocs_sum,
                "num_allocs": space.num_allocs,
                "allocations": dict(space.allocations.items()),
            }
            for contract, space in self.spaces.items()
        }

    def allocations_of(self, account: str) -> Allocations:
        """What the account is allocated, by contract."""
        found = Allocations()
        for contract in self._contracts_of.get(account, ()):
            sati = self.spaces[contract].allocations.get(account)
            if sati is not None:
                found[contract] = allocation_of(sati)
        return found

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        kind = event.__class__
        if kind is ContractRegistered:
            self.spaces[event.contract] = ShadowSpace(event.backed_by)
            return
        if isinstance(event, ContractEvent):
            self._rules[kind](self.spaces[event.contract], event)

    def apply_columns(self, position: int, recorded_at: int, batch: object, /) -> None:
        """Adds nothing: batches move tokens, and no contract's balance."""

    def _balance_raised(self, space: ShadowSpace, event: BalanceRaised) -> None:
        space.balance += event.amount

    def _balance_lowered(self, space: ShadowSpace, event: BalanceLowered) -> None:
        space.balance -= event.amount

    def _allocated(self, space: ShadowSpace, event: Allocated) -> None:
        space.allocations.add(event.account)
        self._contracts_of.setdefault(event.account, {})[event.contract] = None

    def _deallocated(self, space: ShadowSpace, event: Deallocated) -> None:
        space.allocations.remove(event.account)
        space.allocs_sum -= event.sum_dropped
        contracts = self._contracts_of[event.account]
        del contracts[event.contract]
        if not contracts:
            del self._contracts_of[event.account]

    def _shadow_raised(self, space: ShadowSpace, event: ShadowRaised) -> None:
        space.allocations.change(event.account, event.amount * SATI_PER_SAT)
        space.allocs_sum += event.amount

    def _shadow_lowered(self, space: ShadowSpace, event: ShadowLowered) -> None:
        space.allocations.change(event.account, -event.amount * SATI_PER_SAT)
        space.allocs_sum -= event.amount

    def _all_raised(self, space: ShadowSpace, event: AllShadowsRaised) -> None:
        check_rounding(event)
        space.scale(event.amount)

    def _all_lowered(self, space: ShadowSpace, event: AllShadowsLowered) -> None:
        check_rounding(event)
        space.scale(-event.amount)
