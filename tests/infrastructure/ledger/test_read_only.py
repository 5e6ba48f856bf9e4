"""Ledgers that are opened for reading alone: what they make, what they see, and what they refuse."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import AsyncLedger, Ledger, LedgerReadOnly, StorageUnavailable, Token, Transactions
from tallystick.infrastructure.commit.member import TransactionMember
from tallystick.infrastructure.journal.stores.sqlite import journal as sqlite_journal


def mint(ledger: Ledger, amount: int = 1) -> None:
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", amount)


def make(url: str | Path, amount: int = 5) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        mint(ledger, amount)


def lying_in(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, with what is in the files; a log's index is what readers share, and not what anybody said."""
    found = [path for path in folder.rglob("*") if not path.name.endswith("-shm")]
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def alice(ledger: Ledger) -> int:
    return ledger.balance("USD", "alice").total


CHANGES: list[Callable[[Ledger], Any]] = [
    lambda ledger: ledger.atomic(),
    lambda ledger: ledger.atomic("key", request=[1]),
    lambda ledger: ledger.run(lambda tx: tx.mint("USD", "alice", 1)),
    lambda ledger: ledger.register_token(Token("USD")),
    lambda ledger: ledger.register_token(Token("EUR")),
    lambda ledger: ledger.update_app("USD", owner="alice"),
    lambda ledger: ledger.take_over([], [("USD", "alice", 1)]),
    lambda ledger: ledger.mint_many("USD", ["alice"], [1]),
    lambda ledger: ledger.burn_many("USD", ["alice"], [1]),
    lambda ledger: ledger.transfer_many("USD", ["alice"], ["bob"], [1], on_refusal="skip"),
    lambda ledger: ledger.mint("USD", "alice", 1),
    lambda ledger: ledger.freeze("alice"),
    lambda ledger: ledger.reverse(entry=2),
    lambda ledger: ledger.once(lambda tx: None, "key"),
    lambda ledger: ledger.expire_every(60),
    lambda ledger: ledger.snapshot(),
    lambda ledger: ledger._core.commit([]),
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_would_change_it_is_refused(url: str | Path, change: Callable[[Ledger], Any]) -> None:
    if url != "memory:":
        make(url)
    with Ledger.open(url, read_only=True) as ledger:
        before = ledger.verify()
        with pytest.raises(LedgerReadOnly, match=r"read_only=True.*nothing was recorded"):
            change(ledger)
        assert ledger.verify() == before
        assert ledger.audit().ok


def test_whoever_comes_to_its_queue_all_the_same_is_refused(url: str | Path) -> None:
    if url != "memory:":
        make(url)
    with Ledger.open(url, read_only=True) as ledger:
        member = TransactionMember((), None)
        ledger._core.queue.run(member)
        with pytest.raises(LedgerReadOnly):
            member.outcome()


def test_one_in_memory_is_empty(tmp_path: Path) -> None:
    with Ledger.open("memory:", read_only=True) as ledger:
        assert ledger.tokens() == []


def test_a_store_is_read_only_too(shared_url: str | Path) -> None:
    make(shared_url)
    with Ledger.open(shared_url, read_only=True) as reader, Ledger.open(shared_url) as writer:
        for amount in range(5, 9):
            assert alice(reader) == amount
            mint(writer)
            assert alice(reader) == amount + 1
        assert reader.replay(Transactions()).state[2].minted_amount == 5
        assert len(reader.history("USD", "alice")) == 5
        assert reader.handles("USD", ["alice", "never"]).tolist()[0] == 0


def test_async(shared_url: str | Path) -> None:
    make(shared_url)

    async def main() -> None:
        async with AsyncLedger.open(shared_url, read_only=True) as ledger:
            assert (await ledger.balance("USD", "alice")).total == 5
            with pytest.raises(LedgerReadOnly):
                async with ledger.atomic() as tx:
                    tx.mint("USD", "alice", 1)
            for change in (
                ledger.register_token(Token("EUR")),
                ledger.mint_many("USD", ["alice"], [1]),
                ledger.run(lambda tx: None),
                ledger.snapshot(),
            ):
                with pytest.raises(LedgerReadOnly):
                    await change
            with pytest.raises(LedgerReadOnly):
                ledger.expire_every(60)
            assert ledger.expire_every(None) is None

    asyncio.run(main())


def test_it_makes_and_writes_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    folder.mkdir()
    make(folder / "books.db")
    with Ledger.open(folder / "books.db") as ledger:
        ledger.snapshot()
    shutil.copy(folder / "books.db", folder / "alone.db")
    before = lying_in(folder)
    for name in ("books.db", "alone.db"):
        with Ledger.open(str(folder / name), read_only=True) as ledger:
            assert alice(ledger) == 5
            assert ledger.audit().ok
            assert lying_in(folder) == before
    assert lying_in(folder) == before
    assert not list(folder.glob("*-shm"))
    with pytest.raises(StorageUnavailable, match="no ledger at"):
        Ledger.open(folder / "missing.db", read_only=True, create=True)
    assert lying_in(folder) == before


CRASHES = """
import os, sys
from tallystick import Ledger
ledger = Ledger.open(sys.argv[1])
with ledger.atomic() as tx:
    tx.mint("USD", "alice", 1)
os._exit(9)
"""


def test_what_a_crashed_writer_left_is_read_and_left(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    make(path)
    assert subprocess.run([sys.executable, "-c", CRASHES, path], timeout=300).returncode == 9
    before = lying_in(tmp_path)
    assert "books.db-wal" in before
    with Ledger.open(path, read_only=True) as ledger:
        assert alice(ledger) == 6
    assert lying_in(tmp_path) == before


def test_it_sees_writers_that_come_and_go(tmp_path: Path) -> None:
    """They write while it has the file as it is, while it shares their log, and while it is not looking."""
    path = tmp_path / "books.db"
    make(path, 1)
    with Ledger.open(path, read_only=True) as early:
        for amount in range(1, 30):
            with Ledger.open(path, read_only=True) as late:
                assert (alice(late), alice(early) if amount % 3 else amount) == (amount, amount)
                with Ledger.open(path) as writer:
                    mint(writer)
                assert alice(late) == amount + 1
        assert alice(early) == 30


def test_it_sees_a_writer_that_was_there_while_it_slept(tmp_path: Path) -> None:
    """Nothing of the writer is left beside the file, and the reader has had it open all the time."""
    path, copy = tmp_path / "books.db", tmp_path / "copy.db"
    make(path)
    os.utime(path, ns=(10**18, 10**18))  # as if it had lain there for years, so that nobody doubts its time
    shutil.copy(path, copy)
    with Ledger.open(copy) as writer:
        mint(writer)
    with Ledger.open(path, read_only=True) as reader:
        assert alice(reader) == 5
        with path.open("r+b") as file:  # what the writer has checkpointed
            file.write(copy.read_bytes())
        assert alice(reader) == 6


def test_who_writes_while_it_reads_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "books.db"
    make(path)
    with Ledger.open(path, read_only=True) as reader:
        assert alice(reader) == 5
        read = sqlite_journal.head_of

        def read_beside_a_writer(connection: Any) -> Any:
            monkeypatch.undo()
            with Ledger.open(path) as writer:
                mint(writer)
            return read(connection)

        monkeypatch.setattr(sqlite_journal, "head_of", read_beside_a_writer)
        with pytest.raises(StorageUnavailable, match="while it was read; read again"):
            reader._core.journal.head()
        assert alice(reader) == 6


def test_a_file_that_was_replaced_is_read_anew_and_an_old_log_is_not_mixed_in(tmp_path: Path) -> None:
    path, older = tmp_path / "books.db", tmp_path / "older.db"
    make(path)
    shutil.copy(path, older)
    with Ledger.open(path, read_only=True) as reader:
        assert alice(reader) == 5
        with Ledger.open(path) as writer:
            mint(writer)
            assert alice(reader) == 6
            os.replace(older, path)
            for _ in range(2):
                with pytest.raises(StorageUnavailable, match="-wal file of the old one"):
                    alice(reader)
            assert (tmp_path / "books.db-wal").exists()


@pytest.mark.parametrize("damaged", [False, True])
def test_it_goes_on_from_a_snapshot_and_leaves_it(shared_url: str | Path, tmp_path: Path, damaged: bool) -> None:
    make(shared_url)
    with Ledger.open(shared_url) as writer:
        for number in range(3):
            with writer.atomic(f"key-{number}") as tx:
                tx.mint("USD", f"account-{number}", 1)
        writer.snapshot()
    columns = next(tmp_path.rglob("snapshots/*/columns"))
    if damaged:
        content = bytearray(columns.read_bytes())
        content[len(content) // 2] ^= 1
        columns.write_bytes(content)
    cache = columns.parents[2]
    before = lying_in(cache)
    with Ledger.open(shared_url, read_only=True) as reader:
        restored = reader._core.keeper.state.snapshots._restored
        assert (restored is None) == damaged
        assert alice(reader) == 5
        assert len(reader.balances("USD")) == 4
        assert reader.audit().ok
    assert lying_in(cache) == before
