"""The contracts that a plan touches, as its events would leave them.

A draft lies on top of the contract in the books and keeps only what differs. Proportional changes depend on the sum at which
they are made, so when others' commits change the contract, what the plan did to it is decided again on what it is by then.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

from tallystick.domain.books.books import Books
from tallystick.domain.contract.contract import Contract
from tallystick.domain.contract.decisions import CONTRACT_RULES
from tallystick.domain.contract.operations import (
    Allocate,
    Deallocate,
    LowerAllShadows,
    LowerBalance,
    LowerShadow,
    RaiseAllShadows,
    RaiseBalance,
    RaiseShadow,
)
from tallystick.domain.errors import Conflict, LedgerError
from tallystick.domain.events import (
    Allocated,
    AllocationEvent,
    AllShadowsLowered,
    AllShadowsRaised,
    BalanceEvent,
    BalanceLowered,
    BalanceRaised,
    ContractChange,
    ContractRegistered,
    Deallocated,
    ShadowLowered,
    ShadowRaised,
)
from tallystick.domain.operation import Operation


class _Draft(NamedTuple):
    base: tuple[int, int, int]
    contract: Contract
    events: list[BalanceEvent | AllocationEvent]


class DraftedContracts:
    """The drafts of one plan."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._drafts: dict[str, _Draft] = {}
        self._registered: dict[str, Contract] = {}

    def registered(self, id: str, /) -> bool:
        """Whether there is such a contract, in the books or in the plan."""
        return id in self._registered or self._books.is_contract(id)

    def is_special(self, name: str, /) -> bool:
        """Whether the name is an app's or a contract's, in the books or in the plan."""
        return name in self._registered or self._books.is_special(name)

    def special_names(self) -> Iterable[str]:
        """The apps and contracts in the books or in the plan."""
        return (*self._books.special_names(), *self._registered)

    def get(self, id: object) -> Contract:
        """The contract as drafted, on its newest state; `ContractNotFound` where none is registered under the id.

        `Conflict` where others have changed it so that what the plan did to it cannot be done any more.
        """
        if self._registered and type(id) is str:
            registered = self._registered.get(id) or self._registered.get(self._books.spellings.of_perhaps(id))
            if registered is not None:
                return registered
        contract = self._books.contract(id)
        base = (self._books.generation, self._books.abandoned, contract.changes)
        draft = self._drafts.get(contract.id)
        if draft is None or draft.base != base:
            draft = self._drafts[contract.id] = _repeated(base, contract, draft.events if draft else [])
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
            draft.contract.revert(draft.events.pop())


def _repeated(base: tuple[int, int, int], contract: Contract, events: Sequence[BalanceEvent | AllocationEvent]) -> _Draft:
    """A draft of the contract in which the plan's events are decided again."""
    draft = _Draft(base, contract.draft(), [])
    for event in events:
        try:
            again = _decide_again(draft.contract, event)
        except LedgerError as error:
            told = f"one to which {type(event).__name__} can happen"
            raise Conflict(subject=f"contract {contract.id}", told=told, now=f"another: {error}", cause=error) from error
        draft.contract.apply(again)
        draft.events.append(again)
    return draft


class _Only:
    """A view of one contract and nothing else. Whether it is backed does not matter, nor who is frozen: that was decided."""

    backed_by = None
    watched = ()

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def contract(self, id: object) -> "_Only":
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contract, name)


def _decide_again(contract: Contract, event: BalanceEvent | AllocationEvent) -> BalanceEvent | AllocationEvent:
    """The event as it would be decided on what the contract is by now; raises as its operation does."""
    id, memo = event.contract, event.memo
    operation: Operation
    match event:
        case BalanceRaised():
            operation = RaiseBalance(id, event.amount, memo)
        case BalanceLowered():
            operation = LowerBalance(id, event.amount, memo)
        case Allocated():
            operation = Allocate(id, event.account, memo)
        case Deallocated():
            operation = Deallocate(id, event.account, event.dropped > 0, memo)
        case ShadowRaised():
            operation = RaiseShadow(id, event.account, event.amount, memo)
        case ShadowLowered():
            operation = LowerShadow(id, event.account, event.amount, memo)
        case AllShadowsRaised():
            operation = RaiseAllShadows(id, event.amount, memo)
        case AllShadowsLowered():
            operation = LowerAllShadows(id, event.amount, memo)
    (again,) = CONTRACT_RULES[type(operation)](_Only(contract), operation)
    return cast(BalanceEvent | AllocationEvent, again)
