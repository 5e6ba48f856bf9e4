"""Files and rows in which anything stands: every error is ours, and what SQLite calls corrupt is a corrupt journal."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tallystick import CorruptJournal, Ledger, LedgerError, NotALedger, Token
from tallystick.domain.events import Moved
from tallystick.domain.values.instant import INSTANT_MAX
from tallystick.infrastructure.journal.format import make_row
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.books.forged_rows import forge
from tests.support.programs.command_line import run

FLIPS = 150


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger without a log, a cache or locks beside it."""
    path = tmp_path_factory.mktemp("made") / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
        ledger.register_token(Token("FRG", unit=10))
        with ledger.atomic("key", reference="order", metadata={"a": 1}) as tx:
            tx.mint("USD", "alice", 100)
            tx.mint("FRG", "bob", 35)
            tx.register_contract("pool", backed_by="USD").fund("alice", 10)
            tx.contract("pool").alloc("bob")
            tx.reserve("USD", "alice", "keeper", 5)
        ledger.transfer_many("USD", ["alice"] * 2, ["bob", "carol"], [1, 2], ids=["x", "y"], references=["q", "s"])
    shutil.rmtree(f"{path}.cache", ignore_errors=True)
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "books.db"))


ASKED: dict[str, Callable[[Ledger], Any]] = {
    "balances": lambda ledger: ledger.balances("USD"),
    "history": lambda ledger: list(ledger.history("USD", "alice")),
    "entry": lambda ledger: ledger.entry(3),
    "find": lambda ledger: ledger.find("order"),
    "receipt": lambda ledger: ledger.receipt("key"),
    "transaction": lambda ledger: ledger.transaction(4),
    "digest_at": lambda ledger: ledger.digest_at(4),
    "holds": lambda ledger: ledger.holds(),
    "contract": lambda ledger: ledger.contract("pool").balance,
    "allocations": lambda ledger: ledger.allocations_of("bob"),
    "status": lambda ledger: ledger.status(),
    "reverse": lambda ledger: ledger.reverse(transaction=3),
    "mint": lambda ledger: ledger.mint("USD", "alice", 1),
    "snapshot": lambda ledger: ledger.snapshot(),
}


def ask_everything(ledger: Ledger) -> None:
    """Asks it all that reads and writes; an error that is none of ours goes through."""
    for ask in ASKED.values():
        try:
            ask(ledger)
        except LedgerError:
            continue


def open_and_ask(path: Path) -> None:
    for read_only in (True, False):
        try:
            ledger = Ledger.open(path, read_only=read_only)
        except LedgerError:
            continue
        with ledger:
            ledger.verify()  # which tells, and raises nothing
            ledger.audit()
            ask_everything(ledger)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_raise_errors_of_ours(made: Path, tmp_path: Path, seed: int) -> None:
    content, draw = made.read_bytes(), random.Random(seed)
    places = [place for place, byte in enumerate(content) if byte]
    for number in range(FLIPS // 4):
        damaged = bytearray(content)
        for _ in range(draw.choice((1, 1, 3))):
            damaged[draw.choice(places)] = draw.randrange(256)
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "books.db").write_bytes(damaged)
        open_and_ask(folder / "books.db")


@pytest.mark.parametrize(
    "text", [b"ABORT", b"commits_follow", b"CREATE TABLE commits", b"first_position INTEGER PRIMARY", b"STRICT"]
)
@pytest.mark.parametrize("byte", [0xCA, 0xFF, ord("Z"), 0])
def test_flipped_bytes_of_the_schema(path: Path, text: bytes, byte: int) -> None:
    content = bytearray(path.read_bytes())
    content[content.find(text) + 2] = byte
    path.write_bytes(content)
    open_and_ask(path)


def test_what_sqlite_calls_corrupt_is_a_corrupt_journal(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.find(b"ABORT") + 2] = 0xCA
    path.write_bytes(content)
    with pytest.raises(CorruptJournal):
        Ledger.open(path)
    assert run("balances", "--url", path).returncode == 4


