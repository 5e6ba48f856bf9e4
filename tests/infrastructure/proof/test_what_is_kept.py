"""The audit holds what a ledger goes by against what it derives: books, indexes and contracts, in memory and out of a cache."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tallystick import Ledger, SquareRootCurve, Token
from tallystick.domain.batch.transfer_ids import TransferIds
from tallystick.domain.contract.contract import Contract
from tallystick.domain.events import AccountFrozen, AccountUnfrozen, AppUpdated, FragmentsBurned, FragmentsMinted, Minted
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.reversal import Reversal
from tallystick.infrastructure.commit.ledger_state import LedgerState
from tallystick.infrastructure.indexes import keys as key_index
from tallystick.infrastructure.indexes.keys import KeyIndex
from tallystick.infrastructure.indexes.references import ReferenceIndex
from tallystick.infrastructure.indexes.transfer_ids import TransferIdIndex
from tallystick.infrastructure.snapshots import contract_shelf
from tallystick.infrastructure.snapshots.contract_snapshots import ContractSnapshots
from tests.support.books.behind import core_of

Change = Callable[[LedgerState], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger without a cache that has something of everything."""
    path = tmp_path_factory.mktemp("made") / "books.db"
    with Ledger.open(path) as ledger:
        write(ledger)
    shutil.rmtree(f"{path}.cache", ignore_errors=True)
    return path


def write(ledger: Ledger) -> None:
    for token in (
        *(Token("USD", max_supply=2**60), Token("FRG", unit=10), Token("BIG", max_supply=2**200)),
        *(Token("TEA", role="settlement"), Token("APP", role="app", curve=SquareRootCurve(10), owner="own")),
    ):
        ledger.register_token(token)
    for number, name in enumerate(("alice", "bob", "żółć", "0x" + "ab" * 20)):
        with ledger.atomic(f"key {number}", reference=f"order {number}") as tx:
            tx.mint("USD", name, 1000 + number)
            tx.mint("FRG", name, 95)
            tx.mint("BIG", name, 2**100)
            tx.mint("TEA", name, 10**9)
    ledger.transfer_many("USD", ["alice", "bob"], ["bob", "carol"], [7, 8], ids=[5, 9], references=["a", "b"])
    with ledger.atomic() as tx:
        tx.app("APP").deposit("alice", 10)
        tx.reserve("USD", "alice", "keeper", 10, expires_at=datetime(2090, 1, 1, tzinfo=UTC))
        tx.reserve("FRG", "bob", "keeper", 33)
        tx.freeze("cold", reason="why")
        tx.register_contract("pool", backed_by="USD").fund("alice", 100)
        tx.contract("pool").alloc("bob")
        tx.contract("pool").shadow_up("bob", 50)
        tx.register_contract("figure").balance_up(10)
    ledger.reverse(transaction=ledger.transfer("USD", "alice", "bob", 5).transaction_ids[0], amount=2)


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "books.db"
    shutil.copy(made, path)
    return path


def minted(token: str, account: str, amount: int) -> Change:
    """A mint that no event stands for; it comes out of the reserve, so that all sums are right."""
    return lambda state: state.books.token_state(token).change(Minted(token, account, amount))


def renumbered(state: LedgerState) -> None:
    numbering = state.books.token_state("USD").numbering
    first, second = numbering.handle_of(0), numbering.handle_of(1)
    rest = [numbering.handle_of(number) for number in range(2, len(numbering))]
    numbering.remove(len(numbering))
    numbering.add([second, first, *rest])


def moved_fragment(state: LedgerState) -> None:
    fragments = state.books._fragments["FRG"]  # pyright: ignore[reportPrivateUsage]
    (some, *_) = fragments.of("alice", ())
    fragments.apply(FragmentsBurned("FRG", [some.id]))
    fragments.apply(FragmentsMinted("FRG", "bob", some.id, [some.amount]))


def without_key(state: LedgerState) -> None:
    kept = state.keys.index
    assert kept is not None
    kept._recent.pop("key 2")  # pyright: ignore[reportPrivateUsage]


