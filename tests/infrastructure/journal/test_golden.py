"""Journals of earlier formats open, are read and written on, and become the newest format only by what needs it."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick import (
    AlreadyReversed,
    AsyncLedger,
    DuplicateIdempotencyKey,
    DuplicateTransferId,
    IdempotencyMismatch,
    InsufficientFunds,
    Ledger,
    LinearCurve,
    PlanTooLarge,
    SquareRootCurve,
    StorageUnavailable,
    Token,
)
from tallystick.domain import limits
from tallystick.domain.events import EVENT_TYPES, FORMAT_2_EVENTS
from tallystick.infrastructure.journal.stores.sqlite import journal as sqlite
from tallystick.infrastructure.journal.stores.sqlite.file import upgrade_schema
from tests.infrastructure.journal.golden.make import clock, play, play_more, say, say_more, say_runs
from tests.support.books.snapshot_book import goes_on_from
from tests.support.programs.old_version import GOLDEN, OldVersion

OCCURRED = datetime(2020, 2, 29, tzinfo=UTC)
opened = partial(Ledger.open, max_clock_leap=None)
"""Opens a journal that is older every day."""


def made(tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"{name}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((GOLDEN / f"{name}.sql").read_text())
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The golden journal of format 1."""
    return made(tmp_path, "format_1")


