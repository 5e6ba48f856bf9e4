"""Entries: what every ledger says of them, and how references are found after many, after reopening and under one hash."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tallystick import AsyncLedger, Ledger, Token
from tallystick.domain.batch.transfer_ids import Words
from tallystick.infrastructure.indexes import references
from tallystick.infrastructure.indexes.seeded_hashes import SeededHashes
from tests.support.books.snapshot_book import drop_books, goes_on_from
from tests.support.suites.awaitable_ledger import AwaitableLedger
from tests.support.suites.entry_cases import EntryCases


class TestBlocking(EntryCases):
    @asynccontextmanager
    async def opened(self, url: str | Path, **options: Any) -> AsyncIterator[Any]:
        with Ledger.open(url, **options) as ledger:
            yield AwaitableLedger(ledger)


class TestAwaited(EntryCases):
    @asynccontextmanager
    async def opened(self, url: str | Path, **options: Any) -> AsyncIterator[Any]:
        async with AsyncLedger.open(url, **options) as ledger:
            yield ledger


def record(ledger: Ledger, names: list[str]) -> list[tuple[str, int]]:
    done: list[tuple[str, int]] = []
    for name in names:
        with ledger.atomic(reference=name) as tx:
            tx.mint("USD", "alice", 1)
        done.append((name, tx.receipt.entry_id))
    return done


def check(ledger: Ledger, done: list[tuple[str, int]]) -> None:
    for name in {name for name, _ in done}:
        expected = [id for each, id in reversed(done) if each == name]
        assert [entry.id for entry in ledger.find(name)] == expected
        assert [entry.id for entry in ledger.find(name, 2)] == expected[:2]
    assert ledger.find("unknown") == []


def same_hash(hashes: SeededHashes, texts: Sequence[str]) -> Words:
    return np.full(len(texts), 7, dtype=np.uint64)


@pytest.mark.parametrize("hashes", ["own", "one"])
def test_references_are_found_in_runs_in_snapshots_and_after_reopening(
    shared_url: str | Path, monkeypatch: pytest.MonkeyPatch, hashes: str
) -> None:
    """Also where all references have one hash, so that rows alone tell them apart."""
    monkeypatch.setattr(references, "RECENT", 8)
    if hashes == "one":
        monkeypatch.setattr(SeededHashes, "hashes_of", same_hash)
    with Ledger.open(shared_url) as ledger, Ledger.open(shared_url) as other:
        ledger.register_token(Token("USD"))
        done = record(ledger, [f"order {number % 11}" for number in range(60)])
        check(ledger, done)
        check(other, done)
        ledger.snapshot()
        done += record(other, [f"order {number % 13}" for number in range(20)])
        check(ledger, done)
        drop_books(ledger)
        check(ledger, done)
        ledger.snapshot()
    assert goes_on_from(shared_url) == done[-1][1]
    with Ledger.open(shared_url) as ledger:
        check(ledger, done)
        done += record(ledger, ["order 1", "order 60"])
        check(ledger, done)
        assert ledger.audit().ok
