"""A state machine against a model of plain dictionaries, for plain, fragmented and wide tokens alike, with reopening.

The model knows balances, holds and freezes and nothing of columns, fragments, drafts or journals. Each rule plays a transaction
on both, from the same ledger object or another one on the same file, and whatever the model refuses the ledger must refuse.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tallystick import (
    Balance,
    Balances,
    Fragments,
    FragmentState,
    Ledger,
    SupplyReserves,
    Token,
)
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tests.support.strategies import ACCOUNTS, KEEPERS, plans
from tests.support.suites.machine import ModelRefusal, TransactingMachine

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKENS = (Token("PLN", max_supply=2**63), Token("CENT", max_supply=2**66, unit=1000), Token("WEI", max_supply=2**256 - 1))


class Model:
    """Balances, holds and freezes in dictionaries, changed by steps: tuples of a name, a token and arguments."""

    def __init__(self) -> None:
        self.reserve = {token.code: token.max_supply for token in TOKENS}
        self.available: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.holds: dict[str, list[Any]] = {}
        self.told: dict[str, tuple[int, list[Any]]] = {}
        """Of every hold, open or closed, what was reserved and how it left."""
        self.freezes: dict[tuple[str, str | None], tuple[bool, bool, str]] = {}
        self.hour = 0

    def resolve(self, token: str, step: tuple[Any, ...]) -> tuple[Any, ...]:
        """The step with its token, and a hold where it only picks one."""
        name, *arguments = step
        if name in ("settle_hold", "release"):
            arguments[0] = list(self.holds)[arguments[0] % len(self.holds)] if self.holds else "unknown"
        if name == "drain":
            return ("transfer", token, *arguments, max(1, self.available[token, arguments[0]]))
        return (name, token, *arguments)

    def apply(self, step: tuple[Any, ...], result: Any = None) -> None:
        """Does a step whole, or raises `ModelRefusal`; `result` is what the ledger gave for it."""
        getattr(self, f"do_{step[0]}")(*step[1:], *([result] if step[0] in ("reserve", "balance") else []))

    def held(self, token: str, keeper: str) -> int:
        return sum(hold[3] for hold in self.holds.values() if hold[:2] == [token, keeper])

    def due(self, hold: list[Any]) -> bool:
        return hold[4] is not None and hold[4] <= self.hour

    def check_open(self, token: str, *, giver: str | None = None, taker: str | None = None) -> None:
        for direction, account in enumerate((giver, taker)):
            for where in (None, token):
                self.check(account is None or not self.freezes.get((account, where), (False, False, ""))[direction])

    def take(self, token: str, account: str, amount: int) -> None:
        self.check_open(token, giver=account)
        self.check(self.available[token, account] >= amount)
        self.available[token, account] -= amount

    def draw(self, id: str, amount: int, receiver: str, kind: str) -> None:
        hold = self.holds[id]
        self.check(hold[3] >= amount)
        hold[3] -= amount
        self.told[id][1].append((kind, receiver, amount))
        self.available[hold[0], receiver] += amount
        if not hold[3]:
            del self.holds[id]

    def do_mint(self, token: str, account: str, amount: int) -> None:
        self.check_open(token, taker=account)
        self.check(self.reserve[token] >= amount)
        self.reserve[token] -= amount
        self.available[token, account] += amount

    def do_burn(self, token: str, account: str, amount: int) -> None:
        self.take(token, account, amount)
        self.reserve[token] += amount

    def do_transfer(self, token: str, sender: str, receiver: str, amount: int) -> None:
        self.check_open(token, taker=receiver)
        self.take(token, sender, amount)
        self.available[token, receiver] += amount

    def do_split(self, token: str, owner: str, amount: int, weights: dict[str, int]) -> None:
        self.take(token, owner, amount)
        total = sum(weights.values())
        shares = {receiver: amount * weight // total for receiver, weight in weights.items()}
        largest = sorted(weights, key=lambda receiver: -(amount * weights[receiver] % total))
        for receiver in largest[: amount - sum(shares.values())]:
            shares[receiver] += 1
        for receiver, share in shares.items():
            self.check_open(token, taker=receiver if share else None)
            self.available[token, receiver] += share

    def do_reserve(self, token: str, payer: str, keeper: str, amount: int, hours: int | None, id: str) -> None:
        self.check(hours is None or hours > 0)
        self.take(token, payer, amount)
        self.told[id] = (amount, [])
        self.holds[id] = [token, keeper, payer, amount, None if hours is None else self.hour + hours]

    def do_settle(self, token: str, keeper: str, receiver: str, amount: int) -> None:
        self.check_open(token, giver=keeper, taker=receiver)
        for id, hold in list(self.holds.items()):
            if hold[:2] == [token, keeper] and not self.due(hold) and amount:
                drawn = min(amount, hold[3])
                self.draw(id, drawn, receiver, "settle")
                amount -= drawn
        self.check(not amount)

    def do_settle_hold(self, token: str, id: str, receiver: str, amount: int) -> None:
        self.check(id in self.holds and self.holds[id][0] == token and not self.due(self.holds[id]))
        self.check_open(token, giver=self.holds[id][1], taker=receiver)
        self.draw(id, amount, receiver, "settle")

    def do_release(self, token: str, id: str, amount: int | None) -> None:
        self.check(id in self.holds)
        self.draw(id, self.holds[id][3] if amount is None else amount, self.holds[id][2], "release")

    def do_expire(self, token: str, limit: int) -> None:
        due = sorted((hold[4], place, id) for place, (id, hold) in enumerate(self.holds.items()) if self.due(hold))
        for _, _, id in due[:limit]:
            self.draw(id, self.holds[id][3], self.holds[id][2], "expire")

    def do_balance(self, token: str, account: str, told: Balance | str) -> None:
        if isinstance(told, Balance):
            self.check((told.available, told.reserved) == (self.available[token, account], self.held(token, account)))

    def do_freeze(self, token: str, account: str, everywhere: bool, ways: dict[str, Any]) -> None:
        debits, credits = ways.get("debits", True), ways.get("credits", False)
        self.check(debits or credits)
        self.freezes[account, None if everywhere else token] = (debits, credits, ways.get("reason", ""))

    def do_unfreeze(self, token: str, account: str) -> None:
        for where in (None, token):
            self.freezes.pop((account, where), None)

    @staticmethod
    def check(condition: bool) -> None:
        if not condition:
            raise ModelRefusal


class LedgerMachine(TransactingMachine):
    """Transactions, refusals, keys, time, reopening, and a second ledger on the same file that comes in between."""

    def make_model(self) -> Model:
        return Model()

    def open(self, which: int) -> Ledger:
        return Ledger.open(f"sqlite:///{self.path}?durability=normal", clock=lambda: START + self.model.hour * HOUR)

    def call(self, tx: TransactionContext, model: Model, step: tuple[Any, ...]) -> Any:
        """The step as a call on the transaction."""
        match step:
            case ("split", token, owner, amount, weights):
                return tx.money(token, owner, amount).slice(amount).split(weights)
            case ("reserve", token, payer, keeper, amount, hours):
                due = None if hours is None else START + (model.hour + hours) * HOUR
                return tx.reserve(token, payer, keeper, amount, due)
            case ("settle_hold", token, id, receiver, amount):
                authority = model.holds[id][1] if id in model.holds else "keeper"
                return tx.settle(token, authority, receiver, amount, hold=id)
            case ("release", _, id, amount):
                return tx.release(id, amount)
            case ("expire", _, limit):
                return tx.expire(limit)
            case ("freeze", token, account, everywhere, ways):
                return tx.freeze(account, None if everywhere else token, **ways)
            case ("unfreeze", token, account):
                tx.unfreeze(account)
                return tx.unfreeze(account, token)
            case _:
                return getattr(tx, step[0])(*step[1:])

    @initialize()
    def register_and_fund(self) -> None:
        with self.ledgers[0] as ledger:
            for token in TOKENS:
                ledger.register_token(token)
            with ledger.atomic() as tx:
                for step in [("mint", token.code, account, 25_000) for token in TOKENS for account in ACCOUNTS]:
                    self.call(tx, self.model, step)
                    self.model.apply(step)
        self.ledgers[0] = self.open(0)

    @rule(which=st.integers(0, 1), plan=plans, key=st.sampled_from([None, None, None, *"vwxyz"]), fails=st.integers(0, 9))
    def transact(self, which: int, plan: list[Any], key: str | None, fails: int) -> None:
        """One transaction."""
        self.play_transaction(which, plan, [], key, fails=not fails)

    @rule(which=st.integers(0, 1), plan=plans, between=plans)
    def transact_in_a_race(self, which: int, plan: list[Any], between: list[Any]) -> None:
        """One transaction; just before it ends the other ledger does `between`, as a transaction of its own."""
        self.play_transaction(which, plan, between, None, fails=False)

    @rule(which=st.integers(0, 1), hours=st.integers(0, 2), replay=st.booleans())
    def pause(self, which: int, hours: int, replay: bool) -> None:
        """Time goes by, one of the ledgers is opened anew, and perhaps the projections are rebuilt."""
        self.model.hour += hours
        self.ledgers[which].close()
        self.ledgers[which] = self.open(which)
        if replay:
            self.replay()

    @invariant()
    def books_are_as_in_the_model(self) -> None:
        for ledger in self.ledgers:
            if not ledger.tokens():
                return
            for token in TOKENS:
                self.compare(ledger, token)
            self.compare_holds(ledger)

    def compare_holds(self, ledger: Ledger) -> None:
        """What is found by each filter, and how every hold was drawn from."""
        for found, named in (
            (ledger.holds(), lambda hold: True),
            (ledger.holds(authority="keeper"), lambda hold: hold[1] == "keeper"),
            (ledger.holds(payer="alice"), lambda hold: hold[2] == "alice"),
            (ledger.holds("CENT", payer="bob"), lambda hold: (hold[0], hold[2]) == ("CENT", "bob")),
            (ledger.holds(due_before=START + (self.model.hour + 1) * HOUR), lambda hold: (hold[4] or 99) <= self.model.hour),
        ):
            assert [hold.id for hold in found] == [id for id, hold in self.model.holds.items() if named(hold)]
            for hold in found:
                legs = [(leg.kind, leg.receiver, leg.amount) for leg in hold.legs]
                assert (hold.amount, legs) == self.model.told[hold.id]
        frozen = {(each.account, each.token): (each.debits, each.credits, each.reason) for each in ledger.frozen()}
        assert frozen == self.model.freezes

    def compare(self, ledger: Ledger, token: Token) -> None:
        code = token.code
        total = 0
        for account in {*ACCOUNTS, *KEEPERS}:
            balance = ledger.balance(code, account)
            assert (balance.available, balance.reserved) == (
                self.model.available[code, account],
                self.model.held(code, account),
            )
            total += balance.total
            holds = ledger.holds(code, account)
            assert [(hold.id, hold.payer, hold.remaining) for hold in holds] == [
                (id, hold[2], hold[3]) for id, hold in self.model.holds.items() if hold[:2] == [code, account]
            ]
            if token.unit is not None:
                fragments = ledger.fragments(code, account)
                live = [fragment.amount for fragment in fragments if fragment.state is FragmentState.ALIVE]
                assert sum(live) == balance.available
                assert all(live)
                for hold in holds:
                    assert sum(fragment.amount for fragment in fragments if fragment.hold == hold.id) == hold.remaining
                assert len({fragment.id for fragment in fragments}) == len(fragments)
        assert ledger.supply(code).reserve == self.model.reserve[code] == token.max_supply - total

    def replay(self) -> None:
        ledger = self.ledgers[0]
        for id, told in self.model.told.items():
            hold = ledger.hold(id)
            assert (hold.amount, [(leg.kind, leg.receiver, leg.amount) for leg in hold.legs]) == told
        balances = ledger.replay(Balances()).state
        reserves = ledger.replay(SupplyReserves()).state
        fragments = ledger.replay(Fragments()).state
        for (code, account), amount in self.model.available.items():
            assert balances[code]["available"].get(account, 0) == amount
        assert reserves == self.model.reserve
        everything = {
            f.id: [f.token, f.owner, f.amount, f.hold] for a in {*ACCOUNTS, *KEEPERS} for f in ledger.fragments("CENT", a)
        }
        assert fragments == everything


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
