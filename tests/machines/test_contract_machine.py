"""A state machine of contracts against a model that changes every allocation at once, in big integers.

The ledgers keep few contracts in memory, forget steps early and take snapshots often, so that loading, eviction, sweeps and
snapshots come in between all the time; what they say must be equal to the last sati-satoshi after every step.
"""

from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tallystick import Allocation, Ledger, ShadowSpaces, Token
from tallystick.domain.arithmetic import scaling
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tallystick.infrastructure.snapshots import contract_shelf
from tests.support.books.contract_book import SAT
from tests.support.strategies import CONTRACTS, HOLDERS, contract_plans, contracts
from tests.support.suites.machine import ModelRefusal, TransactingMachine

BACKING = Token("BTC", decimals=8, unit=1000)


class ContractModel:
    """Contracts as dictionaries of whole allocations."""

    def __init__(self) -> None:
        self.tokens = dict.fromkeys(HOLDERS, 5_000)
        self.contracts: dict[str, dict[str, Any]] = {}

    def resolve(self, contract: str, step: tuple[Any, ...]) -> tuple[Any, ...]:
        """The step with its contract; draining is taking all whole satoshis."""
        if step[0] == "drain":
            sati = self.contracts.get(contract, {"allocs": {}})["allocs"].get(step[1], 0)
            return ("shadow_down", contract, step[1], max(1, sati // SAT))
        return (step[0], contract, *step[1:])

    def apply(self, step: tuple[Any, ...], result: Any = None) -> None:
        """Does a step whole, or raises `ModelRefusal`; `result` is what the ledger gave for it."""
        name, id, *arguments = step
        if name == "register":
            self.check(id not in self.contracts)
            self.contracts[id] = {"balance": 0, "sum": 0, "allocs": {}}
            return
        self.check(id in self.contracts)
        amounts = [argument for argument in arguments if type(argument) is int]
        self.check(all(amount > 0 or (amount == 0 and name.endswith("_all")) for amount in amounts))
        told = [result] if name in ("figures", "allocation") else []
        getattr(self, f"do_{name}")(self.contracts[id], id == "backed", *arguments, *told)

    @staticmethod
    def check(condition: bool) -> None:
        if not condition:
            raise ModelRefusal

    def do_balance_up(self, contract: dict[str, Any], backed: bool, amount: int) -> None:
        self.check(not backed)
        contract["balance"] += amount

    def do_balance_down(self, contract: dict[str, Any], backed: bool, amount: int) -> None:
        self.check(not backed and contract["balance"] - amount >= contract["sum"])
        contract["balance"] -= amount

    def do_fund(self, contract: dict[str, Any], backed: bool, account: str, amount: int) -> None:
        self.check(backed and self.tokens[account] >= amount)
        self.tokens[account] -= amount
        contract["balance"] += amount

    def do_defund(self, contract: dict[str, Any], backed: bool, account: str, amount: int) -> None:
        self.check(backed and contract["balance"] - amount >= contract["sum"])
        self.tokens[account] += amount
        contract["balance"] -= amount

    def do_alloc(self, contract: dict[str, Any], backed: bool, account: str) -> None:
        self.check(account not in contract["allocs"])
        contract["allocs"][account] = 0

    def do_dealloc(self, contract: dict[str, Any], backed: bool, account: str, drop: bool) -> None:
        self.check(account in contract["allocs"])
        left = contract["allocs"].pop(account)
        self.check(left == 0 or (drop and left < SAT))
        if not contract["allocs"]:
            contract["sum"] = 0

    def do_shadow_up(self, contract: dict[str, Any], backed: bool, account: str, amount: int) -> None:
        self.check(account in contract["allocs"] and contract["sum"] + amount <= contract["balance"])
        contract["allocs"][account] += amount * SAT
        contract["sum"] += amount

    def do_shadow_down(self, contract: dict[str, Any], backed: bool, account: str, amount: int) -> None:
        self.check(contract["allocs"].get(account, 0) >= amount * SAT and contract["sum"] >= amount)
        contract["allocs"][account] -= amount * SAT
        contract["sum"] -= amount

    def do_shadow_up_all(self, contract: dict[str, Any], backed: bool, amount: int) -> None:
        self.check(0 < contract["sum"] <= contract["balance"] - amount)
        whole = contract["sum"] * SAT
        contract["allocs"] = {name: sati + sati * amount * SAT // whole for name, sati in contract["allocs"].items()}
        contract["sum"] += amount

    def do_shadow_down_all(self, contract: dict[str, Any], backed: bool, amount: int) -> None:
        self.check(contract["sum"] > 0 and contract["sum"] >= amount)
        whole = contract["sum"] * SAT
        contract["allocs"] = {name: sati - sati * amount * SAT // whole for name, sati in contract["allocs"].items()}
        contract["sum"] -= amount

    def do_figures(self, contract: dict[str, Any], backed: bool, told: Any) -> None:
        if told != "refused":
            self.check(told == (contract["balance"], contract["sum"], len(contract["allocs"])))

    def do_allocation(self, contract: dict[str, Any], backed: bool, account: str, told: Any) -> None:
        if told != "refused":
            self.check((None if told is None else told.sati) == contract["allocs"].get(account))


class ContractMachine(TransactingMachine):
    """Transactions on contracts, rolled back in part or whole, raced, reopened, evicted and rebuilt."""

    def __init__(self) -> None:
        self.patches = [
            mock.patch.object(scaling, "STEPS_KEPT", 2),
            mock.patch.object(contract_shelf, "SNAPSHOT_EVENTS", 3),
        ]
        for patch in self.patches:
            patch.start()
        super().__init__()

    def make_model(self) -> ContractModel:
        return ContractModel()

    def open(self, which: int) -> Ledger:
        return Ledger.open(f"sqlite:///{self.path}?durability=normal", contracts_in_memory=1 + which)

    def teardown(self) -> None:
        super().teardown()
        for patch in self.patches:
            patch.stop()

    def call(self, tx: TransactionContext, model: ContractModel, step: tuple[Any, ...]) -> Any:
        name, id, *arguments = step
        if name == "register":
            return tx.register_contract(id, backed_by=BACKING.code if id == "backed" else None)
        contract = tx.contract(id)
        if name == "figures":
            return contract.balance, contract.allocs_sum, contract.num_allocs
        return getattr(contract, name)(*arguments)

    @initialize()
    def begin(self) -> None:
        self.ledgers[0].register_token(BACKING)
        with self.ledgers[0].atomic() as tx:
            for account, amount in self.model.tokens.items():
                tx.mint(BACKING.code, account, amount)
        steps: list[Any] = [("register",), ("alloc", "alice"), ("alloc", "bob")]
        funding = {"figure": ("balance_up", 10**6), "backed": ("fund", "alice", 4_000)}
        stakes = [("shadow_up", "alice", 1_000), ("shadow_up", "bob", 7)]
        for id in funding:
            self.play_transaction(0, [(id, step, "") for step in [*steps, funding[id], *stakes]], [], None, fails=False)
        assert set(self.model.contracts) == set(funding) < set(CONTRACTS)

    @rule(which=st.integers(0, 1), plan=contract_plans, fails=st.integers(0, 9))
    def transact(self, which: int, plan: list[Any], fails: int) -> None:
        """One transaction."""
        self.play_transaction(which, plan, [], None, fails=not fails)

    @rule(which=st.integers(0, 1), plan=contract_plans, between=contract_plans, place=st.integers(0, 10))
    def transact_in_a_race(self, which: int, plan: list[Any], between: list[Any], place: int) -> None:
        """One transaction; before its step number `place` the other ledger commits one of its own."""
        self.play_transaction(which, plan, between, None, fails=False, place=place)

    @rule(which=st.integers(0, 1), plan=contract_plans, detour=contract_plans, place=st.integers(0, 10))
    def transact_with_a_detour(self, which: int, plan: list[Any], detour: list[Any], place: int) -> None:
        """One transaction; before its step number `place` others are planned and given up together."""
        self.play_transaction(which, plan, [], None, fails=False, place=place, detour=detour)

    @rule(which=st.integers(0, 1), plan=contract_plans)
    def transact_in_vain(self, which: int, plan: list[Any]) -> None:
        """A transaction that is executed and in conflict with its end."""
        told, changed = ("figure", ("figures",), ""), ("figure", ("balance_up", 1), "")
        self.play_transaction(which, [*plan, told], [changed], None, fails=False)

    @rule(which=st.integers(0, 1), contract=contracts, amount=st.integers(1, 3), times=st.integers(1, 30))
    def step_up_and_down(self, which: int, contract: str, amount: int, times: int) -> None:
        """Many proportional steps at once."""
        steps = [("shadow_up_all", amount), ("shadow_down_all", amount)] * times
        self.play_transaction(which, [(contract, step, "savepoint") for step in steps], [], None, fails=False)

    @rule(which=st.integers(0, 1), drop=st.booleans())
    def reopen(self, which: int, drop: bool) -> None:
        """One of the ledgers is opened anew, perhaps without its snapshots."""
        self.ledgers[which].close()
        if drop:
            for snapshot in Path(f"{self.path}.cache").rglob("*.snapshot"):
                snapshot.unlink()
        self.ledgers[which] = self.open(which)

    @invariant()
    def contracts_are_as_in_the_model(self) -> None:
        for ledger in self.ledgers:
            if not self.model.contracts:
                return
            for id, contract in self.model.contracts.items():
                view = ledger.contract(id)
                assert (view.balance, view.allocs_sum, view.num_allocs) == (
                    contract["balance"],
                    contract["sum"],
                    len(contract["allocs"]),
                )
                for account in HOLDERS:
                    sati = contract["allocs"].get(account)
                    assert view.allocation(account) == (None if sati is None else Allocation(sati, sati // SAT))
            assert ledger.balance(BACKING.code, "backed").total == self.model.contracts["backed"]["balance"]
            for account, amount in self.model.tokens.items():
                assert ledger.balance(BACKING.code, account).available == amount

    @rule(which=st.integers(0, 1))
    def rebuild(self, which: int) -> None:
        """The projection, from the first event."""
        rebuilt = self.ledgers[which].replay(ShadowSpaces())
        for id, contract in self.model.contracts.items():
            assert rebuilt.state[id]["allocations"] == contract["allocs"]
        for account in HOLDERS:
            found = {id: c["allocs"][account] for id, c in self.model.contracts.items() if account in c["allocs"]}
            assert {id: allocation.sati for id, allocation in rebuilt.allocations_of(account).items()} == found
            assert self.ledgers[which].allocations_of(account) == rebuilt.allocations_of(account)


TestContracts = ContractMachine.TestCase
TestContracts.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
