"""Reversal: what is taken back and what cannot be, in whole and in part, within plans and groups, and after reopening."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from tallystick import (
    AccountIsFrozen,
    AlreadyReversed,
    AsyncLedger,
    EntryNotFound,
    InsufficientFunds,
    InvalidAmount,
    InvalidRequest,
    Ledger,
    LedgerError,
    NotReversible,
    Refused,
    StorageFull,
    SupplyExhausted,
    Token,
    TransactionClosed,
    TransactionNotFound,
)
from tallystick.infrastructure.commit import recorded
from tallystick.infrastructure.journal import hold_payers
from tallystick.infrastructure.journal.format import JournalEvent, JournalRow, decode_events
from tallystick.infrastructure.proof import reversal_check
from tests.support.books.app_book import TOKENS as APP_TOKENS
from tests.support.books.app_book import T, do
from tests.support.books.behind import journal_of

Work = Callable[[Any], Any]
PLAIN, FRAGMENTED, WIDE = Token("USD"), Token("USD", unit=7), Token("USD", max_supply=2**200)
SIZES = {"plain": (PLAIN, 1), "fragmented": (FRAGMENTED, 1), "wide": (WIDE, 2**100)}


@pytest.fixture
def ledger(url: str | Path) -> Iterator[Ledger]:
    with Ledger.open(url) as opened:
        yield opened


@pytest.fixture(params=SIZES)
def unit(request: pytest.FixtureRequest, ledger: Ledger) -> int:
    """The ledger has 1,000 units of USD of alice's, and 100 of bob's; a unit is so much."""
    token, unit = SIZES[request.param]
    ledger.register_token(token)
    do(ledger, lambda tx: (tx.mint("USD", "alice", 1000 * unit), tx.mint("USD", "bob", 100 * unit)))
    return unit


def entry_of(ledger: Ledger, *work: Work) -> int:
    with ledger.atomic() as tx:
        for each in work:
            each(tx)
    assert tx.receipt is not None
    return tx.receipt.entry_id


def totals(ledger: Ledger, unit: int = 1) -> dict[str, int]:
    assert ledger.audit().findings == ()
    return {account: balance.total // unit for account, balance in ledger.balances("USD").items()}


WHOLE = [
    ("transfer", lambda tx, u: tx.transfer("USD", "alice", "bob", 30 * u)),
    ("to oneself", lambda tx, u: tx.transfer("USD", "alice", "alice", 30 * u)),
    ("mint", lambda tx, u: tx.mint("USD", "carol", 30 * u)),
    ("burn", lambda tx, u: tx.burn("USD", "alice", 30 * u)),
    ("reserve", lambda tx, u: tx.reserve("USD", "alice", "court", 30 * u)),
    ("split", lambda tx, u: tx.money("USD", "alice", 31 * u).split({"carol": 1, "dave": 2})),
    ("a chain", lambda tx, u: [tx.transfer("USD", a, b, 30 * u) for a, b in (("alice", "carol"), ("carol", "dave"))]),
]


@pytest.mark.parametrize("work", [work for _, work in WHOLE], ids=[name for name, _ in WHOLE])
def test_an_entry_is_taken_back_as_a_whole(ledger: Ledger, unit: int, work: Callable[[Any, int], Any]) -> None:
    before = totals(ledger, unit)
    entry = entry_of(ledger, lambda tx: work(tx, unit))
    movements = [each.id for each in ledger.entry(entry).transactions]
    reversal = entry_of(ledger, lambda tx: tx.reverse(entry=entry, memo="wrong"))
    assert totals(ledger, unit) == before
    assert ledger.entry(entry).reversed_by == (reversal,)
    assert ledger.entry(reversal).reverses == tuple(movements)
    assert {each.memo for each in ledger.entry(reversal).transactions} == {"wrong"}
    with pytest.raises(AlreadyReversed), ledger.atomic() as tx:
        tx.reverse(entry=entry)


def test_a_settlement_goes_back_to_the_payer_and_its_hold_stays_closed(ledger: Ledger, unit: int) -> None:
    with ledger.atomic() as tx:
        hold = tx.reserve("USD", "alice", "court", 50 * unit)
    settled = entry_of(ledger, lambda tx: tx.settle("USD", "court", "bob", 50 * unit, hold))
    entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "carol", 950 * unit))
    entry_of(ledger, lambda tx: tx.reverse(entry=settled))
    assert totals(ledger, unit) == {"alice": 50, "bob": 100, "carol": 950}
    assert ledger.balance("USD", "alice").available == 50 * unit
    assert ledger.holds("USD", "court") == []


def test_of_what_was_reserved_that_which_is_still_held_is_released(ledger: Ledger, unit: int) -> None:
    with ledger.atomic() as tx:
        hold = tx.reserve("USD", "alice", "court", 50 * unit)
    assert tx.receipt is not None
    reserved = tx.receipt.entry_id
    entry_of(ledger, lambda tx: tx.settle("USD", "court", "bob", 20 * unit, hold))
    entry_of(ledger, lambda tx: tx.reverse(transaction=reserved, amount=5 * unit))
    with pytest.raises(AlreadyReversed) as refused, ledger.atomic() as tx:
        tx.reverse(transaction=reserved, amount=26 * unit)
    assert refused.value.left == 25 * unit
    entry_of(ledger, lambda tx: tx.reverse(entry=reserved))
    assert totals(ledger, unit) == {"alice": 980, "bob": 120}
    with pytest.raises(AlreadyReversed), ledger.atomic() as tx:
        tx.reverse(transaction=reserved)


def test_parts_never_sum_to_more_than_the_original(ledger: Ledger, unit: int) -> None:
    entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100 * unit))
    with ledger.atomic() as tx:
        tx.reverse(transaction=entry, amount=30 * unit)
        tx.reverse(transaction=entry, amount=30 * unit)
        with pytest.raises(AlreadyReversed) as refused:
            tx.reverse(transaction=entry, amount=41 * unit)
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            tx.reverse(transaction=entry, amount=40 * unit)
            raise ZeroDivisionError
        tx.reverse(transaction=entry, amount=39 * unit)
    assert (refused.value.left, refused.value.amount, refused.value.id) == (40 * unit, 41 * unit, entry)
    assert totals(ledger, unit) == {"alice": 999, "bob": 101}
    entry_of(ledger, lambda tx: tx.reverse(entry=entry))
    assert totals(ledger, unit) == {"alice": 1000, "bob": 100}


def test_a_rolled_back_plan_has_taken_nothing_back(ledger: Ledger, unit: int) -> None:
    entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100 * unit))
    with ledger.atomic() as tx:
        tx.reverse(entry=entry)
        tx.rollback()
        tx.reverse(entry=entry)
    with pytest.raises(ZeroDivisionError), ledger.atomic() as tx:
        tx.mint("USD", "carol", 1)
        raise ZeroDivisionError
    assert totals(ledger, unit) == {"alice": 1000, "bob": 100}


def test_a_reversal_can_be_reversed_and_the_first_original_stays_so(ledger: Ledger, unit: int) -> None:
    entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100 * unit))
    reversal = entry_of(ledger, lambda tx: tx.reverse(entry=entry))
    again = entry_of(ledger, lambda tx: tx.reverse(entry=reversal))
    assert totals(ledger, unit) == {"alice": 900, "bob": 200}
    assert ledger.entry(reversal).reversed_by == (again,)
    with pytest.raises(AlreadyReversed), ledger.atomic() as tx:
        tx.reverse(entry=entry)


def test_rows_of_batches_are_taken_back_one_by_one_or_together(ledger: Ledger, unit: int) -> None:
    names = [f"a{number}" for number in range(50)]
    batch = ledger.transfer_many("USD", ["alice"] * 50, names, [10 * unit] * 50)
    entry = batch.transaction_ids[0]
    first = entry_of(ledger, lambda tx: tx.reverse(transaction=batch.transaction_ids[9], amount=4 * unit))
    assert ledger.balance("USD", "a9").total == 6 * unit
    rest = entry_of(ledger, lambda tx: tx.reverse(entry=entry))
    assert totals(ledger, unit) == {"alice": 1000, "bob": 100}
    assert ledger.entry(entry).reversed_by == (first, rest)
    minted, burned = ledger.mint_many("USD", ["x", "y"], [unit, unit]), ledger.burn_many("USD", ["x"], [unit])
    entry_of(ledger, lambda tx: tx.reverse(entry=burned.transaction_ids[0]))
    entry_of(ledger, lambda tx: tx.reverse(entry=minted.transaction_ids[0]))
    assert totals(ledger, unit) == {"alice": 1000, "bob": 100}


def test_reversals_of_one_group_see_each_other(ledger: Ledger, unit: int) -> None:
    entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100 * unit))
    barrier = Barrier(8)
    done: list[bool] = []

    def take_back() -> None:
        with ledger.atomic() as tx:
            tx.reverse(transaction=entry, amount=40 * unit)
            barrier.wait(120)  # all have planned it
        done.append(True)

    def tried() -> None:
        try:
            take_back()
        except AlreadyReversed:
            done.append(False)

    threads = [Thread(target=tried) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 6 + [True] * 2
    assert totals(ledger, unit) == {"alice": 980, "bob": 120}


REFUSED: list[tuple[str, Work, type[LedgerError]]] = [
    ("a bare number", lambda tx: tx.reverse(5), InvalidRequest),
    ("nothing", lambda tx: tx.reverse(), InvalidRequest),
    ("both", lambda tx: tx.reverse(entry=5, transaction=5), InvalidRequest),
    ("a part of an entry", lambda tx: tx.reverse(entry=5, amount=1), InvalidRequest),
    ("no number", lambda tx: tx.reverse(entry="5"), InvalidRequest),
    ("true", lambda tx: tx.reverse(entry=True), InvalidRequest),
    ("no such entry", lambda tx: tx.reverse(entry=99), EntryNotFound),
    ("zero", lambda tx: tx.reverse(transaction=0), TransactionNotFound),
    ("too large", lambda tx: tx.reverse(transaction=2**63), TransactionNotFound),
    ("within an entry", lambda tx: tx.reverse(entry=3), EntryNotFound),
    ("a registration", lambda tx: tx.reverse(transaction=1), TransactionNotFound),
    ("an entry that moves nothing", lambda tx: tx.reverse(entry=1), NotReversible),
    ("nothing of it", lambda tx: tx.reverse(transaction=2, amount=0), InvalidAmount),
    ("more than it", lambda tx: tx.reverse(transaction=2, amount=1001), AlreadyReversed),
    ("a memo that is none", lambda tx: tx.reverse(transaction=2, memo=5), InvalidRequest),
]


@pytest.mark.parametrize(("call", "verdict"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_wrong_with_a_reversal(ledger: Ledger, call: Work, verdict: type[LedgerError]) -> None:
    ledger.register_token(PLAIN)
    do(ledger, lambda tx: (tx.mint("USD", "alice", 1000), tx.mint("USD", "bob", 100)))
    with pytest.raises(LedgerError) as refused, ledger.atomic() as tx:
        call(tx)
    assert type(refused.value) is verdict
    assert totals(ledger) == {"alice": 1000, "bob": 100}


TODAY: list[tuple[str, Work, type[Refused]]] = [
    ("it is spent", lambda tx: tx.transfer("USD", "bob", "carol", 1), InsufficientFunds),
    ("frozen", lambda tx: tx.freeze("bob"), AccountIsFrozen),
    ("frozen for credits", lambda tx: tx.freeze("alice", "USD", debits=False, credits=True), AccountIsFrozen),
]


@pytest.mark.parametrize(("work", "verdict"), [case[1:] for case in TODAY], ids=[case[0] for case in TODAY])
def test_the_rules_of_today_hold(ledger: Ledger, work: Work, verdict: type[Refused]) -> None:
    ledger.register_token(Token("USD", max_supply=1000))
    entry_of(ledger, lambda tx: tx.mint("USD", "alice", 1000))
    entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100))
    do(ledger, work)
    before = totals(ledger)
    with pytest.raises(verdict), ledger.atomic() as tx:
        tx.reverse(entry=entry)
    assert totals(ledger) == before


def test_what_was_burned_may_not_fit_any_more(ledger: Ledger) -> None:
    ledger.register_token(Token("USD", max_supply=1000))
    entry_of(ledger, lambda tx: tx.mint("USD", "alice", 1000))
    entry = entry_of(ledger, lambda tx: tx.burn("USD", "alice", 100))
    entry_of(ledger, lambda tx: tx.mint("USD", "bob", 1))
    with pytest.raises(SupplyExhausted), ledger.atomic() as tx:
        tx.reverse(entry=entry)


def test_where_one_movement_cannot_go_back_none_does(ledger: Ledger) -> None:
    ledger.register_token(PLAIN)
    entry = entry_of(ledger, lambda tx: [tx.mint("USD", name, 10) for name in ("alice", "bob", "carol")])
    entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "dave", 10))
    with ledger.atomic() as tx:
        with pytest.raises(InsufficientFunds):
            tx.reverse(entry=entry)
        tx.transfer("USD", "bob", "carol", 1)
    assert totals(ledger) == {"bob": 9, "carol": 11, "dave": 10}


def test_between_planning_and_execution_somebody_else_takes_it_back(ledger: Ledger) -> None:
    ledger.register_token(PLAIN)
    entry_of(ledger, lambda tx: tx.mint("USD", "alice", 100))
    entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100))

    def take_back() -> None:
        do(ledger, lambda tx: tx.reverse(transaction=entry, amount=60))

    with pytest.raises(AlreadyReversed) as refused, ledger.atomic() as tx:
        tx.reverse(transaction=entry, amount=60)
        other = Thread(target=take_back)
        other.start()
        other.join()
    assert refused.value.left == 40
    assert totals(ledger) == {"alice": 60, "bob": 40}


NOT: list[tuple[str, Work]] = [
    ("deposit", lambda tx: tx.app("TeaParty").deposit("alice", T)),
    ("refund", lambda tx: tx.app("TeaParty").refund("depositor", T)),
    ("consume_deposit", lambda tx: tx.app("TeaParty").consume_deposit("depositor", T)),
    ("pay", lambda tx: tx.app("TeaParty").pay("alice", T)),
    ("buy", lambda tx: tx.app("TeaParty").buy("alice", T)),
    ("sell", lambda tx: tx.app("TeaParty").sell("depositor", 1000)),
    ("dividend", lambda tx: (tx.app("TeaParty").pay("depositor", 1000, "TeaParty"), tx.app("TeaParty").distribute_dividend())),
    ("income", lambda tx: (tx.app("TeaParty").pay("alice", T), tx.app("TeaParty").distribute_income())),
    ("seats", lambda tx: (tx.app("TeaParty").pay("alice", T), tx.seats.collect_memory_tax("TeaParty", T))),
    ("contract", lambda tx: tx.contract("pool").fund("alice", 5)),
    ("release", lambda tx: tx.release(tx.reserve("TEA", "alice", "court", 5))),
    ("mixed", lambda tx: (tx.transfer("TEA", "alice", "bob", 1), tx.app("TeaParty").deposit("alice", T))),
]


@pytest.fixture
def apps(ledger: Ledger) -> Ledger:
    for token in APP_TOKENS:
        ledger.register_token(token)
    do(
        ledger,
        lambda tx: (tx.mint("TEA", "alice", 1000 * T), tx.mint("TEA", "depositor", 1000 * T)),
        lambda tx: (tx.app("TeaParty").deposit("depositor", 10 * T), tx.app("TeaParty").buy("depositor", 10 * T)),
        lambda tx: tx.register_contract("pool", "TEA"),
    )
    return ledger


@pytest.mark.parametrize("work", [work for _, work in NOT], ids=[name for name, _ in NOT])
def test_what_cannot_be_reversed(apps: Ledger, work: Work) -> None:
    with apps.atomic() as tx:
        work(tx)
    assert tx.receipt is not None
    with pytest.raises(NotReversible, match=r".{20,}"), apps.atomic() as other:
        other.reverse(entry=tx.receipt.entry_id)
    with pytest.raises(NotReversible), apps.atomic() as other:
        other.reverse(transaction=tx.receipt.transaction_ids[-1])


def test_an_expired_hold_and_an_older_book_are_not_reversible(ledger: Ledger) -> None:
    ledger.take_over([Token("USD")], [("USD", "alice", 5)])
    head = ledger.verify().position
    with pytest.raises(NotReversible), ledger.atomic() as tx:
        tx.reverse(transaction=head)


def test_it_is_known_after_reopening_with_and_without_a_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(FRAGMENTED)
        entry_of(ledger, lambda tx: tx.mint("USD", "alice", 2**40))
        entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100))
        part = entry_of(ledger, lambda tx: tx.reverse(transaction=entry, amount=60))
        ledger.snapshot()
        last = entry_of(ledger, lambda tx: tx.reverse(transaction=entry, amount=30))
    for forgotten in (False, True):
        if forgotten:
            for file in sorted((tmp_path / "books.db.cache").rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
        with Ledger.open(path) as ledger:
            assert ledger.entry(entry).reversed_by == (part, last)
            with pytest.raises(AlreadyReversed) as refused, ledger.atomic() as tx:
                tx.reverse(transaction=entry, amount=11)
            assert refused.value.left == 10


def test_it_is_awaited_in_blocks_of_asyncio() -> None:
    async def main() -> None:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(PLAIN)
            async with ledger.atomic() as tx:
                tx.mint("USD", "alice", 100)
            async with ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", 60)
            assert tx.receipt is not None
            entry = tx.receipt.entry_id
            async with ledger.atomic() as tx:
                await tx.reverse(transaction=entry, amount=20)
                with pytest.raises(AlreadyReversed):
                    await tx.reverse(transaction=entry, amount=41)
                await tx.reverse(entry=entry)
            with pytest.raises(TransactionClosed):
                await tx.reverse(entry=entry)
            assert (await ledger.balance("USD", "alice")).total == 100
            assert len((await ledger.entry(entry)).reversed_by) == 1

    asyncio.run(main())


def test_a_commit_that_fails_has_taken_nothing_back(ledger: Ledger, unit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while the books stay as they are, nor in what is counted from then on."""
    entry = entry_of(ledger, lambda tx: tx.transfer("USD", "alice", "bob", 100 * unit))

    def full(*_: Any) -> None:
        raise StorageFull("no space")

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(journal_of(ledger), "append", full)
            with pytest.raises(StorageFull), ledger.atomic() as tx:
                tx.reverse(transaction=entry, amount=60 * unit)
        assert ledger.entry(entry).reversed_by == ()
    taken = entry_of(ledger, lambda tx: tx.reverse(transaction=entry, amount=60 * unit))
    assert ledger.entry(entry).reversed_by == (taken,)
    with pytest.raises(AlreadyReversed) as refused, ledger.atomic() as tx:
        tx.reverse(transaction=entry, amount=41 * unit)
    assert refused.value.left == 40 * unit
    assert totals(ledger, unit) == {"alice": 960, "bob": 140}


