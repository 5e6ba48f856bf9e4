"""A book whose past index lies beside its journal in many files, and what it says, to be held against what an index says that
somebody damaged, took away or put back.
"""

import shutil
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from tallystick import Ledger
from tests.support.past.everything_told import column_told, said
from tests.support.past.past_book import TOKENS, PastBook, replays_counted, small_index

ACCOUNTS = ("alice", "bob", "carol", "0x" + "ab" * 20)
BUCKET = 30


def shortly_told(ledger: Any) -> dict[str, Any]:
    """Some of what is asked of each kind of an index's columns."""
    return {
        "columns": [said(column_told, ledger, code) for code in TOKENS],
        "balances": [said(ledger.balance, code, account) for code in TOKENS[:6] for account in ACCOUNTS],
        "supplies": [said(ledger.supply, code) for code in TOKENS],
        "fragments": [said(ledger.fragments, "CENT", account) for account in ACCOUNTS],
        "holds": ledger.holds(),
        "frozen": ledger.frozen(),
        "contracts": {id: (each.balance, each.allocs_sum, each.num_allocs) for id, each in ledger.contracts().items()},
        "app": said(ledger.app, "APP"),
        "lines": [
            said(lambda pair=(code, account): list(ledger.history(*pair))) for code in TOKENS[:2] for account in ACCOUNTS[:2]
        ],
    }


class KeptPast:
    """The book, closed, in `folder`, with its files as they were; `put_back` makes them so again."""

    def __init__(self, folder: Path, seed: int = 7, commits: int = 60) -> None:
        self.path = folder / "now" / "books.db"
        self._kept = folder / "kept"
        self.path.parent.mkdir(parents=True)
        book = PastBook(self.path, seed)
        self.now = book.now
        self.told: dict[int, dict[str, Any]] = {}
        with small_index(BUCKET):
            for number, position in enumerate(book.play(commits)):
                if not number % 7:
                    self.told[position] = shortly_told(book.ledger)
            book.ledger.index_past()
            book.close()
        shutil.copytree(self.path.parent, self._kept)

    @property
    def cache(self) -> Path:
        """Where the index lies, of `now`."""
        return Path(f"{self.path}.cache") / "past"

    @property
    def files(self) -> list[Path]:
        """All files of it, and of the books that are kept with it."""
        return sorted(path for path in self.cache.rglob("*") if path.is_file())

    def put_back(self) -> None:
        """All is as it was again."""
        shutil.rmtree(self.path.parent)
        shutil.copytree(self._kept, self.path.parent)

    def open(self, **options: Any) -> Ledger:
        """The ledger anew."""
        return Ledger.open(self.path, clock=self.now, **options)

    def check(self, chance: Random, asked: int = 4, **options: Any) -> Counter[str]:
        """Opens it and asks at some positions, in any order; gives how often the journal was replayed for it."""
        with small_index(BUCKET), self.open(**options) as ledger, replays_counted() as replays:
            for position in chance.sample(list(self.told), asked):
                assert shortly_told(ledger.as_of(position)) == self.told[position], position
            return replays
