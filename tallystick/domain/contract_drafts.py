"""The contracts that a plan touches, as its events would leave them.

A draft lies on top of the contract in the books and keeps only what differs. Proportional changes depend on the sum at which
they are made, so when others' commits change the contract the plan's events are applied to it again.
"""

from typing import NamedTuple

from tallystick.domain.contract import Contract
from tallystick.domain.contracts import Contracts
from tallystick.domain.events import AllocationEvent, BalanceEvent, ContractChange, ContractRegistered


class _Draft(NamedTuple):
    base_changes: int
    contract: Contract
    events: list[BalanceEvent | AllocationEvent]


class ContractDrafts:
    """The drafts of one plan."""

    def __init__(self, contracts: Contracts) -> None:
        self._contracts = contracts
        self._drafts: dict[str, _Draft] = {}
        self._registered: dict[str, Contract] = {}

    def registered(self, id: str) -> bool:
        """Whether there is such a contract, in the books or in the plan."""
        return id in self._registered or id in self._contracts.registered

    def get(self, id: object) -> Contract:
        """The contract as drafted, on its newest state; `ContractNotFound` where none is registered under the id."""
        if isinstance(id, str) and id in self._registered:
            return self._registered[id]
        base = self._contracts.get(id)
        draft = self._drafts.get(base.id)
        if draft is None or draft.base_changes != base.changes:
            events = draft.events if draft else []
            draft = self._drafts[base.id] = _Draft(base.changes, base.draft(), events)
            for event in events:
                draft.contract.apply(event)
        return draft.contract

    def apply(self, event: ContractChange) -> None:
        """Adds an event of the plan."""
        if isinstance(event, ContractRegistered):
            self._registered[event.contract] = Contract(event.contract, event.backed_by)
            return
        self.get(event.contract).apply(event)
        if event.contract in self._drafts:
            self._drafts[event.contract].events.append(event)

    def revert(self, event: ContractChange) -> None:
        """Takes back the plan's newest event. What it changed is in the draft, so nothing is asked of the books."""
        if isinstance(event, ContractRegistered):
            del self._registered[event.contract]
        elif event.contract in self._registered:
            self._registered[event.contract].revert(event)
        else:
            draft = self._drafts[event.contract]
            draft.events.pop()
            draft.contract.revert(event)