@pytest.mark.parametrize("movements", [2, 20, 200])
def test_what_is_taken_back_together_is_read_once(monkeypatch: pytest.MonkeyPatch, movements: int) -> None:
    decoded: list[JournalRow] = []

    def noted(row: JournalRow) -> list[JournalEvent]:
        decoded.append(row)
        return decode_events(row)

    def reserve(tx: Any) -> None:
        holds[:] = [tx.reserve("USD", f"payer{n}", "keeper", 2) for n in range(movements)]

    def settle(tx: Any) -> None:
        for hold in holds:
            tx.settle("USD", "keeper", "seller", 2, hold=hold)

    holds: list[str] = []
    with Ledger.open("memory:") as ledger:
        ledger.register_token(PLAIN)
        do(ledger, lambda tx: [tx.mint("USD", f"payer{n}", 2) for n in range(movements)] and None)
        do(ledger, reserve)
        do(ledger, lambda tx: tx.mint("USD", "other", 1))
        settled = entry_of(ledger, settle)
        for module in (recorded, hold_payers, reversal_check):
            monkeypatch.setattr(module, "decode_events", noted)
        ledger.reverse(entry=settled)
        assert len(decoded) <= 3  # the entry's own row, and on the way back those in which holds were opened
        assert all(ledger.balance("USD", f"payer{n}").available == 2 for n in range(movements))
        decoded.clear()
        assert ledger.audit().findings == ()
        assert len(decoded) == 2  # and once that in which the holds were opened
