"""A state machine: one ledger that is never closed, and one opened from snapshots again and again, each on its own file.

Both are asked for the same, all kinds of it, and must write the same journals byte for byte: every choice of fragments, every
rounding and every refusal follows from the books, however those came to be in memory.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick import DAO_RESERVED_ACCOUNT, FixedPriceCurve, Ledger, SquareRootCurve, Token
from tallystick.infrastructure.snapshots import keeper as snapshot_keeper
from tests.support.books.calls import BACKING, app_call, contract_call, money_call
from tests.support.books.snapshot_book import (
    damage,
    drop_books,
    everything,
    head_of,
    outcome_of,
    snapshots_of,
    take_snapshot,
    transact,
)
from tests.support.strategies import (
    ACCOUNTS,
    APPS,
    CROWD,
    KEEPERS,
    USERS,
    app_plans,
    batch_ids,
    contract_plans,
    memos,
    on_refusals,
    picks,
    plans,
    supply_rows,
    tokens,
    transfer_rows,
)

START = datetime(2030, 1, 1, tzinfo=UTC)


class SnapshotMachine(RuleBasedStateMachine):
    """`ledgers[0]` is never closed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.paths = [Path(self.folder.name) / name for name in ("one.db", "other.db")]
        self.hold_ids = [count(), count()]
        self.hour = 0
        self.next_id = 100
        self.entries: list[int] = []
        self.growth, snapshot_keeper.GROWTH_BYTES_MIN = snapshot_keeper.GROWTH_BYTES_MIN, 3000
        self.ledgers = [self.open(0), self.open(1)]

    def open(self, which: int) -> Ledger:
        return Ledger.open(
            f"sqlite:///{self.paths[which]}?durability=normal",
            clock=lambda: START + timedelta(hours=self.hour),
            ids=lambda: f"hold-{next(self.hold_ids[which])}",
            contracts_in_memory=2,
        )

    def teardown(self) -> None:
        self.compare()
        assert self.ledgers[1].audit().ok
        for ledger in self.ledgers:
            ledger.close()
        snapshot_keeper.GROWTH_BYTES_MIN = self.growth
        self.folder.cleanup()

    def on_both(self, work: Callable[[Ledger], Any]) -> Any:
        """Both do it, and the same comes of it."""
        outcomes = [outcome_of(lambda ledger=ledger: work(ledger)) for ledger in self.ledgers]
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    @initialize(unit=st.sampled_from([None, 2**70, 50]))
    def register_and_fund(self, unit: int | None) -> None:
        registered = [
            Token("PLN", max_supply=2**70),
            Token("CENT", max_supply=2**66, unit=1000),
            Token("WEI", max_supply=2**256 - 1, unit=unit),
            Token("TEA", decimals=12, max_supply=10**18, role="settlement"),
            Token("USDT", unit=10**6),
            Token("GlobalToken", 12, role="app", curve=SquareRootCurve(10)),
            Token("TeaParty", 12, role="app", curve=SquareRootCurve(10, 7), owner="dev", accepts=("USDT",)),
            Token("Fixed", 12, role="app", curve=FixedPriceCurve(3)),
            Token(BACKING),
        ]

        def fund(ledger: Ledger) -> None:
            for token in registered:
                ledger.register_token(token)
            with ledger.atomic() as tx:
                for account in ACCOUNTS:
                    for code in ("PLN", "CENT", "WEI", BACKING):
                        tx.mint(code, account, 25_000)
                tx.mint("WEI", "alice", 2**71 + 5)
                for user in (*USERS, DAO_RESERVED_ACCOUNT):
                    tx.topup("TEA", user, 10**14)
                for user in USERS:
                    tx.topup("USDT", user, 10**7)
                    for app in APPS:
                        tx.app(app).buy(user, 10**12)

        self.on_both(fund)

    @rule(plan=plans, key=st.sampled_from([None, None, *"vwxyz"]))
    def move_money(self, plan: list[Any], key: str | None) -> None:
        held = [
            hold.id for token in ("PLN", "CENT", "WEI") for keeper in KEEPERS for hold in self.ledgers[0].holds(token, keeper)
        ]
        now = START + timedelta(hours=self.hour)
        calls = [money_call(token, step, held, now, self.entries) for token, step, _ in plan]
        entry = self.on_both(lambda ledger: transact(ledger, calls, key))[-1]
        self.entries += [entry] if isinstance(entry, int) else []

    @rule(plan=contract_plans)
    def change_contracts(self, plan: list[Any]) -> None:
        self.on_both(lambda ledger: transact(ledger, [contract_call(id, step) for id, step, _ in plan]))

    @rule(plan=app_plans)
    def run_apps(self, plan: list[Any]) -> None:
        self.on_both(lambda ledger: transact(ledger, [app_call(step) for _, step, _ in plan]))

    @rule(app=st.sampled_from(APPS), accepts=st.sampled_from([(), ("USDT",)]), owner=st.sampled_from(["dev", "alice"]))
    def update_app(self, app: str, accepts: tuple[str, ...], owner: str) -> None:
        self.on_both(lambda ledger: ledger.update_app(app, accepts, owner))

    @rule(token=tokens, rows=transfer_rows, ids=batch_ids, memo=memos, on=on_refusals, as_handles=st.booleans())
    def transfer_many(self, token: str, rows: list[Any], ids: Any, memo: str, on: str, as_handles: bool) -> None:
        amounts = [amount or self.ledgers[0].balance(token, sender).available or 1 for sender, _, amount in rows]
        names = [[row[0] for row in rows], [row[1] for row in rows]]
        ids = self.concrete(ids, len(rows))

        def do(ledger: Ledger) -> Any:
            senders, receivers = [ledger.handles(token, each) for each in names] if as_handles else names
            receipt = ledger.transfer_many(token, senders, receivers, amounts, memo=memo, ids=ids, on_refusal=on)
            return receipt.position, receipt.accepted, [(row.index, str(row.reason)) for row in receipt.refused]

        self.on_both(do)

    @rule(token=tokens, rows=supply_rows, ids=batch_ids, on=on_refusals, name=st.sampled_from(["mint_many", "burn_many"]))
    def change_supply(self, token: str, rows: list[Any], ids: Any, on: str, name: str) -> None:
        ids = self.concrete(ids, len(rows))
        columns = [account for account, _ in rows], [amount or 1 for _, amount in rows]
        self.on_both(lambda ledger: getattr(ledger, name)(token, *columns, ids=ids, on_refusal=on).accepted)

    def concrete(self, ids: Any, rows: int) -> list[int] | None:
        self.next_id += rows
        return list(range(self.next_id - rows, self.next_id)) if ids == "ascending" else ids and ids[:rows]

    @rule(hours=st.integers(1, 2))
    def pause(self, hours: int) -> None:
        self.hour += hours

    @rule()
    def take_a_snapshot(self) -> None:
        take_snapshot(self.ledgers[1])

    @rule(snapshot=st.booleans())
    def reopen(self, snapshot: bool) -> None:
        if snapshot:
            take_snapshot(self.ledgers[1])
        self.ledgers[1].close()
        self.ledgers[1] = self.open(1)

    @rule()
    def lose_track(self) -> None:
        """The books are dropped, as when a commit's outcome is unclear; handles stay what they are."""
        ledger = self.ledgers[1]
        before = {token: ledger.handles(token, CROWD).tolist() for token in ("PLN", "CENT", "WEI")}
        drop_books(ledger)
        assert {token: ledger.handles(token, CROWD).tolist() for token in before} == before

    @rule(pick=picks, change=st.integers(1, 255))
    def damage(self, pick: int, change: int) -> None:
        with suppress(FileNotFoundError):  # one that is older may be removed meanwhile
            files = [file for folder in snapshots_of(self.paths[1]) for file in sorted(folder.rglob("*")) if file.is_file()]
            if files:
                damage(files[pick % len(files)], pick * 7919, change)

    @rule()
    def compare(self) -> None:
        assert everything(self.ledgers[0]) == everything(self.ledgers[1])

    @invariant()
    def their_journals_are_the_same(self) -> None:
        assert head_of(self.ledgers[0]) == head_of(self.ledgers[1])


TestSnapshots = SnapshotMachine.TestCase
TestSnapshots.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
