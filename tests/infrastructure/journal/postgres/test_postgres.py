"""What is PostgreSQL's alone: addresses, roles, triggers, databases that are no ledger, pages, notifications."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Barrier, Thread
from urllib.parse import quote

import psycopg
import pytest

from tallystick import InvalidURL, Ledger, LedgerReadOnly, NotALedger, SchemaTooNew, StorageUnavailable, Token
from tallystick.domain.events import Minted
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.format import Key, encode_events, make_row
from tallystick.infrastructure.journal.port import Overtaken, StreamEntry
from tallystick.infrastructure.journal.stores.postgres import connection as postgres_connection
from tallystick.infrastructure.journal.stores.postgres import journal as postgres_module
from tallystick.infrastructure.journal.stores.postgres import schema as postgres_schema
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
from tests.support.faults.proxy import Proxy
from tests.support.programs.postgres_server import ledger_url, unused_name
from tests.support.suites.journal_cases import append, run_together

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def journal(postgres_url: str) -> Iterator[PostgresJournal]:
    with closing(PostgresJournal(PostgresAddress.parse(postgres_url))) as opened:
        yield opened


@pytest.fixture
def database(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection past this library, as whoever owns the tables."""
    address = PostgresAddress.parse(postgres_url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {address.schema}")
        yield connection


# Addresses.


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://host/db", ("postgresql://host/db", "tallystick", True, None)),
        ("postgres://host/db?durability=full", ("postgres://host/db", "tallystick", True, None)),
        ("postgresql://host/db?durability=normal", ("postgresql://host/db", "tallystick", False, None)),
        ("postgresql:///db?host=/run/my%20socket&schema=b_2", ("postgresql:///db?host=/run/my%20socket", "b_2", True, None)),
        ("postgresql://a:1,b:2/db?cache=/x%20y&port=3", ("postgresql://a:1,b:2/db?port=3", "tallystick", True, Path("/x y"))),
    ],
)
def test_an_address_is_libpqs_and_a_few_options(url: str, address: tuple[str, str, bool, Path | None]) -> None:
    assert PostgresAddress.parse(url) == PostgresAddress(*address)


@pytest.mark.parametrize(
    "query", ["durability=maybe", "schema=", "schema=Books", "schema=pg_books", "schema=a;b", "cache=", "unknown=1", "port=%zz"]
)
def test_bad_addresses(query: str) -> None:
    with pytest.raises(InvalidURL):
        open_journal(f"postgresql://host/db?{query}")


@pytest.mark.parametrize("url", ["postgresql://me:secret@/no?host=/nowhere", "postgresql://me:secret@h/d?unknown=1"])
def test_no_message_tells_a_password(url: str) -> None:
    with pytest.raises((StorageUnavailable, InvalidURL)) as caught:
        open_journal(url)
    assert "secret" not in str(caught.value)


