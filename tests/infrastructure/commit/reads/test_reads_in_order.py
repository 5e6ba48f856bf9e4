"""Between processes reads do not go back: what others can see already, whoever commits it is told too, or waits to be."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tallystick import Balance, Ledger, Token
from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.faults.held_journal import PATIENCE_SECONDS

READS: dict[str, tuple[Callable[[Ledger], Any], Any]] = {
    "balance": (lambda ledger: ledger.balance("USD", "bob"), Balance(7, 0, 7)),
    "balance of who gives": (lambda ledger: ledger.balance("USD", "alice").total, 93),
    "balances": (lambda ledger: {name: each.total for name, each in ledger.balances("USD").items()}, {"alice": 93, "bob": 7}),
    "balances of one": (lambda ledger: ledger.balances_of("bob"), {"USD": Balance(7, 0, 7)}),
    "total": (lambda ledger: ledger.total("USD", "bo").total, 7),
    "cell": (lambda ledger: ledger.state["USD"]["bob"], 7),
    "supply": (lambda ledger: ledger.supply("USD").circulating, 100),
}


@contextmanager
def told_late() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Appends are made, and whoever appended is told of it once the second event is set; the first says that one was made."""
    made, told = threading.Event(), threading.Event()

    def held(append: Callable[..., None]) -> Callable[..., None]:
        def appended(*given: Any) -> None:
            append(*given)
            made.set()
            assert told.wait(PATIENCE_SECONDS)

        return appended

    with (
        mock.patch.object(SQLiteJournal, "append", held(SQLiteJournal.append)),
        mock.patch.object(PostgresJournal, "append", held(PostgresJournal.append)),
    ):
        try:
            yield made, told
        finally:
            told.set()


@pytest.mark.parametrize("name", READS)
def test_what_another_ledger_has_shown_is_told(shared_url: str | Path, name: str) -> None:
    read, verdict = READS[name]
    with Ledger.open(shared_url) as ledger, Ledger.open(shared_url) as another:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
        answers: list[Any] = []
        reading = threading.Thread(target=lambda: answers.append(read(ledger)))
        with told_late() as (made, told):
            paying = threading.Thread(target=lambda: ledger.transfer("USD", "alice", "bob", 7))
            paying.start()
            assert made.wait(PATIENCE_SECONDS)
            assert read(another) == verdict
            reading.start()
            reading.join(0.02)
            assert answers == [], "it was told what stood before, or what its ledger does not know to stand"
            told.set()
            for thread in (paying, reading):
                thread.join(PATIENCE_SECONDS)
        assert answers == [verdict]
