"""Journals of before spellings were one: a name that stands in one is the one that is meant by whoever writes it just so.

The journal is made by the old code itself, out of its kept wheel.
"""

from pathlib import Path
from typing import Any

import pytest

from tallystick import InvalidAccount, Ledger, NotFound, Token
from tallystick.infrastructure.snapshots.snapshots import FORMAT
from tests.support.books.snapshot_book import drop_books, goes_on_from
from tests.support.programs.old_version import OldVersion

ALICE, CODE = "0xA40bD8fAb4F6c1EB5d8a0e2e1C47ed1A3A4B5C6D", "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
ACCENT, HEART, FILLER, POOL, DEPOSITOR, ONLY_ALLOCATED = (
    "cafe\u0301",
    "❤\ufe0f",
    "\u3164x",
    "0x" + "Aa" * 20,
    "Zoe\u0308",
    "5\u2126",
)
NEW = "0x" + "Bb" * 20
MAKE = f"""
ledger.register_token(Token({CODE!r}))
ledger.register_token(Token("TEA", role="settlement"))
ledger.register_token(Token("App", role="app", owner={HEART!r}, accepts=({CODE!r}, {FILLER!r})))
ledger.mint_many({CODE!r}, [{ALICE!r}, {ACCENT!r}, "bob"], [100, 50, 7])
with ledger.atomic() as tx:
    tx.mint("TEA", {DEPOSITOR!r}, 40)
    tx.app("App").deposit({DEPOSITOR!r}, 10)
    tx.reserve({CODE!r}, {ALICE!r}, {HEART!r}, 9)
    contract = tx.register_contract({POOL!r})
    contract.balance_up(100)
    contract.alloc({ONLY_ALLOCATED!r})
    contract.shadow_up({ONLY_ALLOCATED!r}, 5)
ledger.close()
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with OldVersion() as version:
        version.open(path)
        version(MAKE)
    return path


def told(ledger: Ledger) -> dict[str, Any]:
    """All that has a former spelling, asked for under it."""
    contract = ledger.contract(POOL)
    return {
        "code": ledger.token(CODE).code,
        "app": (ledger.app("App").owner, ledger.app("App").accepts),
        "alice": ledger.balance(CODE, ALICE).total,
        "accent": ledger.balance(Token(CODE), ACCENT).total,
        "deposit": ledger.state[DEPOSITOR]["App"],
        "held": (ledger.balance(CODE, HEART).reserved, [hold.amount for hold in ledger.holds(CODE, HEART, ALICE)]),
        "allocated": (contract.id, contract.allocation(ONLY_ALLOCATED), ledger.allocations_of(ONLY_ALLOCATED).sats),
        "lines": [(line.account, line.change) for line in ledger.history(CODE, ACCENT)],
        "prefix": (list(ledger.balances(CODE, ALICE[:9])), list(ledger.balances(CODE, "cafe\u0301"))),
    }


TOLD: dict[str, Any] = {
    "code": CODE,
    "app": (HEART, (CODE, FILLER)),
    "alice": 91,
    "accent": 50,
    "deposit": 10,
    "held": (9, [9]),
    "lines": [(ACCENT, 50)],
    "prefix": ([ALICE], [ACCENT]),
}


def check(ledger: Ledger) -> None:
    found = told(ledger)
    contract, allocation, sum_allocated = found.pop("allocated")
    assert (contract, allocation.sats, sum_allocated) == (POOL, 5, 5)
    assert found == TOLD
    assert ledger.verify().ok
    assert ledger.audit().ok


def test_it_is_read_and_gone_on_with_just_as_it_is(old: Path) -> None:
    with Ledger.open(old) as ledger:
        check(ledger)
        ledger.register_token(ledger.token(CODE))
        ledger.transfer(CODE, ALICE, ACCENT, 1)
        ledger.transfer_many(CODE, [ALICE, ACCENT, "bob"], [ACCENT, ALICE, ALICE], [1, 2, 0 + 7])
        ledger.settle(CODE, HEART, HEART, 4)
        ledger.freeze(ACCENT)
        ledger.unfreeze(ACCENT)
        ledger.update_app("App", accepts=[CODE], owner=ACCENT)
        ledger.app("App").refund(DEPOSITOR, 3)
        with ledger.atomic() as tx:
            tx.contract(POOL).shadow_up(ONLY_ALLOCATED, 1)
            tx.money(CODE, ALICE, 2).split({ACCENT: 1, HEART: 1})
            tx.move(("TEA", DEPOSITOR), (DEPOSITOR, "App"), 2)
        with ledger.atomic() as tx:  # the one contract is not taken for the other, new one
            twin = tx.register_contract(POOL.upper())
            twin.balance_up(1)
            tx.contract(POOL).balance_up(2)
            tx.contract(POOL.lower()).balance_up(4)
        assert (ledger.contract(POOL).balance, ledger.contract(POOL.lower()).balance) == (102, 5)
        assert len(ledger.tokens()) == 3
        assert {name: each.total for name, each in ledger.balances(CODE).items()} == {ALICE: 96, ACCENT: 51, HEART: 10}
        assert ledger.audit().ok


def test_another_spelling_is_another_account_in_its_one_spelling(old: Path) -> None:
    """Which of both a caller means nobody can say but the caller, by writing it."""
    with Ledger.open(old) as ledger:
        assert ledger.balance(CODE, ALICE.lower()).total == 0
        assert ledger.balance(CODE, ALICE.swapcase().replace("X", "x")).total == 0
        ledger.transfer(CODE, ALICE, ALICE.upper(), 1)
        ledger.mint(CODE, NEW, 5)
        ledger.mint(CODE, "café", 5)
        assert ledger.balance(CODE, ALICE.lower()).total == 1
        assert [ledger.balance(CODE, each).total for each in (NEW, NEW.lower(), NEW.upper())] == [5, 5, 5]
        assert (ledger.balance(CODE, "café").total, ledger.balance(CODE, ACCENT).total) == (5, 50)
        with pytest.raises(NotFound):
            ledger.token(CODE.lower())
        for name in ("Zoe\u0301", "❤❤\ufe0f"):
            with pytest.raises(InvalidAccount):
                ledger.mint(CODE, name, 1)
        ledger.register_token(Token(CODE.lower()))
        ledger.mint(CODE.upper(), "bob", 3)
        assert (ledger.supply(CODE.lower()).circulating, ledger.balance(CODE, "bob").total) == (3, 7)


def test_a_snapshot_knows_them(old: Path) -> None:
    with Ledger.open(old) as ledger:
        ledger.snapshot()
    assert FORMAT > 2
    assert goes_on_from(old)
    with Ledger.open(old) as ledger:
        check(ledger)
        ledger.transfer(CODE, ALICE, ACCENT, 1)
        assert ledger.balance(CODE, ALICE).total == 90


def test_books_that_are_read_anew_know_them(old: Path) -> None:
    with Ledger.open(old) as ledger:
        drop_books(ledger)
        check(ledger)


def test_a_new_journal_has_none(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "new.db") as ledger:
        ledger.register_token(Token(CODE))
        ledger.mint_many(CODE, [ALICE, "bob"], [1, 2])
        with ledger.atomic() as tx:
            tx.register_contract(POOL).alloc(NEW)
        assert not ledger._core.books.spellings.former
