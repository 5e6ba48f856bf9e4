"""The tables that are derived from the rows, of keys and of streams, with something else in them: audited, and not believed."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tallystick import AsyncLedger, CorruptJournal, DuplicateIdempotencyKey, Ledger, LedgerError, Token
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.proof import details_check
from tallystick.infrastructure.proof.audit import audit


@pytest.fixture
def database(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A ledger with four commits, two of them with keys, as whoever can do everything in it sees it."""
    with Ledger.open(postgres_url) as ledger:
        for code in ("USD", "EUR"):
            ledger.register_token(Token(code))
        for code in ("USD", "EUR"):
            with ledger.atomic(f"deposit-{code}") as tx:
                tx.mint(code, "alice", 100)
    address = PostgresAddress.parse(postgres_url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {address.schema}")
        yield connection


def tamper(database: psycopg.Connection, statement: str) -> None:
    """As whoever restores a part of a backup does."""
    for table in ("keys", "streams"):
        database.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    database.execute(statement.encode())
    for table in ("keys", "streams"):
        database.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())


FOUND = {
    "one is missing": ("DELETE FROM keys WHERE key = 'deposit-USD'", [(3, "has not 'deposit-USD'")]),
    "all are missing": ("DELETE FROM keys", [(3, "has not 'deposit-USD'"), (4, "has not 'deposit-EUR'")]),
    "one is of another commit": (
        "UPDATE keys SET first_position = 1 WHERE key = 'deposit-USD'",
        [(1, "'deposit-USD' of this commit, which did not"), (3, "has not 'deposit-USD'")],
    ),
    "one is of no commit": ("INSERT INTO keys VALUES ('pay-7', 99)", [(99, "'pay-7' of this commit, which did not")]),
    "one that nobody used": ("INSERT INTO keys VALUES ('', 2)", [(2, "'' of this commit, which did not")]),
    "two are one another's": (
        "UPDATE keys SET first_position = 7 - first_position",
        [(3, "'deposit-EUR' of"), (3, "has not 'deposit-USD'"), (4, "'deposit-USD' of"), (4, "has not 'deposit-EUR'")],
    ),
    "an entry is missing": ("DELETE FROM streams WHERE first_position = 3", [(3, "is missing")]),
    "an entry too many": ("INSERT INTO streams VALUES ('USD', 9, 9, 3)", [(3, "stands and should not")]),
}


@pytest.mark.parametrize("case", FOUND)
def test_an_audit_finds_it(postgres_url: str, database: psycopg.Connection, case: str) -> None:
    statement, expected = FOUND[case]
    with Ledger.open(postgres_url) as ledger:
        assert ledger.audit().ok
        tamper(database, statement)
        report = ledger.audit()
    found = sorted((finding.position, finding.reason) for finding in report.findings)
    assert len(found) == len(expected), found
    for (position, reason), (at, said) in zip(found, expected, strict=True):
        assert (position, said in reason) == (at, True), found


