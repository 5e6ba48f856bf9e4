"""What keeping tables current does in every database: a suite that each sink's tests inherit, with the fixture `place`."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest

from tallystick import Changes, Followed, InvalidRequest, Ledger, RebuildDiffers, StorageUnavailable, Table, Token
from tallystick.infrastructure.rebuild.following import follower, growing
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.upkeep import builds_in, roll_back
from tests.support.books.varied_book import BEGIN, VariedBook
from tests.support.suites.sink_cases import ROOM
from tests.support.suites.sink_places import NAMES, TEXTS, Place

KILLS = 35
MEMOS = ('"', '""', "\n", '\n"\n', 'a,b\r\n"c"', "\\N", "\\.", "x" * 200, "\t", "t", "f", "\u202e", "\N{MONEY BAG}", '",\n"')
LINES = 8_000
"""A follower is killed at one of the first so many lines that it runs: of all, or of those after it has begun to follow."""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[VariedBook]:
    """A book of all models, at its beginning."""
    book = VariedBook(tmp_path / "books.db", 11)
    yield book
    book.ledger.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "small.db") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 10)
        yield ledger


class Seen:
    """A projection of a user's own: a row for each event, and one for each kind of event, none of which is found by a key."""

    name = "seen"
    version = 1

    def __init__(self) -> None:
        self.state: list[tuple[int, str]] = []

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        self.state.append((position, type(event).__name__))

    def tables(self) -> list[Any]:
        kinds = Counter(kind for _, kind in self.state)
        alike = [(number % 2 == 0, None) for number in range(len(self.state))]
        return [
            ("seen_events", ["position", "kind"], self.state),
            Table("seen_kinds", {"kind": "text", "events": "int"}, sorted(kinds.items())),
            Table("alike", {"is_even": "bool", "nothing": "amount"}, alike),
        ]


class Largest:
    """A projection of a user's own that says which of its rows changed: of a table with a key of one column, and of two."""

    name = "largest"
    version = 1

    def __init__(self) -> None:
        self.state: dict[str, dict[str, int]] = {}
        self.touched: set[tuple[str, str]] = set()

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        if type(event).__name__ == "Minted":
            found = self.state.setdefault(event.token, {})
            found[event.account] = max(event.amount, found.get(event.account, 0))
            self.touched.add((event.token, event.account))
        elif type(event).__name__ == "Burned" and self.state[event.token].pop(event.account, None):
            self.touched.add((event.token, event.account))

    def tables(self) -> list[Any]:
        rows = [(token, account, most) for token, found in self.state.items() for account, most in found.items()]
        return [
            ("largest_mints", {"token": "text", "account": "text", "amount": "amount"}, rows, ("token", "account")),
            ("minted_tokens", ("token", "accounts"), [(token, len(found)) for token, found in self.state.items()], ("token",)),
        ]

    def changes(self) -> list[Changes]:
        touched, self.touched = self.touched, set()
        rows = [(*cell, self.state[cell[0]][cell[1]]) for cell in touched if cell[1] in self.state[cell[0]]]
        gone = [cell for cell in touched if cell[1] not in self.state[cell[0]]]
        tokens = {token for token, _ in touched}
        return [
            Changes("largest_mints", rows, gone),
            Changes("minted_tokens", [(token, len(self.state[token])) for token in tokens], [("NEVER",)]),
        ]


class NewerSeen(Seen):
    version = 2


def rows(place: Place, name: str, columns: str) -> Counter[tuple[Any, ...]]:
    (found,) = place.rows(name, columns=columns)
    return Counter(found)


def positions_seen(place: Place) -> list[int]:
    """The positions that `Seen` has events of: some are several, fragments of a batch."""
    return sorted(position for (position,) in rows(place, "seen_events", "position"))


