"""Runs of fragments: events about many name few of them, whatever became of the fragments before, and say the same as the
plain form.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import InsufficientFunds, Ledger, Token
from tallystick.domain.books.books import Books
from tallystick.domain.events import (
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
    TokenRegistered,
)
from tallystick.domain.memory.holding import RUN_MAX
from tallystick.domain.plan.execution import execute
from tallystick.domain.token.operations import Burn, Mint, Release, Reserve, Settle, Transfer
from tallystick.domain.value_object.runs import (
    NAMED_MAX,
    amounts_of,
    burned,
    equal_amounts,
    ids_of,
    in_format_1,
    minted,
    plain,
    reserved,
    runs_of,
)
from tallystick.infrastructure.journal.format import decode_events
from tests.support.books.behind import journal_of
from tests.support.books.snapshot_book import drop_books, take_snapshot

UNIT = 100


@pytest.fixture
def cents(ledger: Ledger) -> Ledger:
    """A ledger in which alice has a thousand fragments of 100."""
    ledger.register_token(Token("CENT", unit=UNIT))
    ledger.mint("CENT", "alice", 1000 * UNIT)
    return ledger


def newest(ledger: Ledger) -> list[Any]:
    """The events about fragments of the newest commit."""
    journal = journal_of(ledger)
    row = journal.row_at(journal.head().position)
    assert row is not None
    return [event for event in decode_events(row) if "Fragments" in type(event).__name__ or "Runs" in type(event).__name__]


def kinds(ledger: Ledger) -> list[str]:
    return [type(event).__name__ for event in newest(ledger)]


def shown(ledger: Ledger, *accounts: str) -> list[tuple[int, int, str, str | None]]:
    found = [fragment for account in accounts for fragment in ledger.fragments("CENT", account)]
    return [(each.id, each.amount, each.owner, each.hold) for each in found]


# The form that an event has.


@given(st.lists(st.integers(0, 5_000), max_size=200))
def test_runs_are_the_same_ids(ids: list[int]) -> None:
    firsts, counts = runs_of(ids)
    assert ids_of(firsts, counts) == ids
    assert all(first // RUN_MAX == (first + count - 1) // RUN_MAX for first, count in zip(firsts, counts, strict=True))
    assert runs_of(firsts, dict(zip(firsts, counts, strict=True))) == (firsts, counts) or len(set(firsts)) < len(firsts)


@given(st.lists(st.integers(1, 3), max_size=50))
def test_equal_amounts_are_the_same_amounts(amounts: list[int]) -> None:
    assert amounts_of(*equal_amounts(amounts)) == amounts


@pytest.mark.parametrize(
    ("ids", "verdict"),
    [
        (range(1_000, 1_000 + NAMED_MAX), FragmentsBurned),
        (range(1_000, 1_001 + NAMED_MAX), RunsBurnedMany),
        (range(1_000, 1_400, 2), FragmentsBurned),
        ([id for id in range(1_000, 1_400) if id % 3], FragmentsBurned),
        ([id for id in range(1_000, 1_400) if id % 4], RunsBurnedMany),
        (range(1_980, 2_080), RunsBurnedMany),
        ([5], FragmentsBurned),
    ],
)
def test_an_event_names_each_of_few_and_of_scattered_fragments(ids: Any, verdict: type) -> None:
    event = burned("CENT", list(ids), {})
    assert type(event) is verdict
    assert in_format_1(event) == FragmentsBurned("CENT", list(ids))
    assert type(reserved("CENT", "hold", list(ids), {})) is (
        FragmentsReserved if verdict is FragmentsBurned else RunsReservedMany
    )


def test_the_form_follows_from_the_fragments_and_not_from_how_they_are_counted() -> None:
    ids = list(range(1_000, 1_100))
    halves = burned("CENT", [1_000, 1_050], {1_000: 50, 1_050: 50})
    assert halves == burned("CENT", ids, {}) == burned("CENT", [1_000], {1_000: 100}) == RunsBurnedMany("CENT", [1_000], [100])
    assert burned("CENT", [1_000], {1_000: 3}) == FragmentsBurned("CENT", [1_000, 1_001, 1_002])


@pytest.mark.parametrize(
    ("pieces", "verdict"),
    [
        (([5, 2], [63, 1]), FragmentsMinted("CENT", "bob", 7_000, [5] * 63 + [2])),
        (([5, 2], [64, 1]), RunsMintedMany("CENT", "bob", 7_000, [5, 2], [64, 1])),
        (([5], [1_000]), RunsMintedMany("CENT", "bob", 7_000, [5], [1_000])),
    ],
)
def test_what_is_minted(pieces: Any, verdict: Any) -> None:
    assert minted("CENT", "bob", 7_000, pieces) == verdict


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (RunsMintedMany("T", "a", 7_000, [5, 2], [2, 1]), [FragmentsMinted("T", "a", 7_000, [5, 5, 2])]),
        (RunsBurnedMany("T", [7_000, 9_000], [2, 1]), [FragmentsBurned("T", [7_000, 7_001]), FragmentsBurned("T", [9_000])]),
        (RunsReservedMany("T", "h", [7_000], [2]), [FragmentsReserved("T", "h", [7_000, 7_001])]),
        (RunsReleasedMany("T", "h", [7_000], [2]), [FragmentsReleased("T", "h", [7_000, 7_001])]),
    ],
)
def test_what_projections_are_given(event: Any, verdict: list[Any]) -> None:
    assert list(plain(event)) == verdict


WRONG = [
    RunsMintedMany("CENT", "alice", 7_000, [5, 5], [1]),
    RunsMintedMany("CENT", "alice", 7_000, [5], [0]),
    RunsMintedMany("CENT", "alice", 7_000, [5, 5], [1_001, -1]),
    RunsMintedMany("CENT", "alice", 7_000, [5, 6], [1_000, 1]),
    RunsMintedMany("CENT", "alice", 7_000, [5], [10**15]),
    RunsBurnedMany("CENT", [7_000], [10**15]),
    RunsBurnedMany("CENT", [7_000], []),
    RunsReservedMany("CENT", "hold", [7_000], [1_001]),
    RunsReleasedMany("CENT", "hold", [7_000], [0]),
]


@pytest.mark.parametrize("event", WRONG, ids=str)
def test_runs_that_cannot_be_are_not_read(event: Any) -> None:
    books = Books()
    books.apply(TokenRegistered("CENT", 0, 10**9, UNIT, "external"), 1)
    with pytest.raises(ValueError, match="fragments"):
        books.apply(event, 7)
    with pytest.raises(ValueError, match="fragments"):
        list(plain(event))


# What a ledger does with them.


@pytest.mark.parametrize(
    ("amount", "verdict"),
    [
        (64 * UNIT, ["FragmentsBurned", "FragmentsMinted"]),
        (65 * UNIT, ["RunsBurnedMany", "RunsMintedMany"]),
        (1000 * UNIT, ["RunsBurnedMany", "RunsMintedMany"]),
        (500 * UNIT + 1, ["RunsBurnedMany", "RunsMintedMany", "FragmentsMinted"]),
        (1, ["FragmentsBurned", "FragmentsMinted", "FragmentsMinted"]),
    ],
)
def test_few_are_named_and_many_are_runs(cents: Ledger, amount: int, verdict: list[str]) -> None:
    cents.transfer("CENT", "alice", "bob", amount)
    assert kinds(cents) == verdict
    assert cents.audit().ok


def test_escrow_of_many(cents: Ledger) -> None:
    hold = cents.reserve("CENT", "alice", "court", 700 * UNIT + 30).hold_id
    assert hold is not None
    assert kinds(cents) == ["FragmentsBurned", "FragmentsMinted", "RunsReservedMany"]
    cents.release(hold, 100 * UNIT + 10)
    assert kinds(cents) == ["RunsReleasedMany", "FragmentsBurned", "FragmentsMinted", "FragmentsReserved"]
    cents.settle("CENT", "court", "bob", 300 * UNIT + 5, hold=hold)
    assert kinds(cents)[:2] == ["RunsBurnedMany", "RunsMintedMany"]
    cents.release(hold)
    assert kinds(cents) == ["RunsReleasedMany"]
    assert cents.audit().ok
    assert sum(amount for _, amount, _, _ in shown(cents, "alice", "bob")) == 1000 * UNIT


@pytest.mark.parametrize("again", [drop_books, take_snapshot, lambda ledger: None], ids=["read again", "snapshot", "going on"])
def test_runs_are_cut_where_they_have_to_be(cents: Ledger, again: Callable[[Ledger], None]) -> None:
    """Out of the middle of what came as one run, and back."""
    steps: list[Callable[[], Any]] = [
        lambda: cents.transfer("CENT", "alice", "bob", 300 * UNIT),
        lambda: cents.reserve("CENT", "alice", "court", 200 * UNIT + 1),
        lambda: cents.transfer("CENT", "alice", "carol", 1),
        lambda: cents.burn("CENT", "bob", 150 * UNIT + 50),
        lambda: cents.release(cents.holds()[0].id),
        lambda: cents.transfer_many("CENT", ["alice"] * 3, ["dave"] * 3, [90 * UNIT, 3, 110 * UNIT]),
        lambda: cents.transfer("CENT", "alice", "bob", 200 * UNIT),
    ]
    for step in steps:
        step()
        before = shown(cents, "alice", "bob", "carol", "dave", "court")
        again(cents)
        assert shown(cents, "alice", "bob", "carol", "dave", "court") == before
    assert cents.audit().ok


PLAN = [
    Transfer("CENT", "alice", "bob", 400 * UNIT + 7, ""),
    Settle("CENT", "court", "bob", 100 * UNIT + 7, "hold", ""),
    Release("hold", 50 * UNIT + 1, ""),
    Reserve("CENT", "alice", "court", 70 * UNIT, "other", None, ""),
    Burn("CENT", "alice", 66 * UNIT, ""),
]


@pytest.mark.parametrize("count", range(1, len(PLAN) + 1))
def test_a_plan_that_is_refused_at_its_end_leaves_every_fragment(count: int) -> None:
    def shown() -> list[Any]:
        return [books.fragments("CENT", account) for account in ("alice", "bob", "court")]

    books = Books()
    books.apply(TokenRegistered("CENT", 0, 10**9, UNIT, "external"), 1)
    execute(
        books, [Mint("CENT", "alice", 1000 * UNIT, ""), Reserve("CENT", "alice", "court", 300 * UNIT, "hold", None, "")], 2, 0
    )
    books.forget()
    before = shown()
    for chosen in itertools.permutations(PLAN, count):
        with pytest.raises(InsufficientFunds):
            execute(books, [*chosen, Transfer("CENT", "dave", "bob", 1, "")], 9, 0)
        assert shown() == before
    assert execute(books, PLAN, 9, 0)
    assert shown() != before


def test_a_ledger_opens_on_what_it_was(tmp_path: Path) -> None:
    """Also from a snapshot that has runs, live and reserved."""
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("CENT", unit=UNIT))
        ledger.mint("CENT", "alice", 1000 * UNIT)
        hold = ledger.reserve("CENT", "alice", "court", 300 * UNIT + 1).hold_id
        ledger.transfer("CENT", "alice", "bob", 100 * UNIT)
        before = shown(ledger, "alice", "bob", "court")
        ledger.snapshot()
    with Ledger.open(tmp_path / "books.db") as ledger:
        assert hold is not None
        assert shown(ledger, "alice", "bob", "court") == before
        ledger.settle("CENT", "court", "bob", 250 * UNIT, hold=hold)
        ledger.transfer("CENT", "alice", "bob", 500 * UNIT)
        assert kinds(ledger)[:2] == ["RunsBurnedMany", "RunsMintedMany"]
        assert ledger.audit().ok


def test_a_fragment_that_is_not_there_is_not_burned() -> None:
    books = Books()
    books.apply(TokenRegistered("CENT", 0, 10**9, UNIT, "external"), 1)
    books.apply(RunsMintedMany("CENT", "alice", 7_000, [5], [100]), 7)
    books.apply(FragmentsBurned("CENT", [7_050]), 8)
    for event in (RunsBurnedMany("CENT", [7_040], [20]), FragmentsBurned("CENT", [7_100]), FragmentsBurned("CENT", [6_999])):
        with pytest.raises(KeyError):
            books.apply(event, 9)
