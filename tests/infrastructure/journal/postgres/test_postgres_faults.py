"""PostgreSQL failing: connections cut at every moment, silence, a server that is gone or restarted, a database replaced."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partialmethod
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from tallystick import CorruptJournal, Ledger, OutcomeUnknown, StorageUnavailable, Token
from tallystick.domain.events import Minted
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow, encode_events, make_row
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, StreamEntry, UnclearOutcome
from tallystick.infrastructure.journal.stores.postgres import connection as postgres_connection
from tallystick.infrastructure.journal.stores.postgres import pool as postgres_pool
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
from tests.support.books.behind import ledger_on
from tests.support.books.snapshot_book import drop_books
from tests.support.faults.hasty_time import HastyTime
from tests.support.faults.proxy import Fault, Proxy
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.programs.postgres_server import PostgresServer, find_binaries, ledger_url, no_server, unused_name
from tests.support.suites.journal_cases import append

FAULTS: list[Fault] = ["request lost", "answer lost", "request silent", "answer silent", "request late"]


class FailingJournal(PostgresJournal):
    """A journal that arms something in the moment before it appends, or when it has the turn."""

    before_append: Callable[[], object] | None = None
    after_begin: Callable[[], object] | None = None

    def begin(self) -> Head:
        head = super().begin()
        armed, self.after_begin = self.after_begin, None
        if armed is not None:
            armed()
        return head

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        armed, self.before_append = self.before_append, None
        if armed is not None:
            armed()
        super().append(row, entries, metadata)


@pytest.fixture
def proxy(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy; what would be waited in vain on its connections is not waited."""
    with closing(Proxy(postgres_server.port)) as opened:
        HastyTime(opened).use(monkeypatch)
        yield opened


@contextmanager
def hasty_readers() -> Iterator[None]:
    """In it whoever reads soon looks why there is no connection. Who gets none in that time looks again, with patience."""
    with mock.patch.object(ConnectionPool, "getconn", partialmethod(ConnectionPool.getconn, timeout=0.1)):
        yield


def wait_for_a_waiter(url: str) -> None:
    """Returns when a session waits for the turn."""
    with psycopg.connect(PostgresAddress.parse(url).url, autocommit=True) as connection:
        while not connection.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'relation'").fetchall():
            pass


@pytest.fixture
def direct(postgres_server: PostgresServer, tmp_path: Path) -> str:
    """The address of a ledger, past the proxy."""
    return ledger_url(postgres_server.url(), tmp_path / "cache")


@pytest.fixture
def journal(postgres_server: PostgresServer, proxy: Proxy, direct: str) -> Iterator[FailingJournal]:
    """That ledger's journal, through the proxy."""
    schema = PostgresAddress.parse(direct).schema
    address = PostgresAddress.parse(ledger_url(postgres_server.url(port=proxy.port), Path("/nowhere"), schema=schema))
    with closing(FailingJournal(address)) as opened:
        yield opened


def next_row(head: Head) -> tuple[JournalRow, list[StreamEntry]]:
    position = head.position + 1
    row = make_row(head.digest, position, head.recorded_at + 1, (), (1,), encode_events([Minted("USD", "alice", position)]))
    return row, [StreamEntry("USD", position, position, position)]


def rows_of(url: str) -> list[JournalRow]:
    with closing(PostgresJournal(PostgresAddress.parse(url))) as other:
        return list(other.rows())


# A commit whose answer does not come.


@pytest.mark.parametrize("commits_before", [0, 8])  # statements are prepared after some
@pytest.mark.parametrize("fault", FAULTS)
def test_a_commit_of_unknown_outcome_stands_once(
    journal: FailingJournal, proxy: Proxy, direct: str, fault: Fault, commits_before: int
) -> None:
    rows = append(journal, *[1] * commits_before)
    with journal.writing() as head:
        row, entries = next_row(head)
        proxy.arm(fault)
        with pytest.raises(UnclearOutcome):
            journal.append(row, entries)
        assert journal.has_recorded(row, entries)
        proxy.deliver()
    assert rows_of(direct) == [*rows, row]
    assert len(append(journal, 1, 1)) == 2
    assert len(rows_of(direct)) == commits_before + 3