def test_without_psycopg_the_error_says_what_to_install() -> None:
    script = """if True:
        import sys
        sys.modules["psycopg"] = None
        from tallystick import Ledger, StorageUnavailable
        try:
            Ledger.open("postgresql://host/db")
        except StorageUnavailable as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 'pip install "tallystick[postgres]"' in done.stdout


@pytest.mark.parametrize(
    ("cache", "variable", "folder"),
    [(None, "/caches", "/caches/tallystick/1d"), ("/mine", "/caches", "/mine/1d"), (None, "", "HOME/.cache/tallystick/1d")],
)
def test_where_the_cache_is(
    cache: str | None, variable: str, folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    address = PostgresAddress("postgresql:///", cache=None if cache is None else Path(cache))
    assert address.cache_folder("1d") == Path(folder.replace("HOME", str(tmp_path)))


# What is stored.


def test_rows_are_those_of_sqlite_byte_for_byte(postgres_url: str, tmp_path: Path) -> None:
    stored: list[list[object]] = []
    for url in (postgres_url, tmp_path / "books.db"):
        ids = count()
        with Ledger.open(
            url, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC), ids=lambda ids=ids: f"hold-{next(ids)}"
        ) as ledger:
            ledger.register_token(Token("USD", unit=100))
            with ledger.atomic("clé", request={"n": 1}) as tx:
                tx.mint("USD", "älice", 2**100, memo="münzen \N{COIN} \\ ' \"")
                tx.reserve("USD", "älice", "keeper", 7)
            ledger.transfer_many("USD", ["älice"] * 3, ["bob", "carol", "bob"], [1, 2, 3])
        with closing(open_journal(url)) as journal:
            stored.append([*journal.rows(), *sorted(journal.streams())])
    assert stored[0] == stored[1]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\\0", "\x01\x7f", "\u2028\ufeff", "\N{COIN}", "%s %(x)s {}", "x" * 2**20])
def test_every_text_comes_back(journal: PostgresJournal, text: str) -> None:
    with journal.writing() as head:
        row = make_row(head.digest, 1, 1, (), (1,), encode_events([Minted("USD", "alice", 1, text)]))
        assert b"\0" not in row.body
        journal.append(row, [StreamEntry(text[:100], 1, 1, 1)])
    assert list(journal.rows()) == [row]
    assert [entry.stream for entry in journal.streams()] == [text[:100]]
    assert next(journal.stream(text[:100])).first_position == 1


def test_keys_are_found_where_they_were_used(journal: PostgresJournal) -> None:
    assert journal.keeps_keys
    with journal.writing() as head:
        keys = [Key("one", None, 0), Key("zwei'\\", "ab", 1)]
        row = make_row(head.digest, 1, 1, keys, (1, 1), encode_events([Minted("USD", "alice", 1)] * 2))
        journal.append(row, [StreamEntry("USD", 1, 2, 1)])
    assert journal.key_positions(["one", "zwei'\\", "drei"]) == {"one": 1, "zwei'\\": 1}
    assert journal.key_positions([]) == {}


def test_pages_are_bounded_in_bytes_and_rows(journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = append(journal, *[1] * 20, 500, 1, 500, *[1] * 20)
    monkeypatch.setattr(postgres_module, "PAGE_BYTES", 1_000)
    monkeypatch.setattr(postgres_module, "PAGE_ROWS", 8)
    read, pages = journal._pool.read, list[int]()

    def counted(*arguments: object) -> list[tuple[object, ...]]:
        page = read(*arguments)
        pages.append(len(page))
        return page

    monkeypatch.setattr(journal._pool, "read", counted)
    assert list(journal.rows()) == rows
    assert max(pages) == 8
    assert len(pages) > 43 // 8 + 2


def test_a_commit_takes_two_round_trips(postgres_server, tmp_path: Path) -> None:
    with closing(Proxy(postgres_server.port)) as proxy:
        url = ledger_url(postgres_server.url(port=proxy.port), tmp_path)
        with closing(PostgresJournal(PostgresAddress.parse(url))) as journal:
            append(journal, *[1] * 10)  # by now the statements are prepared
            row_of = list(journal.rows())[-1]
            with journal.writing() as head:
                row = make_row(head.digest, head.position + 1, row_of.recorded_at, (), (1,), row_of.body)
                proxy.trips = 1  # what brought the head here
                journal.append(row, [StreamEntry("USD", 11, 11, 11)])
            assert proxy.trips == 2


def test_every_commit_is_notified(journal: PostgresJournal, database: psycopg.Connection) -> None:
    database.execute(f"LISTEN {journal.channel}")
    append(journal, 2, 3)
    assert [notice.payload for notice in database.notifies(timeout=120, stop_after=2)] == ["2", "5"]


def test_no_transaction_is_left_open(postgres_url: str, database: psycopg.Connection) -> None:
    name = unused_name()
    with closing(open_journal(f"{postgres_url}&application_name={name}")) as journal:
        append(journal, 1, 1)
        reading = journal.rows()
        next(reading)
        with pytest.raises(ZeroDivisionError), journal.writing():
            raise ZeroDivisionError
        with pytest.raises(Overtaken), journal.writing():
            journal.append(next(journal.rows()), [])
        states = database.execute("SELECT state FROM pg_stat_activity WHERE application_name = %s", (name,)).fetchall()
        assert set(states) == {("idle",)}


def test_a_reader_does_not_wait_for_a_writer(postgres_url: str, journal: PostgresJournal) -> None:
    rows = append(journal, 1)
    with journal.writing(), closing(open_journal(postgres_url)) as other:
        assert list(other.rows()) == rows
        assert list(journal.rows()) == rows


# Who may do what.


@pytest.mark.parametrize("table", ["ledger", "commits", "streams", "keys"])
@pytest.mark.parametrize(
    "statement", ["DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {column} = {column}"]
)
def test_nothing_is_changed_not_even_by_the_owner(
    journal: PostgresJournal, database: psycopg.Connection, table: str, statement: str
) -> None:
    append(journal, 1)
    column = "id" if table == "ledger" else "first_position"
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="append-only"):
        database.execute(statement.format(table, column=column))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO commits VALUES (4, 4, 1, '[]', '[1]', '[]', '')",
        "INSERT INTO commits VALUES (3, 2, 1, '[]', '[1]', '[]', '')",
        "INSERT INTO commits VALUES (2, 2, 1, '[]', '[1]', '[]', '')",
        "INSERT INTO commits VALUES (1, 1, 1, '[]', '[1]', '[]', '') ON CONFLICT DO NOTHING",
        "INSERT INTO streams VALUES ('USD', 2, 2, 3)",
        "INSERT INTO streams VALUES ('EUR', 1, 2, 3)",
        "INSERT INTO keys VALUES ('key', 1), ('key', 2)",
    ],
)
def test_what_does_not_follow_is_refused(journal: PostgresJournal, database: psycopg.Connection, statement: str) -> None:
    append(journal, 2)
    with pytest.raises(psycopg.errors.IntegrityError):
        database.execute(statement)
    assert len(list(journal.rows())) == 1


@pytest.fixture
def role(postgres: str) -> Iterator[str]:
    """A role that may do nothing yet."""
    name = unused_name()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        yield name
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM commits",
        "UPDATE commits SET body = ''",
        "TRUNCATE commits",
        "DROP TABLE commits",
        "ALTER TABLE commits DISABLE TRIGGER ALL",
        "ALTER TABLE commits ADD COLUMN more int",
        "DROP TRIGGER only_append ON commits",
        "CREATE OR REPLACE FUNCTION only_append() RETURNS trigger LANGUAGE sql AS ''",
        "SET session_replication_role = replica",
        "INSERT INTO ledger VALUES (gen_random_uuid(), 1, false)",
        "DELETE FROM ledger",
        "UPDATE streams SET first_position = 1",
        "DELETE FROM keys",
    ],
)
def test_a_role_that_may_append_runs_a_ledger_and_can_change_nothing(
    postgres_url: str, database: psycopg.Connection, role: str, statement: str
) -> None:
    Ledger.open(postgres_url).close()
    database.execute(f"SELECT allow_to_append('{role}')")
    with Ledger.open(f"{postgres_url}&user={role}") as ledger:
        ledger.register_token(Token("USD", unit=100))
        with ledger.atomic("key") as tx:
            tx.mint("USD", "alice", 250)
        assert ledger.balance("USD", "alice").total == 250
        assert ledger.audit().ok
    database.execute(f"SET ROLE {role}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.execute(statement)
    database.execute("RESET ROLE")


def test_a_role_that_may_read_reads_and_does_not_append(postgres_url: str, database: psycopg.Connection, role: str) -> None:
    with Ledger.open(postgres_url) as ledger:
        ledger.register_token(Token("USD"))
    database.execute(f"SELECT allow_to_read('{role}')")
    with Ledger.open(f"{postgres_url}&user={role}") as reading:
        assert [token.code for token in reading.tokens()] == ["USD"]
        with pytest.raises(StorageUnavailable, match="may not"):
            reading.register_token(Token("EUR"))
        assert [token.code for token in reading.tokens()] == ["USD"]
    with Ledger.open(f"{postgres_url}&user={role}", read_only=True) as reading:
        assert [token.code for token in reading.tokens()] == ["USD"]
        with pytest.raises(LedgerReadOnly):
            reading.register_token(Token("EUR"))


def test_a_schema_without_a_ledger_is_not_made_into_one_to_be_read(postgres_url: str, database: psycopg.Connection) -> None:
    for _ in range(2):
        with pytest.raises(NotALedger):
            Ledger.open(postgres_url, read_only=True)


def test_a_role_that_may_nothing_is_told_so(postgres_url: str, role: str) -> None:
    Ledger.open(postgres_url).close()
    with pytest.raises(StorageUnavailable, match="may not"):
        Ledger.open(f"{postgres_url}&user={role}")


def test_a_server_that_only_reads_is_told_so(postgres_url: str) -> None:
    Ledger.open(postgres_url).close()
    only = "options=-c%20default_transaction_read_only%3Don"
    with Ledger.open(f"{postgres_url}&{only}") as ledger, pytest.raises(StorageUnavailable, match="read-only"):
        ledger.register_token(Token("USD"))


# What is there before.


def test_many_make_the_schema_at_once(postgres_url: str) -> None:
    ids, start = set[str](), Barrier(6)

    def make() -> None:
        start.wait()
        with closing(PostgresJournal(PostgresAddress.parse(postgres_url))) as journal:
            ids.add(journal.channel)

    run_together([make] * 6)
    assert len(ids) == 1


def test_what_is_no_ledger_is_refused(postgres_url: str, database: psycopg.Connection) -> None:
    with pytest.raises(NotALedger):
        Ledger.open(postgres_url, create=False)
    schema = PostgresAddress.parse(postgres_url).schema
    database.execute(f"CREATE SCHEMA {schema} CREATE TABLE other (x int)")
    with pytest.raises(NotALedger):
        Ledger.open(postgres_url)


def test_a_schema_that_somebody_has_prepared_is_used(postgres_url: str, database: psycopg.Connection) -> None:
    database.execute(f"CREATE SCHEMA {PostgresAddress.parse(postgres_url).schema}")
    with Ledger.open(postgres_url) as ledger:
        assert ledger.tokens() == []


def test_a_newer_schema_is_refused(journal: PostgresJournal, postgres_url: str, database: psycopg.Connection) -> None:
    database.execute("ALTER TABLE ledger DISABLE TRIGGER ALL")
    database.execute("UPDATE ledger SET schema_version = 99")
    with pytest.raises(SchemaTooNew, match="99"):
        Ledger.open(postgres_url)


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: str, database: psycopg.Connection) -> None:
    name = unused_name()
    database.execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StorageUnavailable, match="UTF8"):
        Ledger.open(f"{postgres}{'&' if '?' in postgres else '?'}dbname={name}&durability=normal")
    database.execute(f"DROP DATABASE {name}")


def test_a_server_that_does_not_sync_is_refused_a_durable_ledger(postgres_server, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="fsync=off"):
        Ledger.open(ledger_url(postgres_server.url(), tmp_path, durability="full"))


@pytest.mark.parametrize(
    ("durability", "of_the_role", "setting"),
    [("full", "off", "on"), ("full", "local", "on"), ("full", "remote_apply", "remote_apply"), ("normal", "on", "off")],
)
def test_durability_is_set_explicitly(
    postgres_url: str, durability: str, of_the_role: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the transaction itself, whatever the role or a pooler has set."""
    for module, name in ((postgres_connection, "_SESSION"), (postgres_schema, "APPEND_FUNCTIONS")):  # it does not sync
        monkeypatch.setattr(module, name, getattr(module, name).replace("current_setting('fsync') = 'on'", "true"))
    options = quote(f"-c synchronous_commit={of_the_role}")
    address = PostgresAddress.parse(f"{postgres_url}&options={options}")._replace(durable=durability == "full")
    with closing(PostgresJournal(address)) as journal, journal.writing():
        connection = journal._pool.in_transaction()
        assert connection is not None
        assert connection.execute("SHOW synchronous_commit").fetchall() == [(setting,)]


