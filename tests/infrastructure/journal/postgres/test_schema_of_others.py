"""A schema that somebody else has changed is refused, what is theirs beside ours is left alone; older versions are upgraded."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tallystick import Ledger, NotALedger, StorageUnavailable, Token
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tests.support.books.schema_version_2 import make_version_2
from tests.support.programs.old_version import OldVersion

SWALLOW = "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"


def swallows(table: str) -> list[str]:
    return [SWALLOW, f"CREATE TRIGGER x BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION swallow()"]


SWALLOWED = {f"{table} swallowed": swallows(table) for table in ("commits", "streams", "keys", "metadata")} | {
    "a rule on commits": ["CREATE RULE x AS ON INSERT TO commits DO INSTEAD NOTHING"],
    "a rule on keys": ["CREATE RULE x AS ON INSERT TO keys DO INSTEAD NOTHING"],
}
REFUSED = SWALLOWED | {
    "the function of a trigger of ours": [
        "CREATE OR REPLACE FUNCTION commits_follow_each_other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    ],
    "a trigger under the name of ours": [
        SWALLOW,
        "DROP TRIGGER streams_follow_each_other ON streams",
        "CREATE TRIGGER streams_follow_each_other BEFORE INSERT ON streams FOR EACH ROW EXECUTE FUNCTION swallow()",
    ],
    "a row deleted again": [
        "ALTER TABLE commits DISABLE TRIGGER only_append",
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM commits; RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER x AFTER INSERT ON commits DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION forget()",
    ],
    "a policy": ["ALTER TABLE commits ENABLE ROW LEVEL SECURITY"],
    "rows that a crash empties": ["ALTER TABLE keys SET UNLOGGED"],
    "rows of another table": ["CREATE TABLE theirs () INHERITS (commits)"],
    "a column more": ["ALTER TABLE streams ADD COLUMN theirs text"],
    "a check": ["ALTER TABLE commits ADD CHECK (last_position < 9)"],
    "a key that is not unique": ["ALTER TABLE keys DROP CONSTRAINT keys_pkey"],
    "a view in the place of a table": ["ALTER TABLE keys RENAME TO kept", "CREATE VIEW keys AS SELECT * FROM kept"],
    "a table less": ["DROP TABLE metadata"],
    "another append": [
        "CREATE FUNCTION append(text, text, text, text, text, text, text, text, text, text, text, text, text, text, text)"
        " RETURNS void LANGUAGE sql AS ''"
    ],
    "no append": ["DROP FUNCTION append"],
    "a check that checks nothing": ["DROP FUNCTION check_row"],
    "an append without its owner's rights": ["ALTER FUNCTION append SECURITY INVOKER"],
    "an append that finds other names": ["ALTER FUNCTION append SET search_path = public"],
}
LEFT_ALONE = {
    "a table": ["CREATE TABLE theirs (x int)"],
    "a function": ["CREATE FUNCTION theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    "a view": ["CREATE VIEW theirs AS SELECT count(*) FROM commits"],
    "an index": ["CREATE INDEX theirs ON commits (recorded_at)"],
    "a trigger that was dropped": ["DROP TRIGGER only_append ON commits"],
    "triggers that were switched off": ["ALTER TABLE streams DISABLE TRIGGER ALL"],
    "statistics": ["ANALYZE commits"],
}


@pytest.fixture
def database(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection to a ledger in which Alice has 100."""
    with Ledger.open(postgres_url) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100)
    address = PostgresAddress.parse(postgres_url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {address.schema}")
        yield connection


def change(database: psycopg.Connection, statements: list[str]) -> None:
    for statement in statements:
        database.execute(statement.encode())


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_a_schema_that_was_changed_is_refused(
    postgres_url: str, database: psycopg.Connection, case: str, read_only: bool
) -> None:
    change(database, REFUSED[case])
    with pytest.raises(NotALedger, match="not the schema of a ledger"):
        Ledger.open(postgres_url, read_only=read_only)


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_what_is_theirs_is_left_alone(postgres_url: str, database: psycopg.Connection, case: str) -> None:
    change(database, LEFT_ALONE[case])
    with Ledger.open(postgres_url) as ledger:
        with ledger.atomic("key") as tx:
            tx.transfer("USD", "alice", "bob", 1)
        assert ledger.audit().ok


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("case", SWALLOWED)
def test_what_is_changed_later_lets_nothing_be_acknowledged_that_is_not_kept(
    postgres_url: str, database: psycopg.Connection, case: str, version: int
) -> None:
    if version == 2:
        make_version_2(database, PostgresAddress.parse(postgres_url).schema)
    with Ledger.open(postgres_url) as ledger:
        before = ledger.verify()
        change(database, SWALLOWED[case])
        metadata = {"n": 1} if "metadata" in case else None
        said = "INSERT RETURNING|in WITH" if "rule" in case and version == 2 else "nothing was recorded"
        with pytest.raises(StorageUnavailable, match=said), ledger.atomic("key", metadata=metadata) as tx:
            tx.transfer("USD", "alice", "bob", 1)
        assert ledger.balance("USD", "bob").total == 0
        assert ledger.verify() == before
        table = case.split()[-1] if "rule" in case else case.split()[0]
        database.execute(f"DROP {'RULE' if 'rule' in case else 'TRIGGER'} x ON {table}")
    with Ledger.open(postgres_url) as ledger:
        with ledger.atomic("key", metadata={"n": 1}) as tx:
            tx.transfer("USD", "alice", "bob", 1)
        assert ledger.audit().ok


def test_a_ledger_of_version_2_goes_on_and_is_upgraded(postgres_url: str, database: psycopg.Connection) -> None:
    schema = PostgresAddress.parse(postgres_url).schema
    make_version_2(database, schema)
    with Ledger.open(postgres_url) as ledger, Ledger.open(postgres_url) as other:
        for number, each in enumerate((ledger, other, ledger)):
            with each.atomic(f"before {number}", reference="order", metadata={"n": number}) as tx:
                tx.transfer("USD", "alice", "bo'b\\", 1)
        ledger.erase(3, "asked")
        with closing(open_journal(postgres_url)) as journal:
            assert journal.upgrade() is True
            assert journal.upgrade() is False
        assert database.execute("SELECT schema_version FROM ledger").fetchall() == [(3,)]
        for number, each in enumerate((other, ledger, other)):
            with each.atomic(f"after {number}", reference="order", metadata={"n": number}) as tx:
                tx.transfer("USD", "alice", "bo'b\\", 1)
            assert each.balance("USD", "bo'b\\").total == 4 + number
        other.erase(4, "asked")
        assert [entry.metadata for entry in ledger.find("order")] == [{"n": 2}, {"n": 1}, {"n": 0}, {"n": 2}, None, None]
        assert ledger.audit().ok
    with Ledger.open(postgres_url) as again:
        assert again.audit().ok


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_schema_that_was_changed_is_refused_and_not_upgraded(postgres_url: str, version: int) -> None:
    address = PostgresAddress.parse(postgres_url)
    if version == 1:
        with OldVersion() as old:
            old.open(postgres_url)
    else:
        Ledger.open(postgres_url).close()
    with psycopg.connect(address.url, autocommit=True) as database, closing(open_journal(postgres_url)) as journal:
        database.execute(f"SET search_path = {address.schema}")
        if version == 2:
            make_version_2(database, address.schema)
        change(database, swallows("commits"))
        with pytest.raises(NotALedger, match="trigger"):
            journal.upgrade()
        with pytest.raises(NotALedger, match="trigger"):
            Ledger.open(postgres_url)
        assert database.execute("SELECT schema_version FROM ledger").fetchall() == [(version,)]
        database.execute("DROP TRIGGER x ON commits")
        assert journal.upgrade()
    with Ledger.open(postgres_url) as ledger:
        ledger.register_token(Token("EUR"))
        assert ledger.audit().ok
