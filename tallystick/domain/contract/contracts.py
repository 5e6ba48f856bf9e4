"""All contracts: which there are, and those of them that are in memory.

What a contract is registered with is always known. Its balance and its shadow space are loaded from a shelf when they are
first asked for, and once more contracts are in memory than there is room for, the one longest unused goes back to the shelf.
Those that a transaction has touched stay until it is durable.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from tallystick.domain.contract.contract import Contract
from tallystick.domain.errors import ContractNotFound
from tallystick.domain.events import ContractChange, ContractRegistered
from tallystick.domain.values.spelling import lowered

CONTRACTS_IN_MEMORY = 1000


class Shelf(Protocol):
    """Where contracts are that are not in memory."""

    def load(self, id: str, backed_by: str | None) -> Contract:
        """The contract as all durable events have made it."""
        ...

    def put_away(self, contract: Contract) -> None:
        """A contract that leaves memory, as it stands."""
        ...


class Contracts:
    """The contracts of one book. Their names are noted in `special` too, among those whose accounts are their own."""

    def __init__(self, shelf: Shelf | None, in_memory_max: int, special: dict[str, None]) -> None:
        self._special = special
        self._shelf = shelf
        self._in_memory_max = in_memory_max
        self.registered: dict[str, str | None] = {}
        self._in_memory: OrderedDict[str, Contract] = OrderedDict()
        self.changed: dict[str, Contract] = {}
        """Those that were changed since the last `forget`."""

    def get(self, id: object) -> Contract:
        """The contract, loaded if it has to be; `ContractNotFound` where none is registered under the id."""
        if type(id) is not str or id not in self.registered:
            id = self._found(id)
        contract = self._in_memory.get(id)
        if contract is not None:
            self._in_memory.move_to_end(id)
            return contract
        if self._shelf is None:
            raise ContractNotFound(contract=id)  # these books are kept without what is in contracts, or are no more
        contract = self._in_memory[id] = self._shelf.load(id, self.registered[id])
        self._make_room()
        return contract

    def _found(self, id: object) -> str:
        """The id of a contract that is not there under the one that is given."""
        found = lowered(id) if type(id) is str else ""
        if found not in self.registered:
            raise ContractNotFound(contract=id)
        return found

    def detach(self) -> None:
        """These contracts are no more the newest: nothing of them may reach the shelf."""
        self._shelf = None

    def in_memory(self) -> Iterator[Contract]:
        """The contracts that are in memory."""
        return iter(self._in_memory.values())

    def record(self, event: ContractChange) -> None:
        """Makes the change of an event that was decided a moment ago, so that no shelf has it yet."""
        self.apply(event)
        if isinstance(event, ContractRegistered):
            contract = Contract(event.contract, event.backed_by)
            self._in_memory[contract.id] = self.changed[contract.id] = contract

    def apply(self, event: ContractChange) -> None:
        """Makes the event's change, where the contract is in memory; where it is not, the shelf knows when it is loaded."""
        if isinstance(event, ContractRegistered):
            self.registered[event.contract] = event.backed_by
            self._special[event.contract] = None
            return
        contract = self._in_memory.get(event.contract)
        if contract is not None:
            self.changed[event.contract] = contract
            contract.apply(event)

    def revert(self, event: ContractChange) -> None:
        """Takes back the newest event."""
        if isinstance(event, ContractRegistered):
            del self.registered[event.contract], self._special[event.contract]
            del self._in_memory[event.contract]
            self.changed.pop(event.contract, None)
            return
        contract = self._in_memory[event.contract]
        contract.revert(event)
        if contract.is_unchanged:
            self.changed.pop(event.contract, None)

    def forget(self) -> None:
        """What was applied so far is durable and will not be taken back."""
        if self.changed:
            for contract in self.changed.values():
                contract.forget()
            self.changed.clear()
            self._make_room()

    def _make_room(self) -> None:
        """Does nothing while there are changes: a transaction keeps all that it touches."""
        while not self.changed and len(self._in_memory) > self._in_memory_max:
            _, contract = self._in_memory.popitem(last=False)
            if self._shelf is not None:
                self._shelf.put_away(contract)
