"""What every sink does: a suite that each sink's tests inherit, with the fixture `place`."""

import os
import signal
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from threading import Event, Thread
from types import FrameType
from typing import Any

import pytest

import tallystick
from tallystick import Balances, InvalidRequest, Ledger, RebuildDiffers, StorageUnavailable, Table, Token
from tallystick.infrastructure.rebuild import check, columns
from tallystick.infrastructure.rebuild.columns import digest_of
from tallystick.infrastructure.rebuild.rows import row_tables
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.upkeep import builds_in, roll_back
from tests.support.books.varied_book import BEGIN, VariedBook
from tests.support.suites.sink_places import NAMES, TEXTS, Place

KILLS = 20
ROOM = str(Path(tallystick.__file__).parent / "infrastructure" / "rebuild")


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VariedBook]:
    """A book of all models; it is not changed."""
    book = VariedBook(tmp_path_factory.mktemp("varied") / "books.db", 7)
    for _ in book.play(150):
        pass
    yield book
    book.ledger.close()


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in which every commit changes the supply, and alice's balance."""
    with Ledger.open(tmp_path / "growing.db") as ledger:
        ledger.register_token(Token("USD", max_supply=2**256 - 1))
        ledger.mint("USD", "alice", 10)
        yield ledger


@pytest.fixture
def chunks_of_7(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (columns, row_tables):
        monkeypatch.setattr(module, "CHUNK_ROWS", 7)


def digests(into: str | Path) -> dict[str, str]:
    """A digest of the rows in use of each table, in their order."""
    with open_sink(into) as sink:
        live = {
            name: (build.version, table.shape)
            for build in sink.builds()
            for name, table in sink.tables(build.version).items()
            if table.is_live
        }
        return {name: digest_of(sink.read(version, shape)) for name, (version, shape) in live.items()}


class SinkCases:
    """The cases."""

    def test_tables_have_what_the_ledger_says(self, varied: VariedBook, place: Place, chunks_of_7: None) -> None:
        ledger = varied.ledger
        told: list[tuple[int, int]] = []
        found = ledger.rebuild(NAMES, place.into, lambda done, to_do: told.append((done, to_do)))
        head = ledger.status().head.position
        assert (found.version, found.position, told[-1]) == (1, head, (head, head))
        for column in ("available", "reserved", "total"):
            for (token, account), amount in place.amounts("balances", "token, account", column).items():
                if " " not in account:
                    assert amount == getattr(ledger.balance(token, account), column)
        assert place.amounts("supply", "token", "circulating") == {
            (token.code,): ledger.supply(token.code).circulating for token in ledger.tokens()
        }
        assert place.amounts("shadow_spaces", "contract", "allocs_sum") == {
            (id,): view.allocs_sum for id, view in ledger.contracts().items()
        }
        assert place.amounts("allocations", "contract, account", "sati") == {
            (id, account): each.sati for id in ledger.contract_ids() for account, each in ledger.allocations(id).items()
        }
        alive = [fragment for account in ledger.balances("FRG") for fragment in ledger.fragments("FRG", account)]
        fragments = place.amounts("fragments", "id", "amount")
        assert {(each.id,): each.amount for each in alive}.items() <= fragments.items()
        assert sum(fragments.values()) == ledger.supply("FRG").circulating
        holds = {each: left for each, left in place.amounts("holds", "id", "remaining").items() if left}
        assert holds == {(hold.id,): hold.remaining for hold in ledger.holds()}
        transactions = place.amounts(
            "transactions", "id, entry_id, kind, token, sender, receiver, memo, reference, hold", "amount"
        )
        for (id, *told), amount in transactions.items():
            known = ledger.transaction(id)
            assert (*told, amount) == (
                *(
                    known.entry_id,
                    known.kind,
                    known.token,
                    known.sender,
                    known.receiver,
                    known.memo,
                    known.reference,
                    known.hold,
                ),
                known.minted_amount or known.burned_amount,
            )
        (entries,) = place.rows("entries", columns="id, last_position, key, reference")
        for id, *told in entries:
            entry = ledger.entry(id)
            assert told == [entry.last_position, entry.key, entry.reference]
        assert {entry for _, entry, *_ in transactions} <= {id for id, *_ in entries}
        assert sum(last - id + 1 for id, last, *_ in entries) == head
        assert len(transactions) == sum(len(ledger.entry(id).transactions) for id, *_ in entries)
        assert {table.name: table.rows for table in found.tables} == {
            name: len(place.rows(name, columns=TEXTS[name])[0]) for name in NAMES
        }

    def test_amounts_are_exact_however_large(self, growing: Ledger, place: Place) -> None:
        for account, amount in (("bob", 2**63 - 1), ("carol", 2**63), ("dave", 10**38), ("eve", 2**200 + 1)):
            growing.mint("USD", account, amount)
        growing.rebuild(["balances"], place.into)
        found = place.amounts("balances", "account", "total")
        assert found == {("alice",): 10, ("bob",): 2**63 - 1, ("carol",): 2**63, ("dave",): 10**38, ("eve",): 2**200 + 1}

    @pytest.mark.parametrize("how", ["change", "lose", "double"])
    @pytest.mark.parametrize("table", NAMES)
    def test_a_wrong_row_prevents_the_switch(
        self, varied: VariedBook, place: Place, monkeypatch: pytest.MonkeyPatch, table: str, how: str
    ) -> None:
        ledger = varied.ledger
        ledger.rebuild(NAMES, place.into)
        before = digests(place.into)
        read_back = check.check_stored
        with monkeypatch.context() as patched:

            def spoil_and_read_back(sink: Any, version: int, shape: Any, *arguments: Any) -> int:
                if shape.name == table:
                    place.spoil(table, version, how)
                return read_back(sink, version, shape, *arguments)

            patched.setattr(check, "check_stored", spoil_and_read_back)
            with pytest.raises(RebuildDiffers, match=f"the table {table} is not what the journal says"):
                ledger.rebuild(NAMES, place.into)
        assert digests(place.into) == before
        assert ledger.rebuild(NAMES, place.into).version == 3
        assert digests(place.into) == before
        assert [build.version for build, _ in builds_in(place.into)] == [1, 3]

    @pytest.mark.parametrize("column", [2, 3, 4])
    def test_a_projection_that_is_wrong_is_found_by_the_sums(
        self, growing: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch, column: int
    ) -> None:
        growing.rebuild("balances", place.into)
        growing.mint("USD", "bob", 5)
        rows = Balances._rows

        def wrong(projection: Balances) -> Iterator[Any]:
            for row in rows(projection):
                yield (*row[:column], row[column] + (row[1] == "bob"), *row[column + 1 :])

        with monkeypatch.context() as patched:
            patched.setattr(Balances, "_rows", wrong)
            with pytest.raises(RebuildDiffers, match=r"bob has .* and its movements sum to 5/0/5"):
                growing.rebuild("balances", place.into)
        with monkeypatch.context() as patched:
            patched.setattr(Balances, "_rows", lambda projection: (row for row in rows(projection) if row[1] != "bob"))
            with pytest.raises(RebuildDiffers, match="bob has 5 available and 0 reserved of USD, and no row"):
                growing.rebuild("balances", place.into)
        assert place.amounts("balances", "account", "total") == {("alice",): 10}
        growing.rebuild("balances", place.into)
        assert place.amounts("balances", "account", "total") == {("alice",): 10, ("bob",): 5}

    def test_killed_at_any_line_it_goes_on_and_ends_the_same(self, varied: VariedBook, place: Place, chunks_of_7: None) -> None:
        ledger = varied.ledger
        ledger.rebuild(NAMES, place.into)
        expected = digests(place.into)
        lines = in_a_child_killed_at(None, varied.url, place)
        chance, killed = Random(5), 0
        for _ in range(KILLS):
            killed += in_a_child_killed_at(chance.randrange(lines), varied.url, place) == -signal.SIGKILL
            assert digests(place.into) == expected
        assert killed > KILLS // 2
        ledger.rebuild(NAMES, place.into)
        assert digests(place.into) == expected
        assert {build.state for build, _ in builds_in(place.into)} == {"complete"}
        assert len(builds_in(place.into)) == 2

    def test_what_was_written_is_not_written_again(
        self, varied: VariedBook, place: Place, chunks_of_7: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with open_sink(place.into) as sink:
            kind = type(sink)
        write, written = kind.write, count()

        def stopped(sink: Any, *arguments: Any) -> None:
            if next(written) == 9:
                raise KeyboardInterrupt
            write(sink, *arguments)

        monkeypatch.setattr(kind, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            varied.ledger.rebuild(NAMES, place.into)
        with pytest.raises(InvalidRequest, match="no allocations is in use there"):
            varied.ledger.check_rebuilt(NAMES, place.into)
        assert varied.ledger.rebuild(NAMES, place.into).version == 1
        with open_sink(place.into) as sink:
            chunks = sum(len(sink.chunks(1, name)) for name in NAMES)
        assert next(written) - 1 == chunks  # one of them was tried twice
        varied.ledger.check_rebuilt(NAMES, place.into)

    def test_one_of_another_journal_is_begun_anew(self, growing: Ledger, place: Place, tmp_path: Path) -> None:
        with open_sink(place.into) as sink:
            sink.begin({"balances": 1}, growing.status().head.position, "00" * 32, "2026-01-01T00:00:00+00:00")
        assert growing.rebuild("balances", place.into).version == 2
        assert [build.version for build, _ in builds_in(place.into)] == [2]

    def test_readers_see_old_or_new_and_never_both(self, growing: Ledger, place: Place) -> None:
        growing.rebuild(["balances", "supply"], place.into)
        done, begun, seen = Event(), Event(), list[tuple[int, int]]()
        failed: list[BaseException] = []

        def poll() -> None:
            try:
                while not done.is_set():
                    seen.append(place.totals())
                    begun.set()
            except BaseException as error:
                failed.append(error)
                begun.set()

        reader = Thread(target=poll)
        reader.start()
        try:
            for number in range(12):
                begun.wait()
                growing.mint("USD", f"holder{number}", 10 + number)
                growing.rebuild(["balances", "supply"], place.into, keep=20)
        finally:
            done.set()
            reader.join()
        assert not failed
        assert place.totals() == (196, 196)
        assert all(held == circulating for held, circulating in seen)
        assert [held for held, _ in seen] == sorted(held for held, _ in seen)

    def test_builds_before_are_kept_and_can_be_put_in_use_again(self, growing: Ledger, place: Place) -> None:
        for amount in range(1, 5):
            growing.mint("USD", "alice", amount)
            growing.rebuild(["balances", "supply"], place.into, keep=2)
        told = [(build.version, build.state, tables["balances"][:2]) for build, tables in builds_in(place.into)]
        assert told == [(2, "complete", (False, 1)), (3, "complete", (False, 1)), (4, "complete", (True, 1))]
        assert place.amounts("balances", "account", "total") == {("alice",): 20}
        assert roll_back(["balances"], place.into) == {"balances": 3}
        assert place.amounts("balances", "account", "total") == {("alice",): 16}
        assert place.amounts("supply", "token", "circulating") == {("USD",): 20}
        assert [each.version for each in growing.check_rebuilt(["balances", "supply"], place.into)] == [3, 4]
        roll_back(["balances"], place.into)
        with pytest.raises(InvalidRequest, match="no build of balances before version 2 was kept"):
            roll_back(["balances"], place.into)
        growing.rebuild("balances", place.into, keep=0)
        assert place.amounts("balances", "account", "total") == {("alice",): 20}
        assert [(build.version, sorted(tables)) for build, tables in builds_in(place.into)] == [
            (2, ["supply"]),
            (3, ["supply"]),
            (4, ["supply"]),
            (5, ["balances"]),
        ]

    @pytest.mark.parametrize("how", ["change", "lose", "double"])
    @pytest.mark.parametrize("table", NAMES)
    def test_a_row_that_became_wrong_is_found_by_a_check(self, varied: VariedBook, place: Place, table: str, how: str) -> None:
        varied.ledger.rebuild(NAMES, place.into)
        varied.ledger.check_rebuilt(NAMES, place.into)
        place.spoil(table, 1, how)
        with pytest.raises(RebuildDiffers) as raised:
            varied.ledger.check_rebuilt(NAMES, place.into)
        assert raised.value.table == table

    def test_one_run_at_a_time(self, growing: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tallystick.infrastructure.rebuild.sinks.postgres.TURN_TRIES", 1)
        with open_sink(place.into), pytest.raises(StorageUnavailable, match="another rebuild"):
            growing.rebuild("balances", place.into)
        assert growing.rebuild("balances", place.into).version == 1

    def test_a_projection_of_ones_own(self, growing: Ledger, place: Place) -> None:
        growing.mint("USD", "bob", 7, memo='a,b\n"c"')
        growing.mint("USD", "carol", 2**70)
        assert [(each.name, each.rows) for each in growing.rebuild(Mints(), place.into).tables] == [
            ("mint_memos", 3),
            ("mints", 3),
        ]
        growing.check_rebuilt([Mints], place.into)
        (rows,) = place.rows("mints", columns="account, amount, position")
        assert [(account, int(amount), position) for account, amount, position in rows] == [
            ("alice", 10, 2),
            ("bob", 7, 3),
            ("carol", 2**70, 4),
        ]
        (memos,) = place.rows("mint_memos", columns="memo, is_empty")
        assert [(memo, bool(is_empty)) for memo, is_empty in memos] == [("", True), ('a,b\n"c"', False), (None, True)]

    def test_tables_without_rows(self, place: Place) -> None:
        with Ledger.open("memory:") as ledger:
            assert ledger.rebuild(NAMES, place.into).position == 0
            assert place.rows("balances", columns="token") == [[]]
            ledger.check_rebuilt(NAMES, place.into)


class Mints:
    """A projection of a user's own: two tables."""

    name = "mints_of_ours"
    version = 1

    def __init__(self) -> None:
        self.state: list[list[Any]] = []

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        if type(event).__name__ == "Minted":
            memo = None if event.account == "carol" else event.memo
            self.state.append([event.account, event.amount, position, memo, recorded_at])

    def tables(self) -> list[Any]:
        return [
            ("mints", ["account", "amount", "position"], [row[:3] for row in self.state]),
            Table(
                "mint_memos",
                {"memo": "text", "is_empty": "bool", "at": "time"},
                [(row[3], not row[3], row[4]) for row in self.state],
            ),
        ]


def in_a_child_killed_at(line: int | None, books: str | Path, place: Place) -> int:
    """Rebuilds in a child that is killed at such a line of the room, and how it ended; without one, how many there are."""
    counted, told = os.pipe()
    child = os.fork()
    if child:
        os.close(told)
        with os.fdopen(counted) as file:
            lines = file.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if line is None:
            assert status == 0
            return int(lines)
        return status
    status, done = 1, 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal done
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        done += event == "line"
        if done == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    try:
        with Ledger.open(books, read_only=True, clock=lambda: BEGIN) as ledger:
            sys.settrace(trace)
            ledger.rebuild(NAMES, place.into)
            sys.settrace(None)
        os.write(told, str(done).encode())
        status = 0
    finally:
        os._exit(status)