def test_so_many_are_told_and_no_more(postgres_url: str, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    tamper(database, "INSERT INTO keys SELECT 'key-' || n, n FROM generate_series(1, 5000) AS n")
    with Ledger.open(postgres_url) as ledger:
        assert len(ledger.audit().findings) == details_check.FINDINGS_MAX


def test_what_is_committed_while_it_is_audited_is_no_finding(postgres_url: str, database: psycopg.Connection) -> None:
    with closing(open_journal(postgres_url)) as journal, Ledger.open(postgres_url) as ledger:
        streams = journal.streams

        def commit_first() -> Any:
            with ledger.atomic("meanwhile") as tx:
                tx.transfer("USD", "alice", "bob", 1)
            return streams()

        journal.streams = commit_first  # type: ignore[method-assign]
        report = audit(journal)
        assert report.ok, report.findings
        assert report.position == 4


CALLS: dict[str, Callable[[Ledger], object]] = {
    "a block": lambda ledger: pay(ledger, "pay-7"),
    "a direct call": lambda ledger: ledger.transfer("USD", "alice", "bob", 1, idempotency_key="pay-7"),
    "a call that takes the receipt": lambda ledger: ledger.transfer(
        "USD", "alice", "bob", 1, idempotency_key="pay-7", on_repeat="receipt"
    ),
    "run": lambda ledger: ledger.run(lambda tx: tx.transfer("USD", "alice", "bob", 1), "pay-7"),
    "once": lambda ledger: ledger.once(lambda tx: tx.transfer("USD", "alice", "bob", 1), "pay-7"),
    "a batch": lambda ledger: ledger.transfer_many("USD", ["alice"], ["bob"], [1], idempotency_key="pay-7"),
    "the receipt": lambda ledger: ledger.receipt("pay-7"),
}


def pay(ledger: Ledger, key: str, token: str = "USD") -> None:
    with ledger.atomic(key) as tx:
        tx.transfer(token, "alice", "bob", 1)


@pytest.mark.parametrize("position", [1, 3, 99, 0, -1, 2**63 - 1])
@pytest.mark.parametrize("call", CALLS)
def test_a_key_that_no_row_used_is_no_duplicate(
    postgres_url: str, database: psycopg.Connection, call: str, position: int
) -> None:
    database.execute("INSERT INTO keys VALUES ('pay-7', %s)", (position,))
    with Ledger.open(postgres_url) as ledger:
        with pytest.raises(CorruptJournal, match="table of keys has 'pay-7'"):
            CALLS[call](ledger)
        pay(ledger, "other")
        with pytest.raises(DuplicateIdempotencyKey):
            pay(ledger, "other")
        assert ledger.balance("USD", "bob").total == 1
        assert not ledger.audit().ok


POISON = {
    "a key": ("INSERT INTO keys VALUES ('pay-3', 1)", "table of keys"),
    "a token's stream": ("INSERT INTO streams VALUES ('EUR', 9223372036854775807, 9223372036854775807, 1)", "table of streams"),
    "a version that comes next": ("INSERT INTO streams VALUES ('EUR', 3, 3, 4)", "table of streams"),
}


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("case", POISON)
def test_one_that_is_refused_spoils_no_other_of_its_group(
    postgres_url: str, database: psycopg.Connection, case: str, keyed: bool
) -> None:
    """All wait for one commit, and are one group; the poison comes when each has looked up its key."""
    statement, said = POISON[case]

    async def main() -> list[Any]:
        async with AsyncLedger.open(postgres_url) as ledger:
            entered = asyncio.Barrier(10)

            async def pay(number: int) -> object:
                async with ledger.atomic(f"pay-{number}" if keyed or number == 3 else None) as tx:
                    tx.transfer("EUR" if number == 3 else "USD", "alice", "bob", 1)
                    if await entered.wait() == 0:
                        tamper(database, statement)
                    await entered.wait()

            done = await asyncio.gather(*map(pay, range(10)), return_exceptions=True)
            assert (await ledger.balance("USD", "bob")).total == 9
            assert (await ledger.balance("EUR", "bob")).total == 0
            return done

    done = asyncio.run(main())
    assert [type(each) for each in done] == [CorruptJournal if number == 3 else type(None) for number in range(10)]
    assert said in str(done[3])


def test_a_stream_that_goes_too_far_stops_its_token_alone(postgres_url: str, database: psycopg.Connection) -> None:
    tamper(database, POISON["a token's stream"][0])
    with Ledger.open(postgres_url) as ledger:
        outcomes: dict[str, list[type[LedgerError] | None]] = {"USD": [], "EUR": []}
        for token in ("EUR", "USD", "EUR", "USD"):
            try:
                pay(ledger, f"{token} {len(outcomes[token])}", token)
                outcomes[token].append(None)
            except LedgerError as error:
                outcomes[token].append(type(error))
        assert outcomes == {"USD": [None, None], "EUR": [CorruptJournal, CorruptJournal]}
        tamper(database, "DELETE FROM streams WHERE last_version = 9223372036854775807")
        pay(ledger, "again", "EUR")
        assert ledger.audit().ok
