"""Pages of lines: in both directions, of any size, by positions and times, they give the same lines once each."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tallystick import (
    CorruptJournal,
    InvalidAccount,
    InvalidPosition,
    InvalidRequest,
    Ledger,
    Line,
    MeaninglessCell,
    NextPage,
    Page,
    Token,
    TokenNotFound,
)
from tallystick.domain.values.instant import to_microseconds
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tests.support.books.behind import journal_of, ledger_on
from tests.support.books.entry_book import open_entry_book
from tests.support.books.entry_calls import CALLS

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clock:
    """An hour later at each look."""

    def __init__(self) -> None:
        self.time = START - HOUR

    def __call__(self) -> datetime:
        self.time += HOUR
        return self.time


def fill(ledger: Ledger) -> None:
    """Ten rounds of ordinary blocks, batches and other tokens, in which alice has lines of all sizes."""
    for code in ("CUP", "TIN"):
        ledger.register_token(Token(code, unit=10))
    for turn in range(10):
        with ledger.atomic() as tx:
            tx.mint("CUP", "alice", 100 + turn)
            if turn % 3 == 0:
                tx.transfer("CUP", "alice", "bob", 10)
                tx.reserve("CUP", "bob", "alice", 5)
        with ledger.atomic() as tx:
            tx.mint("TIN", "alice", 5)
            tx.mint("CUP", "bob", 1)
        if turn % 4 == 1:
            ledger.transfer_many("CUP", ["alice", "bob", "alice"], ["bob", "alice", "carol"], [3, 2, 1])


@pytest.fixture
def pages(url: Any) -> Iterator[Ledger]:
    with Ledger.open(url, clock=Clock()) as ledger:
        fill(ledger)
        yield ledger


@pytest.fixture(scope="module")
def rows() -> Iterator[Ledger]:
    with Ledger.open("memory:", clock=Clock()) as ledger:
        fill(ledger)
        yield ledger


def turned(ledger: Ledger, *cell: str, by_position: bool = False, **asked: Any) -> list[Page]:
    """All pages, each gone on to from the one before."""
    found = [ledger.history(*cell, **asked)]
    while (following := found[-1].next) is not None:
        assert len(found) < 1_000
        goes_on = dict.fromkeys(following.keys(), following.position) if by_position else following
        found.append(ledger.history(*cell, **{**asked, **goes_on}))
    return found


def joined(found: list[Page]) -> list[Line]:
    return [line for page in found for line in page]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("by_position", [False, True])
def test_pages_joined_are_the_whole(pages: Ledger, newest_first: bool, by_position: bool) -> None:
    for account, limit in product(("alice", "bob", "carol", "nobody"), (1, 2, 3, 7, 100)):
        whole = list(pages.history("CUP", account))
        found = turned(pages, "CUP", account, by_position=by_position, limit=limit, newest_first=newest_first)
        assert joined(found) == (whole[::-1] if newest_first else whole)
        for page in found:
            ids = [line.entry_id for line in page]
            assert len(ids) >= limit or page.next is None
            assert len({*ids[: limit - 1]} | {*ids[-1:]}) == len({*ids})  # the entry that reaches the limit is the last
        for page, following in pairwise(found):
            assert len(following) > 0
            assert page[-1].entry_id != following[0].entry_id


def test_a_page_is_a_sequence(rows: Ledger) -> None:
    page = rows.history("CUP", "alice", limit=3)
    assert [page[index] for index in range(len(page))] == list(page) == [*page[:1], *page[1:]]
    assert page[-1] in page
    assert page == rows.history("CUP", "alice", limit=3) != rows.history("CUP", "alice", limit=20)
    assert hash(page) == hash(rows.history("CUP", "alice", limit=3))
    assert repr(page).startswith("Page([Line(position=3, ")
    assert isinstance(page.next, NextPage)
    assert rows.history("CUP", "alice", after=page.next) == rows.history("CUP", "alice", **page.next)
    assert rows.history("CUP", "alice", after=page.next)[0].position > page[-1].position
    with pytest.raises(KeyError):
        page.next["before"]


def test_a_page_is_plain(rows: Ledger) -> None:
    page, last = rows.history("CUP", "alice", limit=3), rows.history("CUP", "alice")
    assert page.next is not None
    assert page.to_dict("text") == {"lines": [line.to_dict("text") for line in page], "next": page.next.position}
    assert last.to_dict()["next"] is None
    assert rows.history("CUP", "alice", after=page.to_dict()["next"]) == rows.history("CUP", "alice", after=page.next)
    adapter = TypeAdapter(Page)
    lines = TypeAdapter(list[Line])
    assert adapter.dump_python(page)["next"] == page.next.position
    assert lines.validate_python(json.loads(adapter.dump_json(page))["lines"]) == list(page)
    assert adapter.json_schema(mode="serialization")["properties"].keys() == {"lines", "next"}
    html = page._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert html.count("<tr>") == len(page) + 1
    assert "<th>change</th>" in html


bounds = st.one_of(st.none(), st.integers(0, 60))
hours = st.one_of(st.none(), st.integers(0, 30))


@given(
    account=st.sampled_from(["alice", "bob", "carol"]),
    after=st.integers(0, 60),
    before=bounds,
    since=hours,
    until=hours,
    by=st.sampled_from(["recorded_at", "occurred_at"]),
    limit=st.one_of(st.none(), st.integers(1, 5)),
    newest_first=st.booleans(),
)
def test_what_is_asked_for(
    rows: Ledger,
    account: str,
    after: int,
    before: int | None,
    since: int | None,
    until: int | None,
    by: Any,
    limit: int | None,
    newest_first: bool,
) -> None:
    def time(hour: int | None) -> datetime | None:
        return None if hour is None else START + hour * HOUR

    due = [
        line
        for line in rows.history("CUP", account)
        if after < line.position
        and (before is None or line.position < before)
        and (since is None or line.recorded_at >= START + since * HOUR)
        and (until is None or line.recorded_at < START + until * HOUR)
    ]
    asked = {"after": after, "before": before, "since": time(since), "until": time(until), "by": by, "limit": limit}
    found = turned(rows, "CUP", account, newest_first=newest_first, **asked)
    assert joined(found) == (due[::-1] if newest_first else due)


def test_times_are_half_open(pages: Ledger) -> None:
    times = sorted({line.recorded_at for line in pages.history("CUP", "alice")})
    for newest_first in (False, True):
        page = pages.history("CUP", "alice", since=times[1], until=times[2], newest_first=newest_first)
        assert {line.recorded_at for line in page} == {times[1]}
        assert not len(pages.history("CUP", "alice", since=times[1], until=times[1], newest_first=newest_first))
        everything = pages.history("CUP", "alice", since=times[0], by="occurred_at", newest_first=newest_first)
        assert len(everything) == len(pages.history("CUP", "alice"))


def test_pages_of_what_comes_meanwhile(pages: Ledger) -> None:
    """Of the oldest first a later page has what was recorded meanwhile; of the newest first it has not."""
    oldest, newest = (pages.history("CUP", "alice", limit=20, newest_first=newest_first) for newest_first in (False, True))
    with pages.atomic() as tx:
        tx.mint("CUP", "alice", 9)
    whole = list(pages.history("CUP", "alice"))
    assert [*oldest, *pages.history("CUP", "alice", after=oldest.next)] == whole  # type: ignore[arg-type]
    assert [*newest, *pages.history("CUP", "alice", before=newest.next, newest_first=True)] == whole[-2::-1]
    ended = pages.history("CUP", "alice")
    assert ended.next is None


def test_a_limit_of_nothing(rows: Ledger) -> None:
    for newest_first in (False, True):
        page = rows.history("CUP", "alice", limit=0, newest_first=newest_first)
        assert len(page) == 0
        following = rows.history("CUP", "alice", newest_first=newest_first, **page.next)  # type: ignore[arg-type]
        assert len(following) == len(rows.history("CUP", "alice"))


@pytest.mark.parametrize(
    ("cell", "asked", "verdict"),
    [
        (("EUR", "alice"), {}, TokenNotFound),
        ((5, "alice"), {}, TokenNotFound),
        (([], "alice"), {}, TokenNotFound),
        (("CUP", "two words"), {}, InvalidAccount),
        (("CUP", 5), {}, InvalidAccount),
        (("CUP", []), {}, InvalidAccount),
        (("CUP", "0x" + "01" * 32), {}, MeaninglessCell),
        (("CUP", "alice"), {"after": -1}, InvalidPosition),
        (("CUP", "alice"), {"after": True}, InvalidPosition),
        (("CUP", "alice"), {"after": None}, InvalidPosition),
        (("CUP", "alice"), {"before": -1}, InvalidPosition),
        (("CUP", "alice"), {"before": "9"}, InvalidPosition),
        (("CUP", "alice"), {"since": datetime(2026, 1, 1)}, InvalidRequest),  # noqa: DTZ001
        (("CUP", "alice"), {"until": "2026"}, InvalidRequest),
        (("CUP", "alice"), {"by": "position"}, InvalidRequest),
        (("CUP", "alice"), {"limit": -1}, InvalidRequest),
        (("CUP", "alice"), {"limit": 1.5}, InvalidRequest),
        (("CUP", "alice"), {"limit": True}, InvalidRequest),
        (("CUP", "alice"), {"newest_first": 1}, InvalidRequest),
        (("CUP", "alice"), {"after": NextPage("CUP", "bob", 5, 0, 0)}, InvalidRequest),
        (("CUP", "alice"), {"after": NextPage("TIN", "alice", 5, 0, 0)}, InvalidRequest),
        (("CUP", "alice"), {"after": NextPage("CUP", "alice", 5, 0, 0), "newest_first": True}, InvalidRequest),
        (("CUP", "alice"), {"before": NextPage("CUP", "alice", 5, 0, 0, 9)}, InvalidRequest),
    ],
)
def test_what_cannot_be_asked(rows: Ledger, cell: Any, asked: dict[str, Any], verdict: type[Exception]) -> None:
    with pytest.raises(verdict) as caught:
        rows.history(*cell, **asked)
    assert type(caught.value) is verdict


# What is read.


class Counted(MemoryJournal):
    """Counts the rows that are given out."""

    given = 0

    def rows(self, after: int = 0) -> Iterator[Any]:
        for row in super().rows(after):
            self.given += 1
            yield row

    def stream_parts(self, *arguments: Any, **options: Any) -> Any:
        parts = super().stream_parts(*arguments, **options)
        self.given += len(parts)
        return parts


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        ({"newest_first": True, "limit": 1}, 100),
        ({"newest_first": True, "since": START + 1_990 * HOUR}, 100),
        ({"newest_first": True, "after": 1_990}, 100),
        ({"until": START + 20 * HOUR}, 30),
        ({"before": 20}, 30),
        ({"after": 1_990}, 30),
        ({"limit": 1}, 30),
        ({}, 2_100),
    ],
)
def test_no_more_is_read_than_is_asked_for(asked: dict[str, Any], most: int) -> None:
    clock = Clock()
    journal = Counted()
    with ledger_on(journal, lambda: to_microseconds(clock())) as ledger:
        ledger.register_token(Token("CUP"))
        for turn in range(2_000):
            with ledger.atomic() as tx:
                tx.mint("CUP", "alice" if turn % 2 else "bob", 1)
        ledger.history("CUP", "alice")  # what there is to be built, is
        journal.given = 0
        assert len(ledger.history("CUP", "alice", **asked)) > 0
        assert journal.given <= most


@pytest.mark.parametrize("newest_first", [False, True])
def test_that_there_is_more_is_known_by_the_balance(newest_first: bool) -> None:
    """Somebody's other lines lie at the other end of the journal."""
    journal = Counted()
    with ledger_on(journal) as ledger:
        ledger.register_token(Token("CUP"))
        for names in (["alice"], ["bob"] * 500, ["alice"]):
            for name in names:
                with ledger.atomic() as tx:
                    tx.mint("CUP", name, 1)
        ledger.history("CUP", "alice")  # what there is to be built, is
        journal.given = 0
        page = ledger.history("CUP", "alice", limit=1, newest_first=newest_first)
        assert journal.given < 100
        assert page.next is not None
        following = ledger.history("CUP", "alice", newest_first=newest_first, **page.next)
        assert (len(page), len(following), following.next) == (1, 1, None)


