"""The figures of contracts, added up from what each event changes, are those that contracts have."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings

from tallystick import Ledger, LedgerError, Token
from tallystick.domain.contract.contract import Contract
from tallystick.domain.contract.figure_changes import FigureChange, figure_change
from tallystick.domain.events import Allocated, AllShadowsRaised, ContractEvent, ContractRegistered, Moved
from tallystick.infrastructure.journal.format import decode_events
from tests.support.books.behind import journal_of
from tests.support.strategies import CONTRACTS, HOLDERS, contract_plans

BEGUN = [(contract, ("register",), "") for contract in CONTRACTS] + [
    (contract, step, "")
    for contract in CONTRACTS
    for step in (("balance_up", 3_000), *(("alloc", holder) for holder in HOLDERS), ("shadow_up", "alice", 700))
]


def do(tx: Any, contract: str, step: tuple[Any, ...]) -> None:
    """One call on a contract, where it is one that changes it."""
    name, *arguments = step
    if name == "register":
        tx.register_contract(contract, backed_by="PLN" if contract == "backed" else None)
    elif name in {"figures", "allocation", "drain"}:
        tx.contract(contract).balance_up(1)
    else:
        getattr(tx.contract(contract), name)(*arguments)


@settings(max_examples=40)
@given(plan=contract_plans)
def test_what_events_add_sums_to_what_a_contract_has(plan: list[tuple[str, tuple[Any, ...], str]]) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("PLN"))
        for holder in HOLDERS:
            ledger.mint("PLN", holder, 5_000)
        for contract, step, _ in (*BEGUN, *plan):
            with suppress(LedgerError), ledger.atomic() as tx:
                do(tx, contract, step)
        summed: dict[str, FigureChange] = {}
        replayed: dict[str, Contract] = {}
        for event in (event for row in journal_of(ledger).rows() for event in decode_events(row)):
            if isinstance(event, ContractEvent):
                change = figure_change(event)  # type: ignore[arg-type]
                before = summed.get(event.contract, FigureChange())
                summed[event.contract] = FigureChange(*(old + new for old, new in zip(before, change, strict=True)))
                if isinstance(event, ContractRegistered):
                    replayed[event.contract] = Contract.registered_by(event)
                else:
                    replayed[event.contract].apply(event)  # type: ignore[arg-type]
                contract = replayed[event.contract]
                assert summed[event.contract] == (contract.balance, contract.allocs_sum, contract.num_allocs)
        stood = {id: (each.balance, each.allocs_sum, each.num_allocs) for id, each in ledger.contracts().items()}
        assert stood == summed


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (ContractRegistered("pool", None), (0, 0, 0)),
        (Allocated("pool", "alice"), (0, 0, 1)),
        (AllShadowsRaised("pool", 2**130, 7), (0, 2**130, 0)),
    ],
)
def test_single_events(event: Any, verdict: tuple[int, int, int]) -> None:
    assert figure_change(event) == verdict


def test_what_is_no_contracts_event_changes_no_figure() -> None:
    with pytest.raises(KeyError):
        figure_change(Moved("PLN", "alice", "bob", 1))  # type: ignore[arg-type]
