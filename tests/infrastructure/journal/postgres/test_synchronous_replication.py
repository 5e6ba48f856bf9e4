"""A server that has to wait for a standby which does not answer: what stands here and perhaps not there is not acknowledged."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallystick import AsyncLedger, DuplicateIdempotencyKey, Ledger, OutcomeUnknown, StorageUnavailable, Token
from tallystick.infrastructure.journal.stores.postgres import connection as postgres_connection
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
from tests.support.books.behind import ledger_on
from tests.support.programs.postgres_server import PostgresServer, find_binaries, ledger_url, no_server, unused_name

WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
ALONE = "perhaps not on the standby"


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server whose commits are durable, and that can be told to wait for a standby."""
    binaries = find_binaries()
    if binaries is None:
        no_server("no initdb is on the path or in /usr/lib/postgresql")
    else:
        server = PostgresServer(binaries, fsync=True)
        yield server
        server.remove()


@pytest.fixture
def admin(own_server: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own_server.url(), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        yield connection
        wait_for(connection, "")


@pytest.fixture
def url(own_server: PostgresServer, admin: psycopg.Connection, tmp_path: Path) -> str:
    """A ledger in which Alice has 100."""
    url = ledger_url(own_server.url(), tmp_path / "cache", durability="full", schema=unused_name())
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
    return url


def wait_for(admin: psycopg.Connection, standby: str) -> None:
    """Has the server wait for this standby, or for none; returns when it knows that."""
    admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'".encode())
    admin.execute("SELECT pg_reload_conf()")
    while admin.execute("SHOW synchronous_standby_names").fetchall() != [(standby,)]:
        time.sleep(0.01)


@contextmanager
def each_waiter(admin: psycopg.Connection, function: str) -> Iterator[list[int]]:
    """Has the server cancel or terminate whoever waits for a standby, again and again; gives how many that were."""
    stop, ended = threading.Event(), list[int]()

    def end_waiters() -> None:
        while not stop.is_set():
            ended.extend(pid for (pid, _) in admin.execute(f"SELECT pid, {function}(pid) {WAITING}".encode()).fetchall())
            time.sleep(0.01)

    thread = threading.Thread(target=end_waiters)
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join()


def pay(ledger: Ledger, key: str | None = "pay") -> None:
    with ledger.atomic(key, metadata={"n": 1}) as tx:
        tx.transfer("USD", "alice", "bob", 1)


CALLS: dict[str, Callable[[Ledger], object]] = {
    "a block": pay,
    "a direct call": lambda ledger: ledger.transfer("USD", "alice", "bob", 1, idempotency_key="pay"),
    "a batch": lambda ledger: ledger.transfer_many("USD", ["alice"], ["bob"], [1], idempotency_key="pay"),
    "run": lambda ledger: ledger.run(lambda tx: tx.transfer("USD", "alice", "bob", 1), "pay"),
    "a large one": lambda ledger: ledger.transfer("USD", "alice", "bob", 1, memo="m" * 65_536, idempotency_key="pay"),
}


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("call", CALLS)
def test_what_no_standby_has_is_not_acknowledged(url: str, admin: psycopg.Connection, call: str, function: str) -> None:
    with Ledger.open(url) as ledger:
        wait_for(admin, "nobody")
        with each_waiter(admin, function) as ended:
            with pytest.raises(OutcomeUnknown, match=ALONE):
                CALLS[call](ledger)
            for ask in (
                lambda: ledger.balance("USD", "bob"),
                lambda: ledger.receipt("pay"),
                lambda: ledger.verify(),
                lambda: pay(ledger, "next"),
            ):
                with pytest.raises(StorageUnavailable, match=ALONE):
                    ask()
            assert ended
        wait_for(admin, "")
        assert ledger.balance("USD", "bob").total == 1
        with pytest.raises(DuplicateIdempotencyKey):
            pay(ledger)
        pay(ledger, "next")
        assert ledger.audit().ok
        assert ledger.verify().position == 4


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_nor_where_our_own_patience_ends(
    url: str, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """What is short of time here is told the same: that nobody knows."""
    with Ledger.open(url) as ledger:
        pay(ledger, "before")
        wait_for(admin, "nobody")
        with monkeypatch.context() as patched:
            patched.setattr(postgres_connection, "ANSWER_SECONDS", seconds)
            with pytest.raises(OutcomeUnknown):
                pay(ledger)
        wait_for(admin, "")
        assert ledger.balance("USD", "bob").total == 2
        assert ledger.audit().ok
    assert admin.execute(f"SELECT pid {WAITING}".encode()).fetchall() == []


def test_a_group_is_told_so_together(url: str, admin: psycopg.Connection) -> None:
    async def main() -> list[Any]:
        async with AsyncLedger.open(url) as ledger:

            async def pay(number: int) -> None:
                async with ledger.atomic(f"pay-{number}") as tx:
                    tx.transfer("USD", "alice", "bob", 1)

            return await asyncio.gather(*map(pay, range(5)), return_exceptions=True)

    wait_for(admin, "nobody")
    with each_waiter(admin, "pg_cancel_backend"):
        done = asyncio.run(main())
    assert {type(each) for each in done} <= {OutcomeUnknown, StorageUnavailable}
    assert OutcomeUnknown in {type(each) for each in done}
    wait_for(admin, "")
    with Ledger.open(url) as ledger:
        keys = [f"pay-{number}" for number in range(5)]
        recorded = [key for key in keys if ledger.receipt(key) is not None]
        told = {key for key, error in zip(keys, done, strict=True) if isinstance(error, OutcomeUnknown)}
        assert told >= set(recorded)
        assert ledger.balance("USD", "bob").total == len(recorded)
        assert ledger.audit().ok


@pytest.mark.parametrize("setting", ["off", "local", "remote_write", "on", "remote_apply"])
def test_whatever_the_role_has_set(url: str, admin: psycopg.Connection, setting: str) -> None:
    address = PostgresAddress.parse(f"{url}&options=-c%20synchronous_commit%3D{setting}")
    with closing(PostgresJournal(address)) as journal, ledger_on(journal) as ledger:
        wait_for(admin, "nobody")
        with each_waiter(admin, "pg_cancel_backend"), pytest.raises(OutcomeUnknown, match=ALONE):
            pay(ledger)
        wait_for(admin, "")
        assert ledger.balance("USD", "bob").total == 1


def test_who_does_not_want_it_durable_does_not_wait(url: str, admin: psycopg.Connection) -> None:
    with Ledger.open(url.replace("durability=full", "durability=normal")) as ledger:
        wait_for(admin, "nobody")
        for number in range(3):
            pay(ledger, f"pay {number}")
        assert ledger.balance("USD", "bob").total == 3
        assert ledger.audit().ok


def test_a_ledger_that_was_just_made_is_not_used_before_a_standby_has_it(
    own_server: PostgresServer, admin: psycopg.Connection, tmp_path: Path
) -> None:
    url = ledger_url(own_server.url(), tmp_path / "cache", durability="full", schema=unused_name())
    wait_for(admin, "nobody")
    with each_waiter(admin, "pg_cancel_backend"), pytest.raises(StorageUnavailable, match=ALONE):
        Ledger.open(url).register_token(Token("USD"))
    wait_for(admin, "")
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        assert ledger.verify().position == 1
