"""One script of operations from all models gives the same journal, byte for byte, whatever store keeps it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    Balances,
    Conflict,
    DuplicateIdempotencyKey,
    Fragments,
    HoldExpired,
    InsufficientFunds,
    Ledger,
    ShadowSpaces,
    SupplyReserves,
    Token,
)
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.projections.projection import digest
from tests.support.books.app_book import TOKENS, T
from tests.support.books.behind import journal_of
from tests.support.books.tokens import FRAGMENTED, PLAIN, WIDE

START = datetime(2026, 1, 1, tzinfo=UTC)
FUNDS = {"PLN": 10**6, "USD": 12_345_67, "WEI": 2**200, "TEA": 1_000 * T, "USDT": 500, "DAI": 950}
PROJECTIONS: tuple[Callable[[], Any], ...] = (Balances, Fragments, ShadowSpaces, SupplyReserves)


def play(ledger: Ledger) -> None:
    """A bit of everything: tokens, apps, fragments, escrow, contracts, batches, keys, refusals."""
    for token in (PLAIN, FRAGMENTED, WIDE, *TOKENS):
        ledger.register_token(token)
    with ledger.atomic("funds", request={"for": "all"}) as tx:
        for token, amount in FUNDS.items():
            for account in ("alice", "bób", "كارول"):
                tx.mint(token, account, amount, memo="Guthaben €")
    _money(ledger)
    _escrow(ledger)
    _many_fragments(ledger)
    _apps(ledger)
    _contracts(ledger)
    _batches(ledger)
    with pytest.raises(DuplicateIdempotencyKey), ledger.atomic("funds", request={"for": "all"}):
        pass
    with pytest.raises(InsufficientFunds), ledger.atomic() as tx:
        tx.transfer("PLN", "alice", "bób", 10**9)


def _money(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        order = tx.money("USD", "alice", 100_00).slice(100_00)
        order.slice(70_00).transfer_to("seller", memo="sale")
        order.slice(20_00).burn()
        order.transfer_to("charity")
    with ledger.atomic() as tx:
        tx.money("USD", "bób", 333_33).split({"seller": 70, "platform": 20, "charity": 10})
        with pytest.raises(InsufficientFunds), tx.savepoint():
            tx.transfer("PLN", "alice", "bób", 5)
            tx.burn("PLN", "nobody", 5)
        tx.transfer("WEI", "alice", "bób", 2**199 + 1)
        assert tx.balance("DAI", "alice").total == 950


def _many_fragments(ledger: Ledger) -> None:
    ledger.register_token(Token("CENT", unit=10))
    ledger.mint("CENT", "alice", 9_995)
    with ledger.atomic() as tx:
        hold = tx.reserve("CENT", "alice", "court", 4_003)
        tx.release(hold, 1_001)
        tx.settle("CENT", "court", "bób", 2_002, hold)
    moved = ledger.transfer("CENT", "alice", "bób", 3_007)
    ledger.transfer_many("CENT", ["bób"] * 3, ["alice", "carol", "bób"], [900, 7, 1])
    ledger.reverse(transaction=moved.entry_id, amount=1_234)
    with ledger.atomic() as tx:
        tx.money("CENT", "bób", 2_000).split({"seller": 70, "platform": 20, "charity": 10})
    ledger.burn("CENT", "alice", 1_999)


def _escrow(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        first = tx.reserve("USD", "alice", "court", 150_01, START + timedelta(hours=1))
        tx.reserve("PLN", "alice", "court", 10)
        tx.settle("USD", "court", "seller", 50_00)
        tx.release(first, 1)
    with ledger.atomic() as tx:
        due = tx.reserve("DAI", "bób", "court", 333, expires_in=timedelta(minutes=1))
        with pytest.raises(HoldExpired), tx.savepoint():
            tx.settle("DAI", "court", "alice", 1, due)
        assert tx.expire() == 1


def _apps(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        party = tx.app("TeaParty")
        party.deposit("alice", 10 * T)
        party.consume_deposit("alice", 3 * T)
        party.buy("alice", 100 * T)
        party.buy("bób", 50 * T)
        party.pay("alice", 20, token="USDT")
        party.pay("bób", T)
        party.distribute_income()
    with ledger.atomic() as tx:
        tx.app("TeaParty").sell("alice", T)
        tx.move(("TEA", "bób"), ("bób", "TeaParty"), 5 * T)
    ledger.update_app("TeaParty", accepts=("USDT", "DAI"), owner="كارول")


def _contracts(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        pool = tx.register_contract("pool")
        pool.balance_up(1_000)
        for account, amount in (("alice", 300), ("bób", 200)):
            pool.alloc(account)
            pool.shadow_up(account, amount)
        pool.shadow_up_all(7)
        backed = tx.register_contract("backed", backed_by="DAI")
        backed.fund("bób", 100)
    with ledger.atomic() as tx:
        tx.contract("pool").shadow_down_all(11)
        tx.contract("backed").defund("alice", 1)


def _batches(ledger: Ledger) -> None:
    names = [f"account-{k}" for k in range(40)]
    for token in ("PLN", "USD", "WEI"):
        ledger.mint_many(token, names, list(range(1, 41)), ids=[3 * k + ord(token[0]) * 1_000 for k in range(40)])
        receipt = ledger.transfer_many(token, names, names[::-1], [30] * 40, idempotency_key=token, on_refusal="skip")
        assert 0 < receipt.accepted < 40
        ledger.burn_many(token, names[20:25], [1] * 5)


def rows_of(url: str | Path) -> tuple[list[JournalRow], list[str], dict[str, Any]]:
    """The journal that the script leaves, and what is read of it."""
    hours, holds = count(), count(1)
    with Ledger.open(url, clock=lambda: START + timedelta(minutes=next(hours)), ids=lambda: f"hold-{next(holds)}") as ledger:
        play(ledger)
        report = ledger.audit()
        assert report.ok, report.findings
        rows = list(journal_of(ledger).rows())
        digests = [digest(ledger.replay(make())) for make in PROJECTIONS]
        return rows, digests, {token.code: ledger.balances(token.code) for token in ledger.tokens()}


def test_every_store_keeps_the_same_journal(url: str | Path) -> None:
    assert rows_of(url) == rows_of("memory:")


def test_reading_it_again_gives_the_same_books(shared_url: str | Path) -> None:
    _, digests, balances = rows_of(shared_url)
    with Ledger.open(shared_url) as ledger:
        assert {token.code: ledger.balances(token.code) for token in ledger.tokens()} == balances
        assert [digest(ledger.replay(make())) for make in PROJECTIONS] == digests
        with pytest.raises(Conflict), ledger.atomic() as tx:
            told = tx.balance("PLN", "alice").available
            with Ledger.open(shared_url) as other, other.atomic() as others:
                others.transfer("PLN", "alice", "bób", 1)
            tx.transfer("PLN", "alice", "seller", told)
