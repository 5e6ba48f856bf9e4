"""A role that may append, in the hands of somebody else: what it can put into the journal, and who can keep others from it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tallystick import Ledger, StorageUnavailable, Token
from tallystick.domain.events import Minted, Moved
from tallystick.infrastructure.journal.details import metadata_digest
from tallystick.infrastructure.journal.format import Foreign, Head, JournalRow, Key, encode_events, make_row
from tallystick.infrastructure.journal.port import MetadataChange, MetadataRow, StreamEntry
from tallystick.infrastructure.journal.stores.postgres import connection as postgres_connection
from tallystick.infrastructure.journal.stores.postgres import statements
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal, _parameters
from tests.support.programs.postgres_server import unused_name


@pytest.fixture
def role(postgres: str) -> Iterator[str]:
    name = unused_name()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        yield name
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


@pytest.fixture
def clerk(postgres_url: str, role: str) -> Iterator[psycopg.Connection]:
    """A connection, past this library, of a role that may append to a ledger in which Alice has 100."""
    address = PostgresAddress.parse(postgres_url)
    with Ledger.open(postgres_url) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic("first") as tx:
            tx.mint("USD", "alice", 100)
            tx.register_contract("fig").balance_up(100)
    with psycopg.connect(address.url, autocommit=True) as owner:
        owner.execute(f"SELECT {address.schema}.allow_to_append('{role}')")
    with psycopg.connect(f"{address.url}&user={role}", autocommit=True) as connection:
        connection.execute(f"SET search_path = {address.schema}")
        yield connection


class Call:
    """What `append` is given, out of which each case makes something else: by default a row that is as it should be."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.position = head.position + 1
        self.at = head.recorded_at + 1
        self.keys: Sequence[Key] = [Key("key", None, 0)]
        self.counts: Sequence[int] = (2,)
        self.body = encode_events([Minted("USD", "bob", 3), Moved("USD", "bob", "carol", 1)])
        self.details: bytes | None = None
        self.entries = [StreamEntry("USD", 3, 4, self.position)]
        self.metadata = MetadataChange()
        self.change: Callable[[JournalRow], JournalRow] = lambda row: row

    def parameters(self) -> tuple[Any, ...]:
        row = make_row(self.head.digest, self.position, self.at, self.keys, self.counts, self.body, self.details)
        return _parameters(self.change(row), self.entries, self.metadata)


def row_changed(**changed: Any) -> Callable[[Call], None]:
    """What stands in the row is something else, and the digest as it was."""

    def change(call: Call) -> None:
        call.change = lambda row: row._replace(**changed)

    return change


def call_changed(**changed: Any) -> Callable[[Call], None]:
    """The row is made of something else, and has a digest that fits."""

    def change(call: Call) -> None:
        for name, value in changed.items():
            setattr(call, name, value(call) if callable(value) else value)

    return change


def of_positions(first: int, last: int) -> Callable[[Call], None]:
    def change(call: Call) -> None:
        call.position += first
        call.entries = [entry._replace(first_position=call.position) for entry in call.entries]
        call.counts = (last,)

    return change


META = MetadataRow(5, bytes(16), "{}")


def with_metadata(said: str, *rows: MetadataRow) -> Callable[[Call], None]:
    return call_changed(
        details=f'[[0,{{"meta":"{said}"}}]]'.encode(),
        metadata=lambda call: MetadataChange([row._replace(entry=call.position) for row in rows]),
    )


