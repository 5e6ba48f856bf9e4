"""A state machine: books of fragmented tokens, and every fragment that was ever minted as a plain `ValueObject` beside them.

The plain ones follow the journal's events one by one, through their own transitions. None of those may be refused, and after
every operation the ledger must show, for every account, those of them that stand.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick import DAO_RESERVED_ACCOUNT, FixedPriceCurve, FragmentState, Ledger, SquareRootCurve, Token, ValueObject
from tallystick.domain.events import FragmentEvent, FragmentsMinted, Reserved
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tests.support.books.behind import journal_of
from tests.support.books.calls import BACKING, app_call, contract_call, money_call
from tests.support.books.snapshot_book import drop_books, outcome_of, take_snapshot, transact
from tests.support.strategies import (
    ACCOUNTS,
    APPS,
    CROWD,
    KEEPERS,
    USERS,
    app_plans,
    contract_plans,
    on_refusals,
    ordinary,
    picks,
    plans,
    supply_rows,
    tokens,
    transfer_rows,
)

CODES = ("PLN", "CENT", "WEI")
FRAGMENTED = (*CODES, BACKING, "USDT")
START = datetime(2030, 1, 1, tzinfo=UTC)


class PlainFragments:
    """A projection: all fragments that there ever were, by id, and who the authority of each hold is."""

    name = "plain fragments"
    version = 1

    def __init__(self) -> None:
        self.state: dict[int, ValueObject] = {}
        self.authorities: dict[str, str] = {}
        self.read_up_to = 0

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        if position <= self.read_up_to:
            return
        if isinstance(event, Reserved):
            self.authorities[event.hold] = event.authority
        elif isinstance(event, FragmentsMinted):
            for fragment in ValueObject.minted_by(event):
                assert fragment.id not in self.state
                self.state[fragment.id] = fragment
        elif isinstance(event, FragmentEvent):
            for id in event.ids:  # type: ignore[union-attr]
                self.state[id] = self.state[id].apply(event)

    def read_on(self, ledger: Ledger) -> None:
        """Follows what the journal has by now."""
        ledger.replay(self)
        self.read_up_to = journal_of(ledger).head().position

    def standing(self) -> dict[tuple[str, str], list[ValueObject]]:
        """By token and account: what the account can spend and what it holds for others, smallest first."""
        found: defaultdict[tuple[str, str], list[ValueObject]] = defaultdict(list)
        for fragment in sorted(self.state.values(), key=lambda fragment: (fragment.amount, fragment.id)):
            if fragment.state is not FragmentState.BURNED:
                account = fragment.owner if fragment.hold is None else self.authorities[fragment.hold]
                found[fragment.token, account].append(fragment)
        return found


class ValueObjectMachine(RuleBasedStateMachine):
    """`plain` has read the journal as far as the last operation."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.hold_ids = count()
        self.hour = 0
        self.entries: list[int] = []
        self.ledger = self.open()
        self.plain = PlainFragments()

    def open(self) -> Ledger:
        return Ledger.open(
            f"sqlite:///{Path(self.folder.name) / 'books.db'}?durability=normal",
            clock=lambda: START + timedelta(hours=self.hour),
            ids=lambda: f"hold-{next(self.hold_ids)}",
        )

    def teardown(self) -> None:
        again = PlainFragments()
        again.read_on(self.ledger)
        assert again.state == self.plain.state
        assert self.ledger.audit().ok
        self.ledger.close()
        self.folder.cleanup()

    @initialize(units=st.tuples(*[st.sampled_from([3, 50, 1000, 2**70])] * 4))
    def register_and_fund(self, units: tuple[int, ...]) -> None:
        for token in (
            *(Token(code, max_supply=2**256 - 1, unit=unit) for code, unit in zip((*CODES, BACKING), units, strict=True)),
            Token("TEA", decimals=12, max_supply=10**18, role="settlement"),
            Token("USDT", unit=10**6),
            Token("GlobalToken", 12, role="app", curve=SquareRootCurve(10)),
            Token("TeaParty", 12, role="app", curve=SquareRootCurve(10, 7), owner="dev", accepts=("USDT",)),
            Token("Fixed", 12, role="app", curve=FixedPriceCurve(3), accepts=("USDT",)),
        ):
            self.ledger.register_token(token)
        with self.ledger.atomic() as tx:
            for account in ACCOUNTS:
                for code in (*CODES, BACKING):
                    tx.mint(code, account, 2_500)
            tx.mint("WEI", "alice", 2**71 + 5)
            for user in (*USERS, DAO_RESERVED_ACCOUNT):
                tx.topup("TEA", user, 10**14)
            for user in USERS:
                tx.topup("USDT", user, 10**7)
                for app in APPS:
                    tx.app(app).buy(user, 10**12)

    def transact(self, calls: list[Callable[[TransactionContext], Any]]) -> None:
        entry = transact(self.ledger, calls)[-1]
        self.entries += [entry] if isinstance(entry, int) else []

    @rule(plan=plans)
    def move_money(self, plan: list[Any]) -> None:
        held = [hold.id for token in CODES for keeper in KEEPERS for hold in self.ledger.holds(token, keeper)]
        now = START + timedelta(hours=self.hour)
        self.transact([money_call(token, step, held, now, self.entries) for token, step, _ in plan])

    @rule(token=tokens, payer=st.sampled_from(ACCOUNTS), amount=ordinary, hours=st.sampled_from([None, 1, 2]))
    def reserve(self, token: str, payer: str, amount: int, hours: int | None) -> None:
        due = hours and START + timedelta(hours=self.hour + hours)
        self.transact([lambda tx: tx.reserve(token, payer, "keeper", min(amount, tx.balance(token, payer).available), due)])

    @rule(token=tokens, part=st.integers(1, 900), receiver=st.sampled_from(CROWD), releases=st.booleans(), pick=picks)
    def end_a_part_of_a_hold(self, token: str, part: int, receiver: str, releases: bool, pick: int) -> None:
        holds = self.ledger.holds(token, "keeper")
        if holds:
            hold = holds[pick % len(holds)]
            part = min(part, hold.remaining)
            end = (
                (lambda tx: tx.release(hold.id, part))
                if releases
                else (lambda tx: tx.settle(token, "keeper", receiver, part, hold=hold.id))
            )
            self.transact([end])

    @rule(plan=contract_plans)
    def change_contracts(self, plan: list[Any]) -> None:
        self.transact([contract_call(id, step) for id, step, _ in plan])

    @rule(holder=st.sampled_from(USERS), funded=st.integers(1, 2_000), defunded=st.integers(1, 2_000))
    def fund_and_defund(self, holder: str, funded: int, defunded: int) -> None:
        self.transact(
            [
                lambda tx: tx.register_contract("backed", backed_by=BACKING),
                lambda tx: tx.contract("backed").fund(holder, funded),
                lambda tx: tx.contract("backed").defund(holder, defunded),
            ]
        )

    @rule(plan=app_plans)
    def run_apps(self, plan: list[Any]) -> None:
        self.transact([app_call(step) for _, step, _ in plan])

    @rule(app=st.sampled_from(["TeaParty", "Fixed"]), user=st.sampled_from(USERS), paid=st.integers(1, 10**7))
    def pay_an_app_and_distribute(self, app: str, user: str, paid: int) -> None:
        self.transact(
            [
                lambda tx: tx.app(app).pay(user, paid),
                lambda tx: tx.app(app).pay(user, paid, "USDT"),
                lambda tx: tx.app(app).withdraw_income("USDT", paid // 2 + 1),
                lambda tx: tx.app(app).distribute_income(),
            ]
        )

    @rule(token=tokens, rows=transfer_rows, on=on_refusals)
    def transfer_many(self, token: str, rows: list[Any], on: str) -> None:
        amounts = [amount or self.ledger.balance(token, sender).available or 1 for sender, _, amount in rows]
        columns = [[row[0] for row in rows], [row[1] for row in rows], amounts]
        outcome_of(lambda: self.ledger.transfer_many(token, *columns, on_refusal=on))

    @rule(token=tokens, rows=supply_rows, on=on_refusals, name=st.sampled_from(["mint_many", "burn_many"]))
    def change_supply(self, token: str, rows: list[Any], on: str, name: str) -> None:
        columns = [account for account, _ in rows], [amount or 1 for _, amount in rows]
        outcome_of(lambda: getattr(self.ledger, name)(token, *columns, on_refusal=on))

    @rule(hours=st.integers(1, 3), limit=st.integers(1, 10))
    def let_holds_expire(self, hours: int, limit: int) -> None:
        self.hour += hours
        self.transact([lambda tx: tx.expire(limit)])

    @rule(how=st.sampled_from(["plainly", "from a snapshot", "within"]), pick=picks)
    def read_the_books_again(self, how: str, pick: int) -> None:
        if how == "within":
            drop_books(self.ledger)
            return
        if how == "from a snapshot":
            take_snapshot(self.ledger)
        self.ledger.close()
        self.ledger = self.open()
        self.transact([lambda tx: tx.transfer("CENT", CROWD[pick % len(CROWD)], "alice", 7)])

    @invariant()
    def the_ledger_shows_the_fragments_that_stand(self) -> None:
        self.plain.read_on(self.ledger)
        standing = self.plain.standing()
        for code in self.fragmented():
            balances = self.ledger.balances(code)
            for account in {*balances, *CROWD, *KEEPERS, *(account for token, account in standing if token == code)}:
                shown = self.ledger.fragments(code, account)
                assert shown == standing.get((code, account), [])
                balance = self.ledger.balance(code, account)
                assert sum(fragment.amount for fragment in shown if fragment.hold is None) == balance.available
                assert sum(fragment.amount for fragment in shown if fragment.hold is not None) == balance.reserved

    def fragmented(self) -> list[str]:
        return [token.code for token in self.ledger.tokens() if token.unit is not None]


TestValueObjects = ValueObjectMachine.TestCase
TestValueObjects.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