class FollowingCases:
    """The cases."""

    def test_tables_are_what_a_rebuild_would_make(self, book: VariedBook, place: Place, other_place: Place) -> None:
        told = book.ledger.project([*NAMES, Seen, Largest], place.into)
        assert (told.lag, told.head) == (0, book.ledger.status().head.position)
        chance = Random(3)
        for _ in book.play(120):
            if chance.random() < 0.2:
                assert book.ledger.project([*NAMES, Seen, Largest], place.into).lag == 0
        told = book.ledger.project([*NAMES, Seen, Largest], place.into)
        book.ledger.rebuild([*NAMES, Seen, Largest], other_place.into)
        for name, column in {
            **TEXTS,
            "seen_events": "position, kind",
            "seen_kinds": "kind, events",
            "largest_mints": "amount",
        }.items():
            assert rows(place, name, column) == rows(other_place, name, column)
        assert rows(place, "balances", "token, account, available, reserved, total") == rows(
            other_place, "balances", "token, account, available, reserved, total"
        )
        assert sum(rows(place, "alike", "is_even").values()) == sum(rows(place, "seen_events", "position").values())
        assert positions_seen(place) == list(range(1, told.position + 1))
        (checked,) = book.ledger.check_rebuilt([*NAMES, Seen, Largest], place.into)
        assert checked.position == told.position
        (again,) = book.ledger.check_rebuilt([*NAMES, Seen, Largest], other_place.into)
        assert again.tables == checked.tables

    def test_a_follower_goes_on_and_says_how_far_behind_it_is(
        self, ledger: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(follower, "ROUND_POSITIONS", 3)
        following = ledger.follow(["balances", "entries"], place.into, every=0.001)
        first = next(following)
        assert (first.position, first.head, first.written) == (2, 2, 0)
        for account in ("bob", "carol", "dave", "eve"):
            ledger.transfer("USD", "alice", account, 1)
        told = [next(following), next(following)]
        assert [(each.position, each.head, each.lag) for each in told] == [(5, 6, 1), (6, 6, 0)]
        assert told[-1].recorded_at == ledger.entry(6).recorded_at
        assert told[-1].written == 2 + 1 + 1  # the balances of two, one of which was there before, and an entry
        assert rows(place, "balances", "account, total") == rows_of(
            {"alice": 6, "bob": 1, "carol": 1, "dave": 1, "eve": 1}, place
        )

    def test_other_tables_may_be_put_in_use_meanwhile(self, ledger: Ledger, place: Place) -> None:
        following = ledger.follow(["balances", "supply"], place.into, every=0.001)
        next(following)
        for amount, between in ((1, lambda: None), (2, lambda: ledger.rebuild("balances", place.into)),
                                (3, lambda: roll_back(["balances"], place.into)), (4, lambda: None)):  # fmt: skip
            ledger.mint("USD", "bob", amount)
            between()
            ledger.mint("USD", "bob", amount)
            assert until(following, ledger).lag == 0
            ledger.check_rebuilt(["balances", "supply"], place.into)
        assert rows(place, "balances", "account, total") == rows_of({"alice": 10, "bob": 20}, place)
        live = [sorted(name for name, (is_live, *_) in tables.items() if is_live) for _, tables in builds_in(place.into)]
        assert live == [["balances", "supply"], []]

    @pytest.mark.parametrize("how", ["change", "lose", "double"])
    @pytest.mark.parametrize("table", ["balances", "holds", "fragments", "allocations"])
    def test_what_is_wrong_there_is_found_before_anything_is_changed(
        self, book: VariedBook, place: Place, table: str, how: str
    ) -> None:
        for _ in book.play(20):
            pass
        book.ledger.project(NAMES, place.into)
        for _ in book.play(20):
            pass
        book.ledger.project(NAMES, place.into)
        before = {name: rows(place, name, TEXTS[name]) for name in NAMES}
        place.spoil(table, 1, how)
        book.ledger.mint("PLN", "alice", 1)
        with pytest.raises(RebuildDiffers) as raised:
            book.ledger.project(NAMES, place.into)
        assert raised.value.table == table
        with pytest.raises(RebuildDiffers) as raised:
            book.ledger.check_rebuilt(NAMES, place.into)
        assert raised.value.table == table
        assert {name: rows(place, name, TEXTS[name]) for name in NAMES if name != table} == {
            name: found for name, found in before.items() if name != table
        }

    def test_rows_that_differ_are_named_though_rows_have_changed_places(self, ledger: Ledger, place: Place) -> None:
        ledger.project("balances", place.into)
        for account in ("bob", "carol"):
            ledger.transfer("USD", "alice", account, 2)
            ledger.project("balances", place.into)
        assert ledger.check_replay("balances", place.into).ok
        place.spoil("balances", 1, "change")
        found = ledger.check_replay("balances", place.into)
        assert not found.ok
        assert any("nobody" in str(each) for each in found.differences)

    def test_those_of_another_version_or_journal_are_left_alone(self, ledger: Ledger, place: Place, tmp_path: Path) -> None:
        ledger.project(Seen, place.into)
        with pytest.raises(InvalidRequest, match=r"the tables of seen .* version 1 of it, and this is version 2: rebuild them"):
            ledger.project(NewerSeen, place.into)
        with Ledger.open(tmp_path / "other.db") as other:
            other.register_token(Token("EUR"))
            other.mint("EUR", "alice", 10)
            other.mint("EUR", "alice", 10)
            with pytest.raises(RebuildDiffers, match="made of another journal"):
                other.project(Seen, place.into)
        ledger.mint("USD", "bob", 1)
        assert ledger.project(Seen, place.into).position == 3

    def test_a_chunk_is_extended_until_it_is_full(self, ledger: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(growing, "EXTENDED_ROWS", 4)
        following = ledger.follow(["entries", "transactions", "balances"], place.into, every=0.001)
        next(following)
        for _ in range(10):
            ledger.mint("USD", "bob", 1)
            until(following, ledger)
        with open_sink(place.into) as sink:
            assert [chunk.rows for chunk in sink.chunks(1, "entries")] == [2, 4, 4, 2]
            assert len(sink.chunks(1, "balances")) == 1
        ledger.check_rebuilt(["entries", "transactions", "balances"], place.into)
        ledger.mint("USD", "bob", 1)
        ledger.project(["entries", "transactions", "balances"], place.into)
        ledger.check_rebuilt(["entries", "transactions", "balances"], place.into)

    def test_where_a_rebuild_is_at_work_it_is_tried_again(
        self, ledger: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tallystick.infrastructure.rebuild.sinks.postgres.TURN_TRIES", 1)
        following = ledger.follow("balances", place.into)
        next(following)
        ledger.mint("USD", "bob", 1)
        held = open_sink(place.into)
        sleeps: list[float] = []

        def slept(seconds: float) -> None:
            sleeps.append(seconds)
            if len(sleeps) == 3:
                held.__exit__(None, None, None)

        with monkeypatch.context() as patched:
            patched.setattr(follower.time, "sleep", slept)
            assert next(following).written == 1
        assert len(sleeps) == 3
        impatient = ledger.follow("balances", place.into, patience=0)
        next(impatient)
        ledger.mint("USD", "bob", 1)
        with open_sink(place.into), pytest.raises(StorageUnavailable, match="another rebuild"):
            next(impatient)

    def test_texts_of_any_kind_come_back_as_they_were(
        self, ledger: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tallystick.infrastructure.rebuild.sinks.postgres.READ_BYTES", 64)
        for number, memo in enumerate(MEMOS):
            ledger.mint("USD", f"holder{number}", 1, memo=memo)
            ledger.project(["balances", "transactions"], place.into)
        ledger.check_rebuilt(["balances", "transactions"], place.into)
        found = rows(place, "transactions", "memo")
        assert sum(found.values()) == 1 + len(MEMOS)

    def test_killed_at_any_line_under_load_every_event_is_there_once(self, book: VariedBook, place: Place) -> None:
        book.ledger.project([*NAMES, Seen, Largest], place.into)
        chance, advanced, behind, before = Random(9), 0, 0, 0
        for number in range(KILLS):
            for _ in book.play(3):
                pass
            follow_in_a_child_killed_at(chance.randrange(LINES), book, place, begun=number % 5 > 0)
            found = positions_seen(place)
            (checked,) = book.ledger.check_rebuilt([*NAMES, Seen, Largest], place.into)
            assert found == list(range(1, checked.position + 1))
            advanced += checked.position > before
            behind += checked.position < book.ledger.status().head.position
            before = checked.position
        assert advanced > KILLS // 2  # it did something
        assert behind > KILLS // 2  # and was killed while there was more to do
        told = book.ledger.project([*NAMES, Seen, Largest], place.into)
        (checked,) = book.ledger.check_rebuilt([*NAMES, Seen, Largest], place.into)
        assert checked.position == told.position == book.ledger.status().head.position


def until(following: Iterator[Followed], ledger: Ledger) -> Followed:
    """The first that is told when the tables are where the ledger ends."""
    head = ledger.status().head.position
    return next(told for told in following if told.position == head)


def rows_of(totals: dict[str, int], place: Place) -> Counter[tuple[Any, ...]]:
    """Accounts with what they have, as rows of a place."""
    kind: Callable[[int], Any] = place.amount
    return Counter((account, kind(total)) for account, total in totals.items())


def follow_in_a_child_killed_at(line: int, book: VariedBook, place: Place, begun: bool) -> None:
    """A child follows, and after each of its steps the book is played on, until it is killed at such a line of the room.

    Lines are counted once it has begun to follow, or from the first on.
    """
    told, telling = os.pipe()
    child = os.fork()
    if not child:
        _follow_until_killed(line, book.url, place, begun, telling)
    os.close(telling)
    with os.fdopen(told, "rb", buffering=0) as steps:
        while steps.read(1):
            for _ in book.play(3):
                pass
    os.waitpid(child, 0)


def _follow_until_killed(line: int, books: str | Path, place: Place, begun: bool, telling: int) -> None:
    done = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal done
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        done += event == "line"
        if done >= line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    try:
        with Ledger.open(books, read_only=True, clock=lambda: BEGIN) as ledger:
            if not begun:
                sys.settrace(trace)
            for _ in ledger.follow([*NAMES, Seen, Largest], place.into, every=0.001):
                sys.settrace(trace)
                os.write(telling, b".")
    finally:
        os._exit(1)
