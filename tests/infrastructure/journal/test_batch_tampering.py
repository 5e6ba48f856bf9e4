"""Batches that no ledger wrote, in rows whose digests are right: opening and audits say so, and nothing else is raised."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import PersistenceError

from tallystick import (
    Balances,
    CorruptJournal,
    DuplicateTransferId,
    Fragments,
    Ledger,
    LedgerError,
    SupplyReserves,
    Transactions,
)
from tallystick.domain.batch.batch import positions_of
from tallystick.domain.batch.text_ids import hashed
from tallystick.domain.events import (
    BurnedMany,
    FragmentsBurned,
    FragmentsMintedMany,
    MintedMany,
    Moved,
    MovedMany,
    NotedMintedMany,
    Reserved,
    RowNotes,
    TokenRegistered,
)
from tallystick.infrastructure.journal.details import NO_DETAILS, needs_details
from tallystick.infrastructure.journal.format import encode_events, make_row
from tallystick.infrastructure.journal.port import StreamEntry
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.recorders import JournalRecorder

PLAIN = TokenRegistered("T", 0, 1000, None, "external")
FRAGMENTED = TokenRegistered("T", 0, 1000, 10, "external")
MINTED = MintedMany("T", 2, ["a", "b"], b"\0\1", b"\5\6", "", (1).to_bytes(16, "little") + (2).to_bytes(16, "little"))
IDS = hashed(["x", "y"]).to_bytes()
PIECES = FragmentsMintedMany("T", 2, 2007, b"\0\1", b"\5\6")


def noted(notes: RowNotes, ids: bytes = MINTED.ids) -> NotedMintedMany:
    return NotedMintedMany("T", 2, ["a", "b"], b"\0\1", b"\5\6", "", ids, notes)


GOOD: list[list[Any]] = [
    [PLAIN, MINTED],
    [PLAIN, MINTED, MovedMany("T", 2, ["c"], b"\0\1", b"\2\2", b"\5\6")],
    [PLAIN, MINTED, BurnedMany("T", 1, [], b"\1", (6).to_bytes(16, "little"))],
    [PLAIN, MINTED, MovedMany("T", 1, [], b"\0", b"\0", b"\5", "", (3).to_bytes(16, "little")), Moved("T", "a", "b", 5)],
    [PLAIN, noted(RowNotes(4, 1, b"\0\2", ["x", "y"], b"", ["r", None], b"", ["x", "y"]), IDS)],
    [PLAIN, noted(RowNotes(0, 1, b"\0\2", ["x", "y"], b"\1\1", ["r"]))],
    [FRAGMENTED, MINTED, PIECES],
    [FRAGMENTED, MINTED, PIECES, BurnedMany("T", 1, [], b"\0", b"\5"), FragmentsBurned("T", [2007])],
]
UNREADABLE: list[tuple[list[Any], int]] = [
    ([PLAIN, MintedMany("T", 3, ["a", "b"], b"\0\1", b"\5\6")], 2),
    ([PLAIN, MintedMany("T", 1, ["a", "b"], b"\0\1", b"\5\6")], 2),
    ([PLAIN, MintedMany("T", 2**40, ["a", "b"], b"\0\1", b"\5\6")], 2),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"", b"")], 2),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1", b"\5\6\7")], 2),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1\0", b"\5\6")], 2),
    ([PLAIN, MintedMany("T", 1, ["a"], b"\0", bytes(3))], 2),
    ([PLAIN, MintedMany("T", 1, ["a"], b"\0", bytes(64))], 2),
    ([PLAIN, MINTED, MovedMany("T", 2, ["c"], b"\0\1", b"\2", b"\5\6")], 4),
    ([PLAIN, MINTED, MovedMany("T", 2, ["c"], b"", b"\0\1", b"\5\6")], 4),
    ([PLAIN, MintedMany("T", 2, ["a"], b"\0\1", b"\5\6")], 2),
    ([PLAIN, MintedMany("T", 2, [], b"\0\1", b"\5\6")], 2),
    ([PLAIN, MINTED, MovedMany("T", 2, ["c"], b"\0\1", b"\2\3", b"\5\6")], 4),
    ([PLAIN, MINTED, MovedMany("T", 1, [], (2**63).to_bytes(8, "little"), b"\0", b"\5")], 4),
    ([PLAIN, MintedMany("T", 1, ["a"], (2**100).to_bytes(16, "little"), b"\5")], 2),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1", b"\5\6", "", bytes(31))], 2),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1", b"\5\6", "", bytes(16))], 2),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1", b"\5\6", "", bytes(range(48)))], 2),
    *(
        ([PLAIN, noted(notes)], 2)
        for notes in (
            RowNotes(5),
            RowNotes(times=b"\0\0"),
            RowNotes(0, -1),
            RowNotes(-1, 1),
            RowNotes(2**70, 1),
            RowNotes(1, 2**70),
            RowNotes(0, 1, b"\0"),
            RowNotes(0, 1, b"\0\1"),
            RowNotes(0, 86_400_000_000, (2**40).to_bytes(8, "little") * 2),
            RowNotes(5, 1, (2**100).to_bytes(16, "little") * 2),
            RowNotes(memos=["x", "y", "z"]),
            RowNotes(memos=["x"], memo_rows=b"\0\1"),
            RowNotes(memo_rows=b"\0\0"),
            RowNotes(refs=[None, "x", "y"]),
            RowNotes(refs=["x", "y"], ref_rows=b"\0"),
            RowNotes(id_texts=["x"]),
            RowNotes(id_texts=["x", "y", "z"]),
        )
    ),
    ([PLAIN, noted(RowNotes(id_texts=["x", "y"]), b"")], 2),
    ([FRAGMENTED, MINTED, FragmentsMintedMany("T", 2, 2007, b"\0\2", b"\5\6")], 4),
    ([FRAGMENTED, MINTED, FragmentsMintedMany("T", 3, 2007, b"\0\1", b"\5\6")], 4),
    ([FRAGMENTED, MINTED, FragmentsMintedMany("T", 2, 2007, b"\0\1", b"\5\6\7")], 4),
    ([FRAGMENTED, PIECES, MINTED], 2),
]
UNTRUE: list[tuple[list[Any], int]] = [
    ([MINTED, PLAIN], 1),
    ([PLAIN, MintedMany("U", 1, ["a"], b"\0", b"\5")], 2),
    ([PLAIN, MintedMany("T", 3, ["a", "b"], b"\0\1\0", b"\5\0\6")], 3),
    ([PLAIN, MINTED, MovedMany("T", 2, [], b"\0\0", b"\1\1", b"\5\0")], 5),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1", b"\5\6", "", bytes(32))], 3),
    ([PLAIN, MINTED, BurnedMany("T", 1, [], b"\0", b"\5", "", (2).to_bytes(16, "little"))], 4),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1", b"\xe8\3\1\0")], 3),
    ([PLAIN, MintedMany("T", 2, ["a", "b"], b"\0\1", bytes([*([255] * 8), *([255] * 8)]))], 2),
    ([PLAIN, MINTED, MovedMany("T", 2, ["c"], b"\0\0", b"\2\2", b"\5\1")], 5),
    ([PLAIN, MINTED, MovedMany("T", 2, ["c"], b"\2\0", b"\1\2", b"\5\5")], 4),
    ([PLAIN, MINTED, MovedMany("T", 4, [], bytes(4), b"\1\1\1\1", (2**62).to_bytes(8, "little") * 4)], 4),
    ([PLAIN, MINTED, MovedMany("T", 1, [], b"\0", b"\1", (2**200).to_bytes(32, "little"))], 4),
    ([PLAIN, MINTED, BurnedMany("T", 3, [], b"\0\0\1", b"\3\3\6")], 5),
    ([PLAIN, noted(RowNotes(id_texts=["x", "y"]))], 2),
    ([PLAIN, noted(RowNotes(id_texts=["y", "x"]), IDS)], 2),
    ([PLAIN, noted(RowNotes(1, 86_400_000_000, b"\0\2"))], 2),
    ([FRAGMENTED, MINTED], 2),
    ([FRAGMENTED, MINTED, MovedMany("T", 1, [], b"\0", b"\1", b"\5")], 2),
    ([FRAGMENTED, MINTED, FragmentsMintedMany("T", 2, 2007, b"\1\0", b"\5\6")], 2),
    ([FRAGMENTED, MINTED, FragmentsMintedMany("T", 3, 2007, b"\0\1\1", b"\5\6\0")], 4),
    ([FRAGMENTED, MINTED, PIECES, MovedMany("T", 1, [], b"\0", b"\1", b"\5")], 5),
    ([FRAGMENTED, MINTED, PIECES, FragmentsMintedMany("T", 1, 2008, b"\0", b"\1")], 2),
    ([PLAIN, MINTED, PIECES], 4),
]


def write(folder: Path, events: list[Any]) -> Path:
    """A journal of one commit, each event as it is."""
    folder.mkdir(exist_ok=True)
    path = folder / "written-by-hand.db"
    counts: Counter[str] = Counter()
    for event in events:
        counts[event.token] += positions_of(event)
    with closing(SQLiteJournal(path)) as journal, journal.writing() as head:
        details = NO_DETAILS if needs_details(events) else None
        row = make_row(head.digest, 1, 5, (), (sum(counts.values()),), encode_events(events), details)
        journal.append(row, [StreamEntry(stream, 1, count, 1) for stream, count in counts.items()])
    return path


def try_everything(ledger: Ledger) -> bool:
    """Whether the ledger can be used; where it cannot, all of it is a corrupt journal."""
    outcomes: set[type[LedgerError] | None] = set()
    calls: list[Callable[[], Any]] = [
        ledger.tokens,
        lambda: ledger.balances("T"),
        lambda: ledger.history("T", "a"),
        lambda: ledger.fragments("T", "a"),
        lambda: ledger.allocations_of("a"),
        lambda: ledger.handles("T", ["new"]),
        lambda: ledger.transfer_many("T", ["nobody"], ["nobody"], [1], on_refusal="skip"),
    ]
    for call in calls:
        try:
            call()
            outcomes.add(None)
        except LedgerError as error:
            outcomes.add(type(error))
    assert outcomes in ({None}, {CorruptJournal})
    return outcomes == {None}


@pytest.mark.parametrize("events", GOOD)
def test_what_may_have_happened(tmp_path: Path, events: list[Any]) -> None:
    """What is wrong with the others is what they differ in from these."""
    with Ledger.open(write(tmp_path, events), max_clock_leap=None) as ledger:
        report = ledger.audit()
        assert report.ok, report.findings
        assert ledger.supply("T").circulating == 1000 - ledger.replay(SupplyReserves()).state["T"]
        assert try_everything(ledger)


def test_what_stands_after_a_batch_in_its_commit_has_its_position(tmp_path: Path) -> None:
    with Ledger.open(write(tmp_path, [PLAIN, MINTED, Reserved("T", "a", "b", 5, "hold")]), max_clock_leap=None) as ledger:
        assert ledger.hold("hold").position == 4
        assert ledger.audit().ok


@pytest.mark.parametrize(("events", "verdict"), UNREADABLE)
def test_a_batch_that_cannot_be_read(tmp_path: Path, events: list[Any], verdict: int) -> None:
    with Ledger.open(write(tmp_path, events), max_clock_leap=None) as ledger:
        assert ledger.verify().ok
        report = ledger.audit()
        assert verdict in [finding.position for finding in report.findings]
        assert not try_everything(ledger)


@pytest.mark.parametrize(("events", "verdict"), UNTRUE)
def test_a_batch_that_cannot_have_happened(tmp_path: Path, events: list[Any], verdict: int) -> None:
    with Ledger.open(write(tmp_path, events), max_clock_leap=None) as ledger:
        assert ledger.verify().ok
        report = ledger.audit()
        assert report.findings[0].position == verdict, report.findings
        try_everything(ledger)


@pytest.mark.parametrize(
    "count",
    [0, -1, 1.5, "2", None, 2**64],
)
def test_a_count_that_is_none(tmp_path: Path, count: Any) -> None:
    path = tmp_path / "books.db"
    with closing(SQLiteJournal(path)) as journal, journal.writing() as head:
        body = encode_events([PLAIN, MINTED]).replace(
            b'"MintedMany","T",2', b'"MintedMany","T",%s' % encode_events([count])[1:-1]
        )
        journal.append(make_row(head.digest, 1, 5, (), (3,), body), [StreamEntry("T", 1, 3, 1)])
    with Ledger.open(path, max_clock_leap=None) as ledger:
        assert [finding.position for finding in ledger.audit().findings] == [1]
        assert not ledger.verify().ok
        assert not try_everything(ledger)


@pytest.mark.parametrize("content", ['"?"', '"AAE"', "5", "null", '["a"]'])
def test_a_column_that_is_no_base64(tmp_path: Path, content: str) -> None:
    path = tmp_path / "books.db"
    with closing(SQLiteJournal(path)) as journal, journal.writing() as head:
        body = encode_events([PLAIN, MINTED]).replace(b'"AAE="', content.encode())
        journal.append(make_row(head.digest, 1, 5, (), (3,), body), [StreamEntry("T", 1, 3, 1)])
    with Ledger.open(path, max_clock_leap=None) as ledger:
        assert [finding.position for finding in ledger.audit().findings] == [1]
        assert not try_everything(ledger)


@pytest.mark.parametrize("positions", [2, 4])
def test_a_row_of_another_number_of_positions(tmp_path: Path, positions: int) -> None:
    path = tmp_path / "books.db"
    with closing(SQLiteJournal(path)) as journal, journal.writing() as head:
        row = make_row(head.digest, 1, 5, (), (positions,), encode_events([PLAIN, MINTED]))
        journal.append(row, [StreamEntry("T", 1, positions, 1)])
    with Ledger.open(path, max_clock_leap=None) as ledger:
        assert [finding.position for finding in ledger.audit().findings] == [1]
        assert not try_everything(ledger)


# What goes wrong.


@pytest.mark.parametrize("projection", [Balances, Transactions, Fragments, SupplyReserves])
def test_a_replay_of_batches_that_cannot_be_read(tmp_path: Path, projection: Callable[[], Any]) -> None:
    for number, (events, _) in enumerate(UNREADABLE):
        with Ledger.open(write(tmp_path / str(number), events), max_clock_leap=None) as ledger, pytest.raises(CorruptJournal):
            ledger.replay(projection())


def test_a_recorder_on_batches_that_cannot_be_read(tmp_path: Path) -> None:
    for number, (events, _) in enumerate(UNREADABLE):
        if events[0] is FRAGMENTED:
            continue  # the recorder gives the fragments' events as they are
        with closing(SQLiteJournal(write(tmp_path / str(number), events))) as journal:
            recorder = JournalRecorder(journal, "text")
            with pytest.raises(PersistenceError):
                recorder.select_notifications(1, 100)
            with pytest.raises(PersistenceError):
                recorder.select_events("T")


@pytest.mark.parametrize(
    "events",
    [
        [PLAIN, MintedMany("T", 2, ["a", "a"], b"\0\1", b"\5\6")],
        [PLAIN, MINTED, MintedMany("T", 1, ["a"], b"\2", b"\5")],
    ],
)
def test_a_name_with_two_numbers(tmp_path: Path, events: list[Any]) -> None:
    with Ledger.open(write(tmp_path, events), max_clock_leap=None) as ledger:
        try:
            complete = len(ledger.history("T", "a")) == 2
        except CorruptJournal:
            complete = True
        assert not ledger.audit().ok
        assert complete


def test_a_tag_with_an_escaped_letter_is_a_batch_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, [PLAIN])
    with closing(SQLiteJournal(path)) as journal, journal.writing() as head:
        body = encode_events([MINTED]).replace(b"MintedMany", b"Minted\\u004dany")
        row = make_row(head.digest, head.position + 1, head.recorded_at, (), (2,), body)
        journal.append(row, [StreamEntry("T", 2, 3, row.first_position)])
    with Ledger.open(path, max_clock_leap=None) as ledger:
        assert ledger.balance("T", "b").total == 6
        assert ledger.transaction(3).minted_amount == 6
        assert ledger.replay(Balances()).state["T"]["available"] == {"a": 5, "b": 6}
        with pytest.raises(DuplicateTransferId):
            ledger.mint_many("T", ["a"], [1], ids=[1])
        assert ledger.audit().ok