FITS = metadata_digest(META.salt, META.content)
TAKEN: dict[str, Callable[[Call], None]] = {
    "as it should be": call_changed(),
    "of two transactions": call_changed(counts=(1, 1), keys=[Key("a", "ab", 0), Key("b", None, 1)]),
    "with a backslash and more": call_changed(
        body=encode_events([Minted("USD", "bo\\u0000b", 3, "m\\ \N{COIN} ' \""), Minted("USD", "b", 3)])
    ),
    "with details": call_changed(details=b'[[0,{"at":7,"ref":"order \\\\ 7","reverses":[[0,2]]}]]'),
    "with metadata": with_metadata(FITS, META),
    "of somebody else's stream": call_changed(
        body=encode_events([Foreign("shop orders-1\\", 5, "T", "e30="), Minted("USD", "b", 1)]),
        entries=lambda call: [StreamEntry("shop orders-1\\", 5, 5, 0), StreamEntry("USD", 3, 3, 0)],
    ),
}
REFUSED: dict[str, Callable[[Call], None]] = {
    "a body that is not digested": row_changed(body=b'[["Minted","USD","eve",1],["Minted","USD","eve",1]]'),
    "a key that is not digested": row_changed(keys=b'[["other",null,0]]'),
    "a digest of something else": row_changed(digest=bytes(32)),
    "a digest that is too short": row_changed(digest=b"x"),
    "the digest before is another": call_changed(head=lambda call: call.head._replace(digest=bytes(32))),
    "a row that nobody can read": call_changed(body=b"[]"),
    "no JSON": call_changed(body=b"[[]"),
    "events of no type": call_changed(body=b'[["Evil","USD"],["Evil","USD"]]'),
    "events of no stream": call_changed(body=b'[["Minted",7],["Minted",7]]'),
    "more positions than events": call_changed(counts=(3,)),
    "fewer positions than events": call_changed(counts=(1,)),
    "a batch that counts too much": call_changed(body=b'[["MovedMany","USD",9223372036854775807]]'),
    "a last position of 2**63 - 1": call_changed(counts=(2**63 - 6,)),
    "transactions of nothing": call_changed(counts=(2, 0)),
    "transactions that are no numbers": row_changed(transactions=b'["2"]'),
    "a place further on": of_positions(1, 2),
    "a place that is taken": of_positions(-1, 2),
    "a time before the newest": call_changed(at=lambda call: call.head.recorded_at - 1),
    "a time in two days": call_changed(at=int((datetime.now(UTC) + timedelta(days=2)).timestamp() * 1e6)),
    "a time at the end of times": call_changed(at=2**63 - 1),
    "a key of a transaction that is not there": call_changed(keys=[Key("key", None, 1)]),
    "an empty key": call_changed(keys=[Key("", None, 0)]),
    "a key that was used": call_changed(keys=[Key("first", None, 0)]),
    "a key twice": call_changed(keys=[Key("key", None, 0), Key("key", None, 0)]),
    "no entry of a stream": call_changed(entries=[]),
    "an entry of another stream": call_changed(entries=lambda call: [*call.entries, StreamEntry("fig", 60, 60, 0)]),
    "an entry up to 2**63 - 1": call_changed(entries=[StreamEntry("USD", 3, 2**63 - 1, 0)]),
    "an entry of versions further on": call_changed(entries=[StreamEntry("USD", 4, 5, 0)]),
    "an entry twice": call_changed(entries=[StreamEntry("USD", 3, 3, 0), StreamEntry("USD", 4, 4, 0)]),
    "details that nobody knows": call_changed(details=b'[[0,{"theirs":1}]]'),
    "details of no transaction": call_changed(details=b'[[1,{"at":1}]]'),
    "details that are no JSON": call_changed(details=b"[[0,"),
    "a reference that is no text": call_changed(details=b'[[0,{"ref":7}]]'),
    "metadata that no details say": call_changed(metadata=lambda call: MetadataChange([META._replace(entry=call.position)])),
    "metadata of another digest": with_metadata("0" * 64, META),
    "metadata with a short salt": with_metadata(metadata_digest(b"x", "{}"), META._replace(salt=b"x")),
    "metadata that is not there": with_metadata(FITS),
    "metadata of a row before": call_changed(
        details=f'[[0,{{"meta":"{FITS}"}}]]'.encode(), metadata=MetadataChange([META._replace(entry=1)])
    ),
}


def try_to_append(postgres_url: str, clerk: psycopg.Connection, change: Callable[[Call], None]) -> None:
    address = PostgresAddress.parse(postgres_url)
    with closing(PostgresJournal(address)) as journal:
        call = Call(journal.head())
    change(call)
    clerk.execute(statements.in_schema(statements.APPEND_LARGE, address.schema), call.parameters())


def goes_on(url: str) -> None:
    with Ledger.open(url) as ledger:
        with ledger.atomic("after") as tx:
            tx.transfer("USD", "alice", "bob", 1)
            tx.contract("fig").balance_up(1)
        assert ledger.contract("fig").balance == 101
        assert ledger.audit().ok


