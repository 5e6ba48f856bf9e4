"""The aggregate of one contract: its balance, and the shadow space of allocations that the balance bounds.

The balance and the sum of the allocations are whole satoshis; an allocation is kept in sati-satoshis, of which a satoshi has
10**8, because a proportional change seldom comes out even. It always holds that 0 <= `allocs_sum` <= `balance`. The sum is
kept and not added up: what proportional changes round away stays in it, and belongs to nobody.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

from tallystick.domain.arithmetic.scaling import DraftedValues, ScaledColumns, ScaledValues
from tallystick.domain.dispatch import Rules
from tallystick.domain.events import (
    Allocated,
    AllocationEvent,
    AllShadowsLowered,
    AllShadowsRaised,
    BalanceEvent,
    BalanceLowered,
    BalanceRaised,
    ContractRegistered,
    Deallocated,
    ShadowLowered,
    ShadowRaised,
)
from tallystick.domain.rounding import check_rounding
from tallystick.domain.values.result import Amount, Result, Sati

SATI_DECIMALS = 8
SATI_PER_SAT = 10**SATI_DECIMALS


class Allocation(Result, frozen=True):
    """An account's part of a contract: exact in sati-satoshis, `sati`, and the whole satoshis in it, `sats`, rounded down."""

    sati: Sati
    sats: Amount


def allocation_of(sati: int) -> Allocation:
    """The allocation of so many sati-satoshis."""
    return Allocation(sati, sati // SATI_PER_SAT)


class FrozenContract(NamedTuple):
    """A contract at one time, its allocations in sati-satoshis."""

    id: str
    backed_by: str | None
    balance: int
    allocs_sum: int
    values: ScaledColumns

    def is_like(self, other: "FrozenContract") -> bool:
        """Whether both are the same, however their allocations are kept."""
        if self == other or self[:4] != other[:4]:
            return self == other
        mine, theirs = (dict(ScaledValues.from_columns(each.values).items()) for each in (self, other))
        return mine == theirs


class Contract:
    """One contract. The methods that change it apply what happened and refuse nothing."""

    def __init__(self, id: str, backed_by: str | None, values: ScaledValues | None = None) -> None:
        self.id = id
        self.backed_by = backed_by
        self.balance = 0
        self.allocs_sum = 0
        self.changes = 0  # how many events have made it what it is
        self._settled_changes = 0
        self.version = 0  # of the newest event, where its stream alone made it
        self.values = ScaledValues() if values is None else values
        self._rules: Rules[Callable[[Any, int], None]] = Rules(
            {
                BalanceRaised: self._balance_raised,
                BalanceLowered: self._balance_lowered,
                Allocated: self._allocated,
                Deallocated: self._deallocated,
                ShadowRaised: self._shadow_raised,
                ShadowLowered: self._shadow_lowered,
                AllShadowsRaised: self._all_raised,
                AllShadowsLowered: self._all_lowered,
            }
        )

    @classmethod
    def registered_by(cls, event: ContractRegistered) -> Self:
        """The contract that began with `event`."""
        return cls(event.contract, event.backed_by)

    def __repr__(self) -> str:
        return f"<Contract {self.id}: balance {self.balance}, {self.allocs_sum} in {self.num_allocs} allocations>"

    @property
    def num_allocs(self) -> int:
        """How many accounts have an allocation, be it 0."""
        return len(self.values)

    @property
    def is_unchanged(self) -> bool:
        """Whether nothing was applied since the last `forget` that still stands."""
        return self.changes == self._settled_changes

    def sati_of(self, account: str) -> int | None:
        """The account's allocation in sati-satoshis; None where it has none."""
        return self.values.get(account)

    def allocations(self) -> Iterator[tuple[str, Allocation]]:
        """Every account with an allocation."""
        for account, sati in self.values.items():
            yield account, allocation_of(sati)

    def freeze(self) -> FrozenContract:
        """It as it is now."""
        return FrozenContract(self.id, self.backed_by, self.balance, self.allocs_sum, self.values.columns())

    def draft(self) -> "Contract":
        """A contract that starts as this one stands, and changes alone; void once this one changes."""
        draft = Contract(self.id, self.backed_by, DraftedValues(self.values))
        draft.balance, draft.allocs_sum = self.balance, self.allocs_sum
        return draft

    def apply(self, event: BalanceEvent | AllocationEvent) -> None:
        """Makes the event's change. Raises `CorruptJournal` where its rule of rounding is not known."""
        self._rules[type(event)](event, 1)
        self.changes += 1

    def revert(self, event: BalanceEvent | AllocationEvent) -> None:
        """Takes back the newest event, which must have been applied since the last `forget`."""
        self._rules[type(event)](event, -1)
        self.changes -= 1

    def forget(self) -> None:
        """What was applied so far is durable and will not be taken back."""
        self.values.forget_steps()
        self._settled_changes = self.changes

    def _balance_raised(self, event: BalanceRaised, sign: int) -> None:
        self.balance += sign * event.amount

    def _balance_lowered(self, event: BalanceLowered, sign: int) -> None:
        self.balance -= sign * event.amount

    def _allocated(self, event: Allocated, sign: int) -> None:
        if sign > 0:
            self.values.add(event.account)
        else:
            self.values.remove(event.account)

    def _deallocated(self, event: Deallocated, sign: int) -> None:
        self.allocs_sum -= sign * event.sum_dropped
        if sign > 0:
            self.values.remove(event.account)
        else:
            self.values.add(event.account, event.dropped)

    def _shadow_raised(self, event: ShadowRaised, sign: int) -> None:
        self.allocs_sum += sign * event.amount
        self.values.change(event.account, sign * event.amount * SATI_PER_SAT)

    def _shadow_lowered(self, event: ShadowLowered, sign: int) -> None:
        self.allocs_sum -= sign * event.amount
        self.values.change(event.account, -sign * event.amount * SATI_PER_SAT)

    def _all_raised(self, event: AllShadowsRaised, sign: int) -> None:
        check_rounding(event)
        self._scale(event.amount, sign)

    def _all_lowered(self, event: AllShadowsLowered, sign: int) -> None:
        check_rounding(event)
        self._scale(-event.amount, sign)

    def _scale(self, amount: int, sign: int) -> None:
        if sign > 0:
            self.values.scale(self.allocs_sum, self.allocs_sum + amount)
        else:
            self.values.unscale()
        self.allocs_sum += sign * amount
