"""Two versions of a projection over one journal: the first position at which they part."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import (
    AsyncLedger,
    Balances,
    EntryHeader,
    Holds,
    InvalidPosition,
    InvalidRequest,
    Ledger,
    Projection,
    ReplayDifference,
    SupplyReserves,
    Token,
)
from tallystick.domain.batch.batch import Batch
from tallystick.infrastructure.ledger.comparing.parting import EVERY
from tests.support.books.varied_book import VariedBook

EVERIES = (1, 2, 9, 64, EVERY)


class Counted:
    """How many events there were; of the one at a `planted` position it tells besides, up to position `until`."""

    name, version = "counted", 1

    def __init__(self, planted: int | None = None, until: int | None = None) -> None:
        self.state: dict[str, Any] = {"count": 0, "seen": {}}
        self._planted, self._until = planted, until

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        self.state["count"] += 1
        if position == self._planted:
            self.state["seen"]["planted"] = position
        if position == self._until:
            self.state["seen"].clear()


class CountedInColumns(Counted):
    """The same with batches as columns and commits as a whole."""

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        for position, event in enumerate(events, first_position):
            self.apply(position, recorded_at, event)

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        for at, event in enumerate(batch.events(), position):
            self.apply(at, recorded_at, event)


class CountedByEntry(Counted):
    """The same, told of entries."""

    def apply_entry(self, entry: EntryHeader, /) -> None:
        self.state["entries"] = self.state.get("entries", 0) + 1


class WrongInColumns(Balances):
    """Balances whose columns lose what a batch brought."""

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        return


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    book = VariedBook(tmp_path_factory.mktemp("varied") / "books.db", 5)
    list(book.play(60))
    with book.ledger:
        yield book.ledger


def end_of(ledger: Ledger) -> int:
    return ledger.status().head.position


def parted(ledger: Ledger, old: Any, new: Any, **options: Any) -> ReplayDifference:
    found = ledger.replay_diff(old, new, **options)
    assert found is not None
    return found


@given(seed=st.integers(0, 10**9), commits=st.integers(1, 12), where=st.floats(0, 1), every=st.sampled_from(EVERIES))
def test_a_planted_difference_is_found_where_it_was_planted(seed: int, commits: int, where: float, every: int) -> None:
    """In random books, at any position of theirs, within batches too."""
    book = VariedBook("memory:", seed)
    list(book.play(commits))
    with book.ledger as ledger:
        end = end_of(ledger)
        planted = 1 + int(where * (end - 1))
        for kind in (Counted, CountedInColumns):
            found = parted(ledger, kind(), kind(planted), every=every)
            assert found.position == planted
            assert [(each.path, each.first, each.second) for each in found.differences] == [
                ("state['seen']['planted']", None, planted)
            ]
            assert found.entry is not None
            assert found.entry.position <= planted <= found.entry.last_position
            assert found.recorded_at == found.entry.recorded_at


@pytest.mark.parametrize("every", EVERIES)
def test_every_position_of_one_book(ledger: Ledger, every: int) -> None:
    for planted in range(1, end_of(ledger) + 1, 5):
        assert parted(ledger, CountedInColumns(planted), CountedInColumns(), every=every).position == planted


@pytest.mark.parametrize("every", EVERIES)
def test_entries_are_whole(ledger: Ledger, every: int) -> None:
    """One that is told of entries, on either side, parts where the entry ends."""
    for planted in range(1, end_of(ledger) + 1, 7):
        found = parted(ledger, CountedByEntry(), CountedByEntry(planted), every=every)
        assert found.entry is not None
        assert found.position == found.entry.last_position
        assert found.entry.position <= planted <= found.entry.last_position
        assert ledger.replay_diff(CountedByEntry(), CountedByEntry(planted), every=every, upto=found.position - 1) is None


def test_what_comes_and_goes_is_seen_where_it_is_looked_for(ledger: Ledger) -> None:
    end = end_of(ledger)
    for planted in (3, end // 2, end - 4):
        assert parted(ledger, Counted(), Counted(planted, planted + 2), every=1).position == planted
        assert ledger.replay_diff(Counted(), Counted(planted, planted + 2), every=EVERY) is None
        again = Counted(planted, planted + 2)
        found = ledger.replay_diff(Counted(), again, upto=planted + 1, every=EVERY)
        assert found is not None
        assert found.position == planted


def test_a_fault_in_columns_alone_is_in_the_batch(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 10)
        batch = ledger.mint_many("USD", ["alice", "bob", "carol"], [1, 2, 3])
        ledger.transfer("USD", "alice", "bob", 1)
        for every in EVERIES:
            found = parted(ledger, Balances, WrongInColumns, every=every)
            assert found.entry is not None
            assert (found.entry.id, found.position) == (batch.entry_id, found.entry.last_position)
            assert found.event == "MintedMany"


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("balances", "balances", None),
        ("balances", Balances, None),
        (Balances, Balances(), None),
        ("supply_reserves", SupplyReserves, None),
        ("holds", Holds, None),
        ("tests.infrastructure.ledger.comparing.test_replay_diff:Counted", Counted, None),
        (lambda: Counted(4), lambda: Counted(4), None),
        (Counted, lambda: Counted(4), 4),
        ("balances", "supply_reserves", 1),
        (Counted, CountedByEntry, 1),
        (Counted, Balances, 0),
    ],
)
def test_what_may_be_given(ledger: Ledger, old: Any, new: Any, verdict: int | None) -> None:
    found = ledger.replay_diff(old, new)
    assert (None if found is None else found.position) == verdict
    if verdict == 0:
        assert found is not None
        assert (found.entry, found.event, found.recorded_at) == (None, None, None)


@pytest.mark.parametrize(
    ("old", "options", "error", "verdict"),
    [
        ("nothing", {}, InvalidRequest, "there is no projection nothing"),
        ("nowhere_at_all:Class", {}, InvalidRequest, "cannot be loaded"),
        (7, {}, InvalidRequest, "a projection has a name"),
        (Balances, {"every": 0}, InvalidRequest, "every so many positions"),
        (Balances, {"every": 1.5}, InvalidRequest, "every so many positions"),
        (Balances, {"every": True}, InvalidRequest, "every so many positions"),
        (Balances, {"upto": 10**9}, InvalidPosition, "has reached"),
        (Balances, {"upto": -1}, InvalidPosition, "-1"),
    ],
)
def test_what_is_wrong_is_refused(ledger: Ledger, old: Any, options: Any, error: type[Exception], verdict: str) -> None:
    with pytest.raises(error, match=verdict):
        ledger.replay_diff(old, Balances, **options)


def test_one_object_is_not_compared_with_itself(ledger: Ledger) -> None:
    one = Balances()
    with pytest.raises(InvalidRequest, match="with itself"):
        ledger.replay_diff(one, one)


def test_what_a_projection_raises_says_where(ledger: Ledger) -> None:
    class Raising(Counted):
        def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
            if position == 30:
                raise KeyError("unknown")
            super().apply(position, recorded_at, event)

    for every in (1, EVERY):
        with pytest.raises(KeyError, match="unknown") as raised:
            ledger.replay_diff(Counted, Raising, every=every)
        (note,) = raised.value.__notes__
        assert "in the commit that begins at position " in note


def test_a_journal_without_events_has_no_position() -> None:
    with Ledger.open("memory:") as ledger:
        assert ledger.replay_diff(Balances, SupplyReserves) is None
        assert parted(ledger, Balances, Counted).position == 0


def test_on_every_store_and_awaited(url: str | Path) -> None:
    import asyncio

    async def main() -> None:
        async with AsyncLedger.open(url) as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint_many("USD", [f"c{number}" for number in range(50)], [5] * 50)
            for _ in range(20):
                await ledger.transfer("USD", "c1", "c2", 1) if _ < 5 else await ledger.mint("USD", "c3", 1)
            for planted in (1, 17, 51, 60, 71):
                for every in (1, 10, EVERY):
                    found = await ledger.replay_diff(CountedInColumns(), CountedInColumns(planted), every=every)
                    assert found is not None
                    assert found.position == planted

    asyncio.run(main())


def test_projections_are_what_is_documented() -> None:
    checked: Projection = Counted()
    assert checked.name == "counted"
