"""A state machine of apps, curves, distributions and pools against a model of plain cells.

After every step each token's cells sum to its `max_supply`.
"""

from collections import Counter, defaultdict
from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    Balances,
    FixedPriceCurve,
    Ledger,
    SquareRootCurve,
    SupplyReserves,
    Token,
)
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tests.support.strategies import APPS, USERS, app_plans
from tests.support.suites.machine import ModelRefusal, TransactingMachine

CURVES = {
    "GlobalToken": SquareRootCurve(10, 10, 12, 6),
    "TeaParty": SquareRootCurve(10, 7, 6, 6),
    "Fixed": FixedPriceCurve(3 * 10**4, 4, 6),
}
TOKENS = {
    token.code: token
    for token in (
        Token("TEA", 6, max_supply=2**62, role="settlement"),
        Token("USDT", max_supply=2**66, unit=10**5),
        Token("GlobalToken", 12, role="app", curve=SquareRootCurve(10)),
        Token("TeaParty", 6, role="app", curve=SquareRootCurve(10, 7), owner="dev", accepts=("USDT",)),
        Token("Fixed", 4, 10**14, role="app", curve=FixedPriceCurve(3 * 10**4), owner="dev", accepts=("GlobalToken",)),
    )
}
POOLS = (SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT)
Cell = tuple[str, str]


