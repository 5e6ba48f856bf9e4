"""The figures of contracts as the events change them, without the allocations; a contract's come in when it is touched."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from tallystick.domain.contract.figure_changes import figure_change
from tallystick.domain.events import ContractChange, ContractRegistered
from tallystick.infrastructure.indexes.past.cells import FIGURES

Load = Callable[[int], Sequence[int]]
"""Gives so many cells, the figures of contracts in the order of their numbers."""


class ContractsFigures:
    """The figures. `registered` are the contracts that were there before, in their order; `load` knows theirs, once asked."""

    def __init__(self, registered: Iterable[str] = (), load: Load | None = None) -> None:
        self._numbers = {contract: number for number, contract in enumerate(registered)}
        self._load = load
        self._before = FIGURES * len(self._numbers)
        self._loaded: Sequence[int] | None = None
        self._figures: dict[str, list[int]] = {}

    def number(self, contract: str) -> int | None:
        """The contract's number in the order of registration; None where there is none yet."""
        return self._numbers.get(contract)

    def apply(self, event: ContractChange) -> None:
        """Makes the event's change."""
        contract = event.contract
        if isinstance(event, ContractRegistered):
            self._numbers[contract] = len(self._numbers)
            self._figures[contract] = [0] * FIGURES
            return
        figures = self._figures.get(contract)
        if figures is None:
            figures = self._figures[contract] = self._as_before(contract)
        for place, added in enumerate(figure_change(event)):
            figures[place] += added

    def cells_of(self, contract: str) -> Iterator[tuple[int, int]]:
        """The handles of the contract's three cells, and what they are worth."""
        return enumerate(self._figures[contract], FIGURES * self._numbers[contract])

    def all(self) -> list[int]:
        """The figures of all contracts, those of each side by side."""
        figures: list[int] = []
        for contract in self._numbers:
            figures += self._figures[contract] if contract in self._figures else self._as_before(contract)
        return figures

    def _as_before(self, contract: str) -> list[int]:
        if self._loaded is None:
            self._loaded = () if self._load is None else self._load(self._before)
        first = FIGURES * self._numbers[contract]
        return list(self._loaded[first : first + FIGURES])
