"""Contracts that are not in memory: loaded when asked for, kept up to a number, and large ones sooner from a snapshot."""

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick import ContractView, InvalidRequest, Ledger
from tallystick.domain.arithmetic.scaling import STEPS_KEPT
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import VERSION_MAX, StreamEntry
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.snapshots.contract_shelf import SNAPSHOT_EVENTS
from tests.support.books.behind import core_of, ledger_on
from tests.support.books.contract_book import SAT


class CountingJournal(SQLiteJournal):
    """Counts what is read for contracts: their streams, and single rows."""

    streams_read = 0
    rows_read = 0

    def stream(self, stream: str, gt: int = -1, lte: int = VERSION_MAX, *, descending: bool = False) -> Iterator[StreamEntry]:
        self.streams_read += 1
        return super().stream(stream, gt, lte, descending=descending)

    def row_at(self, position: int) -> JournalRow | None:
        self.rows_read += 1
        return super().row_at(position)


def counting(path: Path, contracts_in_memory: int = 1000) -> tuple[Ledger, CountingJournal]:
    journal = CountingJournal(path)
    return ledger_on(journal, contracts_in_memory=contracts_in_memory), journal


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A hundred contracts of as many satoshis as their number."""
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger, ledger.atomic() as tx:
        for number in range(1, 101):
            contract = tx.register_contract(f"c{number}")
            contract.balance_up(number)
            contract.alloc("alice")
            contract.shadow_up("alice", number)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """One contract with more events than a snapshot needs, in more commits than one."""
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        with ledger.atomic() as tx:
            contract = tx.register_contract("large")
            contract.balance_up(10**6)
            for number in range(SNAPSHOT_EVENTS // 2):
                contract.alloc(f"a{number}")
                contract.shadow_up(f"a{number}", 1 + number)
        for _ in range(20):
            with ledger.atomic() as tx:
                tx.contract("large").shadow_up_all(7)
    return path


def snapshots(path: Path) -> list[Path]:
    return sorted(Path(f"{path}.cache").rglob("*.snapshot"))


def everything(path: Path, id: str = "large") -> Any:
    with Ledger.open(path) as ledger:
        view = ledger.contract(id)
        return view, view.allocations()


def test_opening_loads_none(many: Path) -> None:
    ledger, journal = counting(many)
    assert len(ledger.contracts()) == 100
    assert journal.streams_read == 0
    assert ledger.contract("c7") == ContractView(7, 7, 1)
    assert journal.streams_read == 1
    with ledger.atomic() as tx:
        tx.contract("c7").balance_up(1)
        tx.contract("c8").balance_up(1)
    assert journal.streams_read == 2
    ledger.close()


def test_those_longest_unused_go_first(many: Path) -> None:
    ledger, journal = counting(many, contracts_in_memory=3)
    for id in ("c1", "c2", "c3", "c1", "c4"):
        ledger.contract(id)
    assert journal.streams_read == 4
    for id in ("c4", "c1", "c3"):
        ledger.contract(id)
    assert journal.streams_read == 4
    ledger.contract("c2")
    assert journal.streams_read == 5
    ledger.close()


def test_a_transaction_may_touch_more_than_there_is_room_for(many: Path) -> None:
    with Ledger.open(many, contracts_in_memory=1) as ledger:
        for _ in range(2):
            with ledger.atomic() as tx:
                for number in range(1, 101):
                    contract = tx.contract(f"c{number}")
                    contract.balance_up(number)
                    contract.shadow_up_all(number)
        for number in range(1, 101):
            assert ledger.contract(f"c{number}") == ContractView(3 * number, 3 * number, 1)
        assert ledger.allocations_of("alice").sats == 3 * 5050
        assert ledger.audit().ok


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None])
def test_a_number_of_contracts_is_1_or_more(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="contracts_in_memory"):
        Ledger.open(tmp_path / "books.db", contracts_in_memory=wrong)


def test_another_ledgers_commits_reach_a_loaded_contract(many: Path) -> None:
    with Ledger.open(many) as one, Ledger.open(many) as other:
        assert other.contract("c5").balance == 5
        with one.atomic() as tx:
            tx.contract("c5").balance_up(10)
            tx.contract("c5").shadow_up_all(10)
        assert other.contract("c5") == ContractView(15, 15, 1)
        view = other.contract("c5")
        assert view.allocation("alice") == other.allocation("c5", "alice")


def test_loading_stops_where_the_books_have_read_to(many: Path) -> None:
    with Ledger.open(many) as one, Ledger.open(many) as other:
        with other.atomic() as tx:
            with one.atomic() as before:
                before.contract("c5").balance_up(10)
            tx.contract("c5").alloc("bob")
        assert other.contract("c5") == one.contract("c5") == ContractView(15, 5, 2)


def test_the_steps_that_a_contract_remembers_are_bounded(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'books.db'}?durability=normal") as ledger:
        with ledger.atomic() as tx:
            contract = tx.register_contract("pool")
            contract.balance_up(10**6)
            for account, amount in (("a", 100), ("b", 271), ("c", 3)):
                contract.alloc(account)
                contract.shadow_up(account, amount)
        for _ in range(40):
            with ledger.atomic() as tx:
                for _ in range(50):
                    tx.contract("pool").shadow_up_all(1)
                    tx.contract("pool").shadow_down_all(1)
        values = core_of(ledger).books.contract("pool").values
        assert values.steps_kept < 2 * STEPS_KEPT < 4_000
        assert ledger.audit().ok


def test_a_large_contract_loads_from_its_snapshot(large: Path) -> None:
    (snapshot,) = snapshots(large)
    stated = everything(large)
    with Ledger.open(large) as ledger, ledger.atomic() as tx:
        tx.contract("large").shadow_down("a3", 1)
    ledger, journal = counting(large)
    assert ledger.contract("large").allocs_sum == stated[0].allocs_sum - 1
    assert journal.rows_read == 2  # where the snapshot was taken, and what came after it
    ledger.close()
    snapshot.unlink()
    ledger, journal = counting(large)
    assert ledger.contract("large").allocs_sum == stated[0].allocs_sum - 1
    assert journal.rows_read == 22
    ledger.close()


def test_a_contract_that_is_put_away_leaves_a_snapshot(large: Path) -> None:
    stated = everything(large)
    for snapshot in snapshots(large):
        snapshot.unlink()
    with Ledger.open(large, contracts_in_memory=1) as ledger:
        with ledger.atomic() as tx:
            tx.register_contract("small")
        ledger.contract("large")
        ledger.contract("small")
        for _ in range(3):
            assert (ledger.contract("large"), ledger.contract("large").allocations()) == stated
            ledger.contract("small")
    assert len(snapshots(large)) == 1
    assert everything(large) == stated


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        Path.unlink,
        replace_by_folder,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\n\n\n"),
        lambda file: file.write_bytes(file.read_bytes()[:-8]),
        lambda file: file.write_bytes(b"0" * 64 + file.read_bytes()[64:]),
    ],
)
def test_a_damaged_snapshot_costs_only_time(large: Path, damage: Callable[[Path], object]) -> None:
    stated = everything(large)
    (snapshot,) = snapshots(large)
    damage(snapshot)
    assert everything(large) == stated
    with Ledger.open(large) as ledger:
        assert ledger.audit().ok


def test_where_no_snapshot_can_be_kept_there_is_none(large: Path) -> None:
    stated = everything(large)
    cache = Path(f"{large}.cache")
    shutil.rmtree(cache)
    cache.write_text("in the way")
    assert everything(large) == stated
    assert cache.read_text() == "in the way"


def test_a_snapshot_of_another_journal_is_not_taken_for_this_ones(large: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with Ledger.open(other) as ledger:
        for _ in range(50):
            with ledger.atomic() as tx:
                contract = tx.contract("large") if ledger.is_contract("large") else tx.register_contract("large")
                for _ in range(25):
                    contract.balance_up(1)
    (theirs,) = snapshots(other)
    (ours,) = snapshots(large)
    stated = everything(large)
    shutil.copy(theirs, ours)
    assert everything(large) == stated
    (tmp_path / "backup").mkdir()
    older = tmp_path / "backup" / "books.db"
    with Ledger.open(older) as ledger, ledger.atomic() as tx:
        tx.register_contract("large").balance_up(3)
    shutil.copytree(f"{large}.cache", f"{older}.cache", dirs_exist_ok=True)
    assert everything(older)[0].balance == 3


@pytest.mark.parametrize("satoshis", [1, 2**40, 2**90])
def test_a_snapshot_is_exact(tmp_path: Path, satoshis: int) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger, ledger.atomic() as tx:
        contract = tx.register_contract("large", None)
        contract.balance_up(10**6 * satoshis)
        for number in range(7):
            contract.alloc(f"Ærø-{number}")
            contract.shadow_up(f"Ærø-{number}", (1 + number) * satoshis)
        for number in range(SNAPSHOT_EVENTS):
            contract.shadow_up_all(1 + number)
            if number % 300 == 0:
                contract.shadow_down("Ærø-3", 1)
    (snapshot,) = snapshots(path)
    with_snapshot = everything(path)
    snapshot.unlink()
    assert everything(path) == with_snapshot
    assert sum(a.sati for a in with_snapshot[1].values()) <= with_snapshot[0].allocs_sum * SAT


def test_many_threads_and_room_for_one(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    failures: list[BaseException] = []
    with Ledger.open(f"sqlite:///{path}?durability=normal", contracts_in_memory=1) as ledger:
        with ledger.atomic() as tx:
            for number in range(4):
                contract = tx.register_contract(f"c{number}")
                contract.balance_up(10**6)
                contract.alloc("alice")
                contract.shadow_up("alice", 10**3)

        def work(seed: int) -> None:
            chance = random.Random(seed)
            try:
                for _ in range(60):
                    id = f"c{chance.randrange(4)}"
                    with ledger.atomic() as tx:
                        tx.contract(id).shadow_up_all(5)
                        tx.contract(f"c{chance.randrange(4)}").shadow_up("alice", 1)
                    assert ledger.contract(id).num_allocs == 1
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        total = sum(view.allocs_sum for view in ledger.contracts().values())
        assert total == 4 * 10**3 + 4 * 60 * 6
        assert ledger.audit().ok