class AppModel:
    """Every cell by its token and its pair of names."""

    def __init__(self) -> None:
        self.cells: defaultdict[Cell, int] = defaultdict(int)
        self.held: defaultdict[str, int] = defaultdict(int)
        for code, token in TOKENS.items():
            self.cells[code, TOTAL_SUPPLY_RESERVE] = token.max_supply
        self.turns: Counter[str] = Counter()
        self.surplus: list[tuple[Cell, int]] = []

    def resolve(self, subject: None, step: tuple[Any, ...]) -> tuple[Any, ...]:
        return step

    def apply(self, step: tuple[Any, ...], result: Any = None) -> None:
        name, *arguments = step
        self.check(all(argument > 0 for argument in arguments if isinstance(argument, int)))
        told = [result] if name in ("balance", "buy", "sell") else []
        getattr(self, f"do_{name}")(*arguments, *told)

    @staticmethod
    def check(condition: bool) -> None:
        if not condition:
            raise ModelRefusal

    def move(self, source: Cell, target: Cell, amount: int) -> None:
        self.check(self.cells[source] >= amount)
        self.cells[source] -= amount
        self.cells[target] += amount

    def do_topup(self, token: str, user: str, amount: int) -> None:
        self.move((token, TOTAL_SUPPLY_RESERVE), (token, user), amount)

    def do_withdraw(self, token: str, user: str, amount: int) -> None:
        self.check(token not in APPS)
        self.move((token, user), (token, TOTAL_SUPPLY_RESERVE), amount)

    def do_transfer(self, token: str, sender: str, receiver: str, amount: int) -> None:
        self.check(receiver not in APPS)
        self.move((token, sender), (token, receiver), amount)

    def do_reserve(self, token: str, payer: str, amount: int) -> None:
        self.check(self.cells[token, payer] >= amount)
        self.cells[token, payer] -= amount
        self.held[token] += amount

    def do_move(self, source: Cell, target: Cell, amount: int) -> None:
        tokens = [pair[0] if pair[0] in TOKENS else "TEA" for pair in (source, target)]
        self.check(tokens[0] == tokens[1])
        deposits = [pair for pair in (source, target) if pair[0] not in TOKENS]
        others = [pair for pair in (source, target) if pair[0] in TOKENS]
        self.check(len(deposits) < 2 and all(pair[1] not in APPS for pair in others))
        self.check(not deposits or deposits[0][0] == others[0][1])
        self.move(source, target, amount)

    def do_deposit(self, app: str, user: str, amount: int) -> None:
        self.move(("TEA", user), (user, app), amount)

    def do_refund(self, app: str, user: str, amount: int) -> None:
        self.move((user, app), ("TEA", user), amount)

    def do_consume_deposit(self, app: str, user: str, amount: int) -> None:
        self.move((user, app), ("TEA", app), amount)

    def do_pay(self, app: str, user: str, amount: int, token: str | None) -> None:
        code = token or "TEA"
        self.check(code in ("TEA", app, *TOKENS[app].accepts))
        self.move((code, user), (code, app), amount)

    def purchase(self, app: str, payer: Cell, payment: int) -> int:
        self.check(payment > 0 and self.cells[payer] >= payment)
        curve, supply = CURVES[app], TOKENS[app].max_supply - self.cells[app, TOTAL_SUPPLY_RESERVE]
        amount = curve.amount_for(supply, payment)
        self.check(0 < amount <= self.cells[app, TOTAL_SUPPLY_RESERVE])
        owner = TOKENS[app].owner
        spread = 0 if owner is None else curve.cost(supply, amount) - curve.proceeds(supply + amount, amount)
        self.move(payer, ("TEA", owner or ""), spread)
        self.move(payer, (app, HIDDEN_BONDING_CURVE_ACCOUNT), payment - spread)
        self.check(curve.proceeds(supply + amount, supply + amount) <= self.cells[app, HIDDEN_BONDING_CURVE_ACCOUNT])
        return amount

    def do_buy(self, app: str, buyer: str, payment: int, at_least: int | None, told: Any) -> None:
        amount = self.purchase(app, ("TEA", buyer), payment)
        self.bring((app, TOTAL_SUPPLY_RESERVE), (app, buyer), amount, at_least, told)

    def do_sell(self, app: str, seller: str, amount: int, at_least: int | None, told: Any) -> None:
        self.check(self.cells[app, seller] >= amount)
        supply = TOKENS[app].max_supply - self.cells[app, TOTAL_SUPPLY_RESERVE]
        paid = CURVES[app].proceeds(supply, amount)
        self.bring((app, HIDDEN_BONDING_CURVE_ACCOUNT), ("TEA", seller), paid, at_least, told)
        self.move((app, seller), (app, TOTAL_SUPPLY_RESERVE), amount)

    def bring(self, source: Cell, target: Cell, amount: int, at_least: int | None, told: Any) -> None:
        """What a trade brings, which is what was told; what is beyond the least is counted when the block is over."""
        counted = amount if at_least is None else at_least
        self.check(amount >= (at_least or 1) and told in (counted, "refused"))
        self.move(source, target, amount)
        self.cells[target] -= amount - counted
        self.surplus.append((target, amount - counted))

    def end_block(self) -> None:
        for cell, amount in self.surplus:
            self.cells[cell] += amount
        self.surplus = []

    def share(self, app: str, source: str, amount: int) -> None:
        """Floors of the exact shares of all that is there, and the rest by systematic sampling: one at each whole unit that
        the remainders pass.
        """
        there = self.cells.copy()
        for cell, surplus in self.surplus:
            there[cell] += surplus
        holders = {user: there[app, user] for user in sorted((*USERS, "dev")) if there[app, user]}
        total = sum(holders.values())
        self.check(total > 0)
        passed = Fraction(self.turns[app] * 11400714819323198485 % 2**64 * total // 2**64, total)
        self.turns[app] += 1
        for user, weight in holders.items():
            exact = Fraction(amount * weight, total)
            end = passed + exact - floor(exact)
            self.move((app, source), (app, user), floor(exact) + floor(end) - floor(passed))
            passed = end

    def do_distribute_income(self, app: str) -> None:
        income = self.cells["TEA", app]
        if income:
            amount = self.purchase(app, ("TEA", app), income)
            self.share(app, TOTAL_SUPPLY_RESERVE, amount)

    def do_distribute_dividend(self, app: str) -> None:
        income = self.cells[app, app]
        if income:
            self.share(app, app, income)

    def do_share_distribution_pool(self, app: str, amount: int) -> None:
        bought = self.purchase(app, ("TEA", SEAT_DISTRIBUTION_POOL), amount)
        self.share(app, TOTAL_SUPPLY_RESERVE, bought)

    def do_withdraw_income(self, app: str, token: str, amount: int) -> None:
        self.check(token == "USDT" and TOKENS[app].owner is not None)
        self.move((token, app), (token, "dev"), amount)

    def do_collect_memory_tax(self, app: str, amount: int) -> None:
        self.move(("TEA", app), ("TEA", SEAT_COLLECTION_POOL), amount)

    def do_share_income(self, taxes: dict[str, int]) -> None:
        self.check(min(taxes.values()) >= 0)
        share = self.cells["TEA", SEAT_COLLECTION_POOL] // len(taxes)
        for user, tax in taxes.items():
            self.check(self.cells["TEA", user] + share >= tax)
            self.move(("TEA", SEAT_COLLECTION_POOL), ("TEA", user), share)
            self.move(("TEA", user), ("TEA", SEAT_DISTRIBUTION_POOL), tax)

    def do_pay_public_service(self, receiver: str, amount: int) -> None:
        from_pool = min(amount, self.cells["TEA", SEAT_DISTRIBUTION_POOL])
        self.move(("TEA", SEAT_DISTRIBUTION_POOL), ("TEA", receiver), from_pool)
        self.move(("TEA", DAO_RESERVED_ACCOUNT), ("TEA", receiver), amount - from_pool)

    def do_balance(self, token: str, user: str, told: Any) -> None:
        if told != "refused":
            self.check(told.available == self.cells[token, user])


class AppMachine(TransactingMachine):
    """Transactions on apps and seats, raced, given up, reopened and rebuilt."""

    def make_model(self) -> AppModel:
        return AppModel()

    def open(self, which: int) -> Ledger:
        return Ledger.open(f"sqlite:///{self.path}?durability=normal")

    def call(self, tx: TransactionContext, model: AppModel, step: tuple[Any, ...]) -> Any:
        match step:
            case ("topup" | "withdraw" | "transfer" | "move" | "balance", *_):
                return getattr(tx, step[0])(*step[1:])
            case ("reserve", token, payer, amount):
                return tx.reserve(token, payer, "keeper", amount)
            case ("collect_memory_tax" | "share_income" | "pay_public_service" | "share_distribution_pool", *_):
                return getattr(tx.seats, step[0])(*step[1:])
            case (name, app, *arguments):
                return getattr(tx.app(app), name)(*arguments)

    def end_block(self, model: AppModel) -> None:
        model.end_block()

    @initialize()
    def begin(self) -> None:
        for token in TOKENS.values():
            self.ledgers[0].register_token(token)
        with self.ledgers[0].atomic() as tx:
            for cell in (*USERS, DAO_RESERVED_ACCOUNT):
                tx.topup("TEA", cell, 10**14)
                self.model.do_topup("TEA", cell, 10**14)
        first: list[Any] = [("buy", app, user, 10**12, None) for app in APPS for user in ("alice", "bob")]
        first += [("pay", app, "carol", 10**12, None) for app in APPS]
        first += [("deposit", app, user, 10**6) for app in APPS for user in USERS]
        first += [("topup", "USDT", user, 10**7) for user in USERS]
        first += [("pay", "TeaParty", "carol", 10**6, "USDT"), ("pay", "TeaParty", "bob", 10**6, "TeaParty")]
        first += [("collect_memory_tax", app, 10**11) for app in APPS] + [("share_income", {"carol": 10**11})]
        self.play_transaction(0, [(None, step, "") for step in first], [], None, fails=False)
        assert self.model.cells["TEA", SEAT_DISTRIBUTION_POOL]

    @rule(which=st.integers(0, 1), plan=app_plans, fails=st.integers(0, 9))
    def transact(self, which: int, plan: list[Any], fails: int) -> None:
        """One transaction."""
        self.play_transaction(which, plan, [], None, fails=not fails)

    @rule(which=st.integers(0, 1), plan=app_plans, between=app_plans, place=st.integers(0, 8))
    def transact_in_a_race(self, which: int, plan: list[Any], between: list[Any], place: int) -> None:
        """One transaction; before its step number `place` the other ledger commits one of its own."""
        undisputed = [step for step in between if "distribut" not in step[1][0]]
        self.play_transaction(which, plan, undisputed, None, fails=False, place=place)

    @rule(which=st.integers(0, 1), plan=app_plans)
    def transact_in_vain(self, which: int, plan: list[Any]) -> None:
        """A transaction that is executed and in conflict with its end."""
        told, changed = (None, ("balance", "TEA", "carol"), ""), (None, ("topup", "TEA", "carol", 1), "")
        self.play_transaction(which, [*plan, told], [changed], None, fails=False)

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        """One of the ledgers is opened anew, and the projections are compared."""
        self.ledgers[which].close()
        self.ledgers[which] = ledger = self.open(which)
        reserves = ledger.replay(SupplyReserves()).state
        cells = ledger.replay(Balances()).state
        for code in TOKENS:
            assert reserves[code] == ledger.supply(code).reserve
            rebuilt = {account: amount for account, amount in cells[code]["available"].items() if amount}
            stated = {account: balance.available for account, balance in ledger.balances(code).items() if balance.available}
            assert {account: amount for account, amount in rebuilt.items() if " " not in account} == stated

    @invariant()
    def cells_are_as_in_the_model(self) -> None:
        if not self.model.cells["TEA", DAO_RESERVED_ACCOUNT]:
            return
        for ledger in self.ledgers:
            for (first, second), amount in self.model.cells.items():
                if second:
                    assert ledger.state[first][second] == amount, (first, second)
            for code, token in TOKENS.items():
                held = ledger.balance(code, "keeper").reserved
                assert held == self.model.held[code]
                total = sum(amount for (first, _), amount in self.model.cells.items() if first == code)
                crossing = sum(
                    amount for (first, second), amount in self.model.cells.items() if second == HIDDEN_BONDING_CURVE_ACCOUNT
                )
                deposits = sum(amount for (first, _), amount in self.model.cells.items() if first in USERS)
                if code == "TEA":
                    total += crossing + deposits
                elif code in APPS:
                    total -= self.model.cells[code, HIDDEN_BONDING_CURVE_ACCOUNT]
                assert total + held == token.max_supply


TestApps = AppMachine.TestCase
TestApps.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)


def test_what_a_purchase_brings_beyond_its_least_has_its_share() -> None:
    machine = AppMachine()
    machine.begin()
    plan = [("topup", "TEA", "alice", 1), ("buy", "TeaParty", "alice", 10**9, 1), ("distribute_dividend", "TeaParty")]
    machine.transact_in_a_race(0, [(None, step, "") for step in plan], [(None, ("distribute_income", "GlobalToken"), "")], 0)
    machine.cells_are_as_in_the_model()
    machine.teardown()


def test_a_purchase_that_brings_less_by_now_does_not_refuse_what_follows() -> None:
    machine = AppMachine()
    machine.begin()
    machine.transact_in_a_race(0, [(None, ("buy", "GlobalToken", "alice", 29_037, 1), "")], [], 0)
    plan = [(None, ("buy", "GlobalToken", "bob", 87_330, 1), ""), (None, ("distribute_income", "GlobalToken"), "savepoint")]
    machine.transact_in_a_race(1, plan, [(None, ("buy", "GlobalToken", "alice", 80_956_406_666, 10**6), "savepoint")], 1)
    machine.teardown()
