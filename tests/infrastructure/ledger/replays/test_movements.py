"""Movements as Arrow's columns: they sum to every balance of books of all models, and say what lines and transactions say."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import (
    AsyncLedger,
    CorruptJournal,
    FixedPriceCurve,
    InvalidPosition,
    InvalidRequest,
    Ledger,
    LedgerClosed,
    Token,
    Transactions,
)
from tallystick.domain.events import Distributed
from tallystick.projections.movements import movements as movements_module
from tallystick.projections.movements.schema import movement_schema
from tests.support.books.batch_book import open_funded
from tests.support.books.varied_book import VariedBook
from tests.support.suites.movement_sums import cells_of, check_sums, sums

T = 10**12
MAX = 2**256 - 1
SAID = ("entry_id", "recorded_at", "occurred_at", "kind", "token", "sender", "receiver", "memo", "reference", "hold")


def rows_of(batches: Any) -> list[dict[str, Any]]:
    return list(chain.from_iterable(batch.to_pylist() for batch in batches))


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A long book of all models, most of whose batches are short."""
    book = VariedBook(tmp_path_factory.mktemp("varied") / "books.db", 7)
    for _ in book.play(250):
        pass
    with book.ledger:
        yield book.ledger


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), few=st.sampled_from((0, 3, 48)), batch_rows=st.sampled_from((1, 2, 7, 50, 65_536)))
def test_they_sum_to_what_everybody_has(seed: int, few: int, batch_rows: int) -> None:
    """Whether rows of batches are made one by one or in columns, and wherever a record batch ends."""
    book = VariedBook("memory:", seed)
    ends = list(book.play(40))
    with book.ledger as ledger, pytest.MonkeyPatch.context() as patch:
        patch.setattr(movements_module, "FEW", few)
        check_sums(ledger, batch_rows)
        whole = rows_of(ledger.movements())
        after = Random(seed).choice(ends)
        assert rows_of(ledger.movements(after, batch_rows)) == [row for row in whole if row["position"] > after]
        view = ledger.as_of(after)
        assert rows_of(view.movements()) == [row for row in whole if row["position"] <= after]
        assert sums(view.movements()) == cells_of(view)


def test_a_long_book_has_everything_and_sums(varied: Ledger) -> None:
    rows = rows_of(varied.movements())
    kinds = {row["kind"] for row in rows}
    assert kinds >= {"mint", "burn", "transfer", "reserve", "release", "expire", "buy", "sell", "deposit", "pay",
                     "distribution", "contract"}  # fmt: skip
    assert any(row["reference"] for row in rows)
    assert any(row["occurred_at"] != row["recorded_at"] for row in rows)
    check_sums(varied)


def test_they_are_the_transactions_and_the_shares(varied: Ledger) -> None:
    rows = rows_of(varied.movements())
    recorded = varied.replay(Transactions()).state
    assert [row["transaction_id"] for row in rows if row["transaction_id"] is not None] == list(recorded)
    for row in rows:
        if row["transaction_id"] is None:
            assert row["kind"] == "distribution"
            continue
        assert row["position"] == row["transaction_id"]
        told = varied.transaction(row["position"])
        for name in (
            "entry_id",
            "recorded_at",
            "occurred_at",
            "kind",
            "token",
            "sender",
            "receiver",
            "memo",
            "reference",
            "hold",
        ):
            assert row[name] == told[name], name
        assert int(row["amount"]) == max(told.burned_amount, told.minted_amount)


def test_the_shares_are_those_of_the_lines(varied: Ledger) -> None:
    shares = [row for row in rows_of(varied.movements()) if row["transaction_id"] is None]
    assert shares
    for account in {row["receiver"] for row in shares}:
        lines = [line for line in varied.history("APP", account) if line.transaction_id is None and line.change > 0]
        mine = [row for row in shares if row["receiver"] == account]
        assert [(row["position"], int(row["amount"]), row["sender"], row["memo"]) for row in mine] == [
            (line.position, line.change, line.counterparty, line.memo) for line in lines
        ]


def test_every_place_to_go_on_from(varied: Ledger) -> None:
    """Also from the midst of a commit, of an entry and of a batch."""
    whole, head = rows_of(varied.movements()), varied.status().head.position
    for after in (*range(0, head, 61), head - 1, head):
        assert rows_of(varied.movements(after)) == [row for row in whole if row["position"] > after]


