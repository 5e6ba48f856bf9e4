"""What all tests share: Hypothesis profiles, and a ledger of each store."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tallystick import Ledger
from tallystick.infrastructure.imports.event_store import copying as eventsourcing_copy
from tallystick.infrastructure.imports.event_store import postgres as eventsourcing_postgres
from tallystick.infrastructure.imports.event_store import sqlite as eventsourcing_sqlite
from tallystick.infrastructure.imports.transfers import csv_file as transfers_csv
from tallystick.infrastructure.imports.transfers import parquet_file as transfers_parquet
from tallystick.infrastructure.imports.transfers import rows as transfer_rows
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.books.app_book import BONDING, TOKENS, T
from tests.support.books.contract_book import Step, play
from tests.support.books.tokens import FRAGMENTED, PLAIN, WIDE
from tests.support.event_store.eventsourcing_book import LibraryApplications
from tests.support.event_store.recorder_book import make_ledger
from tests.support.programs.memory import keep_folders_in_memory
from tests.support.programs.pgbouncer import no_pgbouncer_reason
from tests.support.programs.postgres_server import (
    ENVIRONMENT,
    PostgresServer,
    SchemaRemover,
    find_binaries,
    is_required,
    ledger_url,
    needs_server,
    no_server,
    unused_name,
)

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

SKIPPED = pytest.StashKey[int]()


def pytest_configure() -> None:
    keep_folders_in_memory()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a server its tests are left out, and one line says so."""
    if os.environ.get(ENVIRONMENT) or is_required() or find_binaries() is not None:
        return
    skipped = [item for item in items if needs_server(item)]
    items[:] = [item for item in items if not needs_server(item)]
    config.stash[SKIPPED] = len(skipped)
    config.hook.pytest_deselected(items=skipped)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if skipped := config.stash.get(SKIPPED, 0):
        reason = "no initdb is on the path or in /usr/lib/postgresql"
        terminalreporter.write_line(f"PostgreSQL was not found: {reason}, its tests are skipped ({skipped})", yellow=True)
    elif (missing := no_pgbouncer_reason()) is not None:
        terminalreporter.write_line(missing, yellow=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests' own, whose commits are fast and not durable."""
    binaries = find_binaries()
    if binaries is None:
        no_server("no initdb is on the path or in /usr/lib/postgresql")
    else:
        server = PostgresServer(binaries)
        yield server
        server.remove()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The address of a PostgreSQL server: the given one, else their own."""
    return os.environ.get(ENVIRONMENT) or request.getfixturevalue("postgres_server").url()


@pytest.fixture(scope="session")
def remove_schema(postgres: str) -> Iterator[SchemaRemover]:
    """Drops a schema in that server."""
    with closing(SchemaRemover(postgres)) as remover:
        yield remover


@pytest.fixture
def postgres_url(postgres: str, remove_schema: SchemaRemover, tmp_path: Path) -> Iterator[str]:
    """The address of a new ledger in PostgreSQL."""
    schema = unused_name()
    yield ledger_url(postgres, tmp_path / "cache", schema=schema)
    remove_schema(schema)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return "memory:" if request.param == "memory" else tmp_path / "books.db"


@pytest.fixture(params=["sqlite", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where several processes can open one ledger."""
    return tmp_path / "books.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def journal(url: str | Path) -> Iterator[Journal]:
    """A journal that no ledger has open yet."""
    opened = open_journal(url)
    yield opened
    opened.close()


@pytest.fixture
def ledger(url: str | Path) -> Iterator[Ledger]:
    """A ledger with a plain, a fragmented and a wide token."""
    with Ledger.open(url) as opened:
        for token in (PLAIN, FRAGMENTED, WIDE):
            opened.register_token(token)
        yield opened


@pytest.fixture(params=[PLAIN.code, FRAGMENTED.code, WIDE.code])
def token(request: pytest.FixtureRequest) -> str:
    """The code of each token in turn: what holds for one holds for all."""
    return request.param


@pytest.fixture
def book(url: str | Path) -> Iterator[Ledger]:
    """Alice and Bob have 1,000 TEA, 100 USDT and 100 DAI each."""
    with Ledger.open(url) as ledger:
        for token in TOKENS:
            ledger.register_token(token)
        with ledger.atomic() as tx:
            for user in ("alice", "bob"):
                tx.topup("TEA", user, 1_000 * T)
                tx.topup("USDT", user, 100)
                tx.topup("DAI", user, 100)
        yield ledger
        tokens = ledger.tokens()
        total = {token.code: ledger.supply(token.code).reserve for token in tokens}
        for code in total:
            total[code] += sum(balance.total for balance in ledger.balances(code).values())
        total["TEA"] += sum(sum(ledger.state[user].values()) for user in ("alice", "bob", "carol") if user not in total)
        total["TEA"] += sum(ledger.state[token.code][BONDING] for token in tokens if token.role == "app")
        assert total == {token.code: token.max_supply for token in tokens}
        report = ledger.audit()
        assert report.ok, report.findings


@pytest.fixture
def pool(ledger: Ledger) -> Callable[[list[Step]], None]:
    """Does steps on a contract "pool", registered by now, as one transaction."""
    with ledger.atomic() as tx:
        tx.register_contract("pool")

    def done(steps: list[Step]) -> None:
        with ledger.atomic() as tx:
            play(tx.contract("pool"), steps)

    return done


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a file of transfers is to be."""
    return tmp_path / "transfers"


@pytest.fixture
def blocks_of_4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of transfers are read four rows at a time."""
    for module in (transfer_rows, transfers_csv, transfers_parquet):
        monkeypatch.setattr(module, "BLOCK_ROWS", 4)


@pytest.fixture
def recorder(journal: Journal) -> JournalRecorder:
    return JournalRecorder(journal, "text")


@pytest.fixture
def beside(journal: Journal) -> Iterator[Ledger]:
    """A ledger on the same journal: for SQLite with a connection of its own."""
    if isinstance(journal, SQLiteJournal):
        with Ledger.open(journal.path) as ledger:
            yield ledger
    else:
        with make_ledger(journal) as ledger:
            yield ledger


@pytest.fixture(params=["sqlite", "postgres"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LibraryApplications]:
    """Where the `eventsourcing` library keeps applications."""
    if request.param == "sqlite":
        yield LibraryApplications(tmp_path)
    else:
        remove_schema: SchemaRemover = request.getfixturevalue("remove_schema")
        applications = LibraryApplications(request.getfixturevalue("postgres"))
        yield applications
        remove_schema(applications.environment["POSTGRES_SCHEMA"])


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores are read a few rows at a time, and rows of the journal get a few events."""
    for module in (eventsourcing_postgres, eventsourcing_sqlite):
        monkeypatch.setattr(module, "PAGE_ROWS", 3)
        monkeypatch.setattr(module, "PAGE_BYTES", 400)
    monkeypatch.setattr(eventsourcing_copy, "ROW_EVENTS", 7)


@pytest.fixture
def sqlite_library(tmp_path: Path) -> LibraryApplications:
    return LibraryApplications(tmp_path)


@pytest.fixture
def rows_of_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the journal get five events of an imported event store."""
    monkeypatch.setattr(eventsourcing_copy, "ROW_EVENTS", 5)