def test_a_table_that_goes_while_the_ledger_is_open_is_a_corrupt_journal(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.tokens()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TABLE streams")
        assert "the entries of streams cannot be read" in ledger.audit().findings[0].reason
        with pytest.raises(CorruptJournal, match="no such table"):
            ledger.mint("USD", "alice", 1)
    with pytest.raises(NotALedger, match="it has no table streams"):
        Ledger.open(path)


@pytest.mark.parametrize("column", ["last_position", "recorded_at", "keys", "transactions", "body", "digest"])
@pytest.mark.parametrize("value", [None, 5, "text", 1.5])
def test_columns_with_something_else_in_them(path: Path, column: str, value: object) -> None:
    """The table takes anything for a moment, and has its own schema again afterwards."""
    with closing(sqlite3.connect(path)) as connection:
        (schema,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'commits'").fetchone()
        names = [name for _, name, *_ in connection.execute("PRAGMA table_info(commits)")][1:]
        connection.executescript(f"""
            DROP TRIGGER metadata_is_of_the_newest_commit; DROP TRIGGER metadata_is_erased_with_a_record;
            CREATE TABLE other (first_position INTEGER PRIMARY KEY, {", ".join(names)});
            INSERT INTO other SELECT * FROM commits; DROP TABLE commits; ALTER TABLE other RENAME TO commits;""")
        for position in (3, 1):
            copy = path.with_name(f"{position}.db")
            connection.execute(f"UPDATE commits SET {column} = ? WHERE first_position = ?", (value, position))
            connection.commit()
            with closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
                target.execute("PRAGMA writable_schema = ON")
                target.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'commits'", (schema,))
                target.commit()
            with Ledger.open(copy) as ledger:
                assert not ledger.verify().ok
                assert not ledger.audit().ok
                ask_everything(ledger)


NESTED = "[" * 100_000 + "]" * 100_000

DEEP: dict[str, dict[str, str]] = {
    "an event": {"body": f'[["Moved","USD","alice","b",1,"m",{NESTED}]]'},
    "events": {"body": NESTED},
    "keys": {"keys": f'[["k",null,0,{NESTED}]]'},
    "details": {"details": f'[[0,{{"ref":{NESTED}}}]]'},
    "somebody else's": {"body": f'[["Foreign","orders",1,"t",{NESTED}]]'},
}


@pytest.mark.parametrize("what", DEEP)
def test_what_is_nested_deep_is_a_corrupt_journal(path: Path, what: str) -> None:
    with closing(SQLiteJournal(path)) as journal, journal.writing() as head:
        texts = {"keys": "[]", "body": '[["Moved","USD","alice","b",1]]', **DEEP[what]}
        details = texts.get("details")
        row = make_row(
            head.digest, head.position + 1, head.recorded_at, (), [1], texts["body"].encode(), details and details.encode()
        )
        if what == "keys":
            row = row._replace(keys=texts["keys"].encode())
        journal.append(row, ())
    with Ledger.open(path) as ledger:
        assert not ledger.verify().ok
        assert not ledger.audit().ok
        with pytest.raises(CorruptJournal):
            ledger.balance("USD", "alice")
        ask_everything(ledger)


@pytest.mark.parametrize(
    ("recorded_at", "is_right"), [(INSTANT_MAX, True), (INSTANT_MAX + 1, False), (2**62, False), (2**63 - 1, False), (0, False)]
)
def test_times_that_no_commit_has(path: Path, recorded_at: int, is_right: bool) -> None:
    forge(path, [Moved("USD", "alice", "bob", 1)], recorded_at=recorded_at)
    with Ledger.open(path, max_clock_leap=None) as ledger:
        assert ledger.verify().ok == is_right
        assert ledger.audit().ok == is_right
        ask_everything(ledger)
        if not is_right:
            with pytest.raises(CorruptJournal):
                ledger.balance("USD", "alice")
