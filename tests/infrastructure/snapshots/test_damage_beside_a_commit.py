"""A cache that is found damaged while somebody else's commit is with the store."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tallystick import Ledger, Token
from tallystick.infrastructure.commit.idempotency import Request, UsedKeys, make_request
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import MetadataChange, StreamEntry
from tests.support.books.behind import journal_of, keeper_of
from tests.support.books.snapshot_book import everything


def test_books_are_not_dropped_under_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "books.db"
    is_with_the_store, may_go_on = threading.Event(), threading.Event()
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", unit=10))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100)
        append, check_unused = journal_of(ledger).append, UsedKeys.check_unused

        def append_late(row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange) -> None:
            is_with_the_store.set()
            may_go_on.wait(120)
            append(row, entries, metadata)

        def find_damage(keys: UsedKeys, request: Request) -> None:
            monkeypatch.setattr(UsedKeys, "check_unused", check_unused)
            raise DamagedRun("a bit has changed")

        def spend() -> None:
            with ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", 25)

        monkeypatch.setattr(journal_of(ledger), "append", append_late)
        committing = threading.Thread(target=spend)
        committing.start()
        assert is_with_the_store.wait(120)
        monkeypatch.setattr(UsedKeys, "check_unused", find_damage)
        request = make_request("key", None)
        assert request is not None
        checking = threading.Thread(target=keeper_of(ledger).check_unused, args=(request,))
        checking.start()
        checking.join(1)  # it waits for the commit; it would be done by now if it did not
        may_go_on.set()
        committing.join()
        checking.join()
        spend()
        with Ledger.open(path) as other:
            assert everything(ledger) == everything(other)
        assert ledger.audit().ok
