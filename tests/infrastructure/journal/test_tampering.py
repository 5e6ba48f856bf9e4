"""A journal that was changed is found out, and the database refuses what would change it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    AuditReport,
    CorruptJournal,
    Ledger,
    NotALedger,
    SchemaTooNew,
    StorageUnavailable,
    Token,
)
from tallystick.domain.entry.kinds import TAKEN_OVER
from tallystick.domain.events import (
    RUN_EVENTS,
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    AppUpdated,
    BalanceLowered,
    BalanceRaised,
    Burned,
    ContractRegistered,
    Deallocated,
    Distributed,
    FragmentsBurned,
    FragmentsMinted,
    Minted,
    Moved,
    Released,
    Reserved,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
    Settled,
    ShadowLowered,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.infrastructure.journal.format import Foreign, encode_events, make_row, stream_of
from tallystick.infrastructure.journal.port import StreamEntry
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal

COLUMNS = ("first_position", "last_position", "recorded_at", "keys", "transactions", "body", "digest")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small journal with every kind of content."""
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", unit=10))
        with ledger.atomic("key", request={"a": 1}) as tx:
            tx.mint("USD", "alice", 25, memo="æ")
        with ledger.atomic() as tx:
            tx.settle("USD", "keeper", "bob", 3, hold=tx.reserve("USD", "alice", "keeper", 7))
    return path


