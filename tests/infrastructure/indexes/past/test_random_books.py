"""As it stood is as it was said then, as a fork of then says it, and as a replay up to then: every read, at every position."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from tallystick import Balances, Fragments, Ledger, ShadowSpaces, SupplyReserves
from tallystick.domain.cells import is_crossing
from tallystick.domain.values.spelling import lowered
from tallystick.projections.projection import digest
from tests.support.books.behind import journal_of
from tests.support.past.everything_told import everything_told, journal_told, lines_told, occurred_told, said
from tests.support.past.past_book import NAMES, TOKENS, PastBook, replays_counted, small_index
from tests.support.past.regrouped import regrouped
from tests.support.strategies import past_plans

COMMITS = 14
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller seed is no simpler book
PROJECTIONS: tuple[Any, ...] = (Balances, Fragments, ShadowSpaces, SupplyReserves)


class Stood:
    """What a ledger said when it ended at `position`, of some tokens and accounts."""

    def __init__(self, ledger: Any, position: int, book: PastBook, chance: Random) -> None:
        self.position = position
        self._holds = sorted(book.holds)
        found = said(ledger.fragments, "CENT", chance.choice(NAMES))
        self._fragments = [each.id for each in found[:3]] if isinstance(found, list) else []
        self._pair = chance.choice(TOKENS[:7]), chance.choice(NAMES)
        self._codes, self._names = chance.sample(TOKENS, 5), chance.sample(NAMES, 4)
        self._told = self._told_by(ledger)

    def _told_by(self, ledger: Any) -> dict[str, Any]:
        told = everything_told(ledger, self._codes, self._names, self._holds)
        told |= lines_told(ledger, [self._pair[0]], [self._pair[1]])
        return told | journal_told(ledger, self.position, self._fragments)

    def check(self, past: Any) -> None:
        """Holds a ledger as it stood against that."""
        told = self._told_by(past)
        assert {name: said for name, said in told.items() if said != self._told[name]} == {
            name: said for name, said in self._told.items() if said != told[name]
        }


def check_book(url: str | Path, plan: dict[str, Any]) -> None:
    """Plays a book, whose ledger is closed and opened now and then, and asks in any order what it said."""
    chance = Random(plan["seed"])
    book = PastBook(url, plan["seed"])
    try:
        with small_index(plan["bucket"], plan["dense_factor"], plan["worth"]), replays_counted() as replays:
            stood: list[Stood] = []
            for position in book.play(COMMITS):
                stood.append(Stood(book.ledger, position, book, chance))
                if chance.random() < 0.1 and not book.is_in_memory:
                    book.reopen()
                if chance.random() < 0.1:
                    seen = chance.choice(stood)
                    seen.check(book.ledger.as_of(seen.position))
            for each in chance.sample(stood, len(stood)):
                each.check(book.ledger.as_of(each.position))
            assert replays.keys() <= {"hold"}  # one that was closed is looked for in the journal
            times = [book.now() - timedelta(hours=chance.randrange(-12, 200)) for _ in range(3)]
            occurred = [said(occurred_told, book.ledger, at, TOKENS[:6], NAMES) for at in times]
            for each in chance.sample(stood, 3):
                each.check(book.ledger.fork(each.position))
                _check_replayed(book.ledger, each.position)
        assert occurred == [said(occurred_told, book.ledger, at, TOKENS[:6], NAMES) for at in times]
    finally:
        book.close()


def _check_replayed(ledger: Ledger, position: int) -> None:
    """Holds the ledger as it stood against projections of the events up to there."""
    view = ledger.as_of(position)
    balances = ledger.replay(Balances(), position).state
    for token in view.tokens():
        had = {name: (balance.available, balance.reserved) for name, balance in view.balances(token.code).items()}
        available, reserved = balances[token.code]["available"], balances[token.code]["reserved"]
        summed = {name: (available.get(name, 0), reserved.get(name, 0)) for name in {*available, *reserved}}
        assert had == {name: cell for name, cell in summed.items() if any(cell) and not is_crossing(name)}
    for make in PROJECTIONS:
        assert digest(view.replay(make())) == digest(ledger.replay(make(), position))


@settings(max_examples=2, phases=PHASES)
@given(plan=past_plans)
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_every_read_at_every_position(store: str, plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_book("memory:" if store == "memory" else Path(folder) / "books.db", plan)


def test_every_read_at_every_position_of_a_database(postgres_url: str) -> None:
    check_book(postgres_url, {"seed": 1, "bucket": 5, "dense_factor": 1, "worth": 0})


@settings(max_examples=2, phases=PHASES)
@given(plan=past_plans)
def test_several_entries_to_a_commit(plan: dict[str, Any]) -> None:
    """Where nobody could have been asked at the time, a fork says what was."""
    chance = Random(plan["seed"])
    book = PastBook("memory:", plan["seed"])
    with book.orders, book.ledger, tempfile.TemporaryDirectory() as folder, small_index(plan["bucket"], plan["dense_factor"]):
        positions = list(book.play(2 * COMMITS))
        with Ledger.open(Path(folder) / "grouped.db", clock=book.now) as ledger, replays_counted() as replays:
            ends = list(regrouped(journal_of(book.ledger).rows(), ledger, chance))
            assert ends[-1] == positions[-1]
            assert ledger.verify().findings == ()  # no rule records a distribution as before
            for position in chance.sample(ends, min(8, len(ends))):
                Stood(ledger.fork(position), position, book, chance).check(ledger.as_of(position))
                if ledger.as_of(position).tokens():
                    _check_replayed(ledger, position)
            assert replays.keys() <= {"hold"}


@settings(max_examples=2, phases=PHASES)
@given(plan=past_plans)
def test_statements_add_up(plan: dict[str, Any]) -> None:
    """Lines to closing minus opening, by both times, and those of all accounts to what was in circulation."""
    chance = Random(plan["seed"])
    book = PastBook("memory:", plan["seed"])
    with book.orders, book.ledger as ledger, small_index(plan["bucket"], plan["dense_factor"], plan["worth"]):
        list(book.play(COMMITS))
        for by in ("recorded_at", "occurred_at"):
            for _ in range(3):
                since, until = sorted(book.now() - timedelta(hours=chance.randrange(-24, 500)) for _ in range(2))
                for code in ("PLN", "FRG", "WEI", "CENT"):
                    _check_statements(ledger, code, since, until, by)


def _check_statements(ledger: Ledger, code: str, since: datetime, until: datetime, by: Any) -> None:
    state = ledger.replay(Balances()).state[code]
    closed = 0
    for account in {*map(lowered, NAMES), *state["available"], *state["reserved"]}:
        statement = ledger.statement(code, account, since, until, by)
        opening, closing = statement.opening, statement.closing
        assert opening.available + sum(line.change for line in statement.lines) == closing.available
        assert opening.reserved + sum(line.reserved_change for line in statement.lines) == closing.reserved
        assert ledger.statement(code, account, None, since, by).closing == opening
        closed += closing.total
    stood = said(ledger.as_of, until - timedelta(microseconds=1), by)
    if not isinstance(stood, tuple):  # nothing was recorded by then, or it has not come
        circulating = said(stood.supply, code)
        assert closed == (0 if isinstance(circulating, tuple) else circulating.circulating)
