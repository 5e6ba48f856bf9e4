"""The status of a ledger: told at once, whatever it is doing."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tallystick import AsyncLedger, Ledger, LedgerClosed, Token
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tests.support.faults.held_journal import PATIENCE_SECONDS, until

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def mint(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 1)


def test_of_an_empty_one(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        found = ledger.status()
    assert found.head.to_dict() == {"position": 0, "digest": found.head.digest, "recorded_at": None}
    assert (found.lag, found.queue, found.index.position) == (0, 0, 0)
    assert (found.snapshots.position, found.snapshots.is_being_written) == (None, False)
    assert (found.snapshots.folder is None) == (found.index.folder is None) == (url == "memory:")
    with pytest.raises(LedgerClosed):
        ledger.status()


def test_it_tells_of_the_head_and_of_the_newest_snapshot(url: str | Path) -> None:
    with Ledger.open(url, clock=lambda: NOW) as ledger:
        ledger.register_token(Token("USD"))
        mint(ledger)
        before = ledger.status()
        ledger.snapshot()
        mint(ledger)
        found, report = ledger.status(), ledger.verify()
    assert (before.snapshots.position, before.head.position) == (None, 2)
    assert (found.head.position, found.head.digest) == (report.position, report.digest)
    assert (found.head.recorded_at, found.lag, found.index.position) == (NOW, 0, 3)
    assert found.snapshots.position == (None if url == "memory:" else 2)
    if url != "memory:":
        assert (Path(found.snapshots.folder or "") / "..").resolve() == Path(found.index.folder or "").resolve()
    assert found.to_dict()["head"] == found.head.to_dict()


def test_it_tells_how_far_the_books_are_behind(shared_url: str | Path) -> None:
    with Ledger.open(shared_url) as one, Ledger.open(shared_url) as other, Ledger.open(shared_url, read_only=True) as reader:
        one.register_token(Token("USD"))
        for _ in range(3):
            mint(one)
        for behind in (other, reader):
            assert (behind.status().lag, behind.status().head.position) == (4, 4)
            assert behind.balance("USD", "alice").total == 3
            assert behind.status().lag == 0
        assert one.status().lag == 0
        one.snapshot()
        found = reader.status()
        assert (found.snapshots.position, found.index.folder) == (4, None)


@contextmanager
def slow_appends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """What is appended to a journal in memory waits until it may."""
    is_there, may_go_on = threading.Event(), threading.Event()
    append = MemoryJournal.append

    def slowly(journal: MemoryJournal, *arguments: Any) -> None:
        is_there.set()
        assert may_go_on.wait(PATIENCE_SECONDS)
        append(journal, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryJournal, "append", slowly)
        try:
            yield is_there, may_go_on
        finally:
            may_go_on.set()


def test_it_waits_for_no_commit_and_counts_who_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        assert ledger.status().queue == 0
        with slow_appends(monkeypatch) as (is_there, may_go_on):
            threads = [threading.Thread(target=mint, args=(ledger,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            assert is_there.wait(PATIENCE_SECONDS)
            until(lambda: ledger.status().queue >= 3)
            found = ledger.status()
            assert (found.queue, found.head.position) == (3, 1)
            may_go_on.set()
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
        assert (ledger.status().queue, ledger.status().head.position) == (0, 4)


def test_it_does_not_wait_for_the_books(ledger: Ledger) -> None:
    found: list[object] = []
    with ledger._core.locked():  # as whoever reads a long journal on
        asking = threading.Thread(target=lambda: found.append(ledger.status()))
        asking.start()
        asking.join(PATIENCE_SECONDS)
        assert found


def test_awaited(url: str | Path) -> None:
    async def main() -> None:
        async with AsyncLedger.open(url) as ledger:
            await ledger.register_token(Token("USD"))
            found = await ledger.status()
            assert (found.head.position, found.lag, found.queue) == (1, 0, 0)

    asyncio.run(main())
