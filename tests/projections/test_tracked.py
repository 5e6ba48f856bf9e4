"""Projections that know which of their rows changed: what they say of it makes a table that which it should be."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tallystick import Balances, Fragments, Holds, Ledger, Token
from tallystick.projections import tracked
from tallystick.projections.projection import digest
from tallystick.projections.tracked import TrackedBalances, TrackedFragments, TrackedHolds
from tests.support.books.varied_book import VariedBook

KINDS = [(TrackedBalances, Balances), (TrackedFragments, Fragments), (TrackedHolds, Holds)]


class Kept:
    """A table by its key, changed by what a projection says, and so far it says the projection stands at `position`."""

    def __init__(self, projection: Any) -> None:
        self.projection = projection
        self.position = 0
        self.rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def follow(self, ledger: Ledger) -> int:
        """Goes on to where the ledger ends; how many rows were told of."""
        ledger.replay(self.projection, after=self.position)
        self.position = ledger.status().head.position
        (table,) = self.projection.tables()
        places = [list(table.columns).index(name) for name in table.key]
        (changes,) = self.projection.changes()
        for key in changes.gone:
            self.rows.pop(tuple(key), None)
        told = [tuple(row) for row in changes.rows]
        self.rows |= {tuple(row[place] for place in places): row for row in told}
        assert sorted(self.rows.values(), key=repr) == sorted(map(tuple, table.rows), key=repr)
        return len(told)


@pytest.mark.parametrize("few_rows", [0, 4096])
@pytest.mark.parametrize(("kind", "plain"), KINDS)
def test_what_changed_makes_the_table(
    kind: Any, plain: Any, few_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked, "_FEW_ROWS", few_rows)
    book, chance = VariedBook(tmp_path / "books.db", 3), Random(4)
    kept = Kept(kind())
    for _ in book.play(250):
        if chance.random() < 0.3:
            kept.follow(book.ledger)
    kept.follow(book.ledger)
    assert digest(kept.projection) == digest(book.ledger.replay(plain()))
    book.ledger.close()


def test_little_is_told_where_little_changed() -> None:
    names = [f"a{number}" for number in range(1000)]
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint_many("USD", names, [10] * 1000)
        kept = Kept(TrackedBalances())
        assert kept.follow(ledger) == 1000
        ledger.transfer_many("USD", ["a1", "a2"], ["a2", "a3"], [1, 1])
        ledger.transfer("USD", "a9", "b", 1)
        assert kept.follow(ledger) == 5
        assert kept.follow(ledger) == 0