def with_ids(*ids: int) -> Change:
    def change(state: LedgerState) -> None:
        state.transfer_ids = TransferIdIndex()
        state.transfer_ids.add(TransferIds.of_bytes(b"".join(id.to_bytes(16, "little") for id in ids)))

    return change


def with_references(*references: str) -> Change:
    def change(state: LedgerState) -> None:
        state.references = ReferenceIndex()
        state.references.add(references, 6)

    return change


HOLD = OpenHold("forged", "USD", "bob", "keeper", 5, None, 9)

FORGERIES: dict[str, tuple[Change, str]] = {
    "money out of the reserve": (minted("USD", "bob", 1_000_000), "the balances of USD"),
    "money from another": (lambda s: s.books.token_state("USD").transfer("alice", "bob", 1), "the balances of USD"),
    "money of somebody new": (lambda s: s.books.token_state("USD").transfer("alice", "eve", 1), "the balances of USD"),
    "money in a wide token": (minted("BIG", "bob", 1), "the balances of BIG"),
    "a name that nobody has": (lambda s: s.books.token_state("USD").handle("eve"), ""),
    "a deposit": (lambda s: s.books.token_state("TEA").transfer("alice APP", "bob", 1), "the balances of TEA"),
    "numbers of accounts": (renumbered, "the balances of USD"),
    "a fragment": (moved_fragment, "the fragments of FRG"),
    "an owner of an app": (lambda s: s.books.apply(AppUpdated("APP", "eve", ()), 0), "the tokens"),
    "a hold": (lambda s: s.books._holds.open(HOLD), "the open holds"),  # pyright: ignore[reportPrivateUsage]
    "a reversal": (lambda s: s.books.reversals.add(Reversal(30, 9, 1)), "the reversals"),
    "a freeze": (lambda s: s.books.apply(AccountFrozen("bob", None, True, False), 9), "the frozen accounts"),
    "a freeze that ended": (lambda s: s.books.apply(AccountUnfrozen("cold", None), 9), "the frozen accounts"),
    "a contract": (lambda s: s.books.contracts.registered.update(eve=None), "the contracts"),
    "what backs a contract": (lambda s: s.books.contracts.registered.update(figure="USD"), "the contracts"),
    "a version": (lambda s: s.versions.set("USD", 3), "the versions of streams"),
    "a key": (without_key, "the idempotency keys"),
    "an id less": (with_ids(9), "the ids of transfers"),
    "an id more": (with_ids(5, 8, 9), "the ids of transfers"),
    "the largest id": (with_ids(5, 10), "the ids of transfers"),
    "a reference less": (with_references("order 0", "a", "b"), "the references"),
    "no references": (with_references(), "the references"),
}


@pytest.mark.parametrize("what", FORGERIES)
@pytest.mark.parametrize("out_of", ["memory", "a snapshot", "a snapshot that was not read"])
def test_what_the_journal_does_not_say_is_found(path: Path, what: str, out_of: str) -> None:
    change, verdict = FORGERIES[what]
    with Ledger.open(path) as ledger:
        ledger.balance("USD", "bob")
        state = core_of(ledger).keeper.state
        change(state)
        state.books.forget(1)
        if out_of == "memory":
            check(ledger, verdict)
            return
        ledger.snapshot()
    with Ledger.open(path) as ledger:
        if out_of == "a snapshot":
            ledger.balance("USD", "bob")
        with Ledger.open(path, read_only=True) as reader:
            check(reader, verdict)
        check(ledger, verdict)
    shutil.rmtree(f"{path}.cache")
    with Ledger.open(path) as ledger:
        assert ledger.audit().ok


def check(ledger: Ledger, verdict: str) -> None:
    found = [finding.reason for finding in ledger.audit().findings]
    assert (found == []) == (verdict == "")
    assert any(verdict in reason for reason in found) or not verdict
    assert all("the ledger does not have the" in reason for reason in found)
    assert ledger.verify().ok


