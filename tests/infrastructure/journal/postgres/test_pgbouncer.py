"""Behind a PgBouncer in transaction mode, where each transaction may have another session, and other programs have it too."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from tallystick import Ledger, StorageUnavailable, Token
from tallystick.infrastructure.journal.stores.postgres import connection as postgres_connection
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.journal import PostgresJournal
from tests.support.books.behind import ledger_on
from tests.support.programs.pgbouncer import PgBouncer, no_pgbouncer_reason
from tests.support.programs.postgres_server import PostgresServer, SchemaRemover, ledger_url, unused_name
from tests.support.suites.journal_cases import run_together

SIZES = [1, 5]


@pytest.fixture(scope="module", params=SIZES)
def bouncer(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    reason = no_pgbouncer_reason()
    if reason is not None:
        pytest.skip(reason)
    opened = PgBouncer(postgres_server, request.param)
    yield opened
    opened.remove()


@pytest.fixture
def urls(bouncer: PgBouncer, postgres_server: PostgresServer, tmp_path: Path) -> Iterator[list[tuple[str, str]]]:
    """Of three ledgers the addresses through it and past it, which are there already."""
    made: list[tuple[str, str]] = []
    with closing(SchemaRemover(postgres_server.url())) as remove_schema:
        for number in range(3):
            schema = unused_name()
            through, past = (
                ledger_url(server, tmp_path / f"cache{number}", schema=schema)
                for server in (bouncer.url(), postgres_server.url())
            )
            Ledger.open(past).close()
            made.append((through, past))
        yield made
        for _, past in made:
            remove_schema(PostgresAddress.parse(past).schema)


def pay(ledger: Ledger, key: str, token: str = "USD") -> None:
    with ledger.atomic(key, reference="or'der \\", metadata={"key": key}) as tx:
        tx.transfer(token, "alice", "bo'b\\", 1, memo="100 % 'of' \\ it")


def test_each_ledger_has_what_it_was_told(urls: list[tuple[str, str]]) -> None:
    """Two dozen commits each, in turns: so often a session passes from the one to the other."""
    with ExitStack() as stack:
        ledgers = [stack.enter_context(Ledger.open(through)) for through, _ in urls]
        for number, ledger in enumerate(ledgers):
            ledger.register_token(Token(f"MONEY-{number}"))
            with ledger.atomic() as tx:
                tx.mint(f"MONEY-{number}", "alice", 100)
        for turn in range(24):
            for number, ledger in enumerate(ledgers):
                pay(ledger, f"pay {turn}", f"MONEY-{number}")
                assert ledger.balance(f"MONEY-{number}", "bo'b\\").total == turn + 1
    for number, (_, past) in enumerate(urls):
        with Ledger.open(past) as ledger:
            assert [token.code for token in ledger.tokens()] == [f"MONEY-{number}"]
            assert ledger.verify().position == 2 + 24
            assert ledger.audit().ok


def test_many_threads_and_ledgers_on_few_sessions(urls: list[tuple[str, str]]) -> None:
    """Each ledger is opened twice: so whoever has the turn has to read on, while others wait for it, and some only read."""
    with ExitStack() as stack:
        for _, past in urls:
            with Ledger.open(past) as ledger:
                ledger.register_token(Token("USD"))
                with ledger.atomic() as tx:
                    tx.mint("USD", "alice", 1000)
        ledgers = [stack.enter_context(Ledger.open(through)) for through, _ in [*urls, *urls]]

        def work(number: int, thread: int) -> None:
            ledger = ledgers[number]
            for turn in range(6):
                pay(ledger, f"{number} {thread} {turn}")
                ledger.transfer("USD", "alice", "carol", 1)
                ledger.transfer_many("USD", ["alice"], ["dave"], [1])
                assert ledger.balance("USD", "alice").total <= 1000
                assert ledger.receipt(f"{number} {thread} {turn}") is not None

        run_together([lambda n=n, t=t: work(n, t) for n in range(len(ledgers)) for t in range(3)])
        for ledger in ledgers:
            total = 2 * 3 * 6
            assert [ledger.balance("USD", name).total for name in ("bo'b\\", "carol", "dave")] == [total] * 3
            assert ledger.balance("USD", "alice").total == 1000 - 3 * total
    for _, past in urls:
        with Ledger.open(past) as ledger:
            assert ledger.audit().ok


SETTINGS = [
    "search_path = {other}",
    "search_path = pg_temp",
    "synchronous_commit = off",
    "standard_conforming_strings = off",
    "backslash_quote = off",
    "bytea_output = escape",
    "array_nulls = off",
    "default_transaction_isolation = serializable",
    "lock_timeout = 1",
    "plan_cache_mode = force_custom_plan",
    "DateStyle = 'German'",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_others_set_in_the_session_does_not_matter(bouncer: PgBouncer, urls: list[tuple[str, str]], setting: str) -> None:
    (through, past), (_, other) = urls[:2]
    with Ledger.open(past) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
    statement = f"SET {setting.format(other=PostgresAddress.parse(other).schema)}".encode()

    def spoil() -> None:
        """Every session that the pooler has."""
        spoiling = [psycopg.connect(bouncer.url(), autocommit=True, prepare_threshold=None) for _ in range(5)]
        start = threading.Barrier(len(spoiling))

        def hold(connection: psycopg.Connection) -> None:
            with closing(connection):
                start.wait()
                connection.execute(statement)

        run_together([lambda each=each: hold(each) for each in spoiling])

    with Ledger.open(through) as ledger:
        for number in range(8):
            spoil()
            pay(ledger, f"pay {number}")
            assert ledger.balance("USD", "bo'b\\").total == number + 1
            assert [entry.reference for entry in ledger.find("or'der \\")] == ["or'der \\"] * (number + 1)
    with Ledger.open(past) as ledger:
        assert ledger.verify().position == 2 + 8
        assert ledger.audit().ok
    with Ledger.open(other) as ledger:
        assert ledger.verify().position == 0


def test_another_role_in_the_session_records_nothing(bouncer: PgBouncer, urls: list[tuple[str, str]]) -> None:
    through, past = urls[0]
    with Ledger.open(past) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
    with psycopg.connect(PostgresAddress.parse(past).url, autocommit=True) as owner:
        role = unused_name()
        owner.execute(f"CREATE ROLE {role}")
        owner.execute(f"GRANT {role} TO tester")
        owner.execute(f"SELECT {PostgresAddress.parse(past).schema}.allow_to_append('{role}')")
    with Ledger.open(through) as ledger, closing(PostgresJournal(PostgresAddress.parse(through))) as journal:
        with journal.writing():
            connection = journal._pool.in_transaction()
            assert connection is not None
            connection.execute(f"SET ROLE {role}")
            connection.execute("COMMIT")
        refused = 0
        for number in range(10):
            try:
                pay(ledger, f"pay {number}")
            except StorageUnavailable as error:
                assert "role" in str(error) or "may not" in str(error)
                refused += 1
            assert ledger.balance("USD", "bo'b\\").total == number + 1 - refused
        assert refused or bouncer.size > 1
    with Ledger.open(past) as ledger:
        assert ledger.audit().ok
    with psycopg.connect(bouncer.url(), autocommit=True) as resetting:
        for _ in range(10):
            resetting.execute("RESET ROLE")
    with psycopg.connect(PostgresAddress.parse(past).url, autocommit=True) as owner:
        owner.execute(f"DROP OWNED BY {role}")
        owner.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize("moment", ["begin", "append", "between"])
def test_one_that_is_restarted_is_found_again(
    bouncer: PgBouncer, urls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(postgres_connection, "RECONNECT_SECONDS", 60.0)
    through, past = urls[0]

    def restart() -> None:
        bouncer.stop()
        bouncer.start()

    with closing(PostgresJournal(PostgresAddress.parse(through))) as journal, ledger_on(journal) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
        for number in range(3):
            if moment == "between":
                restart()
            else:
                before, armed = getattr(journal, moment), [restart]

                def restarted(*arguments: object, before=before, armed=armed) -> object:
                    if armed:
                        armed.pop()()
                    return before(*arguments)

                monkeypatch.setattr(journal, moment, restarted)
            pay(ledger, f"pay {number}")
            monkeypatch.undo()
            monkeypatch.setattr(postgres_connection, "RECONNECT_SECONDS", 60.0)
            assert ledger.balance("USD", "bo'b\\").total == number + 1
        assert ledger.audit().ok
    with Ledger.open(past) as ledger:
        assert ledger.verify().position == 2 + 3


def test_nothing_is_prepared_and_all_is_known_of_a_session_that_is_somebody_elses(
    urls: list[tuple[str, str]],
) -> None:
    through, past = urls[0]
    for url, pooled in ((through, True), (past, False)):
        with closing(postgres_connection.connect(PostgresAddress.parse(url))) as connection:
            assert connection.is_pooled is pooled
            assert (connection.prepare_threshold is None) is pooled
