"""What every store of a journal must do: one suite against the port, which each store's tests inherit."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread

import pytest

from tallystick.domain.events import Minted
from tallystick.infrastructure.journal.format import EMPTY, Body, Head, JournalRow, encode_events, make_row
from tallystick.infrastructure.journal.port import SMALL, VERSION_MAX, Journal, Overtaken, StreamEntry, StreamPart
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.postgres import journal as postgres
from tallystick.infrastructure.journal.stores.sqlite import journal as sqlite
from tests.support.suites.detail_cases import DetailCases, SharedDetailCases


def append(journal: Journal, *counts: int, stream: str = "USD") -> list[JournalRow]:
    """Appends a commit of each number of events."""
    rows: list[JournalRow] = []
    for count in counts:
        with journal.writing() as head:
            body = encode_events([Minted(stream, "alice", 1 + k, "münzen") for k in range(count)])
            row = make_row(head.digest, head.position + 1, head.recorded_at + 7, (), (count,), body)
            newest = next(iter(journal.stream(stream, descending=True)), None)
            first = 1 if newest is None else newest.last_version + 1
            journal.append(row, [StreamEntry(stream, first, first + count - 1, row.first_position)])
        rows.append(row)
    return rows


class JournalCases(DetailCases):
    """Inherit, and give `journal`, an empty one."""

    @pytest.fixture
    def journal(self) -> Iterator[Journal]:
        raise NotImplementedError

    def test_an_empty_journal_has_a_head_and_nothing_else(self, journal: Journal) -> None:
        assert journal.head() == EMPTY
        assert list(journal.rows()) == []
        assert journal.row_at(1) is None
        assert list(journal.stream("USD")) == []
        assert list(journal.streams()) == []

    def test_rows_come_back_byte_for_byte_and_in_order(self, journal: Journal) -> None:
        rows = append(journal, 1, 3, 2)
        assert list(journal.rows()) == rows
        assert journal.head() == Head(6, rows[-1].digest, rows[-1].recorded_at)

    @pytest.mark.parametrize(("after", "first_positions"), [(0, [1, 2, 5]), (1, [2, 5]), (3, [5]), (4, [5]), (5, []), (99, [])])
    def test_rows_after_a_position(self, journal: Journal, after: int, first_positions: list[int]) -> None:
        append(journal, 1, 3, 2)
        assert [row.first_position for row in journal.rows(after)] == first_positions

    @pytest.mark.parametrize(("position", "first_position"), [(0, None), (1, 1), (2, 2), (4, 2), (6, 5), (7, None)])
    def test_the_row_in_which_a_position_lies(self, journal: Journal, position: int, first_position: int | None) -> None:
        append(journal, 1, 3, 2)
        row = journal.row_at(position)
        assert (row and row.first_position) == first_position

    @pytest.mark.parametrize(
        ("position", "count", "found"),
        [
            (0, 9, [1, 2, 5]),
            (1, 2, [1, 2]),
            (2, 9, [2, 5]),
            (4, 9, [2, 5]),
            (4, 1, [2]),
            (6, 9, [5]),
            (7, 9, []),
            (99, 9, []),
        ],
    )
    def test_the_bodies_from_a_position_on(self, journal: Journal, position: int, count: int, found: list[int]) -> None:
        rows = append(journal, 1, 3, 2)
        expected = [Body(row.first_position, row.last_position, row.body) for row in rows if row.first_position in found]
        assert list(journal.bodies(position, count)) == expected

    def test_bodies_come_in_pages_of_so_many_bytes(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (postgres, sqlite):
            monkeypatch.setattr(module, "PAGE_BYTES", 1)
        rows = append(journal, *[1] * 100)
        for found in (journal.bodies(1, 1_000), journal.stream_parts("USD", -1, VERSION_MAX, 1_000)):
            assert [part.body for part in found] == [row.body for row in rows][: len(found)]
            assert 1 <= len(found) <= (sqlite.FETCHED_ROWS if isinstance(journal, sqlite.SQLiteJournal) else 100)
        assert len(journal.bodies(1, 1_000)) < 100 or isinstance(journal, MemoryJournal)

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize(
        ("gt", "lte", "count", "found"),
        [
            (-1, VERSION_MAX, 9, [1, 2, 5, 5 + SMALL]),
            (-1, VERSION_MAX, 2, [1, 2]),
            (1, VERSION_MAX, 9, [2, 5, 5 + SMALL]),
            (2, 4, 9, [2]),
            (2, 5, 9, [2, 5]),
            (4 + SMALL, VERSION_MAX, 9, [5 + SMALL]),
            (-1, 0, 9, []),
            (999, VERSION_MAX, 9, []),
        ],
    )
    def test_the_parts_of_a_stream(
        self, journal: Journal, gt: int, lte: int, count: int, found: list[int], descending: bool
    ) -> None:
        rows = append(journal, 1, 3, SMALL, SMALL + 1)
        append(journal, 2, stream="PLN")
        expected = [
            StreamPart(*row[:2], *row[:2], row.body if row.last_position - row.first_position < SMALL else None)
            for row in rows
            if row.first_position in found
        ]
        read = list(journal.stream_parts("USD", gt, lte, count, descending=descending))
        if descending and count < len(rows):
            assert [part.first_position for part in read] == [5 + SMALL, 5]
        else:
            assert read == (expected[::-1] if descending else expected)
        assert list(journal.stream_parts("EUR", gt, lte, count)) == []

    def test_the_last_entries_of_streams(self, journal: Journal) -> None:
        append(journal, 1, 3)
        append(journal, 2, stream="PLN")
        append(journal, 1)
        names = [f"many-{number}" for number in range(300)] + ["\\0", "nul\0byte", "ż ó", ""]
        for name in names[-4:]:
            append(journal, 1, stream=name)
        last = journal.head().position
        assert journal.last_entries(["USD"]) == {"USD": StreamEntry("USD", 5, 5, 7)}
        assert journal.last_entries(["EUR"]) == journal.last_entries([]) == {}
        found = journal.last_entries({"USD", "PLN", *names})
        assert found == {
            "USD": StreamEntry("USD", 5, 5, 7),
            "PLN": StreamEntry("PLN", 1, 2, 5),
            **{name: StreamEntry(name, 1, 1, last - 3 + number) for number, name in enumerate(names[-4:])},
        }

    @pytest.mark.parametrize(
        ("first_position", "entries", "verdict"),
        [
            (5, [("USD", 5, 5)], True),
            (5, [("USD", 9, 12), ("PLN", 0, 0)], True),
            (4, [("USD", 5, 5)], False),
            (6, [("USD", 5, 5)], False),
            (5, [("USD", 4, 4)], False),
            (5, [("PLN", 1, 1), ("USD", 1, 9)], False),
        ],
    )
    def test_what_does_not_follow_is_overtaken(
        self, journal: Journal, first_position: int, entries: list[tuple[str, int, int]], verdict: bool
    ) -> None:
        append(journal, 1, 3)
        before = list(journal.rows()), sorted(journal.streams())
        body = encode_events([Minted("USD", "alice", 1)])
        with journal.writing() as head:
            row = make_row(head.digest, first_position, head.recorded_at, (), (1,), body)
            added = [StreamEntry(*entry, first_position) for entry in entries]
            if verdict:
                journal.append(row, added)
            else:
                with pytest.raises(Overtaken):
                    journal.append(row, added)
        rows, streams = before
        assert list(journal.rows()) == [*rows, *[row] * verdict]
        assert sorted(journal.streams()) == sorted([*streams, *added * verdict])

    @pytest.mark.parametrize("pattern", ["COOOOOC", "OCOCOC", "CCCCCCCOC", "OOOOOOOOOC"])
    def test_what_was_refused_spoils_nothing_that_comes_after(self, journal: Journal, pattern: str) -> None:
        append(journal, 1)
        for turn in pattern * 2:
            if turn == "C":
                append(journal, 1)
                continue
            with pytest.raises(Overtaken), journal.writing() as head:
                body = encode_events([Minted("USD", "alice", 1)])
                row = make_row(head.digest, head.position + 1, head.recorded_at, (), (1,), body)
                journal.append(row, [StreamEntry("USD", 1, 1, row.first_position)])
        assert journal.head().position == 1 + 2 * pattern.count("C")

    def test_many_rows_are_read_in_pages(self, journal: Journal) -> None:
        rows = append(journal, *[1] * 2_100)
        assert list(journal.rows()) == rows
        assert [entry.last_version for entry in journal.stream("USD")] == list(range(1, 2_101))

    @pytest.mark.parametrize(
        ("gt", "lte", "descending", "first_versions"),
        [
            (-1, 99, False, [1, 2, 5]),
            (-1, 99, True, [5, 2, 1]),
            (1, 99, False, [2, 5]),
            (3, 99, False, [2, 5]),
            (4, 99, False, [5]),
            (-1, 4, False, [1, 2]),
            (-1, 1, False, [1]),
            (2, 3, True, [2]),
            (6, 99, False, []),
            (-1, 0, False, []),
        ],
    )
    def test_entries_of_a_stream(
        self, journal: Journal, gt: int, lte: int, descending: bool, first_versions: list[int]
    ) -> None:
        append(journal, 1, 3, 2)
        append(journal, 4, stream="EUR")
        found = journal.stream("USD", gt, lte, descending=descending)
        assert [entry.first_version for entry in found] == first_versions

    def test_entries_of_all_streams(self, journal: Journal) -> None:
        append(journal, 1, 3)
        append(journal, 4, stream="EUR")
        assert sorted(journal.streams()) == [
            StreamEntry("EUR", 1, 4, 5),
            StreamEntry("USD", 1, 1, 1),
            StreamEntry("USD", 2, 4, 2),
        ]

    def test_a_reader_that_pauses_sees_what_is_appended_meanwhile(self, journal: Journal) -> None:
        append(journal, 1)
        reading = journal.rows()
        assert next(reading).first_position == 1
        append(journal, 2)
        assert [row.first_position for row in reading] == [2]

    def test_leaving_without_an_append_changes_nothing(self, journal: Journal) -> None:
        append(journal, 1)
        with pytest.raises(ZeroDivisionError), journal.writing():
            raise ZeroDivisionError
        with journal.writing() as head:
            assert head.position == 1
        append(journal, 1)
        assert journal.head().position == 2

    def test_it_says_whether_it_ends_at_a_head(self, journal: Journal) -> None:
        heads = [EMPTY]
        for count in (1, 3):
            append(journal, count)
            heads.append(journal.head())
            assert [journal.ends_at(head) for head in (*heads, heads[-1])] == [*[False] * (len(heads) - 1), True, True]
        other = heads[-1]._replace(digest=bytes(32))
        assert not journal.ends_at(other)

    def test_writing_is_exclusive(self, journal: Journal) -> None:
        entered, order = Event(), list[str]()

        def second() -> None:
            entered.wait()
            with journal.writing() as head:
                order.append(f"second after {head.position}")

        thread = Thread(target=second)
        thread.start()
        with journal.writing() as head:
            entered.set()
            thread.join(0.2)
            row = make_row(head.digest, 1, 1, (), (1,), encode_events([Minted("USD", "alice", 1)]))
            journal.append(row, [StreamEntry("USD", 1, 1, 1)])
            order.append("first")
        thread.join()
        assert order == ["first", "second after 1"]

    def test_it_stands_after_reopening(self, journal: Journal) -> None:
        rows = append(journal, 1, 2)
        journal.reopen()
        assert list(journal.rows()) == rows
        assert append(journal, 1)[0].first_position == 4


class SharedJournalCases(JournalCases, SharedDetailCases):
    """For stores that several processes share: give `other` too, a second journal on the same store."""

    @pytest.fixture
    def other(self, journal: Journal) -> Iterator[Journal]:
        raise NotImplementedError

    def test_another_sees_what_was_appended(self, journal: Journal, other: Journal) -> None:
        assert other.ends_at(EMPTY)
        rows = append(journal, 1, 2)
        assert (other.ends_at(EMPTY), other.ends_at(journal.head())) == (False, True)
        assert list(other.rows()) == rows
        with other.writing() as head:
            assert head.position == 3

    def test_two_take_turns(self, journal: Journal, other: Journal) -> None:
        def work(mine: Journal) -> None:
            append(mine, *[1] * 50)

        run_together([lambda: work(journal), lambda: work(other)])
        assert [row.first_position for row in journal.rows()] == list(range(1, 101))


def run_together(functions: Sequence[Callable[[], None]]) -> None:
    """Runs the functions in threads of their own to the end."""
    threads = [Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