@pytest.mark.parametrize("what", ["the balance", "an allocation", "an account more", "the sum"])
def test_a_contract_on_the_shelf_is_compared(path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_shelf, "SNAPSHOT_EVENTS", 1)
    with Ledger.open(path) as ledger:
        assert ledger.contract("pool").balance == 100
    shelf = ContractSnapshots(Path(f"{path}.cache"))
    kept = shelf.load("pool")
    assert kept is not None
    contract: Contract = kept.contract
    {
        "the balance": lambda: setattr(contract, "balance", 10**6),
        "an allocation": lambda: contract.values.change("bob", 1),
        "an account more": lambda: contract.values.add("eve", 5),
        "the sum": lambda: setattr(contract, "allocs_sum", 49),
    }[what]()
    shelf.save(contract, kept.anchor)
    with Ledger.open(path) as ledger:
        ledger.balance("USD", "bob")
        on_the_shelf = ledger.audit().findings
        ledger.contract("pool")
        in_memory = ledger.audit().findings
    assert [each.reason for each in on_the_shelf] == [each.reason for each in in_memory]
    (finding,) = in_memory
    assert "the figures of contract pool" in finding.reason


def test_books_that_met_accounts_in_another_order_are_the_same(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.handles("USD", ["zoe", "bob", "eve"])
        ledger.handles("FRG", ["żółć", "bob"])
        ledger.balance("USD", "bob")
        assert ledger.audit().ok
        ledger.transfer("USD", "bob", "eve", 1)
        ledger.snapshot()
        assert ledger.audit().ok
    with Ledger.open(path) as ledger:
        ledger.mint("FRG", "eve", 19)
        ledger.transfer("FRG", "eve", "alice", 12)
        assert ledger.audit().ok


def test_keys_ids_and_references_in_runs_are_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_index, "RECENT", 8)
    with Ledger.open(path) as ledger:
        for number in range(60):
            ledger.transfer("USD", "alice", "bob", 1, idempotency_key=f"more {number}", reference=f"more {number}")
        count = 5000
        amounts = np.ones(count, dtype=np.int64)
        ledger.mint("USD", "alice", 2 * count)
        ledger.transfer_many("USD", ["alice"] * count, ["bob"] * count, amounts, ids=range(100, 100 + count))
        assert ledger.audit().ok
        ledger.snapshot()
    with Ledger.open(path) as ledger:
        assert ledger.audit().ok
        state = core_of(ledger).keeper.state
        index = state.keys.index
        assert index is not None
        state.keys.index = KeyIndex()
        assert "the idempotency keys" in ledger.audit().findings[0].reason
        state.keys.index = index
        assert ledger.audit().ok


def test_a_ledger_that_has_read_on_is_compared_where_it_stands(path: Path) -> None:
    with Ledger.open(path) as behind, Ledger.open(path) as ahead:
        behind.balance("USD", "bob")
        for _ in range(3):
            ahead.transfer("USD", "alice", "bob", 1)
        position = core_of(behind).keeper.state.head.position
        assert behind.audit().ok
        minted("USD", "bob", 5)(core_of(behind).keeper.state)
        found = behind.audit().findings
        assert {finding.position for finding in found} == {position}
        assert ahead.audit().ok


def test_a_journal_that_was_cut_under_a_ledger_is_found(path: Path, tmp_path: Path) -> None:
    shorter = tmp_path / "shorter.db"
    shutil.copy(path, shorter)
    with Ledger.open(path) as ledger:
        ledger.transfer("USD", "alice", "bob", 1)
        ledger.snapshot()
        head = ledger.status().head.position
    with Ledger.open(path) as ledger:
        ledger.balance("USD", "bob")
        Path(f"{path}-wal").unlink(missing_ok=True)
        Path(f"{path}-shm").unlink(missing_ok=True)
        shorter.replace(path)
        (finding,) = ledger.audit().findings
    assert finding.position == head - 1
    assert f"has read up to {head}" in finding.reason
