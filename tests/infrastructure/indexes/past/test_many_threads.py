"""Threads that ask for the past while others commit, build, and find the index damaged: all are told what stood."""

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest

from tallystick import Ledger, Token
from tallystick.infrastructure.indexes.past import kept
from tallystick.infrastructure.indexes.past.past_index import NoIndex
from tests.support.books.behind import core_of
from tests.support.past.past_book import small_index

ACCOUNTS = ("alice", "bob", "carol", "dave")
COMMITS = 36
QUESTIONS = 8


@pytest.fixture(autouse=True)
def busy() -> Iterator[None]:
    """Threads take turns as often as they can, and few files are open."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    with small_index(bucket=20), mock.patch.object(kept, "OPEN_MAX", 3):
        yield
    sys.setswitchinterval(interval)


class Crowd:
    """A ledger and those who use it. `stood` is what it said after each commit, by position."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.stood: dict[int, dict[str, Any]] = {}
        self.positions: list[int] = []
        self._errors: list[BaseException] = []
        self._is_done = threading.Event()

    def told(self, ledger: Any) -> dict[str, Any]:
        """What is asked of the ledger, and of how it stood."""
        return {
            "balances": {code: ledger.balances(code) for code in ("PLN", "CENT")},
            "column": dict(zip(ledger.column("PLN").accounts, ledger.column("PLN").available.tolist(), strict=True)),
            "supply": ledger.supply("CENT"),
            "tokens": ledger.tokens(),
            "fragments": ledger.fragments("CENT", "alice"),
            "holds": [(hold.id, hold.remaining) for hold in ledger.holds()],
            "frozen": ledger.frozen(),
            "contracts": ledger.contract_ids(),
            "lines": list(ledger.history("PLN", "alice")),
            "newest": list(ledger.history("PLN", "bob", limit=2, newest_first=True)),
        }

    def commit(self, number: int) -> None:
        """One commit of some kind."""
        ledger, chance = self.ledger, Random(number)
        match number % 9:
            case 0:
                ledger.mint_many("PLN", [*chance.choices(ACCOUNTS, k=6), f"new{number}"], list(range(1, 8)))
            case 1:
                ledger.mint("CENT", "alice", 35)
            case 2:
                ledger.reserve("CENT", "alice", "bob", 15)
            case 3:
                ledger.release(ledger.holds()[0].id, 4)
            case 4:
                ledger.register_token(Token(f"T{number}"))
            case 5:
                ledger.freeze("dave", reason=str(number))
            case 6:
                ledger.unfreeze("dave")
            case 7:
                with ledger.atomic() as tx:
                    tx.register_contract(f"c{number}").balance_up(number)
            case _:
                ledger.transfer("PLN", "alice", "bob", 1)
        position = ledger.status().head.position
        self.stood[position] = self.told(ledger)
        self.positions.append(position)

    def write(self) -> None:
        """Commits, one after another."""
        try:
            for number in range(COMMITS):
                self.commit(number)
        finally:
            self._is_done.set()

    def ask(self, seed: int) -> None:
        """Asks for what was recorded long ago, just now, and in the midst of commits, for as long as somebody commits."""
        chance = Random(seed)
        asked = 0
        while asked < QUESTIONS or not self._is_done.is_set():
            if self.positions:
                asked += 1
                place = max(0, len(self.positions) - 1 - int(2 ** chance.uniform(0, 7)))
                position = self.positions[place]
                following = self.positions[place + 1] if place + 1 < len(self.positions) else position + 1
                view = self.ledger.as_of(chance.randrange(position, following))
                assert view.position == position
                assert self.told(view) == self.stood[position]

    def build(self) -> None:
        """Has the index reach the end, again and again."""
        while not self._is_done.is_set():
            self.ledger.index_past()

    def distrust(self) -> None:
        """Says now and then that the index is damaged."""
        index = core_of(self.ledger).past
        assert index is not None
        while not self._is_done.is_set():
            before = len(self.positions)
            while len(self.positions) < before + 15 and not self._is_done.wait(0.001):
                pass
            assert isinstance(index.distrust("somebody says so"), NoIndex)

    def run(self, *works: Callable[[], object]) -> None:
        """Does all of it at once. Raises what one of them raised."""

        def work(each: Callable[[], object]) -> None:
            try:
                each()
            except BaseException as error:
                self._errors.append(error)
                self._is_done.set()

        threads = [threading.Thread(target=work, args=(each,)) for each in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]


def begun(ledger: Ledger) -> Crowd:
    crowd = Crowd(ledger)
    ledger.register_token(Token("PLN"))
    ledger.register_token(Token("CENT", unit=10))
    ledger.mint("PLN", "alice", 10_000)
    ledger.mint("CENT", "alice", 5_000)
    for _ in range(COMMITS // 3):
        ledger.reserve("CENT", "alice", "bob", 20)
    return crowd


def test_threads_that_ask_while_one_commits_and_one_builds(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        crowd = begun(ledger)
        crowd.run(crowd.write, lambda: crowd.ask(1), lambda: crowd.ask(2), crowd.build)


def test_threads_that_ask_while_one_finds_it_damaged(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        crowd = begun(ledger)
        crowd.run(crowd.write, lambda: crowd.ask(3), lambda: crowd.ask(4), crowd.distrust)


def test_threads_that_ask_an_index_that_goes_on_from_files(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        crowd = begun(ledger)
        for number in range(COMMITS // 2):
            crowd.commit(number + COMMITS)
        ledger.index_past()
    with Ledger.open(tmp_path / "books.db") as ledger:
        crowd.ledger = ledger
        crowd.run(crowd.write, lambda: crowd.ask(5), lambda: crowd.ask(6), crowd.build)


def test_two_ledgers_that_write_one_index(tmp_path: Path) -> None:
    """As two processes would, each with an index of its own in the same folder."""
    with Ledger.open(tmp_path / "books.db") as ledger, Ledger.open(tmp_path / "books.db") as other:
        crowd = begun(ledger)
        beside = Crowd(other)
        beside.stood, beside.positions, beside._is_done = crowd.stood, crowd.positions, crowd._is_done
        crowd.run(crowd.write, lambda: crowd.ask(7), lambda: beside.ask(8), beside.build, beside.distrust)