def test_a_journal_that_lost_a_row() -> None:
    journal = MemoryJournal()
    with ledger_on(journal) as ledger:
        ledger.register_token(Token("CUP"))
        for _ in range(3):
            with ledger.atomic() as tx:
                tx.mint("CUP", "alice", 1)
        del journal._rows[2], journal._firsts[2]
        for newest_first in (False, True):
            with pytest.raises(CorruptJournal) as caught:
                ledger.history("CUP", "alice", newest_first=newest_first)
            assert caught.value.position == 3


def test_a_distribution_is_worked_out_only_where_it_is_among_the_lines(way: str) -> None:
    with open_entry_book("memory:", holds=0) as ledger:
        with ledger.atomic() as tx:
            CALLS["dividend"][0](tx)
        with ledger.atomic() as tx:
            tx.transfer("Spread", "alice", "bob", 1)
        journal: Any = journal_of(ledger)
        real, asked = journal.stream_parts, []

        def stream_parts(*arguments: Any, **options: Any) -> Any:
            if not options.get("descending"):
                asked.append(arguments)
            return real(*arguments, **options)

        journal.stream_parts = stream_parts
        ledger.history("Spread", "alice", newest_first=True, after=journal.head().position - 1)
        assert not asked
        ledger.history("Spread", "alice")
        assert bool(asked) is (way == "replayed")  # the index knows what everybody had before and after it