@pytest.mark.parametrize("case", TAKEN)
def test_rows_that_fit_are_taken(postgres_url: str, clerk: psycopg.Connection, case: str) -> None:
    try_to_append(postgres_url, clerk, TAKEN[case])
    with closing(PostgresJournal(PostgresAddress.parse(postgres_url))) as journal:
        assert journal.head().position == 6
    with Ledger.open(postgres_url) as ledger:
        assert ledger.verify().ok


@pytest.mark.parametrize("case", REFUSED)
def test_rows_that_do_not_are_refused_and_leave_nothing(postgres_url: str, clerk: psycopg.Connection, case: str) -> None:
    with pytest.raises(psycopg.Error):
        try_to_append(postgres_url, clerk, REFUSED[case])
    goes_on(postgres_url)


@pytest.mark.parametrize("number", range(15))
def test_nothing_in_the_place_of_something_is_refused(postgres_url: str, clerk: psycopg.Connection, number: int) -> None:
    address = PostgresAddress.parse(postgres_url)
    with closing(PostgresJournal(address)) as journal:
        call = Call(journal.head())
    with_metadata(FITS, META)(call)
    given = list(call.parameters())
    given[number] = None
    append = statements.in_schema(statements.APPEND_LARGE, address.schema)
    if number == len(given) - 1:  # what is erased: nothing is
        clerk.execute(append, given)
        return
    with pytest.raises(psycopg.Error):
        clerk.execute(append, given)
    goes_on(postgres_url)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO commits SELECT * FROM commits",
        "INSERT INTO streams VALUES ('USD', 9223372036854775807, 9223372036854775807, 1)",
        "INSERT INTO keys VALUES ('pay-7', 1)",
        "INSERT INTO metadata VALUES (1, '', '')",
        "DELETE FROM metadata",
        "SELECT check_row(1, 1, 1, '', '', '', '', '', '{}', '{}', '{}', '{}', '{}', '', 1)",
        "LOCK TABLE ledger IN ROW SHARE MODE",
        "LOCK TABLE commits IN SHARE MODE",
        "SELECT * FROM ledger FOR UPDATE",
        "ALTER FUNCTION append RESET ALL",
    ],
)
def test_it_may_nothing_else(postgres_url: str, clerk: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.Error), clerk.transaction():
        clerk.execute(statement.encode())
    goes_on(postgres_url)


def test_a_lock_that_anybody_can_take_keeps_nobody_from_writing(
    postgres_url: str, clerk: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "LOCK_SECONDS", 1)
    ((id,),) = clerk.execute("SELECT id FROM ledger").fetchall()
    for key in (id.bytes[:8], id.bytes[8:]):
        clerk.execute("SELECT pg_advisory_lock(%s)", (int.from_bytes(key, "big", signed=True),))
    with clerk.transaction():
        clerk.execute("LOCK TABLE ledger, commits, streams, keys IN ACCESS SHARE MODE")
        goes_on(postgres_url)


def test_who_keeps_the_turn_is_named(postgres_url: str, clerk: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk.execute("SET application_name = 'stolen'")
    with Ledger.open(postgres_url) as ledger:
        monkeypatch.setattr(postgres_connection, "LOCK_SECONDS", 0.1)
        with clerk.transaction():
            clerk.execute("SELECT take_turn()")
            process = rf"process {clerk.info.backend_pid} of the server \(stolen\), in a transaction since"
            with pytest.raises(StorageUnavailable, match=process), ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", 1)
    goes_on(postgres_url)


def test_a_row_of_the_owners_is_one_of_the_roles(postgres_url: str, clerk: psycopg.Connection, role: str) -> None:
    """Both write in turns, with all that rows can have."""
    with Ledger.open(postgres_url) as owner, Ledger.open(f"{postgres_url}&user={role}") as appending:
        for number, ledger in enumerate([owner, appending] * 3):
            with ledger.atomic(f"k{number}", reference="\\u0000 '", metadata={"n": number}) as tx:
                tx.transfer("USD", "alice", "b\\ob", 1, memo="a\\'\N{COIN}\x7f")
            ledger.mint_many("USD", ["x", "y"], [1, 2], ids=[number * 2, number * 2 + 1], memo="b\\")
            ledger.freeze("b\\ob")
            ledger.unfreeze("b\\ob")
            ledger.reverse(transaction=ledger.transfer("USD", "alice", "bob", 2).transaction_ids[0])
            ledger.erase(ledger.find("\\u0000 '")[0].id, "asked")
        assert appending.audit().ok
        assert owner.audit() == appending.audit()
