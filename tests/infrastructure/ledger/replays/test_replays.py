"""Replays that go on after a position, that end within entries, and that tell of entries."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    Balances,
    EntryHeader,
    Fragments,
    InvalidPosition,
    Ledger,
    ShadowSpaces,
    SupplyReserves,
    Token,
    Transactions,
)
from tallystick.domain.batch.batch import Batch
from tallystick.projections.projection import Commit, digest, replay
from tests.support.books.batch_book import RowByRow, open_funded
from tests.support.books.varied_book import VariedBook

SHIPPED: Sequence[Any] = (Balances, SupplyReserves, ShadowSpaces, Fragments, Transactions)


class Told:
    """Everything that a projection is told, in its order: entries, and the positions of events."""

    name, version = "told", 1

    def __init__(self) -> None:
        self.state: list[Any] = []

    def apply_entry(self, entry: EntryHeader, /) -> None:
        self.state.append(("entry", entry.position, entry.last_position))

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        self.state.append(("event", position, type(event).__name__))


class ToldInColumns(Told):
    """The same with batches as columns and commits as a whole."""

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        for at, event in enumerate(batch.events(), position):
            self.apply(at, recorded_at, event)

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        for position, event in enumerate(events, first_position):
            self.apply(position, recorded_at, event)


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, list[int]]]:
    book = VariedBook(tmp_path_factory.mktemp("varied") / "books.db", 11)
    ends = sorted({8, *book.play(120)})
    with book.ledger:
        yield book.ledger, ends


@pytest.mark.parametrize("kind", [*SHIPPED, Told, ToldInColumns])
def test_one_that_was_kept_goes_on_behind_where_it_stands(varied: tuple[Ledger, list[int]], kind: Any) -> None:
    """Commit by commit or in leaps; its state is that of one replay, name by name."""
    ledger, ends = varied
    for stops in (ends, ends[::7], ends[5:6]):
        kept, last = kind(), 0
        for stop in (*stops, ledger.status().head.position):
            ledger.replay(kept, upto=stop, after=last)
            last = stop
            if stop in ends[::17]:
                assert kept.state == ledger.replay(kind(), upto=stop).state
        assert digest(kept) == digest(ledger.replay(kind()))


@pytest.mark.parametrize("kind", [*SHIPPED, Told, ToldInColumns])
def test_it_may_stand_anywhere(varied: tuple[Ledger, list[int]], kind: Any) -> None:
    """In the midst of a commit, an entry or a batch too: what is told of entries gets each whole, in one call of the two."""
    ledger, ends = varied
    whole = digest(ledger.replay(kind()))
    for position in range(0, ends[-1], 13):
        kept = ledger.replay(kind(), upto=position)
        assert digest(ledger.replay(deepcopy(kept), after=position)) == whole


def test_names_that_batches_gave_before_are_known(tmp_path: Path) -> None:
    """By numbers alone, of the token at hand, and no more of them than there were: emptied accounts are in the state."""
    with open_funded(tmp_path / "books.db") as ledger:
        ledger.mint_many("PLN", ["a", "b"], [5, 6])
        ledger.mint_many("WEI", ["b", "c"], [5, 6])
        kept, position = ledger.replay(Balances()), ledger.status().head.position
        ledger.transfer_many("PLN", ["a"], ["b"], [5])
        between = ledger.status().head.position
        ledger.mint_many("PLN", ["later"], [1])
        ledger.replay(kept, upto=between, after=position)
        assert kept.state["PLN"]["available"] == {"a": 0, "b": 11}
        ledger.replay(kept, after=between)
        assert kept.state["PLN"]["available"] == {"a": 0, "b": 11, "later": 1}
        view = ledger.as_of(between)
        assert view.replay(Balances(), after=0).state["PLN"]["available"] == {"a": 0, "b": 11}
    with Ledger.open(tmp_path / "books.db", read_only=True) as ledger:
        assert ledger.replay(RowByRow(Transactions()), after=between).state.keys() == {between + 1}


def test_entries_are_told_before_their_events_and_whole(varied: tuple[Ledger, list[int]]) -> None:
    ledger, ends = varied
    told = ledger.replay(Told()).state
    entries = [(first, last) for kind, first, last in told if kind == "entry"]
    assert [first for first, _ in entries] == [1, *(last + 1 for _, last in entries[:-1])]
    assert entries[-1][1] == ends[-1]
    at = (0, 0)
    for kind, position, rest in told:
        if kind == "entry":
            at = (position, rest)
        else:
            assert at[0] <= position <= at[1]
    assert told == ledger.replay(ToldInColumns()).state
    for upto in range(0, ends[-1] + 1, 5):
        cut = ledger.replay(Told(), upto=upto).state
        whole = [last for _, last in entries if last <= upto]
        assert cut == [each for each in told if (each[2] if each[0] == "entry" else each[1]) <= max(whole, default=0)]
        assert max((last for kind, _, last in cut if kind == "entry"), default=0) == max(whole, default=0)


def test_an_entry_is_told_as_the_ledger_has_it(varied: tuple[Ledger, list[int]]) -> None:
    ledger, _ = varied
    headers: list[EntryHeader] = []

    class Headers(Told):
        def apply_entry(self, entry: EntryHeader, /) -> None:
            headers.append(entry)

    ledger.replay(Headers())
    for header in headers:
        entry = ledger.entry(header.id)
        for name in ("id", "position", "last_position", "recorded_at", "occurred_at", "key", "reference", "reverses"):
            assert header[name] == entry[name], name
        assert header.has_metadata == (entry.metadata is not None)
    assert any(header.key for header in headers)
    assert any(header.reference for header in headers)
    assert any(header.has_metadata for header in headers)
    assert any(header.reverses for header in headers)
    assert any(header.occurred_at != header.recorded_at for header in headers)


def test_metadata_that_was_erased_was_there() -> None:
    with open_funded("memory:", ["alice"]) as ledger:
        with ledger.atomic(metadata={"n": 1}) as tx:
            tx.transfer("PLN", "alice", "bob", 1)
        assert tx.receipt is not None
        ledger.erase(tx.receipt.entry_id, "asked for")
        found: list[tuple[int, bool]] = []

        class Metadata(Told):
            def apply_entry(self, entry: EntryHeader, /) -> None:
                found.append((entry.id, entry.has_metadata))

        ledger.replay(Metadata())
        assert [id for id, has_metadata in found if has_metadata] == [tx.receipt.entry_id]


def test_groups_are_told_entry_by_entry(tmp_path: Path) -> None:
    """A commit of several entries, of which some are asked for."""
    import asyncio

    from tallystick import AsyncLedger

    async def play() -> None:
        async with AsyncLedger.open(tmp_path / "books.db") as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 1000)

            async def pay(number: int) -> None:
                async with ledger.atomic(f"k{number}", reference=f"r{number}") as tx:
                    for _ in range(1 + number % 3):
                        tx.transfer("USD", "alice", f"a{number}", 1)

            await asyncio.gather(*(pay(number) for number in range(20)))

    asyncio.run(play())
    with Ledger.open(tmp_path / "books.db") as ledger:
        assert len(list(ledger._core.journal.rows())) < 15
        told = ledger.replay(Told()).state
        entries = [each for each in told if each[0] == "entry"]
        assert len(entries) == 22
        begins = [index for index, each in enumerate(told) if each[0] == "entry"]
        for (begin, following), (_, first, last) in zip(pairwise(begins), entries, strict=False):
            for upto in range(first, last + 1):
                cut = ledger.replay(Told(), upto=upto).state
                assert cut == told[: following if upto == last else begin]
                assert cut + ledger.replay(Told(), after=upto).state == told


def test_commits_that_name_no_entries_are_one_each() -> None:
    commits = [Commit(1, 5, ["a", "b"], may_hold_batches=False), Commit(3, 6, ["c"])]
    assert replay(Told(), commits).state == [
        ("entry", 1, 2),
        ("event", 1, "str"),
        ("event", 2, "str"),
        ("entry", 3, 3),
        ("event", 3, "str"),
    ]
    assert replay(Told(), commits, upto=1).state == []


@pytest.mark.parametrize("given", [{"after": -1}, {"after": 10**6}, {"after": "1"}, {"after": None}, {"upto": 10**6}])
def test_positions_that_there_are_not(varied: tuple[Ledger, list[int]], given: dict[str, Any]) -> None:
    ledger, _ = varied
    with pytest.raises(InvalidPosition):
        ledger.replay(Told(), **given)


def test_nothing_is_behind_the_end(varied: tuple[Ledger, list[int]]) -> None:
    ledger, ends = varied
    assert ledger.replay(Told(), after=ends[-1]).state == []
    assert ledger.replay(Told(), upto=10, after=10).state == []
    assert ledger.replay(Told(), upto=5, after=10).state == []
    assert ledger.replay(Told(), upto=0).state == []
