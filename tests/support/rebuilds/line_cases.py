"""What every sink does with the table `lines`: a suite that each sink's tests inherit, with the fixture `place`."""

from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import Any

import pyarrow as pa
import pytest

from tallystick import FixedPriceCurve, Ledger, RebuildDiffers, Token
from tallystick.domain.cells import is_crossing
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.projections.movements.line_changes import LineChanger, LineChanges
from tallystick.projections.movements.lines import LINE_COLUMNS
from tests.support.books.varied_book import VariedBook
from tests.support.suites.sink_places import Place

T = 10**12
HOLDERS = 25
AMOUNTS = ("change", "reserved_change", "available", "reserved")

Row = dict[str, Any]


def history_of(ledger: Ledger, token: str, account: str) -> list[Row]:
    """The lines of a cell as a ledger tells them; one that crosses over under both its names, as tables have it."""
    first, second = account.split(" ") if is_crossing(account) else (token, account)
    return [{**line.to_dict(), "account": account} for line in ledger.history(first, second)]


def check_lines(ledger: Ledger, rows: list[Row]) -> None:
    """The rows are the lines of every account in their order, and no others."""
    by_cell: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_cell[row["token"], row["account"]].append({**row, **{name: int(row[name]) for name in AMOUNTS}})
    for cell, found in by_cell.items():
        assert found == history_of(ledger, *cell), cell
    for token in ledger.tokens():
        assert {(token.code, account) for account in ledger.balances(token)} <= by_cell.keys()


def distributing() -> Ledger:
    """A ledger with distributions among many holders, with movements of nobody's money before and behind."""
    ledger = Ledger.open("memory:")
    ledger.register_token(Token("TEA", 12, role="settlement"))
    ledger.register_token(Token("APP", 12, role="app", curve=FixedPriceCurve(T), owner="owner"))
    for number in range(HOLDERS):
        with ledger.atomic() as tx:
            tx.mint("TEA", f"holder{number}", (90 + number) * T)
            tx.app("APP").buy(f"holder{number}", (3 + number) * T)
    for number in range(3):
        with ledger.atomic() as tx:
            tx.app("APP").pay(f"holder{number}", 40 * T)
            tx.register_contract(f"pool{number}").balance_up(5)
            tx.app("APP").distribute_income()
            tx.app("APP").distribute_dividend()
    return ledger


class LineCases:
    """The cases."""

    def test_they_are_the_lines_of_history(self, varied: VariedBook, place: Place, chunks_of_7: None) -> None:
        varied.ledger.rebuild("lines", place.into)
        check_lines(varied.ledger, rows_in(place))

    def test_of_distributions_that_are_cut_anywhere(
        self, place: Place, chunks_of_7: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each run is stopped at its second write, so the next goes on behind a chunk wherever that ended."""
        with open_sink(place.into) as sink:
            kind = type(sink)
        write, runs = kind.write, 0

        def once(*arguments: Any) -> None:
            if next(written):
                raise KeyboardInterrupt
            write(*arguments)

        monkeypatch.setattr(kind, "write", once)
        with distributing() as ledger:
            position = None
            while position is None:
                written, runs = count(), runs + 1
                with suppress(KeyboardInterrupt):
                    position = ledger.rebuild("lines", place.into).position
            rows = rows_in(place)
            assert sum(row["kind"] == "distribution" for row in rows) > 3 * HOLDERS
            assert runs > len(rows) / 7
            check_lines(ledger, rows)
            assert ledger.check_rebuilt("lines", place.into)[0].version == 1

    @pytest.mark.parametrize("column", AMOUNTS)
    @pytest.mark.parametrize("line", ["first", "last"])
    def test_lines_that_are_wrong_are_found_by_the_sums(
        self, growing: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch, column: str, line: str
    ) -> None:
        """Also those that were written and read back as they were made, which the sums alone can find."""
        growing.mint("USD", "bob", 2**100)
        growing.reserve("USD", "bob", "court", 7)
        growing.rebuild("lines", place.into)
        before = rows_in(place)
        growing.transfer("USD", "bob", "alice", 2**90)
        take = LineChanger.take

        def wrong(self: LineChanger, *arguments: Any) -> LineChanges:
            changes = take(self, *arguments)
            values = changes.amounts[AMOUNTS.index(column)].to_pylist()
            at = 0 if line == "first" else len(values) - 1
            values[at] = str(int(values[at]) + 1)
            spoilt = list(changes.amounts)
            spoilt[AMOUNTS.index(column)] = pa.array(values)
            return changes._replace(amounts=spoilt)

        is_seen = "change" in column or line == "last"  # a balance on the way is held against nothing but its digest
        with monkeypatch.context() as patch:
            patch.setattr(LineChanger, "take", wrong)
            if is_seen:
                with pytest.raises(RebuildDiffers, match=r"lines sum to|last line has") as raised:
                    growing.rebuild("lines", place.into)
                assert raised.value.table == "lines"
                assert rows_in(place) == before
        growing.rebuild("lines", place.into)
        check_lines(growing, rows_in(place))


def rows_in(place: Place) -> list[Row]:
    """The lines in use there."""
    (rows,) = place.rows("lines", columns=", ".join(LINE_COLUMNS))
    found = [dict(zip(LINE_COLUMNS, row, strict=True)) for row in rows]
    for row in found:
        for name, kind in LINE_COLUMNS.items():
            if kind == "time" and isinstance(row[name], str):
                row[name] = datetime.fromisoformat(row[name])
    return found