# Waiting.


@pytest.mark.parametrize("isolation", [r"repeatable\ read", "serializable"])
def test_a_role_with_another_isolation_level_sees_the_newest_head_when_it_has_the_turn(
    postgres_url: str, isolation: str
) -> None:
    options = f"-c default_transaction_isolation={isolation}"
    url = f"{postgres_url}&options={quote(options)}"
    with Ledger.open(url) as one, Ledger.open(url) as other:
        one.register_token(Token("PLN"))

        def mint(ledger: Ledger) -> None:
            for _ in range(20):
                with ledger.atomic() as tx:
                    tx.mint("PLN", "alice", 1)

        run_together([lambda: mint(one), lambda: mint(other)])
        assert one.balance("PLN", "alice").total == 40


def test_who_keeps_the_turn_is_not_waited_for_without_end(
    postgres_url: str, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "LOCK_SECONDS", 0.1)
    with (
        closing(open_journal(postgres_url)) as impatient,
        journal.writing(),
        pytest.raises(StorageUnavailable, match="turn"),
        impatient.writing(),
    ):
        pass
    with journal.writing() as head:
        assert head.position == 0


def test_threads_take_turns_in_the_order_of_asking(journal: PostgresJournal) -> None:
    order: list[int] = []

    def write(which: int) -> None:
        with journal.writing():
            order.append(which)

    threads = [Thread(target=write, args=(which,)) for which in range(5)]
    with journal.writing():
        for which, thread in enumerate(threads, 1):
            thread.start()
            while len(journal._turn._waiting) < which:
                pass
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
