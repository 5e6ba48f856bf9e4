"""Details that cannot be, and metadata that is not what was recorded, are found out; the database refuses to change it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tallystick import CorruptJournal, Ledger, Token
from tallystick.domain.events import (
    BalanceRaised,
    Burned,
    ContractRegistered,
    FragmentsMinted,
    MetadataErased,
    Minted,
    Moved,
    TokenRegistered,
)
from tallystick.domain.values.instant import DAY, INSTANT_MAX
from tallystick.infrastructure.journal.details import Details, encode_details, metadata_digest
from tallystick.infrastructure.journal.format import encode_events, make_row
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, MetadataRow
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.journal.stream_versions import StreamVersions

NOW = 1_800_000_000_000_000
SALT = bytes(16)
REGISTERED = TokenRegistered("T", 0, 100, None, "external")
DIGEST = metadata_digest(SALT, "{}")


def write(path: Path, rows: list[tuple[list[Any], list[int], str | None, MetadataChange]]) -> None:
    """Writes rows by hand: their events, how many positions each entry takes, their details, their change of metadata."""
    versions = StreamVersions()
    with closing(SQLiteJournal(path, durable=False)) as journal:
        for events, counts, details, metadata in rows:
            with journal.writing() as head:
                body, encoded = encode_events(events), None if details is None else details.encode()
                row = make_row(head.digest, head.position + 1, NOW, (), counts, body, encoded)
                entries = versions.entries(events, row)
                journal.append(row, entries, metadata)
                versions.advance(entries)


START = (
    [REGISTERED, Minted("T", "a", 50), ContractRegistered("p", None), BalanceRaised("p", 9)],
    [1, 1, 2],
    None,
    NO_METADATA,
)
MOVES = [Moved("T", "a", "b", 5), Burned("T", "a", 2), Burned("T", "a", 1)]


@pytest.mark.parametrize(
    ("details", "verdict"),
    [
        (None, None),
        ("[]", None),
        ('[[0,{"at":0}]]', None),
        (f'[[0,{{"at":{NOW + DAY}}}]]', None),
        (f'[[0,{{"at":{NOW + DAY + 1}}}]]', 5),
        (f'[[0,{{}}],[1,{{"at":{INSTANT_MAX + 1}}}]]', 7),
        ('[[1,{"at":-1}]]', 7),
        ('[[0,{"ref":"order 7"}],[1,{"ref":"ż"}]]', None),
        ('[[0,{"ref":""}]]', 5),
        ('[[1,{"ref":"%s"}]]' % ("x" * 257), 7),
        ('[[1,{"meta":"%s"}]]' % ("a" * 63), 7),
        ('[[1,{"meta":"%s"}]]' % ("A" * 64), 7),
        ('[[null,{"seal":[4,"00"]}]]', None),
        ('[[null,{"at":5}]]', 5),
        ('[[1,{"seal":[4,"00"]}]]', 7),
        ('[[1,{"reverses":[[0,2]]}]]', None),
        ('[[0,{"reverses":[[1,2]]}]]', None),
        ('[[1,{"reverses":[[0,1]]}]]', 7),
        ('[[1,{"reverses":[[0,3]]}]]', 7),
        ('[[1,{"reverses":[[0,4]]}]]', 7),
        ('[[1,{"reverses":[[0,5]]}]]', 5),
        ('[[1,{"reverses":[[0,0]]}]]', 5),
        ('[[1,{"reverses":[[1,2]]}]]', 5),
        ('[[0,{"reverses":[[-1,2]]}]]', 5),
    ],
)
def test_audit_finds_details_that_cannot_be(tmp_path: Path, details: str | None, verdict: int | None) -> None:
    path = tmp_path / "written-by-hand.db"
    write(path, [START, (MOVES, [2, 1], details, NO_METADATA)])
    with Ledger.open(path) as ledger:
        positions = [finding.position for finding in ledger.audit().findings if "metadata is missing" not in finding.reason]
        assert ledger.verify().ok == (details is None or "meta" not in details)
    assert positions == ([] if verdict is None else [verdict])


@pytest.mark.parametrize(
    "details",
    [
        "",
        "{}",
        "[0]",
        '[[0,{"at":"5"}]]',
        '[[0,{"at":5.5}]]',
        '[[0,{"colour":"red"}]]',
        '[[0,{"at":5},1]]',
        '[[3,{"at":5}]]',
        '[[2,{"at":5}]]',
        '[[-1,{"at":5}]]',
        '[[1,{"at":5}],[0,{"at":5}]]',
        '[[0,{"at":5}],[0,{"ref":"x"}]]',
        '[["0",{"at":5}]]',
        '[[0,{"reverses":[[0]]}]]',
        '[[null,{"seals":[4,"00"]}]]',
    ],
)
def test_details_that_cannot_be_read_are_a_corrupt_journal(tmp_path: Path, details: str) -> None:
    path = tmp_path / "written-by-hand.db"
    write(path, [START, (MOVES, [2, 1], details, NO_METADATA)])
    with Ledger.open(path) as ledger:
        for proof in (ledger.verify(), ledger.audit()):
            assert [finding.position for finding in proof.findings] == [5]
            assert proof.position == 4
        with pytest.raises(CorruptJournal) as caught:
            ledger.balance("T", "a")
    assert caught.value.position == 5
    assert ("newer version" in str(caught.value)) == ("does not have" not in str(caught.value))


@pytest.mark.parametrize(
    ("amounts", "verdict"),
    [([50], None), ([20, 30], None), ([51], 5), ([20, 31], 6), ([50, 1], 6), ([1, 1, 48], None), ([1, 1, 49], 7)],
)
def test_audit_finds_that_more_is_taken_back_than_was_moved(tmp_path: Path, amounts: list[int], verdict: int | None) -> None:
    path = tmp_path / "written-by-hand.db"
    start = ([REGISTERED, Minted("T", "b", 49), Minted("T", "c", 1), Minted("T", "a", 50)], [4])
    moves = [([Moved("T", "a", "b", amount)], [1], '[[0,{"reverses":[[0,4]]}]]', NO_METADATA) for amount in amounts]
    filled = [([Minted("T", "a", 1)], [1], None, NO_METADATA)]
    write(path, [(*start, None, NO_METADATA), *moves, *filled])
    with Ledger.open(path) as ledger:
        found = [finding.position for finding in ledger.audit().findings if "taken back" in finding.reason]
    assert found == ([] if verdict is None else [verdict])


def test_audit_finds_an_event_of_format_2_in_a_row_without_details(tmp_path: Path) -> None:
    path = tmp_path / "written-by-hand.db"
    write(path, [START, ([MetadataErased(2, "")], [1], None, NO_METADATA)])
    with Ledger.open(path) as ledger:
        assert [finding.position for finding in ledger.audit().findings] == [5]


# Metadata.


def said(*numbers: int) -> str:
    return encode_details([(number, Details(meta=DIGEST)) for number in numbers]).decode()


def added(*entries: int, salt: bytes = SALT) -> MetadataChange:
    return MetadataChange([MetadataRow(entry, salt, "{}") for entry in entries])


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([(MOVES, [2, 1], said(0, 1), added(5, 7))], []),
        ([(MOVES, [2, 1], said(0, 1), added(5))], [7]),
        ([(MOVES, [2, 1], said(0, 1), NO_METADATA)], [5, 7]),
        ([(MOVES, [2, 1], said(0), added(5, 7))], [7]),
        ([(MOVES, [2, 1], said(0), added(5, 6))], [6]),
        ([(MOVES, [2, 1], None, added(5))], [5]),
        ([(MOVES, [2, 1], said(0), added(5, salt=bytes(15)))], [5]),
        ([(MOVES, [2, 1], said(0, 1), added(5)), ([MetadataErased(7, "")], [1], "[]", NO_METADATA)], []),
        ([(MOVES, [2, 1], said(0, 1), added(5, 7)), ([MetadataErased(7, "")], [1], "[]", MetadataChange(erased=[7]))], []),
        ([(MOVES, [2, 1], said(0, 1), added(5)), ([MetadataErased(5, "")], [1], "[]", MetadataChange(erased=[5]))], [7]),
        ([([MetadataErased(6, "")], [1], "[]", NO_METADATA), (MOVES, [2, 1], said(0), NO_METADATA)], [6]),
        ([([MetadataErased(2, "")], [1], "[]", NO_METADATA), (MOVES[:1], [1], None, NO_METADATA)], []),
    ],
)
def test_verify_finds_metadata_that_is_not_what_was_recorded(tmp_path: Path, rows: list[Any], verdict: list[int]) -> None:
    path = tmp_path / "written-by-hand.db"
    write(path, [START, *rows])
    with Ledger.open(path) as ledger:
        for proof in (ledger.verify(), ledger.audit()):
            assert [finding.position for finding in proof.findings] == verdict


@pytest.mark.parametrize("entry", [0, -5, 99])
def test_verify_finds_metadata_of_what_is_no_entry(tmp_path: Path, entry: int) -> None:
    path = tmp_path / "written-by-hand.db"
    write(path, [START, (MOVES, [2, 1], said(0), added(5))])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER metadata_is_of_the_newest_commit")
        connection.execute("INSERT INTO metadata VALUES (?, ?, '{}')", (entry, SALT))
    with Ledger.open(path) as ledger:
        assert [finding.position for finding in ledger.verify().findings] == [max(entry, 0)]


def test_verify_does_not_mind_what_is_recorded_and_erased_while_it_reads(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("T"))
        for number in range(20):
            with ledger.atomic(metadata={"n": number}) as tx:
                tx.mint("T", "a", 1)
        journal = ledger._core.journal  # pyright: ignore[reportPrivateUsage]
        rows, seen = journal.rows, list[int]()

        def while_reading(after: int = 0) -> Iterator[Any]:
            for row in rows(after):
                yield row
                if len(seen) < 5:
                    with ledger.atomic(metadata={"later": True}) as tx:
                        tx.mint("T", "a", 1)
                    seen.append(tx.receipt.entry_id)
                    for entry in (5 + len(seen), seen[-1]):
                        ledger.erase(entry, "while it was read")

        journal.rows = while_reading  # type: ignore[method-assign]
        try:
            report = ledger.verify()
        finally:
            journal.rows = rows  # type: ignore[method-assign]
        assert report.ok, report.findings
        assert len(seen) == 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal whose newest commit, of two positions, has metadata, and one before it too."""
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("T"))
        for _ in range(2):
            with ledger.atomic(metadata={"name": "alice"}) as tx:
                tx.mint("T", "a", 1)
                tx.mint("T", "b", 1)
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE metadata SET content = '{}'",
        "UPDATE metadata SET entry = entry + 1 WHERE entry = 4",
        "DELETE FROM metadata",
        "DELETE FROM metadata WHERE entry = 4",
        "INSERT INTO metadata VALUES (4, x'00', '{}')",
        "INSERT OR REPLACE INTO metadata VALUES (4, x'00', '{}')",
        "REPLACE INTO metadata VALUES (2, x'00', '{}')",
        "INSERT INTO metadata VALUES (3, x'00', '{}')",
        "INSERT INTO metadata VALUES (1, x'00', '{}')",
        "INSERT INTO metadata VALUES (6, x'00', '{}')",
        "INSERT INTO metadata VALUES (5, NULL, '{}')",
        "INSERT INTO metadata VALUES (5, x'00', NULL)",
        "UPDATE commits SET details = NULL",
    ],
)
def test_the_database_refuses_what_no_commit_says(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        assert list(connection.iterdump()) == before
    with Ledger.open(path) as ledger:
        assert ledger.audit().ok


def test_the_database_refuses_metadata_where_nothing_was_recorded(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "empty.db").close()
    with closing(sqlite3.connect(tmp_path / "empty.db")) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO metadata VALUES (1, x'00', '{}')")


def test_fragments_are_no_movement_that_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "written-by-hand.db"
    start = [TokenRegistered("T", 0, 100, 10, "external"), Minted("T", "a", 5), FragmentsMinted("T", "a", 3000, [5])]
    write(path, [(start, [1, 2], None, NO_METADATA), ([BalanceRaised("p", 5)], [1], '[[0,{"reverses":[[0,3]]}]]', NO_METADATA)])
    with Ledger.open(path) as ledger:
        assert "no movement" in "".join(finding.reason for finding in ledger.audit().findings)
