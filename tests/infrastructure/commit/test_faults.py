"""What goes wrong outside: a process killed at any moment, a full disk, a store that cannot say what happened."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tallystick import Balances, Ledger, OutcomeUnknown, StorageFull, StorageUnavailable, Token
from tallystick.infrastructure.imports import erc20 as importing
from tallystick.infrastructure.imports.erc20 import ZERO_ADDRESS, import_erc20
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, StreamEntry, UnclearOutcome
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.projections.projection import digest
from tests.support.books.behind import core_on
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.programs.processes import Step, kill_after

KILLS = 100


@pytest.fixture
def transfers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of random transfers, imported in small batches."""
    monkeypatch.setattr(importing, "BLOCK_ROWS", 10)
    chance = random.Random(7)
    accounts = [ZERO_ADDRESS, *(f"0x{k:040x}" for k in range(1, 40))]
    path = tmp_path / "transfers.json"
    with path.open("w") as file:
        for row in range(240):
            sender, receiver = chance.sample(accounts, 2)
            token = f"0x{chance.randrange(5):040x}"
            named = {"token_address": token, "from_address": sender, "to_address": receiver, "value": chance.randrange(2**70)}
            file.write(json.dumps({**named, "transaction_hash": f"{row:x}", "log_index": 0}) + "\n")
    return path


def digest_of_balances(path: Path) -> str:
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok
        return digest(ledger.replay(Balances()))


def test_an_import_killed_at_any_moment_and_run_again_ends_the_same(tmp_path: Path, transfers: Path) -> None:
    with Ledger.open(tmp_path / "whole.db") as ledger:
        report = import_erc20(ledger, transfers)
    expected = digest_of_balances(tmp_path / "whole.db")
    chance = random.Random(11)
    midway = 0
    for kill in range(KILLS):
        books = tmp_path / f"{kill}.db"

        def work(step: Step, books: Path = books) -> None:
            with Ledger.open(books) as ledger:
                import_erc20(ledger, transfers, lambda rows: step())

        kill_after(chance.randrange(report.batches), chance.uniform(0, 0.004), work)
        with Ledger.open(books) as ledger:
            assert ledger.verify().ok
            again = import_erc20(ledger, transfers)
        midway += 0 < again.batches_before < report.batches
        assert digest_of_balances(books) == expected
        books.unlink()
    with Ledger.open(books) as ledger:
        import_erc20(ledger, transfers)
        assert ledger.audit().ok
    assert midway >= KILLS // 2, f"only {midway} of {KILLS} kills landed in the middle"


FULL_DISK = """
    import sys
    from pathlib import Path
    from tallystick import Balances, Ledger, StorageFull, Token

    folder = Path(sys.argv[1])
    filler = folder / "filler"
    ledger = Ledger.open(folder / "books.db")
    ledger.register_token(Token("USD", unit=100))
    kept = 0
    for space in (0, 4096, 20_000, 65_536):
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
            file.truncate(max(0, file.tell() - space))
        refused = 0
        for amount in [1] * 40 + [100_000] * 3:
            before = ledger.balances("USD"), ledger.verify().position
            try:
                with ledger.atomic() as tx:
                    for account in range(amount // 1000 or 1):
                        tx.mint("USD", f"account-{account}", amount, memo="x" * 500)
                kept += (amount // 1000 or 1) * amount
            except StorageFull:
                refused += 1
                assert (ledger.balances("USD"), ledger.verify().position) == before
        assert refused, f"with {space} bytes left everything went in"
        filler.unlink()
        with ledger.atomic() as tx:
            tx.mint("USD", "after", 1)
        kept += 1
        assert ledger.supply("USD").circulating == kept
    assert ledger.audit().ok, ledger.audit().findings
    ledger.close()
    with Ledger.open(folder / "books.db") as again:
        assert again.supply("USD").circulating == kept
        assert again.audit().ok
    print("went on")
"""


def test_a_full_disk_leaves_the_ledger_usable(tmp_path: Path) -> None:
    assert run_on_a_small_disk(FULL_DISK, tmp_path) == "went on\n"


class UnclearJournal(SQLiteJournal):
    """A store whose next append fails with nobody knowing how, before or after the row stands."""

    stands = True
    reachable = True
    armed = False

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        if not self.armed:
            super().append(row, entries, metadata)
            return
        self.armed = False
        if self.stands:
            super().append(row, entries, metadata)
        raise UnclearOutcome("the answer was lost")

    def reopen(self) -> None:
        if not self.reachable:
            raise StorageUnavailable("still gone")
        super().reopen()


@pytest.fixture
def unclear(tmp_path: Path) -> UnclearJournal:
    return UnclearJournal(tmp_path / "books.db")


def ledger_on(journal: SQLiteJournal) -> Ledger:
    ledger = Ledger(core_on(journal))
    ledger.register_token(Token("USD", unit=10))
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 25)
    return ledger


@pytest.mark.parametrize(
    ("stands", "reachable", "verdict"),
    [(True, True, None), (False, True, StorageUnavailable), (True, False, OutcomeUnknown), (False, False, OutcomeUnknown)],
)
def test_a_commit_of_unknown_outcome(
    unclear: UnclearJournal, stands: bool, reachable: bool, verdict: type[Exception] | None
) -> None:
    with ledger_on(unclear) as ledger:
        unclear.stands, unclear.reachable, unclear.armed = stands, reachable, True
        if verdict is None:
            with ledger.atomic("key") as tx:
                tx.transfer("USD", "alice", "bob", 7)
            assert tx.receipt is not None
            assert ledger.transaction(tx.receipt.transaction_ids[0]).receiver == "bob"
        else:
            with pytest.raises(verdict), ledger.atomic("key") as tx:
                tx.transfer("USD", "alice", "bob", 7)
        unclear.reachable = True
        assert ledger.balance("USD", "bob").available == (7 if stands else 0)
        assert sum(fragment.amount for fragment in ledger.fragments("USD", "alice")) == (18 if stands else 25)
        with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "carol", 18)
        assert ledger.audit().ok


@pytest.mark.parametrize(("error", "stands"), [(KeyboardInterrupt, True), (KeyboardInterrupt, False), (MemoryError, False)])
def test_an_interrupted_commit_leaves_the_books_as_the_journal(
    unclear: UnclearJournal, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], stands: bool
) -> None:
    def interrupted(row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange) -> None:
        if stands:
            SQLiteJournal.append(unclear, row, entries, metadata)
        raise error

    with ledger_on(unclear) as ledger:
        with monkeypatch.context() as patched:
            patched.setattr(unclear, "append", interrupted)
            with pytest.raises(error), ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", 7)
        assert ledger.balance("USD", "bob").available == (7 if stands else 0)
        with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "carol", 18)
        assert ledger.audit().ok


def test_a_full_store_changes_nothing(unclear: UnclearJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange) -> None:
        raise StorageFull("no space")

    with ledger_on(unclear) as ledger:
        before = ledger.fragments("USD", "alice")
        with monkeypatch.context() as patched:
            patched.setattr(unclear, "append", full)
            with pytest.raises(StorageFull), ledger.atomic("key") as tx:
                tx.reserve("USD", "alice", "keeper", 13)
                tx.settle("USD", "keeper", "bob", 6)
        assert ledger.fragments("USD", "alice") == before
        assert ledger.holds("USD", "keeper") == []
        with ledger.atomic("key") as tx:
            tx.transfer("USD", "alice", "bob", 25)
        assert ledger.audit().ok