def rows(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {', '.join(COLUMNS)} FROM commits ORDER BY first_position").fetchall()


def unlocked(path: Path) -> sqlite3.Connection:
    """A connection to a copy's tables without their guards."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    return connection


def flips(value: int | str | bytes) -> Iterator[tuple[str, Any]]:
    """Every value that differs in one byte, and the SQL expression that stores it."""
    if isinstance(value, int):
        for byte in range(8):
            for bit in (0, 6) if byte < 7 else (0,):
                yield "?", value ^ (1 << (8 * byte + bit))
        return
    content = value.encode() if isinstance(value, str) else value
    for place in range(len(content)):
        for bit in (0, 5, 7):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            yield ("CAST(? AS TEXT)" if isinstance(value, str) else "?"), bytes(changed)


def finds_position(report: AuditReport, first: int, last: int) -> bool:
    return not report.ok and first <= report.findings[0].position <= last


@pytest.mark.parametrize("column", COLUMNS)
def test_every_flipped_byte_is_found(path: Path, column: str) -> None:
    tried = 0
    with closing(unlocked(path)) as connection, Ledger.open(path) as ledger:
        assert ledger.verify().ok
        found = connection.execute(f"SELECT first_position, last_position, {column} FROM commits").fetchall()
        for first, last, value in found:
            for expression, changed in flips(value):
                connection.execute(f"UPDATE commits SET {column} = {expression} WHERE first_position = ?", (changed, first))
                report = ledger.verify()
                upper = max(last, *(row[1] for row in found)) + 1 if column == "first_position" else last + 1
                assert finds_position(report, min(first, 1) if column == "first_position" else first, upper), (first, changed)
                if tried % 97 == 0:
                    with Ledger.open(path) as fresh:
                        assert not fresh.verify().ok
                        with pytest.raises(CorruptJournal):
                            fresh.balance("USD", "alice")
                        with pytest.raises(CorruptJournal), fresh.atomic() as tx:
                            tx.mint("USD", "alice", 1)
                where = changed if column == "first_position" else first
                connection.execute(f"UPDATE commits SET {column} = ? WHERE first_position = ?", (value, where))
                tried += 1
        assert ledger.verify().ok
    assert tried >= 3 * 9


def test_removed_and_exchanged_rows_are_found(path: Path) -> None:
    originals = rows(path)
    assert len(originals) == 3
    for script in (
        f"DELETE FROM commits WHERE first_position = {originals[1][0]}",
        f"DELETE FROM commits WHERE first_position = {originals[0][0]}",
        f"""UPDATE commits SET body = (SELECT body FROM commits WHERE first_position = {originals[2][0]})
            WHERE first_position = {originals[1][0]}""",
        f"UPDATE commits SET keys = transactions, transactions = keys WHERE first_position = {originals[1][0]}",
    ):
        copy = path.with_name("copy.db")
        shutil.copy(path, copy)
        with closing(unlocked(copy)) as connection:
            connection.execute(script)
        with Ledger.open(copy) as ledger:
            report = ledger.verify()
            assert finds_position(report, originals[0][0], originals[1][0]), script
            assert not ledger.audit().ok
        copy.unlink()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE commits SET recorded_at = recorded_at + 1",
        "UPDATE commits SET body = '[]' WHERE first_position = 1",
        "DELETE FROM commits",
        "DELETE FROM commits WHERE first_position = (SELECT max(first_position) FROM commits)",
        "INSERT OR REPLACE INTO commits SELECT * FROM commits WHERE first_position = 1",
        "REPLACE INTO commits SELECT * FROM commits ORDER BY first_position DESC LIMIT 1",
        "INSERT INTO commits VALUES (1000, 1000, 0, '[]', '[1]', '[]', x'00', NULL)",
        "INSERT INTO commits VALUES (0, 0, 0, '[]', '[1]', '[]', x'00', NULL)",
        "INSERT INTO commits SELECT last_position + 1, last_position, 0, keys, '[]', '[]', x'00', NULL FROM commits",
        "INSERT INTO commits SELECT last_position, last_position, 0, keys, '[]', '[]', x'00', NULL FROM commits",
        "UPDATE streams SET first_position = 1",
        "DELETE FROM streams",
        "INSERT OR REPLACE INTO streams SELECT * FROM streams",
        "INSERT INTO streams VALUES ('USD', 1, 1, 1)",
    ],
)
def test_the_database_refuses_what_is_no_append(path: Path, statement: str) -> None:
    before = rows(path)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    assert rows(path) == before
    with Ledger.open(path) as ledger:
        assert ledger.audit().ok


REGISTERED = TokenRegistered("T", 0, 100, None, "external")
SETTLING = TokenRegistered("S", 2, 100, None, "settlement")
FRAGMENTED = TokenRegistered("T", 0, 100, 10, "external")
MANY = [FRAGMENTED, Minted("T", "a", 50), RunsMintedMany("T", "a", 3000, [5], [10])]
HELD = [Reserved("T", "a", "k", 10, "h")]
BACK = [Released("T", "k", "a", 10, "h", False)]
BACKED = [REGISTERED, Minted("T", "a", 5), ContractRegistered("p", "T")]
APP = [
    TokenRegistered("A", 0, 100, None, "app"),
    Minted("A", "a", 10, TAKEN_OVER),
    Minted("A", "b", 5, TAKEN_OVER),
    Minted("A", "c", 1, TAKEN_OVER),
]
STAKED = [
    ContractRegistered("p", None),
    BalanceRaised("p", 10),
    Allocated("p", "a"),
    Allocated("p", "b"),
    ShadowRaised("p", "a", 2),
    ShadowRaised("p", "b", 1),
]


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ([REGISTERED, Minted("T", "a", 5), Moved("T", "a", "b", 5)], None),
        ([REGISTERED, Minted("T", "a", 5), Moved("T", "a", "b", 6)], 3),
        ([REGISTERED, Minted("T", "a", 101)], 2),
        ([REGISTERED, Minted("T", "a", 5), Burned("T", "a", 6)], 3),
        ([REGISTERED, Minted("T", "a", -5)], 2),
        ([REGISTERED, REGISTERED], 2),
        ([Minted("T", "a", 5)], 1),
        ([REGISTERED, Minted("T", "a", 5), Reserved("T", "a", "k", 5, "h"), Settled("T", "k", "b", 6, "h")], 4),
        ([REGISTERED, Minted("T", "a", 5), Reserved("T", "a", "k", 5, "h"), Settled("T", "x", "b", 5, "h")], 4),
        ([REGISTERED, Minted("T", "a", 5), Settled("T", "k", "b", 5, "h")], 3),
        ([FRAGMENTED, Minted("T", "a", 5), FragmentsMinted("T", "a", 3000, [5])], None),
        ([FRAGMENTED, Minted("T", "a", 5), FragmentsMinted("T", "a", 3000, [4])], 2),
        ([FRAGMENTED, Minted("T", "a", 5)], 2),
        ([FRAGMENTED, Minted("T", "a", 5), FragmentsMinted("T", "b", 3000, [5])], 2),
        ([FRAGMENTED, Minted("T", "a", 5), FragmentsMinted("T", "a", 3000, [5]), FragmentsBurned("T", [3001])], 4),
        (MANY, None),
        ([*MANY, Moved("T", "a", "b", 5), RunsBurnedMany("T", [3000], [1]), FragmentsMinted("T", "b", 6000, [5])], None),
        ([*MANY, Moved("T", "a", "b", 5), RunsBurnedMany("T", [3000], [2]), FragmentsMinted("T", "b", 6000, [5])], 4),
        ([*MANY, Burned("T", "a", 10), RunsBurnedMany("T", [3009], [2])], 4),
        ([*MANY, Burned("T", "a", 10), RunsBurnedMany("T", [3003, 3003], [1, 1])], 4),
        ([*MANY, Burned("T", "a", 5), RunsBurnedMany("T", [3003], [0])], 4),
        ([*MANY, Burned("T", "a", 5), RunsBurnedMany("T", [3003], [1001])], 4),
        ([*MANY, Burned("T", "a", 5), RunsBurnedMany("T", [3003, 3004], [1])], 4),
        ([*MANY, *HELD, RunsReservedMany("T", "h", [3000], [2])], None),
        ([*MANY, *HELD, RunsReservedMany("T", "h", [3000], [3])], 4),
        ([*MANY, *HELD, RunsReservedMany("T", "h", [3000], [2]), *BACK, RunsReleasedMany("T", "h", [3000], [2])], None),
        ([*MANY, *HELD, RunsReservedMany("T", "h", [3000], [2]), *BACK, RunsReleasedMany("T", "h", [3001], [2])], 6),
        ([*MANY, *HELD, RunsReservedMany("T", "h", [3000], [2]), *BACK, RunsReleasedMany("T", "g", [3000], [2])], 6),
        ([FRAGMENTED, Minted("T", "a", 50), RunsMintedMany("T", "a", 3000, [5], [9])], 2),
        ([FRAGMENTED, Minted("T", "a", 50), RunsMintedMany("T", "a", 3000, [5, 0], [10, 1])], 2),
        ([FRAGMENTED, Minted("T", "a", 50), RunsMintedMany("T", "b", 3000, [5], [10])], 2),
        ([FRAGMENTED, Minted("T", "a", 50), RunsMintedMany("T", "a", 3000, [1], [1001])], 2),
        ([FRAGMENTED, Minted("T", "a", 50), RunsMintedMany("T", "a", 3000, [], [])], 2),
        ([Foreign("order-1", 1, "orders:Placed", b"{}"), REGISTERED], None),
        ([*APP, Moved("A", "a", "A", 4), Distributed("A", "A", 4, 0, ("A",))], None),
        ([SETTLING, TokenRegistered("B", 3, 100, None, "app", "linear", (7, 3))], 2),
        ([SETTLING, TokenRegistered("B", 3, 100, None, "app", "mine", (7, 3, 9))], None),
        ([SETTLING, TokenRegistered("B", 3, 100, None, "app", "linear", (7, 3, 2))], 1),
        ([*APP, Distributed("A", None, 5, 1)], 5),
        ([*APP, Distributed("A", None, 5, 0), Distributed("A", None, 4, 0)], 5),
        ([*APP, Distributed("A", None, 5, 0, ("a",))], 5),
        ([*APP, Moved("A", "a", "A", 4), Distributed("A", None, 4, 0)], 6),
        ([*APP, Distributed("A", None, 5, 0, (), 2)], 1),
        ([*APP, Distributed("A", None, 5, 0, (), 3)], 5),
        ([*APP, Distributed("A", None, 90, 0)], 5),
        ([*APP, Distributed("A", None, 0, 0)], 5),
        ([*APP, Distributed("A", "b", 5, 0)], 5),
        ([*APP, Distributed("B", None, 5, 0)], 5),
        ([REGISTERED, Minted("T", "a", 5), Distributed("T", None, 5, 0)], 3),
        ([*APP[:1], Distributed("A", None, 5, 0)], 2),
        ([*APP, AppUpdated("A", "owner", ())], None),
        ([REGISTERED, AppUpdated("T", "owner", ())], 2),
        ([REGISTERED, Minted("T", TOTAL_SUPPLY_RESERVE, 5)], 2),
        ([REGISTERED, Minted("T", "a", 5), Moved("T", "a", TOTAL_SUPPLY_RESERVE, 5)], 3),
        ([REGISTERED, Minted("T", "a", 5), Reserved("T", "a", TOTAL_SUPPLY_RESERVE, 5, "h")], 3),
        (
            [REGISTERED, Minted("T", "a", 5), Reserved("T", "a", "k", 5, "h"), Settled("T", "k", TOTAL_SUPPLY_RESERVE, 5, "h")],
            4,
        ),
        ([*STAKED, AllShadowsRaised("p", 1, 3), AllShadowsLowered("p", 3, 4), Deallocated("p", "a", 66_666_667, 0)], None),
        ([*STAKED, ShadowRaised("p", "a", 8)], 7),
        ([*STAKED, AllShadowsRaised("p", 8, 3)], 7),
        ([*STAKED, BalanceLowered("p", 8)], 7),
        ([*STAKED, BalanceRaised("p", -1)], 7),
        ([*STAKED, BalanceRaised("q", 1)], 7),
        ([*STAKED, ContractRegistered("p", None)], 7),
        ([*STAKED, Allocated("p", "a")], 7),
        ([*STAKED, ShadowRaised("p", "c", 1)], 7),
        ([*STAKED, ShadowLowered("p", "a", 3)], 7),
        ([*STAKED, ShadowLowered("p", "a", 2), ShadowLowered("p", "b", 2)], 8),
        ([*STAKED, AllShadowsRaised("p", 1, 2)], 7),
        ([*STAKED, AllShadowsLowered("p", 4, 3)], 7),
        ([*STAKED, AllShadowsRaised("p", 1, 3, 2)], 7),
        ([*STAKED, Deallocated("p", "a", 2 * 10**8, 0)], 7),
        ([*STAKED, ShadowLowered("p", "a", 2), Deallocated("p", "a", 0, 1)], 8),
        ([*STAKED, ShadowLowered("p", "a", 2), Deallocated("p", "a", 1, 0)], 8),
        ([*BACKED, Moved("T", "a", "p", 3), BalanceRaised("p", 3), Moved("T", "p", "b", 1), BalanceLowered("p", 1)], None),
        ([*BACKED, Moved("T", "a", "p", 3), BalanceRaised("p", 2)], 4),
        ([*BACKED, Moved("T", "a", "p", 3), BalanceRaised("p", 3), Moved("T", "p", "a", 1), Moved("T", "a", "p", 1)], 6),
        ([*BACKED, BalanceRaised("p", 3), Moved("T", "a", "p", 3)], 4),
        ([*BACKED, Minted("T", "p", 3)], 4),
        ([REGISTERED, Minted("T", "p", 5), ContractRegistered("p", "T")], 3),
        ([REGISTERED, ContractRegistered("p", None), Minted("T", "p", 5)], 3),
        ([REGISTERED, ContractRegistered("p", "U"), Minted("T", "p", 5)], 2),
    ],
)
def test_audit_finds_what_cannot_have_happened(tmp_path: Path, events: list[Any], verdict: int | None) -> None:
    path = tmp_path / "written-by-hand.db"
    journal = SQLiteJournal(path)
    counts: dict[str, int] = {}
    for event in events:
        stream = stream_of(event)
        counts[stream] = counts.get(stream, 0) + 1
    with journal.writing() as head:
        details = b"[]" if any(isinstance(event, RUN_EVENTS) for event in events) else None
        row = make_row(head.digest, 1, 5, (), (len(events),), encode_events(events), details)
        journal.append(row, [StreamEntry(stream, 1, count, 1) for stream, count in counts.items()])
    journal.close()
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok
        report = ledger.audit()
    if verdict is None:
        assert report.ok, report.findings
    else:
        assert not report.ok
        assert report.findings[0].position == verdict, report.findings


def test_audit_finds_a_wrong_stream_entry_and_a_key_used_twice(path: Path) -> None:
    with closing(unlocked(path)) as connection:
        connection.execute("UPDATE streams SET last_version = last_version + 1 WHERE first_position > 1")
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok
        assert any("stream 'USD'" in finding.reason for finding in ledger.audit().findings)


def test_what_is_no_ledger(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database " * 100)
    with pytest.raises(NotALedger):
        Ledger.open(text)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(NotALedger):
        Ledger.open(other)
    newer = tmp_path / "newer.db"
    Ledger.open(newer).close()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SchemaTooNew):
        Ledger.open(newer)
    empty = tmp_path / "empty.db"
    empty.touch()
    Ledger.open(empty).close()
    for missing in (tmp_path / "no folder" / "books.db", tmp_path):
        with pytest.raises(StorageUnavailable):
            Ledger.open(missing)
    with pytest.raises(StorageUnavailable, match="no ledger at"):
        Ledger.open(tmp_path / "missing.db", create=False)
    assert not (tmp_path / "missing.db").exists()
