"""The chain of rows: what breaks it is found where it is broken, by everybody who reads a journal."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pytest

from tallystick import CorruptJournal, Ledger, Token
from tallystick.domain.values.instant import INSTANT_MAX
from tallystick.infrastructure.imports.event_store.copying import EventsourcingCopy
from tallystick.infrastructure.imports.event_store.items import Item
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, Foreign, Head, JournalRow, digest_of
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.ledger.reading.replaying import Follower
from tallystick.infrastructure.proof.audit import audit, verify
from tallystick.projections.balances import Balances
from tests.support.books.behind import core_on

Break = Callable[[list[JournalRow]], list[JournalRow]]

BROKEN = 3
"""The row behind which nothing is to be read: the fourth."""


def ledger_on(journal: MemoryJournal) -> Ledger:
    return Ledger(core_on(journal, iter(range(10, 10**6)).__next__, iter(f"hold-{k}" for k in range(10**6)).__next__))


@pytest.fixture
def journal() -> MemoryJournal:
    """Six rows: a token, and five commits of three mints each."""
    journal = MemoryJournal()
    with ledger_on(journal) as ledger:
        ledger.register_token(Token("USD"))
        for _ in range(5):
            with ledger.atomic() as tx:
                for _ in range(3):
                    tx.mint("USD", "alice", 1)
    assert [row.first_position for row in journal.rows()] == [1, 2, 5, 8, 11, 14]
    return journal


def chained(rows: Sequence[JournalRow]) -> list[JournalRow]:
    """The rows with digests that fit."""
    digest, found = EMPTY.digest, list[JournalRow]()
    for row in rows:
        digest = digest_of(digest, row)
        found.append(row._replace(digest=digest))
    return found


def lacking(rows: list[JournalRow]) -> list[JournalRow]:
    """One is not there, and whoever took it has made the digests fit."""
    return chained(rows[:BROKEN] + rows[BROKEN + 1 :])


def overlapping(rows: list[JournalRow]) -> list[JournalRow]:
    """One begins before the end of the one before it."""
    rows[BROKEN] = rows[BROKEN]._replace(first_position=7)
    return chained(rows)


def altered(rows: list[JournalRow]) -> list[JournalRow]:
    """A byte of one is another."""
    rows[BROKEN] = rows[BROKEN]._replace(body=rows[BROKEN].body.replace(b"alice", b"alica"))
    return rows


def of_another_chain(rows: list[JournalRow]) -> list[JournalRow]:
    """Its own bytes and digest agree, and it was made for another journal."""
    rows[BROKEN] = rows[BROKEN]._replace(digest=digest_of(b"\x01" * 32, rows[BROKEN]))
    return rows


def earlier(rows: list[JournalRow]) -> list[JournalRow]:
    """One was recorded before the one before it, and says so by a digest that fits."""
    rows[BROKEN] = rows[BROKEN]._replace(recorded_at=rows[BROKEN - 1].recorded_at - 1)
    return chained(rows)


def after_all_time(rows: list[JournalRow]) -> list[JournalRow]:
    """This one and the ones after it were recorded in the year 10000."""
    later = [row._replace(recorded_at=INSTANT_MAX + 1) for row in rows[BROKEN:]]
    return chained(rows[:BROKEN] + later)


def before_all_time(rows: list[JournalRow]) -> list[JournalRow]:
    """One was recorded before 1970."""
    rows[BROKEN] = rows[BROKEN]._replace(recorded_at=-1)
    return chained(rows)


BREAKS: Sequence[tuple[Break, int, str]] = [
    (lacking, 8, "the next row begins at position 11"),
    (overlapping, 8, "the next row begins at position 7"),
    (altered, 8, "its digest does not fit"),
    (of_another_chain, 8, "its digest does not fit"),
    (earlier, 8, "it was recorded before the row before it"),
    (after_all_time, 8, "it was recorded after the year 9999"),
    (before_all_time, 8, "it was recorded before the row before it"),
]


def put(journal: MemoryJournal, rows: Sequence[JournalRow]) -> None:
    journal._rows = list(rows)
    journal._firsts = [row.first_position for row in rows]


@pytest.mark.parametrize("index", range(7))
def test_reading_goes_on_from_any_head(journal: MemoryJournal, index: int) -> None:
    rows = list(journal.rows())
    head = rows[index - 1].head() if index else EMPTY
    assert list(rows_after(journal, head)) == rows[index:]


def test_rows_of_one_moment_follow_each_other(journal: MemoryJournal) -> None:
    put(journal, chained([row._replace(recorded_at=5) for row in journal.rows()]))
    assert len(list(rows_after(journal, EMPTY))) == 6


@pytest.mark.parametrize("time", [0, 1, INSTANT_MAX])
def test_rows_of_the_first_and_the_last_moment_are_read(journal: MemoryJournal, time: int) -> None:
    put(journal, chained([row._replace(recorded_at=time) for row in journal.rows()]))
    assert verify(journal).ok


@pytest.mark.parametrize(("break_", "position", "reason"), BREAKS)
def test_what_is_before_the_break_is_given(journal: MemoryJournal, break_: Break, position: int, reason: str) -> None:
    rows = list(journal.rows())
    put(journal, break_(list(rows)))
    reading = rows_after(journal, EMPTY)
    assert list(islice(reading, BROKEN)) == rows[:BROKEN]
    with pytest.raises(CorruptJournal, match=reason) as caught:
        next(reading)
    assert caught.value.position == position


@pytest.mark.parametrize(
    "head", [Head(4, b"\x01" * 32, 0), Head(3, EMPTY.digest, 0), Head(5, EMPTY.digest, 0), Head(0, EMPTY.digest, 10**9)]
)
def test_a_head_that_the_journal_never_had_leads_nowhere(journal: MemoryJournal, head: Head) -> None:
    with pytest.raises(CorruptJournal) as caught:
        next(rows_after(journal, head))
    assert caught.value.position == head.position + 1


# Everybody who reads, given a journal that is not whole, and the rows that it had when it was.


def a_ledger_that_opens(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    with ledger_on(journal) as ledger:
        ledger.balance("USD", "alice")


def a_ledger_that_catches_up(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    broken = list(journal.rows())
    put(journal, whole[:2])
    with ledger_on(journal) as ledger:
        ledger.balance("USD", "alice")
        put(journal, broken)
        ledger.balance("USD", "alice")


def a_replay(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    with ledger_on(journal) as ledger:
        ledger.replay(Balances())


def a_follower(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    broken = list(journal.rows())
    put(journal, whole[:2])
    follower = Follower(journal, Balances)
    follower.catch_up()
    put(journal, broken)
    follower.catch_up()


def a_history(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    """From a row in the midst on, of a ledger that read all of it when it was whole."""
    broken = list(journal.rows())
    put(journal, whole)
    with ledger_on(journal) as ledger:
        ledger.balance("USD", "alice")
        put(journal, [*broken[:-1], whole[-1]])
        ledger.history("USD", "alice", after=3)


class NothingOfIt:
    """The items of a store of which nothing is in the journal."""

    def __iter__(self) -> Iterator[Item]:
        yield Item(Foreign("orders 1", 1, "topic", b""), None)

    def are_in(self, stream: str) -> bool:
        return False


def an_import(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    items: Any = NothingOfIt()
    EventsourcingCopy(journal, items, EMPTY).compare()


def a_verification(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    report = verify(journal)
    (finding,) = report.findings
    assert (report.position, report.digest) == (whole[BROKEN - 1].last_position, whole[BROKEN - 1].digest.hex())
    raise CorruptJournal(finding.reason, position=finding.position)


def an_audit(journal: MemoryJournal, whole: Sequence[JournalRow]) -> None:
    (finding,) = audit(journal).findings
    raise CorruptJournal(finding.reason, position=finding.position)


READERS = [
    a_ledger_that_opens,
    a_ledger_that_catches_up,
    a_replay,
    a_follower,
    a_history,
    an_import,
    a_verification,
    an_audit,
]


@pytest.mark.parametrize(("break_", "position", "reason"), BREAKS)
@pytest.mark.parametrize("read", READERS)
def test_a_broken_chain_is_found_by_everybody_who_reads(
    journal: MemoryJournal, read: Callable[..., None], break_: Break, position: int, reason: str
) -> None:
    whole = list(journal.rows())
    put(journal, break_(list(whole)))
    with pytest.raises(CorruptJournal, match=reason) as caught:
        read(journal, whole)
    assert caught.value.position == position


def test_a_history_from_within_a_gap(journal: MemoryJournal) -> None:
    with ledger_on(journal) as ledger:
        assert [each.position for each in ledger.history("USD", "alice", after=9)] == [10, 11, 12, 13, 14, 15, 16]
        rows = list(journal.rows())
        put(journal, rows[:BROKEN] + rows[BROKEN + 1 :])
        with pytest.raises(CorruptJournal) as caught:
            ledger.history("USD", "alice", after=9)
    assert caught.value.position == 9


@pytest.mark.parametrize("after", [16, 17, 2**70])
def test_a_history_from_the_end_or_beyond_it(journal: MemoryJournal, after: int) -> None:
    with ledger_on(journal) as ledger:
        assert not list(ledger.history("USD", "alice", after=after))
