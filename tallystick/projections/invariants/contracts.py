"""What must be true of contracts in any journal: bounds of balances and sums, and that allocations follow from the steps.

It adds up for itself and trusts no figure in an event. Allocations may differ from their sum by what proportional steps
rounded away: less than one sati-satoshi an allocation and step, and what later steps made of that. That bound is kept and
checked at the end.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tallystick.domain.arithmetic.scaling import ScaledValues
from tallystick.domain.contract.contract import SATI_PER_SAT
from tallystick.domain.events import (
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    BalanceLowered,
    BalanceRaised,
    ContractRegistered,
    Deallocated,
    ShadowLowered,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.domain.rounding import is_known_rounding
from tallystick.projections.invariants.amounts import in_decimals


class _Contract:
    def __init__(self, backed_by: str | None) -> None:
        self.backed_by = backed_by
        self.balance = 0
        self.allocs_sum = 0
        self.drift = 0
        self.position = 0
        self.allocations = ScaledValues()


class ContractInvariants:
    """The contracts' part of an audit, which knows of the `tokens` there are and of what is in every cell.

    What is wrong goes to `find(position, reason)`.
    """

    def __init__(
        self,
        find: Callable[[int, str], None],
        tokens: Mapping[str, TokenRegistered],
        cells: Mapping[str, Mapping[str, int]],
    ) -> None:
        self._find = find
        self._tokens = tokens
        self._cells = cells
        self._contracts: dict[str, _Contract] = {}
        self._touched: dict[str, int] = {}
        self._rules: dict[type, Callable[[int, _Contract, Any], None]] = {
            BalanceRaised: self._balance_changed,
            BalanceLowered: self._balance_changed,
            Allocated: self._allocated,
            Deallocated: self._deallocated,
            ShadowRaised: self._shadow_raised,
            ShadowLowered: self._shadow_lowered,
            AllShadowsRaised: self._all_scaled,
            AllShadowsLowered: self._all_scaled,
        }

    def apply(self, position: int, event: Any) -> None:
        """Checks one event of a contract."""
        if isinstance(event, ContractRegistered):
            self._registered(position, event)
            return
        contract = self._contracts.get(event.contract)
        if contract is None:
            self._find(position, f"contract {event.contract!r} is not registered")
            return
        rule = self._rules.get(event.__class__)
        if rule is None:
            self._find(position, f"{event.__class__.__name__} is an event that this audit does not know")
            return
        if getattr(event, "amount", 1) <= 0:
            self._find(position, f"an amount is {event.amount} smallest units")
        rule(position, contract, event)
        contract.position = position
        if not 0 <= contract.allocs_sum <= contract.balance:
            allocated, balance = self._written(contract, contract.allocs_sum), self._written(contract, contract.balance)
            figures = f"{allocated} allocated of a balance of {balance}"
            self._find(position, f"contract {event.contract!r} has {figures}")

    def ids(self) -> Collection[str]:
        """The contracts there are."""
        return self._contracts

    def paid(self, position: int, token: str, account: str) -> None:
        """Notes that tokens went into or out of an account, which may be a contract's own."""
        contract = self._contracts.get(account)
        if contract is None:
            return
        if contract.backed_by == token:
            self._touched.setdefault(account, position)
        else:
            self._find(position, f"{token} moves in the account of contract {account!r}, which is not backed by it")

    def check_backing(self) -> None:
        """Checks the backed contracts touched since the last call."""
        for id, position in self._touched.items():
            contract = self._contracts[id]
            tokens = self._cells[contract.backed_by or ""].get(id, 0)
            if tokens != contract.balance:
                has, balance = self._written(contract, tokens), self._written(contract, contract.balance)
                stated = f"{has} {contract.backed_by} in its account and a balance of {balance}"
                self._find(position, f"contract {id!r} has {stated}")
        self._touched.clear()

    def finish(self) -> None:
        """Checks every contract's allocations against their sum."""
        for id, contract in self._contracts.items():
            total = sum(sati for _, sati in contract.allocations.items())
            if abs(total - contract.allocs_sum * SATI_PER_SAT) > contract.drift:
                stated = f"allocations of {total} sati-satoshis and a sum of {self._written(contract, contract.allocs_sum)}"
                self._find(contract.position, f"contract {id!r} has {stated}, further apart than rounding goes")

    def _written(self, contract: _Contract, amount: int) -> str:
        return in_decimals(self._tokens, contract.backed_by, amount)

    def _registered(self, position: int, event: ContractRegistered) -> None:
        if event.contract in self._contracts:
            self._find(position, f"contract {event.contract!r} is registered a second time")
        self._contracts[event.contract] = _Contract(event.backed_by)
        if event.backed_by is None:
            return
        if event.backed_by not in self._tokens:
            self._find(position, f"token {event.backed_by!r} is not registered")
        if self._cells[event.backed_by].get(event.contract, 0):
            self._find(position, f"contract {event.contract!r} is an account that has {event.backed_by} already")

    def _balance_changed(self, position: int, contract: _Contract, event: BalanceRaised | BalanceLowered) -> None:
        contract.balance += event.amount if isinstance(event, BalanceRaised) else -event.amount
        if contract.backed_by is not None:
            self._touched.setdefault(event.contract, position)

    def _allocated(self, position: int, contract: _Contract, event: Allocated) -> None:
        if contract.allocations.get(event.account) is not None:
            self._find(position, f"{event.account} is allocated in contract {event.contract!r} a second time")
        contract.allocations.add(event.account)

    def _deallocated(self, position: int, contract: _Contract, event: Deallocated) -> None:
        sati = self._sati(position, contract, event)
        contract.allocations.remove(event.account)
        left = 0 if len(contract.allocations) else contract.allocs_sum
        if sati != event.dropped or not 0 <= sati < SATI_PER_SAT or left != event.sum_dropped:
            stated = f"{event.dropped} and {event.sum_dropped} of the sum, and has {sati} and {left}"
            self._find(position, f"{event.account} leaves contract {event.contract!r} dropping {stated}")
        contract.allocs_sum -= event.sum_dropped
        contract.drift = contract.drift + sati if len(contract.allocations) else 0

    def _shadow_raised(self, position: int, contract: _Contract, event: ShadowRaised) -> None:
        self._sati(position, contract, event)
        contract.allocations.change(event.account, event.amount * SATI_PER_SAT)
        contract.allocs_sum += event.amount

    def _shadow_lowered(self, position: int, contract: _Contract, event: ShadowLowered) -> None:
        if event.amount * SATI_PER_SAT > self._sati(position, contract, event):
            amount = self._written(contract, event.amount)
            self._find(position, f"{event.account} has less than {amount} in contract {event.contract!r}")
        contract.allocations.change(event.account, -event.amount * SATI_PER_SAT)
        contract.allocs_sum -= event.amount

    def _all_scaled(self, position: int, contract: _Contract, event: AllShadowsRaised | AllShadowsLowered) -> None:
        old = contract.allocs_sum
        new = old + event.amount if isinstance(event, AllShadowsRaised) else old - event.amount
        if event.allocs_sum != old or old <= 0:
            summed, stated = self._written(contract, old), self._written(contract, event.allocs_sum)
            self._find(position, f"the allocations of contract {event.contract!r} sum to {summed}, not {stated}")
        if not is_known_rounding(event):
            self._find(position, f"there is no rule of rounding {event.rounding}")
        contract.allocations.scale(old, new)
        contract.allocations.forget_steps()
        contract.allocs_sum = new
        if old > 0:
            contract.drift = -(-contract.drift * new // old) + len(contract.allocations)

    def _sati(self, position: int, contract: _Contract, event: Deallocated | ShadowRaised | ShadowLowered) -> int:
        sati = contract.allocations.get(event.account)
        if sati is None:
            self._find(position, f"{event.account} has no allocation in contract {event.contract!r}")
            contract.allocations.add(event.account)
        return sati or 0