def test_a_commit_still_under_way_is_waited_for(
    journal: FailingJournal, proxy: Proxy, direct: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the lost session cannot be ended, its turn must come back first: a look before that would miss the commit."""

    def deliver() -> None:
        wait_for_a_waiter(direct)
        proxy.deliver()

    monkeypatch.setattr(postgres_pool, "end_backend", lambda *_: threading.Thread(target=deliver).start())
    with journal.writing() as head:
        row, entries = next_row(head)
        proxy.arm("request late")
        with pytest.raises(UnclearOutcome):
            journal.append(row, entries)
        assert rows_of(direct) == []
        assert journal.has_recorded(row, entries)
    assert rows_of(direct) == [row]


def test_a_turn_that_does_not_come_back_leaves_the_outcome_unknown(
    journal: FailingJournal, proxy: Proxy, direct: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "end_backend", lambda *_: None)
    monkeypatch.setattr(postgres_connection, "LOCK_SECONDS", 0.1)
    with journal.writing() as head:
        row, entries = next_row(head)
        proxy.arm("request silent")
        with pytest.raises(UnclearOutcome):
            journal.append(row, entries)
        with pytest.raises(StorageUnavailable, match="turn"):
            journal.has_recorded(row, entries)
    assert rows_of(direct) == []


def test_where_somebody_else_was_first_it_does_not_stand(journal: FailingJournal, proxy: Proxy, direct: str) -> None:
    with journal.writing() as head:
        row, entries = next_row(head)
        proxy.arm("request lost")
        with pytest.raises(UnclearOutcome):
            journal.append(row, entries)
        with closing(PostgresJournal(PostgresAddress.parse(direct))) as other:
            others = append(other, 2, 1)
        assert not journal.has_recorded(row, entries)
    assert rows_of(direct) == others


@pytest.mark.parametrize("fault", FAULTS)
def test_a_ledger_goes_on_after_a_lost_answer(journal: FailingJournal, proxy: Proxy, direct: str, fault: Fault) -> None:
    with ledger_on(journal) as ledger:
        ledger.register_token(Token("USD", unit=10))
        journal.before_append = lambda: proxy.arm(fault)
        with ledger.atomic("key") as tx:
            tx.mint("USD", "alice", 25)
        proxy.deliver()
        assert ledger.balance("USD", "alice").total == 25
        assert sum(fragment.amount for fragment in ledger.fragments("USD", "alice")) == 25
        with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "bob", 7)
        assert ledger.audit().ok
    with Ledger.open(direct) as again:
        assert again.balance("USD", "alice").total == 18


@pytest.mark.parametrize(("fault", "stands"), [("answer lost", True), ("request lost", False)])
def test_an_outcome_that_nobody_can_tell(
    journal: FailingJournal, proxy: Proxy, direct: str, fault: Fault, stands: bool
) -> None:
    def lose() -> None:
        proxy.arm(fault)
        proxy.refusing = True

    with ledger_on(journal) as ledger:
        ledger.register_token(Token("USD"))
        journal.before_append = lose
        with hasty_readers():
            with pytest.raises(OutcomeUnknown), ledger.atomic() as tx:
                tx.mint("USD", "alice", 25)
            with pytest.raises(StorageUnavailable):
                ledger.balance("USD", "alice")
        proxy.refusing = False
        assert ledger.balance("USD", "alice").total == (25 if stands else 0)
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 1)
        assert ledger.audit().ok
    assert len(rows_of(direct)) == (3 if stands else 2)


@pytest.mark.parametrize("stands", [True, False])
def test_an_interrupted_commit_leaves_the_books_as_the_journal(
    journal: FailingJournal, monkeypatch: pytest.MonkeyPatch, stands: bool
) -> None:
    def interrupted(row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange) -> None:
        if stands:
            PostgresJournal.append(journal, row, entries, metadata)
        raise KeyboardInterrupt

    with ledger_on(journal) as ledger:
        ledger.register_token(Token("USD"))
        with monkeypatch.context() as patched:
            patched.setattr(journal, "append", interrupted)
            with pytest.raises(KeyboardInterrupt), ledger.atomic() as tx:
                tx.mint("USD", "alice", 7)
        assert ledger.balance("USD", "alice").total == (7 if stands else 0)
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 1)
        assert ledger.audit().ok


# Connections that are gone before anything was sent.


def end_all(url: str) -> None:
    """Ends every session but its own."""
    with psycopg.connect(PostgresAddress.parse(url).url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


LOSSES: list[Callable[[Proxy, str], None]] = [lambda proxy, url: proxy.cut(), lambda proxy, url: end_all(url)]


@pytest.mark.parametrize("lose", LOSSES, ids=["cut", "terminated"])
def test_lost_connections_are_made_again(
    journal: FailingJournal, proxy: Proxy, direct: str, lose: Callable[[Proxy, str], None]
) -> None:
    rows = append(journal, 1)
    reading = journal.rows()
    lose(proxy, direct)
    assert list(reading) == rows
    lose(proxy, direct)
    rows += append(journal, 1)
    lose(proxy, direct)
    assert journal.head().position == 2
    assert journal.row_at(2) == rows[1]


def test_a_session_ended_in_the_middle_of_a_commit(journal: FailingJournal, direct: str) -> None:
    with ledger_on(journal) as ledger:
        ledger.register_token(Token("USD"))
        journal.before_append = lambda: end_all(direct)
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 25)
        assert ledger.balance("USD", "alice").total == 25
    assert len(rows_of(direct)) == 2


def test_a_session_ended_again_while_it_is_looked_at_is_no_raw_error(
    journal: FailingJournal, direct: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(journal, 1)

    def ended(*_: object) -> None:
        raise psycopg.errors.AdminShutdown("terminating connection due to administrator command")

    journal.head()
    end_all(direct)
    monkeypatch.setattr(postgres_pool, "identity_of", ended)
    with pytest.raises(StorageUnavailable, match="terminating connection"):
        journal.head()


def test_a_turn_lost_before_it_is_used_is_no_corrupt_journal(journal: FailingJournal, direct: str) -> None:
    with ledger_on(journal) as ledger, Ledger.open(direct, max_clock_leap=None) as other:
        ledger.register_token(Token("USD"))
        drop_books(ledger)
        journal.after_begin = lambda: (end_all(direct), other.register_token(Token("EUR")))
        with pytest.raises(StorageUnavailable, match="nothing was recorded"), ledger.atomic() as tx:
            tx.mint("USD", "alice", 25)
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 5)
        assert ledger.balance("USD", "alice").total == 5
        assert ledger.audit().ok


def test_a_session_ended_while_it_waits_for_the_turn(journal: FailingJournal, direct: str) -> None:
    append(journal, 1)
    positions: list[int] = []

    def write() -> None:
        with journal.writing() as head:
            positions.append(head.position)

    with closing(PostgresJournal(PostgresAddress.parse(direct))) as other, other.writing():
        thread = threading.Thread(target=write)
        thread.start()
        wait_for_a_waiter(direct)
        with psycopg.connect(PostgresAddress.parse(direct).url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'relation'")
    thread.join()
    assert positions == [1]


def test_a_server_that_is_gone_is_an_error_and_no_hang(journal: FailingJournal, proxy: Proxy) -> None:
    append(journal, 1)
    proxy.refusing = True
    proxy.cut()
    for attempt in (
        journal.head,
        lambda: journal.ends_at(EMPTY),
        lambda: list(journal.rows()),
        lambda: append(journal, 1),
        journal.reopen,
    ):
        with hasty_readers(), pytest.raises(StorageUnavailable):
            attempt()
    proxy.refusing = False
    assert append(journal, 1)[0].first_position == 2


def test_a_silent_server_is_an_error_and_no_hang(journal: FailingJournal, proxy: Proxy) -> None:
    append(journal, 1)
    proxy.arm("request silent")
    with journal.writing() as head:  # the first connection never answered, the next one did
        assert head.position == 1


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server of this test alone, whose commits are durable."""
    binaries = find_binaries()
    if binaries is None:
        no_server("no initdb is on the path or in /usr/lib/postgresql")
    else:
        server = PostgresServer(binaries, fsync=True)
        yield server
        server.remove()


def test_a_server_that_crashes_is_found_again(
    own_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "RECONNECT_SECONDS", 30.0)
    with Ledger.open(ledger_url(own_server.url(), tmp_path, durability="full")) as ledger:
        ledger.register_token(Token("USD", unit=10))
        for amount in range(1, 4):
            own_server.stop()
            with pytest.MonkeyPatch.context() as impatient:
                impatient.setattr(postgres_connection, "RECONNECT_SECONDS", 0.0)
                with pytest.raises(StorageUnavailable), ledger.atomic() as tx:
                    tx.mint("USD", "alice", amount)
            starting = threading.Thread(target=own_server.start)
            starting.start()
            with ledger.atomic() as tx:
                tx.mint("USD", "alice", amount)
            starting.join()
        assert ledger.balance("USD", "alice").total == 6
        assert ledger.audit().ok


# Another database under the same address.


def replace_database(server: PostgresServer, name: str, other: str) -> None:
    """Has the database `name` be what `other` is."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"ALTER DATABASE {other} RENAME TO {name}")


@pytest.fixture
def databases(postgres_server: PostgresServer) -> Iterator[tuple[str, str]]:
    """The names of an empty database, and of one that is not there yet."""
    names = unused_name(), unused_name()
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {names[0]}")
        yield names
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("other", "error"),
    [("older", CorruptJournal), ("forked", CorruptJournal), ("new", StorageUnavailable), ("empty", StorageUnavailable)],
)
def test_a_database_that_was_replaced_is_refused(
    postgres_server: PostgresServer, databases: tuple[str, str], other: str, error: type[Exception]
) -> None:
    name, copy = databases
    address, copied = (PostgresAddress.parse(f"{postgres_server.url(database)}&durability=normal") for database in databases)
    with closing(PostgresJournal(address)) as journal:
        append(journal, 1, 1)
        journal.close()
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        template = f"TEMPLATE {name}" if other in ("older", "forked") else ""
        connection.execute(f"CREATE DATABASE {copy} {template}")
    if other != "empty":
        with closing(PostgresJournal(copied)) as journal:
            if other == "forked":
                append(journal, 3)
    with closing(PostgresJournal(address)) as journal:
        journal.head()
        append(journal, 1)
        replace_database(postgres_server, name, copy)
        attempts: list[Callable[[], object]] = [
            journal.head,
            lambda: list(journal.rows()),
            lambda: journal.writing().__enter__(),
        ]
        for attempt in attempts:
            with hasty_readers(), pytest.raises(error, match="replaced"):
                attempt()


FULL_DISK = """
    import subprocess, sys
    from pathlib import Path
    sys.path.insert(0, {root!r})
    import psycopg
    from tests.support.programs.postgres_server import PostgresServer, find_binaries
    from tallystick import Ledger, StorageFull, Token

    server = PostgresServer(find_binaries())
    small = server.folder / "small"
    try:
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", small], check=True)
        owner = server.folder.stat()
        import os
        os.chown(small, owner.st_uid, owner.st_gid)
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{{small}}'")
            connection.execute("CREATE DATABASE books TABLESPACE small")
        url = server.url("books") + f"&durability=normal&cache={{sys.argv[1]}}"
        with Ledger.open(url) as ledger:
            ledger.register_token(Token("USD", unit=100))
            kept = 0
            with (small / "filler").open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            refused = 0
            for _ in range(60):
                try:
                    with ledger.atomic() as tx:
                        tx.mint("USD", "alice", 1, memo=os.urandom(60).hex())
                        tx.mint("USD", "bob", 1, memo=os.urandom(60).hex())
                    kept += 1
                except StorageFull:
                    refused += 1
                    assert ledger.balance("USD", "alice").total == kept
            assert refused
            (small / "filler").unlink()
            with ledger.atomic() as tx:
                tx.mint("USD", "alice", 1)
            assert ledger.balance("USD", "alice").total == kept + 1
            assert ledger.audit().ok
        print("went on")
    finally:
        server.stop()
        subprocess.run(["umount", small], check=False)
        server.remove()
"""


def test_a_full_disk_leaves_the_ledger_usable(postgres_server: PostgresServer, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[4]
    assert run_on_a_small_disk(FULL_DISK.format(root=str(root)), tmp_path) == "went on\n"