def test_what_is_held_for_others_is_told_apart() -> None:
    with Ledger.open("memory:", ids=iter(("h1", "h2", "h3")).__next__) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
        first, second = (ledger.reserve("USD", "alice", "court", 10).hold_id for _ in range(2))
        ledger.settle("USD", "court", "alice", 3, hold=first)
        ledger.release(second, 4)
        ledger.reserve("USD", "alice", "alice", 5)
        names = ("kind", "sender", "sender_held", "receiver", "receiver_held", "amount", "hold")
        assert [tuple(row[name] for name in names) for row in rows_of(ledger.movements())] == [
            ("mint", None, False, "alice", False, "100", None),
            ("reserve", "alice", False, "court", True, "10", "h1"),
            ("reserve", "alice", False, "court", True, "10", "h2"),
            ("settle", "court", True, "alice", False, "3", "h1"),
            ("release", "court", True, "alice", False, "4", "h2"),
            ("reserve", "alice", False, "alice", True, "5", "h3"),
        ]
        check_sums(ledger)


@pytest.mark.parametrize("rounding", [1, 2])
def test_distributions_of_both_roundings(rounding: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares go on from balances that were there before, and those of a batch among them."""
    monkeypatch.setattr("tallystick.domain.app.decisions.SYSTEMATIC", rounding)
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", 12, role="settlement"))
        ledger.register_token(Token("APP", 12, role="app", curve=FixedPriceCurve(T), owner="owner"))
        names = [f"holder{number}" for number in range(70)]
        ledger.mint_many("TEA", names, [(1 + number) * T for number in range(70)])
        ends = []
        for name in names:
            with ledger.atomic() as tx:
                tx.app("APP").buy(name, T // 3 + len(name))
        for turn in range(4):
            with ledger.atomic() as tx:
                tx.app("APP").pay(names[turn], T // 100 + turn, "APP" if turn % 2 else "TEA")
                tx.app("APP").distribute_dividend()
                if not turn % 2:
                    tx.app("APP").distribute_income()
            ledger.transfer_many("APP", names[:60], names[10:], [1 + turn] * 60)
            ends.append(ledger.status().head.position)
        given: list[int] = []

        class Roundings:
            name, version, state = "roundings", 1, given

            def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
                if isinstance(event, Distributed):
                    given.append(event.rounding)

        ledger.replay(Roundings())
        assert set(given) == {rounding}
        check_sums(ledger)
        check_sums(ledger, 7)
        whole = rows_of(ledger.movements())
        for after in ends:
            assert rows_of(ledger.movements(after)) == [row for row in whole if row["position"] > after]


@pytest.mark.parametrize(
    ("amounts", "in_digits"),
    [
        ([1, 2**31 - 1, 2**31, 2**62, 2**63 - 1], 5),
        ([2**63, 2**64 - 1, 10**38 - 1], 3),
        ([10**38, 2**128, 2**128 + 1, 5], 1),
        ([2**255, 2**254 + 2**93 - 1], 0),
        ([MAX], 0),
        ([1] * 100, 100),
        ([2**200] * 100, 0),
    ],
)
def test_amounts_of_any_width(amounts: list[int], in_digits: int) -> None:
    for blocks in (False, True):
        with open_funded("memory:") as ledger:
            if blocks:
                for amount in amounts:
                    ledger.mint("WEI", "alice", amount)
            else:
                ledger.mint_many("WEI", ["alice"] * len(amounts), amounts)
            (batch,) = ledger.movements()
            assert [int(amount) for amount in batch.column("amount").to_pylist()] == amounts
            assert len(batch) - batch.column("amount_int").null_count == in_digits
            check_sums(ledger)


def test_what_rows_of_a_batch_say_themselves() -> None:
    """Rows have their own memo, time and reference, and where they have no reference that of their entry."""
    for count in (3, 60):
        with open_funded("memory:", ["alice"]) as ledger:
            when = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(count)]
            references = [None if number % 3 else f"r{number}" for number in range(count)]
            memos = [f"memo {number % 2}" for number in range(count)]
            accounts = ["alice"] * count
            ledger.transfer_many(
                "PLN", accounts, ["bob"] * count, [1] * count, memo=memos, occurred_at=when, references=references
            )
            ledger.burn_many("PLN", ["bob"] * count, [1] * count, memo="all", occurred_at=when[0], references="same")
            for row, told in zip(rows_of(ledger.movements()), ledger.replay(Transactions()).state, strict=True):
                transaction = ledger.transaction(told)
                assert row["memo"] == transaction.memo
                assert row["occurred_at"] == transaction.occurred_at
                assert row["reference"] == transaction.reference
                assert row["kind"] == transaction.kind
                assert (row["sender"], row["receiver"]) == (transaction.sender, transaction.receiver)
            check_sums(ledger)


def test_the_schema_is_the_same_of_every_batch(varied: Ledger) -> None:
    assert {str(batch.schema) for batch in varied.movements(batch_rows=20)} == {str(movement_schema())}
    assert pa.Table.from_batches(varied.movements()).validate(full=True) is None
    assert movement_schema().names == [
        *("position", "entry_id", "transaction_id", "recorded_at", "occurred_at", "kind", "token", "sender", "receiver"),
        *("sender_held", "receiver_held", "amount", "amount_int"),
        *(f"amount_{limb}" for limb in range(9)),
        *("memo", "reference", "hold"),
    ]


def test_an_empty_ledger_has_none() -> None:
    with Ledger.open("memory:") as ledger:
        assert list(ledger.movements()) == []
        ledger.register_token(Token("USD"))
        assert list(ledger.movements()) == []


def test_what_is_recorded_meanwhile_comes_with_the_next_call() -> None:
    with open_funded("memory:", ["alice"]) as ledger:
        first = ledger.movements(batch_rows=1)
        ledger.burn("PLN", "alice", 1)
        rows = rows_of(first)
        assert [row["kind"] for row in rows] == ["mint"] * 3
        assert [row["kind"] for row in rows_of(ledger.movements(rows[-1]["position"]))] == ["burn"]


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ({"after": -1}, InvalidPosition),
        ({"after": "1"}, InvalidPosition),
        ({"after": 10**6}, InvalidPosition),
        ({"after": 2**70}, InvalidPosition),
        ({"batch_rows": 0}, InvalidRequest),
        ({"batch_rows": 1.5}, InvalidRequest),
        ({"batch_rows": None}, InvalidRequest),
    ],
)
def test_what_is_wrong_is_told_at_once(varied: Ledger, arguments: dict[str, Any], verdict: type[Exception]) -> None:
    with pytest.raises(verdict):
        varied.movements(**arguments)
    with pytest.raises(verdict):
        varied.as_of(varied.status().head.position).movements(**arguments)


def test_of_a_ledger_that_was_closed() -> None:
    ledger = open_funded("memory:", ["alice"])
    begun = ledger.movements(batch_rows=1)
    next(begun)
    ledger.close()
    with pytest.raises(LedgerClosed):
        ledger.movements()
    with pytest.raises(LedgerClosed):
        next(begun)


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    from tallystick.projections.movements import schema

    def missing(name: str) -> Any:
        raise ImportError(name)

    schema.pyarrow.cache_clear()
    monkeypatch.setattr(schema, "import_module", missing)
    with open_funded("memory:", ["alice"]) as ledger, pytest.raises(InvalidRequest, match=r"pip install .tallystick\[arrow\]"):
        ledger.movements()


def test_a_journal_that_is_not_what_was_written(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "books.db"
    open_funded(path, ["alice"]).close()
    with sqlite3.connect(path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE commits SET body = replace(body, '25000', '25001') WHERE first_position = 4")
    database.close()
    with Ledger.open(path) as ledger, pytest.raises(CorruptJournal):
        rows_of(ledger.movements())


def test_awaited_they_come_one_after_another(varied: Ledger, tmp_path: Path) -> None:
    async def collect() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        async with AsyncLedger.open(tmp_path / "books.db", read_only=True) as ledger:
            rows = [row async for batch in await ledger.movements(batch_rows=50) for row in batch.to_pylist()]
            view = await ledger.as_of(100)
            some = [row async for batch in await view.movements(after=20) for row in batch.to_pylist()]
            with pytest.raises(InvalidPosition):
                await ledger.movements(after=10**9)
            return rows, some

    varied.backup(tmp_path / "books.db")
    rows, some = asyncio.run(collect())
    whole = rows_of(varied.movements())
    assert rows == whole
    end = varied.as_of(100).position
    assert some == [row for row in whole if 20 < row["position"] <= end]