def asked(path: Path, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def version(path: Path) -> int:
    """The format of a file, of which everything has to be."""
    ((number,),) = asked(path, "PRAGMA user_version")
    assert ("details" in [name for _, name, *_ in asked(path, "PRAGMA table_info(commits)")]) == (number == 2)
    assert bool(asked(path, "SELECT 1 FROM sqlite_schema WHERE name = 'metadata'")) == (number == 2)
    return number


def digests(path: Path) -> list[tuple[Any, ...]]:
    return asked(path, "SELECT first_position, digest FROM commits ORDER BY 1")


def distribute(app: Any) -> None:
    app.pay("alice", 1, token="TeaParty")
    app.distribute_dividend()


def pay(ledger: Ledger, **details: Any) -> None:
    with ledger.atomic(**details) as tx:
        tx.transfer("PLN", "alice", "bob", 1)


def test_the_golden_journal_has_every_event_of_its_format() -> None:
    text = (GOLDEN / "format_1.sql").read_text()
    named = set(re.findall(r'\["([A-Z][A-Za-z]+)"', text))
    assert named >= {kind.__name__ for kind in EVENT_TYPES if kind not in FORMAT_2_EVENTS} | {"Foreign"}
    assert "'[3,3,3,3,3]'" in text  # a row of five transactions


def test_what_made_it_can_be_played_by_this_version(tmp_path: Path) -> None:
    times = clock()
    with opened(tmp_path / "books.db", clock=lambda: next(times)) as ledger:
        play(ledger)
        play_more(ledger)
        said = say(ledger)
        assert [entry.reference for entry in ledger.find("order 7")] == ["order 7"] * 2
    with opened(tmp_path / "books.db") as ledger:
        assert say(ledger) == said


def test_it_is_read_and_says_what_it_said(old: Path) -> None:
    said = json.loads((GOLDEN / "format_1.json").read_text())
    with opened(old) as ledger:
        assert json.loads(json.dumps(say(ledger))) == said
        assert ledger.verify().digest == said["digest"]
        assert (ledger.find("anything"), ledger.receipt("batch-1") is None) == ([], False)
        entry = ledger.entry(1)
        assert (entry.occurred_at, entry.reference, entry.metadata) == (entry.recorded_at, None, None)
        assert ledger.frozen() == []
    assert version(old) == 1


def test_so_many_fragments_are_named_in_one_commit(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two numbers say in format 2 takes a thousand in format 1, and is counted so."""
    monkeypatch.setattr(limits, "FRAGMENTS_MAX", 15_000)

    def to_and_fro(count: int) -> None:
        with ledger.atomic() as tx:
            for _ in range(count):
                tx.transfer("USD", "rich", "heir", 1000 * 100_00)
                tx.transfer("USD", "heir", "rich", 1000 * 100_00)

    with opened(old) as ledger:
        ledger.mint("USD", "rich", 1000 * 100_00)
        before = ledger.fragments("USD", "rich")
        for count in (4, 5):
            with pytest.raises(PlanTooLarge, match=rf"{count * 4000} fragments are too many .* at most 15000: do it in"):
                to_and_fro(count)
            assert ledger.fragments("USD", "rich") == before
        to_and_fro(3)
        assert ledger.audit().ok
        assert version(old) == 1
        ledger.mint("PLN", "alice", 1, reference="this needs format 2")
    with opened(old) as ledger:
        to_and_fro(40)
        assert ledger.audit().ok


def test_keys_and_ids_of_before_are_known(old: Path) -> None:
    with opened(old) as ledger:
        with pytest.raises(DuplicateIdempotencyKey), ledger.atomic("deposit-1", request={"of": "alice"}):
            pass
        with pytest.raises(IdempotencyMismatch), ledger.atomic("deposit-1", request={"of": "bob"}):
            pass
        with pytest.raises(DuplicateIdempotencyKey), ledger.atomic("together-3"):
            pass
        with pytest.raises(DuplicateTransferId):
            ledger.mint_many("USD", ["bob"], [1], ids=[2**128 - 1])
        assert ledger.once(lambda tx: tx.mint("PLN", "bob", 1), "together-3").repeated  # type: ignore[union-attr]


def test_a_curve_of_before_keeps_its_formulas(old: Path) -> None:
    with opened(old) as ledger:
        app = ledger.token("TeaParty")
        curve = SquareRootCurve(10, 7)
        assert app.curve == curve
        ledger.register_token(msgspec.structs.replace(app, curve=curve))
        ledger.mint("TEA", "bob", 10**12)
        figures = ledger.app("TeaParty")
        quoted = figures.quote_buy(10**12)
        (trade,) = figures.buy("bob", 10**12).trades
        assert trade.received == quoted == curve.amount_for(figures.supply, 10**12)
        assert figures.price == curve.price(figures.supply)
        assert ledger.token("TeaParty").curve == curve
    assert version(old) == 1


PLAIN: list[Callable[[Ledger], object]] = [
    pay,
    lambda ledger: pay(ledger, idempotency_key="new", request=[1]),
    lambda ledger: ledger.register_token(Token("EUR", unit=100)),
    lambda ledger: ledger.transfer_many("PLN", ["alice"], ["bob"], [1], ids=[99]),
    lambda ledger: ledger.mint_many("USD", ["alice", "zoe"], [1, 300_00], memo="ż"),
    lambda ledger: ledger.update_app("TeaParty", owner="dev3"),
    lambda ledger: [ledger.balance("PLN", "alice"), ledger.snapshot()],
]


def test_plain_commits_leave_it_as_it_is(old: Path) -> None:
    with opened(old) as ledger:
        for commit in PLAIN:
            commit(ledger)
            assert version(old) == 1
        assert ledger.audit().ok
    with OldVersion() as before:
        before.open(old)
        assert before("report = ledger.audit(); result = [report.ok, report.position]")[0] is True
        assert before("result = ledger.balance('USD', 'zoe').total") == 300_00
        before("ledger.close()")


NEEDING: list[Callable[[Ledger], object]] = [
    lambda ledger: pay(ledger, occurred_at=OCCURRED),
    lambda ledger: pay(ledger, reference="order 7"),
    lambda ledger: pay(ledger, metadata={}),
    lambda ledger: ledger.run(lambda tx: tx.freeze("alice")),
    lambda ledger: ledger.run(lambda tx: tx.reverse(transaction=ledger.receipt("together-3").transaction_ids[0])),
    lambda ledger: ledger.register_token(Token("Tea2", role="app", curve=LinearCurve(1))),
    lambda ledger: ledger.run(lambda tx: distribute(tx.app("TeaParty"))),
]


@pytest.mark.parametrize("commit", NEEDING)
def test_what_needs_the_new_format_brings_it(old: Path, commit: Callable[[Ledger], object]) -> None:
    before = digests(old)
    with opened(old) as ledger, opened(old) as other:
        position = other.audit().position
        commit(ledger)
        assert version(old) == 2
        for each in (ledger, other):
            report = each.audit()
            assert report.ok, report.findings
            assert report.position > position
            pay_back(each)
    assert digests(old)[: len(before)] == before
    assert asked(old, "SELECT count(*) FROM commits WHERE details IS NOT NULL") == [(1,)]
    with opened(old) as ledger:
        assert ledger.audit().ok


def pay_back(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.transfer("PLN", "bob", "dora", 1)


def test_a_refused_commit_leaves_it_as_it_is(old: Path) -> None:
    with opened(old) as ledger:
        with pytest.raises(InsufficientFunds), ledger.atomic(reference="much") as tx:
            tx.transfer("PLN", "alice", "bob", 10**9)
        with ledger.atomic(metadata={"nothing": "is recorded"}):
            pass
        assert version(old) == 1
        assert ledger.audit().ok


@pytest.mark.parametrize("error", [KeyboardInterrupt, sqlite3.OperationalError, MemoryError])
def test_a_commit_that_fails_on_the_way_leaves_it_as_it_is(
    old: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def upgrade_and_fail(connection: sqlite3.Connection) -> None:
        upgrade_schema(connection)
        raise error("in between")

    with opened(old) as ledger:
        monkeypatch.setattr(sqlite, "upgrade_schema", upgrade_and_fail)
        with pytest.raises((error, StorageUnavailable)):
            pay(ledger, reference="order 7")
        assert version(old) == 1
        assert (ledger.find("order 7"), ledger.audit().ok) == ([], True)
        pay(ledger)
        assert version(old) == 1
        monkeypatch.undo()
        pay(ledger, reference="order 7")
        assert version(old) == 2
        assert (len(ledger.find("order 7")), ledger.audit().ok) == (1, True)


def test_a_killed_upgrade_is_undone_whole(old: Path) -> None:
    """What a crash leaves of a transaction that was not committed is rolled back by whoever opens it next."""
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        upgrade_schema(connection)
        copy = old.with_name("copy.db")
        copy.write_bytes(old.read_bytes())
    with opened(copy) as ledger:
        assert version(copy) == 1
        pay(ledger, reference="order 7")
    assert version(copy) == 2


def test_an_awaited_ledger_upgrades_too(old: Path) -> None:
    """Of those that are recorded together, one alone needs it."""

    async def main() -> None:
        async with AsyncLedger.open(old, max_clock_leap=None) as ledger:

            async def pay(number: int) -> int:
                async with ledger.atomic(reference="order 7" if number == 5 else None) as tx:
                    tx.mint("PLN", "bob", 1)
                return tx.receipt.entry_id

            ids = await asyncio.gather(*map(pay, range(10)))
            assert [entry.id for entry in await ledger.find("order 7")] == [ids[5]]
            assert (await ledger.audit()).ok

    asyncio.run(main())
    assert version(old) == 2


def test_snapshots_of_before_are_passed_over(old: Path) -> None:
    with OldVersion() as before:
        before.open(old)
        before("ledger.snapshot(); result = ledger.balance('PLN', 'bob').total; ledger.close()")
    assert list(Path(f"{old}.cache", "snapshots").iterdir())
    assert goes_on_from(old) == 0
    with opened(old) as ledger:
        said = json.loads((GOLDEN / "format_1.json").read_text())
        assert json.loads(json.dumps(say(ledger))) == said
        ledger.snapshot()
    assert goes_on_from(old) == said["position"]


def test_the_golden_journal_of_format_2_has_every_event_of_it() -> None:
    text = "".join((GOLDEN / f"{name}.sql").read_text() for name in ("format_2", "format_2_runs"))
    assert set(re.findall(r'\["([A-Z][A-Za-z]+)"', text)) >= {kind.__name__ for kind in EVENT_TYPES} | {"Foreign"}


def test_the_golden_journal_of_format_2_is_read_and_written_on(tmp_path: Path) -> None:
    path = made(tmp_path, "format_2")
    said = json.loads((GOLDEN / "format_2.json").read_text())
    with opened(path) as ledger:
        assert json.loads(json.dumps(say(ledger) | say_more(ledger))) == said
        report = ledger.verify()
        assert (report.ok, report.digest) == (True, said["digest"])
        with pytest.raises(DuplicateTransferId):
            ledger.mint_many("PLN", ["bob"], [1], ids=["second"])
        with pytest.raises(AlreadyReversed), ledger.atomic() as tx:
            tx.reverse(entry=ledger.find("order 7")[1].id)
        pay(ledger, reference="order 7")
        ledger.snapshot()
    with opened(path) as ledger:
        assert len(ledger.find("order 7")) == 3
        assert ledger.audit().ok


def test_the_golden_journal_of_runs_is_read_and_written_on(tmp_path: Path) -> None:
    path = made(tmp_path, "format_2_runs")
    said = json.loads((GOLDEN / "format_2_runs.json").read_text())
    with opened(path) as ledger:
        assert json.loads(json.dumps(say_runs(ledger))) == said
        ledger.transfer("PLN", "bob", "alice", ledger.balance("PLN", "bob").available)
        ledger.snapshot()
    with opened(path) as ledger:
        assert ledger.balance("PLN", "alice").total == 100_000
        assert ledger.audit().ok
