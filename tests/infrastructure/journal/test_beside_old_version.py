"""A process of the version before has the journal open too: in turns while it is of format 1, and stopped where it is not."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tallystick import AsyncLedger, FixedPriceCurve, Ledger, SchemaTooOld, StorageUnavailable, Token
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tests.support.books.behind import journal_of
from tests.support.programs.command_line import run
from tests.support.programs.old_version import OldError, OldVersion
from tests.support.programs.postgres_server import unused_name

START = """
ledger.register_token(Token("USD", unit=100))
with ledger.atomic("start") as tx:
    tx.mint("USD", "alice", 100_000)
"""
PAY = """
with ledger.atomic() as tx:
    tx.transfer("USD", "alice", "bob", 7)
"""
HAS = "result = ledger.balance('USD', 'bob').total"
AUDIT = "result = ledger.audit().ok"


@pytest.fixture
def old() -> Iterator[OldVersion]:
    with OldVersion() as version:
        yield version


@pytest.fixture
def begun(shared_url: str | Path, old: OldVersion) -> str | Path:
    """A ledger of format 1 that the old version made and has open."""
    old.open(shared_url)
    old(START)
    return shared_url


def upgrade(url: str | Path) -> None:
    with closing(open_journal(url, create=False)) as journal:
        assert journal.upgrade() is True
        assert journal.upgrade() is False


def pay(ledger: Ledger, **details: Any) -> None:
    with ledger.atomic(**details) as tx:
        tx.transfer("USD", "alice", "bob", 7)


def test_both_take_turns_while_it_is_of_format_1(begun: str | Path, old: OldVersion) -> None:
    with Ledger.open(begun) as ledger:
        for turn in range(1, 11):
            old(PAY)
            assert ledger.balance("USD", "bob").total == 14 * turn - 7
            pay(ledger)
            assert old(HAS) == 14 * turn
        assert ledger.audit().ok
    assert old(AUDIT)


def test_many_fragments_are_written_as_the_old_version_writes_them(begun: str | Path, old: OldVersion, tmp_path: Path) -> None:
    """What has a form of its own in format 2 is named one by one in a journal of format 1, byte for byte, and by turns."""
    draw = random.Random(7)
    shadow = tmp_path / "shadow.db"
    with OldVersion() as beside:
        beside.open(shadow)
        beside(START)
        with Ledger.open(begun) as ledger:
            for turn in range(60):
                step = _large_step(draw, ledger)
                beside(f"with ledger.atomic() as tx:\n    {step}")
                if turn % 3:
                    with ledger.atomic() as tx:
                        exec(step, {"tx": tx})
                else:
                    old(f"with ledger.atomic() as tx:\n    {step}")
            bodies = [body.body for body in journal_of(ledger).bodies(1, 10**6)]
            assert ledger.audit().ok
    assert old(AUDIT)
    with Ledger.open(shadow) as ledger:
        assert [body.body for body in journal_of(ledger).bodies(1, 10**6)] == bodies
        assert max(map(len, bodies)) > 5_000


def _large_step(draw: random.Random, ledger: Ledger) -> str:
    """A movement of many fragments, of few, or of some that have to be cut."""
    have = {name: balance.available for name, balance in ledger.balances("USD").items() if balance.available}
    sender = draw.choice(sorted(have))
    amount = min(have[sender], draw.choice([1, 99, 6_500, 6_501, 30_000, 70_001, 100_000]))
    receiver = draw.choice(["alice", "bob", "carol"])
    return draw.choice(
        [f"tx.transfer('USD', {sender!r}, {receiver!r}, {amount})"] * 3
        + [f"tx.burn('USD', {sender!r}, {amount}); tx.mint('USD', {receiver!r}, {amount})"]
    )


def test_the_old_version_does_not_open_format_2(shared_url: str | Path, old: OldVersion) -> None:
    with Ledger.open(shared_url) as ledger:
        ledger.register_token(Token("USD"))
    with pytest.raises(OldError, match="SchemaTooNew"):
        old.open(shared_url)


@pytest.mark.parametrize("first", [HAS, PAY, "ledger.replay(Balances())", "ledger.mint_many('USD', ['bob'], [1])", AUDIT])
def test_the_old_version_stops_at_the_first_row_that_it_does_not_know(begun: str | Path, old: OldVersion, first: str) -> None:
    with Ledger.open(begun) as ledger:
        old(PAY)
        upgrade(begun)
        pay(ledger, reference="order 7")
        head = ledger.verify()
        if first == AUDIT:
            assert old(first) is False
        else:
            with pytest.raises(OldError, match=r"CorruptJournal|StorageUnavailable"):
                old(first)
        for statements in (PAY, HAS, PAY):
            with pytest.raises(OldError, match=r"CorruptJournal|StorageUnavailable"):
                old(statements)
        assert ledger.verify() == head
        assert ledger.audit().ok


def test_the_old_version_goes_on_until_it_meets_such_a_row(begun: str | Path, old: OldVersion) -> None:
    with Ledger.open(begun) as ledger, Ledger.open(begun) as other:
        pay(ledger)
        upgrade(begun)
        for turn in range(1, 5):
            old(PAY)
            pay(ledger)
            assert other.balance("USD", "bob").total == old(HAS) == 7 + 14 * turn
        pay(other, metadata={"order": 7})
        with pytest.raises(OldError, match="CorruptJournal"):
            old(PAY)
        pay(ledger)
        for each in (ledger, other):
            assert each.balance("USD", "bob").total == 7 + 4 * 14 + 14
            assert each.audit().ok


@pytest.mark.parametrize("round", range(4))
def test_readers_and_writers_mind_no_upgrade(begun: str | Path, old: OldVersion, round: int) -> None:
    """Some have the journal open at format 1 and read or write all the while, and find nothing that is not so."""
    for _ in range(20):
        old(PAY)
    stop, failures = threading.Event(), list[BaseException]()
    ready = threading.Barrier(4)

    def until_stopped(work: Callable[[Ledger], object]) -> Callable[[], None]:
        def loop() -> None:
            try:
                with Ledger.open(begun) as ledger:
                    work(ledger)
                    ready.wait(120)
                    while not stop.is_set():
                        work(ledger)
            except BaseException as error:
                failures.append(error)
                ready.abort()

        return loop

    def verify(ledger: Ledger) -> None:
        report = ledger.verify()
        assert report.ok, report.findings

    works = [verify, pay, lambda ledger: ledger.balance("USD", "bob")]
    threads = [threading.Thread(target=until_stopped(work)) for work in works]
    for thread in threads:
        thread.start()
    ready.wait(120)
    try:
        if isinstance(begun, str):
            upgrade(begun)
        with Ledger.open(begun) as ledger:
            for number in range(10):
                pay(ledger, reference=f"order {number}", metadata={"n": number})
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    with Ledger.open(begun) as ledger:
        assert ledger.audit().ok
        assert [entry.metadata for entry in ledger.find("order 7")] == [{"n": 7}]


def test_a_reader_in_the_middle_goes_on_over_an_upgrade(begun: str | Path, old: OldVersion) -> None:
    with Ledger.open(begun) as ledger, closing(open_journal(begun)) as journal:
        pay(ledger)
        reading = journal.rows()
        rows = [next(reading)]
        assert not list(journal.metadata_entries())
        upgrade(begun)
        pay(ledger, reference="order 7", metadata={})
        rows += reading
        assert rows == list(journal.rows())
        assert [row.details is None for row in rows] == [*[True] * (len(rows) - 1), False]
        assert len(list(journal.metadata_entries())) == 1
        assert journal.row_at(rows[-1].last_position) == rows[-1]


def test_the_command_upgrades_once(begun: str | Path) -> None:
    for said in ("format 2\n", "format 2 already\n"):
        done = run("upgrade", begun)
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    assert run("upgrade", "--url", begun).stdout == "format 2 already\n"
    with Ledger.open(begun) as ledger:
        pay(ledger, metadata={"order": 7})
        assert ledger.audit().ok


# PostgreSQL, where the owner upgrades.


@pytest.fixture
def server_url(postgres_url: str, old: OldVersion) -> str:
    old.open(postgres_url)
    old(START)
    return postgres_url


@pytest.fixture
def database(postgres_url: str) -> Iterator[psycopg.Connection]:
    address = PostgresAddress.parse(postgres_url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {address.schema}")
        yield connection


@contextmanager
def a_role(database: psycopg.Connection, allowed: str) -> Iterator[str]:
    name = unused_name()
    database.execute(f"CREATE ROLE {name} LOGIN")
    try:
        database.execute(f"SELECT {allowed}('{name}')")
        yield name
    finally:
        database.execute(f"DROP OWNED BY {name}")
        database.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("details", "verdict"),
    [({}, None), ({"reference": "order 7"}, SchemaTooOld), ({"metadata": {}}, SchemaTooOld)],
)
def test_before_the_upgrade_details_are_refused(
    server_url: str, old: OldVersion, details: dict[str, Any], verdict: type[Exception] | None
) -> None:
    with Ledger.open(server_url) as ledger:
        head = ledger.verify().position
        if verdict is None:
            pay(ledger, **details)
        else:
            with pytest.raises(verdict, match="tallystick upgrade"):
                pay(ledger, **details)
            assert ledger.verify().position == head
        assert (ledger.find("order 7"), ledger.entry(1).metadata) == ([], None)
        assert ledger.audit().ok
        old(PAY)
        pay(ledger)
        assert ledger.balance("USD", "bob").total == 14 + 7 * (verdict is None)
        upgrade(server_url)
        pay(ledger, **details)
        assert ledger.audit().ok


def test_before_the_upgrade_an_app_has_no_curve_and_no_dividend(server_url: str, old: OldVersion) -> None:
    """A curve that follows the decimals and a distribution are of the new format; an app without them is not."""
    app = Token("App", role="app", curve=FixedPriceCurve(3))
    with Ledger.open(server_url) as ledger:
        ledger.register_token(Token("TEA", role="settlement"))
        ledger.register_token(Token("Bare", role="app"))
        ledger.take_over([], [("Bare", "alice", 5), ("Bare", "bob", 5)])
        with pytest.raises(SchemaTooOld, match="tallystick upgrade"), ledger.atomic() as tx:
            tx.app("Bare").pay("alice", 1, token="Bare")
            tx.app("Bare").distribute_dividend()
        with pytest.raises(SchemaTooOld, match="tallystick upgrade"):
            ledger.register_token(app)
        old("result = ledger.audit().ok")
        upgrade(server_url)
        ledger.register_token(app)
        assert ledger.token("App").curve == FixedPriceCurve(3, 0, 0)
        assert ledger.audit().ok


def test_before_the_upgrade_others_of_the_group_stand(server_url: str) -> None:
    async def main() -> list[Any]:
        async with AsyncLedger.open(server_url) as ledger:

            async def pay(number: int) -> None:
                async with ledger.atomic(reference="order" if number % 3 == 0 else None) as tx:
                    tx.transfer("USD", "alice", "bob", 1)

            done = await asyncio.gather(*map(pay, range(12)), return_exceptions=True)
            assert (await ledger.balance("USD", "bob")).total == 8
            assert (await ledger.audit()).ok
            return done

    done = asyncio.run(main())
    assert [type(each) for each in done] == [SchemaTooOld if number % 3 == 0 else type(None) for number in range(12)]


def test_roles_may_after_the_upgrade_what_they_might_before(server_url: str, database: psycopg.Connection) -> None:
    with a_role(database, "allow_to_append") as writer, a_role(database, "allow_to_read") as reader:
        with Ledger.open(f"{server_url}&user={writer}") as writing, Ledger.open(f"{server_url}&user={reader}") as reading:
            pay(writing)
            with pytest.raises(SchemaTooOld):
                pay(writing, reference="order 7")
            with pytest.raises(StorageUnavailable, match="owner alone"):
                upgrade(f"{server_url}&user={writer}")
            upgrade(server_url)
            pay(writing, reference="order 7", metadata={"name": "Zoë"})
            (entry,) = reading.find("order 7")
            assert entry.metadata == {"name": "Zoë"}
            writing.erase(entry.id, "on request")
            assert reading.entry(entry.id).metadata is None
            for each in (writing, reading):
                assert each.audit().ok
            with pytest.raises(StorageUnavailable, match="may not"):
                pay(reading, metadata={})
        for statement in (
            "DELETE FROM metadata",
            "TRUNCATE metadata",
            "UPDATE metadata SET content = ''",
            "DELETE FROM commits",
        ):
            database.execute(f"SET ROLE {writer}")
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)):
                with Ledger.open(server_url) as ledger:
                    pay(ledger, metadata={})
                database.execute(statement)
            database.execute("RESET ROLE")


def test_the_owner_cannot_change_metadata_by_mistake(server_url: str, database: psycopg.Connection) -> None:
    upgrade(server_url)
    with Ledger.open(server_url) as ledger:
        for _ in range(2):
            pay(ledger, metadata={"name": "Zoë"})
        before = ledger.audit()
        position = before.position
        for statement in (
            "DELETE FROM metadata",
            "TRUNCATE metadata",
            "UPDATE metadata SET content = '{}'",
            "INSERT INTO metadata SELECT 1, salt, content FROM metadata LIMIT 1",
            f"INSERT INTO metadata SELECT {position + 1}, salt, content FROM metadata LIMIT 1",
            "UPDATE commits SET details = NULL",
            "UPDATE ledger SET schema_version = 1",
        ):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                database.execute(statement)
        assert ledger.audit() == before


def test_an_upgrade_that_fails_changes_nothing(server_url: str, database: psycopg.Connection, old: OldVersion) -> None:
    """A table of that name is in the way, which is the last thing that is made."""
    database.execute("CREATE TABLE metadata (x int)")
    with pytest.raises(StorageUnavailable):
        upgrade(server_url)
    assert database.execute("SELECT schema_version FROM ledger").fetchall() == [(1,)]
    old(PAY)
    database.execute("DROP TABLE metadata")
    upgrade(server_url)
    with Ledger.open(server_url) as ledger:
        pay(ledger, reference="order 7")
        assert ledger.audit().ok
