"""Lines of all accounts side by side are those that each account's history tells, in whatever pieces movements come."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import FixedPriceCurve, Ledger, Line, Token
from tallystick.infrastructure.ledger.rebuilding import JournalSource
from tallystick.infrastructure.rebuild import columns
from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.rows.line_rows import lines_table
from tallystick.projections.movements import movements as movements_module
from tallystick.projections.movements import running
from tallystick.projections.movements.lines import LINE_COLUMNS
from tests.support.books.varied_book import VariedBook
from tests.support.rebuilds.line_cases import AMOUNTS, T, check_lines, distributing

Row = dict[str, Any]
Reader = Callable[[int, int], list[Row]]


class Watched(JournalSource):
    """A source that remembers behind which positions its movements were read."""

    def __init__(self, core: Any) -> None:
        super().__init__(core)
        self.begun: list[int] = []

    def movements(self, after: int, *arguments: Any) -> Iterator[Any]:
        self.begun.append(after)
        return super().movements(after, *arguments)


def reader_of(ledger: Ledger, source: JournalSource | None = None) -> Reader:
    """Reads the rows behind a position up to another, each time going on with the same table."""
    table, source = lines_table(), source or JournalSource(ledger._core)

    def read(after: int, upto: int) -> list[Row]:
        given = table.rows(source, after, upto, Rounds(upto, 1, None))
        return list(chain.from_iterable(rows.batch.to_pylist() for rows in given))

    return read


def lines_of(ledger: Ledger) -> list[Row]:
    return reader_of(ledger)(0, ledger.status().head.position)


def behind(rows: Iterable[Row], position: int) -> list[Row]:
    return [row for row in rows if row["position"] > position]


def test_the_columns_are_those_of_a_line() -> None:
    assert set(LINE_COLUMNS) == set(Line.__struct_fields__)
    assert tuple(name for name, kind in LINE_COLUMNS.items() if kind == "amount") == AMOUNTS


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    few=st.sampled_from((0, 3, 48)),
    batch_rows=st.sampled_from((1, 2, 7, 50, 65_536)),
    safe=st.sampled_from((2.0**62, 2.0**62, 10_000.0, 0.0)),
)
def test_of_varied_books(seed: int, few: int, batch_rows: int, safe: float) -> None:
    """Whether rows come one by one or in columns, wherever these end, and however wide integers may become."""
    book = VariedBook("memory:", seed)
    ends = list(book.play(60))
    with book.ledger as ledger, pytest.MonkeyPatch.context() as patch:
        whole = lines_of(ledger)
        check_lines(ledger, whole)
        patch.setattr(movements_module, "FEW", few)
        patch.setattr(columns, "CHUNK_ROWS", batch_rows)
        patch.setattr(running, "SAFE", safe)
        assert lines_of(ledger) == whole
        source, head = Watched(ledger._core), ends[-1]
        begin, end = sorted(Random(seed).sample(ends, 2))
        read = reader_of(ledger, source)
        assert read(begin, end) == [row for row in whole if begin < row["position"] <= end]
        assert read(end, head) == behind(whole, end)
        assert source.begun == [0, end]
        assert read(begin, head) == behind(whole, begin)
        assert source.begun == [0, end, 0]


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 10, 24, 25, 26, 65_536])
def test_of_distributions(batch_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "CHUNK_ROWS", batch_rows)
    with distributing() as ledger:
        rows = lines_of(ledger)
        check_lines(ledger, rows)
        givers = [row for row in rows if row["kind"] == "distribution" and row["change"].startswith("-")]
        assert givers
        position = givers[-1]["position"]
        assert reader_of(ledger)(position - 1, rows[-1]["position"]) == behind(rows, position - 1)


def test_whoever_stopped_reading_begins_anew() -> None:
    with distributing() as ledger:
        head, table, source = ledger.status().head.position, lines_table(), Watched(ledger._core)
        whole = lines_of(ledger)
        assert next(table.rows(source, 0, head, Rounds(head, 1, None))).upto
        again = [rows.batch.to_pylist() for rows in table.rows(source, 0, head, Rounds(head, 1, None))]
        assert list(chain.from_iterable(again)) == whole


@pytest.mark.parametrize("safe", [2.0**62, 0.0])
def test_of_movements_within_one_account(safe: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SAFE", safe)
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 100)
        hold = ledger.reserve("USD", "alice", "alice", 30).hold_id
        ledger.settle("USD", "alice", "alice", 10, hold=hold)
        ledger.release(hold)
        rows = lines_of(ledger)
        check_lines(ledger, rows)
        told = [tuple(int(row[name]) for name in AMOUNTS) for row in rows]
        assert told == [(100, 0, 100, 0), (-30, 30, 70, 30), (10, -10, 80, 20), (20, -20, 100, 0)]


@pytest.mark.parametrize("most", [2**62, 2**63 - 1, 2**63, 2**128 + 1, 2**255])
def test_of_amounts_however_large(most: int) -> None:
    """Beside those of a token that has small ones alone; batches too, of which a row is the first that is wide."""
    with Ledger.open("memory:") as ledger:
        for code in ("USD", "WEI"):
            ledger.register_token(Token(code, max_supply=2**256 - 1))
            ledger.mint(code, "alice", 1000)
        ledger.transfer_many("WEI", ["alice"] * 60, [f"to{number}" for number in range(60)], [7] * 60)
        ledger.transfer_many("USD", ["alice"] * 60, [f"to{number}" for number in range(60)], [5] * 60)
        ledger.mint_many("WEI", ["alice", "bob", "to3"], [5, most, 9])
        ledger.mint_many("WEI", ["alice"] * 60, [most // 64] * 60)
        ledger.burn("WEI", "bob", most - 1)
        ledger.transfer("USD", "alice", "bob", 1)
        check_lines(ledger, lines_of(ledger))


def test_of_reversals_and_groups_and_what_crosses_over() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", 12, role="settlement"))
        ledger.register_token(Token("APP", 12, role="app", curve=FixedPriceCurve(T), owner="owner"))
        ledger.mint("TEA", "alice", 90 * T)
        app = ledger.app("APP")
        app.buy("alice", 9 * T)
        app.deposit("alice", 5 * T)
        app.refund("alice", T)
        with ledger.atomic() as tx:
            tx.app("APP").consume_deposit("alice", T)
        app.sell("alice", T)
        with ledger.atomic(reference="two") as tx:
            tx.transfer("TEA", "alice", "bob", 4, memo="first")
            tx.transfer("TEA", "bob", "carol", 1)
            tx.mint("TEA", "bob", 1)
        paid = tx.receipt.transaction_ids[0]
        ledger.reverse(transaction=paid, amount=1)
        ledger.reverse(transaction=paid)
        rows = lines_of(ledger)
        check_lines(ledger, rows)
        kinds = {row["kind"] for row in rows if row["account"] == "alice APP"}
        assert kinds == {"deposit", "refund", "consume_deposit"}
        assert {row["counterparty"] for row in rows if row["account"] == "alice" and row["kind"] == "deposit"} == {"APP"}
